# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from subprocess_utils import hide_modules, run_code

from hf_attention._extras import EXTRAS


@pytest.mark.parametrize(
    "absent, imports, extra",
    [
        ("babel", "from hf_attention.hub import write_dates_dataset", "training"),
        ("matplotlib", "from hf_attention.interpret import plot_alignment", "training"),
        ("datasets", "from hf_attention.metrics import Bleu", "training"),
        ("datasets", "import hf_attention.data", "training"),
        ("accelerate", "import hf_attention.training", "training"),
        ("onnx", "from hf_attention.hub import export_onnx", "onnx"),
        ("gradio", "from hf_attention.interpret import launch_app", "app"),
        ("rich", "from hf_attention.interpret import render_alignment", "demo"),
    ],
)
def test_what_is_missing_is_named_with_its_extra(absent, imports, extra):
    code = f"""
try:
    {imports}
except ImportError as error:
    print(error)
"""
    expected = f"needs {absent}, which is not installed: pip install 'hf_attention[{extra}]'."
    assert run_code(hide_modules([absent]) + code).endswith(expected)


def test_publishing_a_model_needs_no_babel():
    run_code(hide_modules(["babel"]) + "from hf_attention.hub import publish_model")


def test_another_missing_module_keeps_its_own_error():
    code = """
try:
    from hf_attention.hub import write_dates_dataset
except ModuleNotFoundError as error:
    print(error)
"""
    assert run_code(hide_modules(["babel.dates"]) + code) == "No module named 'babel.dates'"


def test_every_package_of_an_extra_is_known():
    project = tomllib.loads(Path(__file__, "../../pyproject.toml").resolve().read_text("utf-8"))["project"]
    modules = {}
    for module, names in packages_distributions().items():
        for name in names:
            modules.setdefault(canonicalize_name(name), set()).add(module)
    for extra, known in EXTRAS.items():
        tops = {name.partition(".")[0] for name in known}
        named = {canonicalize_name(Requirement(line).name) for line in project["optional-dependencies"][extra]}
        assert not [name for name in named - {"hf-attention"} if not modules[name] & tops]
