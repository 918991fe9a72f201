# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import doctest
import importlib
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
WITH_EXAMPLES = [path for path in sorted(ROOT.glob("hf_attention/**/*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_of_the_docstrings_run(path):
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
