# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Code in a process of its own, with packages as if they were not installed."""

import subprocess
import sys
from collections.abc import Iterable


def run(code: str) -> str:
    """The output of code in a fresh process."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def without(names: Iterable[str]) -> str:
    """Code, to come first, after which these modules are not found."""
    return f"""
from importlib.machinery import PathFinder
find, absent = PathFinder.find_spec, {sorted(names)}
PathFinder.find_spec = lambda name, *rest: None if name in absent else find(name, *rest)
"""
