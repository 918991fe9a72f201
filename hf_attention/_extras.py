# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Optional dependencies: which extra installs them, and packages whose modules are imported when first used."""

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec


EXTRAS = {
    "training": (
        "accelerate",
        "babel",
        "captum",
        "datasets",
        "evaluate",
        "google.protobuf",
        "jinja2",
        "kornia",
        "matplotlib",
        "PIL",
        "rapidfuzz",
        "sacrebleu",
        "sentencepiece",
        "sklearn",
        "yaml",
    ),
    "demo": ("rich",),
    "app": ("gradio",),
    "heic": ("pillow_heif",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
}


def missing_extra(package: str, name: str | None) -> ImportError | None:
    """The error to raise where `package` lacks the module `name`, if one of the extras installs it."""
    for extra, names in EXTRAS.items():
        # `google` holds more packages than protobuf, so it may be missing or not
        if name in names or (name == "google" and "google.protobuf" in names):
            return ImportError(
                f"{package} needs {name}, which is not installed: pip install 'hf_attention[{extra}]'.", name=name
            )
    return None


def require(package: str, *names: str) -> None:
    """Raises `ImportError` with the command that installs it if one of the modules `names` is missing."""
    for name in names:
        if find_spec(name) is None and (error := missing_extra(package, name)):
            raise error


def lazy_getattr(package: str, exports: dict[str, list[str]]) -> Callable[[str], object]:
    """
    The `__getattr__` (PEP 562) of a package whose modules need different extras.

    Args:
        package (`str`): its name.
        exports (`dict[str, list[str]]`): module name to the names that the package exports from it.

    Returns:
        a function that imports a name's module when the name is first used, and raises `ImportError` with the command
        that installs what the module needs.
    """
    modules = {name: module for module, names in exports.items() for name in names}

    def __getattr__(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        except ModuleNotFoundError as error:
            raise missing_extra(f"{package}.{name}", error.name) or error from error
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__
