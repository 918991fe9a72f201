# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Imports between the folders run one way: see the plan in CONTRIBUTING.md."""

import ast
from pathlib import Path

import pytest


PACKAGE = Path(__file__).parents[1] / "hf_attention"
# folder -> what it may import of the package
ALLOWED: dict[str, set[str]] = {"models": set()}
ALLOWED |= {name: {"models", "data", "metrics", "interpret"} for name in ("data", "metrics", "interpret")}
ALLOWED["faithfulness"] = set(ALLOWED["interpret"])
ALLOWED["hub"] = {*ALLOWED["faithfulness"], "faithfulness"}
ALLOWED["prediction"] = {*ALLOWED["hub"], "hub"}
ALLOWED["training"] = {*ALLOWED["prediction"], "prediction"}


def imported_folders(path: Path) -> set[str]:
    """The folders of the package that a module imports by relative names, other than its own."""
    parts = path.relative_to(PACKAGE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == len(parts) + 1 and node.module:
            found.add(node.module.split(".")[0])
    return {name for name in found if (PACKAGE / name).is_dir()} - {parts[0]}


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_run_one_way(folder):
    modules = list((PACKAGE / folder).rglob("*.py"))
    assert modules
    against = {str(path.relative_to(PACKAGE)): imported_folders(path) - ALLOWED[folder] for path in modules}
    assert {path: names for path, names in against.items() if names} == {}


def test_every_folder_has_its_place():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ALLOWED)
