# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Checks of a model's folder before it is published: whose code it holds, and that it loads without the plugin."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import CONFIG_NAME

from . import smoke_test
from .folder import ONNX_TRANSLATOR, load_json, read_model_type


PACKAGE = Path(__file__).parents[1]
PACKAGE_CODE = ("models/*/*.py", "interpret/*.py", f"hub/{ONNX_TRANSLATOR}")  # what a model's folder may hold
CONFIGS_NAMING_CODE = (CONFIG_NAME, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
TOKEN_VARIABLES = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HUB_CACHE",
    "HF_STORED_TOKENS_PATH",
)
CONTENT_NEEDED = "A folder to share holds model, code, and tokenizer or image processor."


def check_code(folder: str | Path, trust_remote_code: bool) -> None:
    """Raises `ValueError` if a folder holds or names code that differs from the plugin's, unless it is trusted."""
    known = {file.name: file for pattern in PACKAGE_CODE for file in PACKAGE.glob(pattern)}
    foreign = {
        file.name
        for pattern in ("*.py", "onnx/*.py")
        for file in Path(folder).glob(pattern)
        if file.is_file() and (file.name not in known or read_code(known[file.name]) != read_code(file))
    }
    for name in CONFIGS_NAMING_CODE:  # `other/repository--module.Class` is code of another repository, or folder
        text = json.dumps(load_json(Path(folder, name)).get("auto_map", {}))
        foreign |= set(re.findall(r'"([^"]*--[^"]*)"', text))
    if foreign and not trust_remote_code:
        raise ValueError(
            f"{folder} contains code that differs from the installed plugin: {', '.join(sorted(foreign))}. Review it, "
            "then pass `trust_remote_code`, or save the model again to replace it."
        )


def read_code(file: Path) -> list[bytes]:
    """
    Returns the lines of a file without the comments at its top: a license header says nothing about the code.

    An encoding declared there can turn later comments into code, so those files are returned in full.
    """
    lines = file.read_bytes().splitlines()
    code = list(itertools.dropwhile(lambda line: line.startswith(b"#") or not line.strip(), lines))
    header = lines[: len(lines) - len(code)]
    return lines if any(b"coding" in line for line in header) else code


def check_loads(folder: str | Path, files: list[str], trust_remote_code: bool) -> None:
    """
    Raises `ValueError` if the `files` of a folder cannot be loaded in a process without the plugin, or give other
    outputs there than in this process.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:  # Windows keeps mapped files
        for path in files:
            Path(scratch, "model", path).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(Path(folder, path), Path(scratch, "model", path))
        shared, output = os.path.join(scratch, "model"), os.path.join(scratch, "outputs.safetensors")
        command = [sys.executable, smoke_test.__file__, shared, output]
        if trust_remote_code or any(path.endswith(".py") for path in files):
            command.append("--trust_remote_code")
        environment = {name: value for name, value in os.environ.items() if name not in TOKEN_VARIABLES}
        environment |= {"HF_HOME": scratch, "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
        run = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, cwd=scratch)
        if run.returncode:
            # the exception, which may span several lines, without the traceback
            reason = re.split(r"\n(?=\w[\w.]*(?:Error|Exception)\b)", run.stderr.strip())[-1]
            raise ValueError(f"{folder} does not load in a process without the plugin: {reason}\n({CONTENT_NEEDED})")
        expected = load(Path(output).read_bytes())
        if read_model_type(folder) not in CONFIG_MAPPING:
            return  # there is no other code to compare with
        try:
            outputs = smoke_test.compute_outputs(shared)
        except Exception as error:  # model, tokenizer and image processor raise what they like
            raise ValueError(f"{folder} does not load: {error} ({CONTENT_NEEDED})") from error
    for name, value in outputs.items():
        other = expected[name]
        if value.shape != other.shape or not torch.allclose(value.float(), other.float(), atol=1e-4):
            raise ValueError(f"{folder} gives other {name} in a process without the plugin. Save the model again.")


def link_or_copy(file: Path, target: Path) -> None:
    try:
        os.symlink(os.path.abspath(file), target)
    except OSError:  # on Windows, links need a privilege
        shutil.copy(file, target)
