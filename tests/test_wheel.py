# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import ast
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder of an unpacked wheel, built from a copy, so that nothing is left in the checkout."""
    if find_spec("setuptools") is None:
        pytest.skip("setuptools, which builds the wheel, is not installed")
    copy, output = tmp_path_factory.mktemp("wheel") / "source", tmp_path_factory.mktemp("wheel")
    copy.mkdir()
    for name in ("hf_attention", "scripts"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    run = subprocess.run([*command, "--wheel-dir", str(output), str(copy)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (file,) = output.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(output / "unpacked")
    return output / "unpacked"


def names(folder, pattern):
    return {str(file.relative_to(folder)) for file in folder.rglob(pattern) if "__pycache__" not in file.parts}


def test_the_wheel_holds_every_module(wheel):
    expected = names(ROOT / "hf_attention", "*.py")
    expected |= {f"scripts/{file.name}" for file in (ROOT / "scripts").glob("*.py")}
    assert names(wheel / "hf_attention", "*.py") == expected


def test_the_wheel_holds_recipes_and_templates(wheel):
    assert names(wheel / "hf_attention" / "scripts", "*.yaml") == names(ROOT / "scripts", "*.yaml")
    templates = Path("hf_attention", "hub", "templates")
    assert names(wheel / templates, "*.md") == names(ROOT / templates, "*.md")


def test_every_script_has_a_command_that_calls_its_main(wheel):
    (file,) = wheel.glob("*.dist-info/entry_points.txt")
    entry_points = ConfigParser()
    entry_points.read(file)
    commands = dict(entry_points["console_scripts"])
    others = {"__init__", "update_model_cards"}  # the latter needs the checkout
    scripts = {script.stem for script in (ROOT / "scripts").glob("*.py")} - others
    assert set(commands.values()) == {f"hf_attention.scripts.{script}:main" for script in scripts}
    for script in scripts:
        assert "\ndef main(" in (wheel / "hf_attention" / "scripts" / f"{script}.py").read_text("utf-8")


def test_a_packaged_recipe_is_found_by_name(wheel, tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); sys.argv[1:] = ['nothing']\n"
        "import hf_attention.scripts.train_translation as script\n"
        f"assert script.__file__.startswith({str(wheel)!r}), script.__file__\n"
        "script.main()"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 1
    assert "train_translation.py: 'nothing' is not a YAML or JSON file, nor one of the recipes char" in run.stderr


def test_the_scripts_are_a_package(wheel):
    """With `__init__.py`, which the import finder of an editable install needs."""
    assert (wheel / "hf_attention" / "scripts" / "__init__.py").is_file()


def test_benchmarks_import_scripts_from_the_package():
    """Their own folder is on the path where they run, not that of the scripts."""
    scripts = {file.stem for file in (ROOT / "scripts").glob("*.py")}
    for file in (ROOT / "scripts" / "benchmarks").glob("*.py"):
        imports = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
        assert not scripts & {node.module for node in imports}, file
