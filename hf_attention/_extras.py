# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Which extra brings a module that `pip install hf_attention` does not."""

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
        "sacrebleu",
        "sentencepiece",
        "sklearn",
        "yaml",
    ),
    "demo": ("rich",),
    "app": ("gradio",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
}


def name_extra(module: str, error: ModuleNotFoundError):
    """Raises `ImportError` with the remedy where what `module` did not find comes with an extra; else nothing."""
    for extra, names in EXTRAS.items():
        # `google` has other packages beside protobuf, and may be there or not
        if error.name in names or (error.name == "google" and "google.protobuf" in names):
            raise ImportError(
                f"{module} needs {error.name}, which is not installed: pip install 'hf_attention[{extra}]'.",
                name=error.name,
            ) from error
