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
"""What a model's folder holds: whether its weights are whole, and what of it is shared."""

import fnmatch
import re
from pathlib import Path

from huggingface_hub import HfApi, get_token
from safetensors import SafetensorError, safe_open
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_NAME


# checkpoints, optimizer states and pickles stay at home, and so does what nobody named here
SHARED = (
    CONFIG_NAME,
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "*.py",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "*.spm",
    "chat_template*",
    "preprocessor_config.json",
    "processor_config.json",
    "target_tokenizer/*.json",
    "README.md",
    "assets/*.png",
    ".eval_results/*.yaml",
    "training_args.json",
    "all_results.json",
    "onnx/*.onnx",
    "onnx/*.json",
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.h5", "*.msgpack")
NO_WEIGHTS = ("training_args.bin", "optimizer.*", "scheduler.*", "rng_state*", "scaler.*")
REMEDY = (
    "Where you trust its origin, convert it: load it with transformers' `from_pretrained(..., use_safetensors=False)` "
    f"and `save_pretrained` it, which writes {SAFE_WEIGHTS_NAME}."
)
TEXT = (".json", ".md", ".py", ".yaml", ".txt")
SECRET = re.compile(r"\bhf_[A-Za-z0-9]{20,}\b")


def check_weights(folder: str):
    """Raises `ValueError` where a folder has no safetensors, or a file of them is cut short."""
    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        pickles = [file.name for file in find_pickles(folder)]
        if pickles:
            raise ValueError(
                f"{folder} holds weights as a pickle ({', '.join(pickles)}), which can run code when loaded. {REMEDY}"
            )
        raise ValueError(f"{folder} holds no weights ({SAFE_WEIGHTS_NAME}).")
    for file in files:
        try:
            with safe_open(file, framework="pt") as weights:
                for name in weights.keys():
                    weights.get_slice(name).get_shape()
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{file} is cut short or damaged ({error}). Remove {folder} and go on from an earlier checkpoint."
            ) from error


def find_pickles(folder: str) -> list[Path]:
    """Files of a folder that hold weights in a form other than safetensors."""
    files = [file for pattern in PICKLES for file in sorted(Path(folder).glob(pattern))]
    return [file for file in files if not any(fnmatch.fnmatch(file.name, pattern) for pattern in NO_WEIGHTS)]


def list_shared(folder: str) -> list[str]:
    """Paths in a model's folder, relative to it, that go to the Hub."""
    found = {file for pattern in SHARED for file in Path(folder).glob(pattern) if file.is_file()}
    return sorted(file.relative_to(folder).as_posix() for file in found)


def check_secrets(folder: str, paths: list[str], api: HfApi):
    """Raises `ValueError` where a text to be shared holds an access token of the Hub, such as the one in use."""
    token = api.token if isinstance(api.token, str) else get_token()
    for path in paths:
        if Path(path).suffix not in TEXT:
            continue
        text = Path(folder, path).read_text("utf-8", errors="replace")
        if SECRET.search(text) or (token and token in text):
            raise ValueError(
                f"{Path(folder, path)} holds an access token, and would be public. Remove it, and revoke it if it was "
                "shared before."
            )
