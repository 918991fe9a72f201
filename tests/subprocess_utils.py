# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Runs code in a subprocess, with packages hidden as if they were not installed."""

import subprocess
import sys
from collections.abc import Iterable


def run_code(code: str) -> str:
    """Returns what the code prints in a new Python process, which must succeed."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def hide_modules(names: Iterable[str]) -> str:
    """Returns code, to be run first, after which these modules cannot be imported."""
    return f"""
from importlib.machinery import PathFinder
find, absent = PathFinder.find_spec, {sorted(names)}
PathFinder.find_spec = lambda name, *rest: None if name in absent else find(name, *rest)
"""
