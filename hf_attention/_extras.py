# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
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
