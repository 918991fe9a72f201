# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What a model's folder holds: whether its weights are whole, and what of it is shared."""

import fnmatch
import hashlib
import json
import os
import re
from pathlib import Path

from huggingface_hub import HfApi, get_token
from safetensors import SafetensorError, safe_open
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, logging


logger = logging.get_logger(__name__)

TRAINING_ARGS = "training_args.json"
PUBLISHED = ".published"  # the folder's card as it was when it was uploaded last, by repository
WEIGHTS_DIGEST = "weights.sha256"  # beside an export: of which weights it is


# checkpoints, optimizer states and pickles stay at home, and so does what nobody named here
SHARED = (
    CONFIG_NAME,
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "*.py",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "normalizer.json",
    "*vocab*.json",
    "*vocab*.txt",
    "merges.txt",
    "bpe.codes",
    "dict.txt",
    "*.model",
    "*.spm",
    "*.tiktoken",
    "chat_template*",
    "preprocessor_config.json",
    "processor_config.json",
    "target_tokenizer/*",
    "README.md",
    "assets/*",
    ".eval_results/*.yaml",
    TRAINING_ARGS,
    "all_results.json",
    "onnx/*.onnx",
    "onnx/*.json",
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.h5", "*.msgpack")
NO_WEIGHTS = ("training_args.bin", "optimizer.*", "scheduler.*", "rng_state*", "scaler.*")
BINARY = (".safetensors", ".onnx", ".parquet", ".png", ".jpg")
SECRET = re.compile(rb"\bhf_[A-Za-z0-9]{20,}\b")


def check_weights(folder: str):
    """Raises `ValueError` where a folder has no safetensors, or a file of them is missing or cut short."""
    if not os.path.isdir(folder):
        raise ValueError(f"{folder} is not a folder.")
    files = sorted(Path(folder).glob("model*.safetensors"))
    if not files:
        if pickles := [file.name for file in find_pickles(folder)]:
            raise refuse_pickles(folder, pickles)
        raise ValueError(f"{folder} holds no weights ({SAFE_WEIGHTS_NAME}).")
    index = Path(folder, SAFE_WEIGHTS_INDEX_NAME)
    if index.is_file() and not Path(folder, SAFE_WEIGHTS_NAME).is_file():
        parts = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        if missing := sorted(parts - {file.name for file in files}):
            raise ValueError(f"{folder} lacks a part of its weights: {', '.join(missing)}.")
    for file in files:
        try:
            with safe_open(file, framework="pt") as weights:
                for name in weights.keys():
                    weights.get_slice(name).get_shape()
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{file} is cut short or damaged ({error}). Remove {folder} and go on from an earlier checkpoint."
            ) from error


def refuse_pickles(name: str, files: list[str]) -> ValueError:
    """The error for a folder, or a repository, whose weights are pickles alone."""
    return ValueError(
        f"{name} holds weights as a pickle ({', '.join(files)}), which can run code when loaded. Where you trust its "
        "origin, convert it: load it with transformers' `from_pretrained(..., use_safetensors=False)` and "
        f"`save_pretrained` it, which writes {SAFE_WEIGHTS_NAME}."
    )


def find_pickles(folder: str) -> list[Path]:
    """Files of a folder that hold weights in a form other than safetensors."""
    files = [file for pattern in PICKLES for file in sorted(Path(folder).glob(pattern))]
    return [file for file in files if not any(fnmatch.fnmatch(file.name, pattern) for pattern in NO_WEIGHTS)]


def list_shared(folder: str) -> tuple[list[str], list[str]]:
    """What of a model's folder goes to the Hub, as paths relative to it, and what does not, whole folders by name."""
    found = {file for pattern in SHARED for file in Path(folder).glob(pattern) if file.is_file()}
    shared = {file.relative_to(folder).as_posix() for file in found}
    if Path(folder, "onnx").is_dir() and read_text(Path(folder, "onnx", WEIGHTS_DIGEST)) != digest_weights(folder):
        logger.warning(f"{Path(folder, 'onnx')} is left out: it is not of these weights. Export it again.")
        shared = {path for path in shared if not path.startswith("onnx/")}
    with_some = {path.split("/")[0] for path in shared if "/" in path}
    left_out = set()
    for path in Path(folder).iterdir():
        if path.is_dir() and path.name in with_some:
            left_out |= {file.relative_to(folder).as_posix() for file in path.rglob("*") if file.is_file()} - shared
        elif path.name not in shared:
            left_out.add(path.name)
    return sorted(shared), sorted(left_out)


def digest_weights(folder: str) -> str:
    """Tells the weights of a folder from others."""
    total = hashlib.sha256()
    for file in sorted(Path(folder).glob("model*.safetensors")):
        with open(file, "rb") as weights:
            total.update(hashlib.file_digest(weights, "sha256").digest())
    return total.hexdigest()


def check_secrets(folder: str, paths: list[str], api: HfApi):
    """Raises `ValueError` where a file to be shared holds an access token of the Hub, such as the one in use."""
    token = api.token if isinstance(api.token, str) else get_token()
    for path in paths:
        if Path(path).suffix in BINARY:
            continue
        data = Path(folder, path).read_bytes()
        if SECRET.search(data) or (token and token.encode() in data):
            raise ValueError(
                f"{Path(folder, path)} holds an access token, and would be public. Remove it, and revoke it if it was "
                "shared before."
            )


def check_made_here(folder: str, names: set[str]):
    """Raises `ValueError` where a folder to be made holds other things than what is made there."""
    if os.path.isfile(folder):
        raise ValueError(f"{folder} is a file. Name a folder.")
    if os.path.isdir(folder) and (others := sorted(set(os.listdir(folder)) - names - {PUBLISHED})):
        raise ValueError(f"{folder} holds other things ({', '.join(others[:3])}). Name a new folder, or an empty one.")


def read_text(path: Path) -> str | None:
    """A text, or `None` where there is no file. Raises `ValueError` for another encoding than UTF-8."""
    try:
        return path.read_text("utf-8") if path.is_file() else None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not in UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8."
        ) from error


def write_text(path: Path, text: str):
    """Writes beside, then moves into place: a disk that is full leaves what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.saving")
    try:
        scratch.write_text(text, "utf-8")
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
