# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The files of a model's folder: which are uploaded, and whether the weights are complete."""

import fnmatch
import hashlib
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING,
)
from transformers.utils import (
    CONFIG_NAME,
    SAFE_WEIGHTS_NAME,
    is_accelerate_available,
    logging,
)

from ..faithfulness.result import RESULT_FILE
from ..interpret.model_loading import check_json_files, is_finite, load_config, load_model, shorten


logger = logging.get_logger(__name__)

TRAINING_ARGS = "training_args.json"
PUBLISHED = ".published"  # the folder's card as of the last upload, by repository
TARGET_TOKENIZER = "target_tokenizer"  # where the target language has a vocabulary of its own
WEIGHTS_DIGEST = "weights.sha256"  # next to an export: the digest of its weights
ONNX_TRANSLATOR = "onnx_translator.py"

# allow-list: nothing else is uploaded, so checkpoints, optimizer states and pickles are not
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
    f"{TARGET_TOKENIZER}/*",
    "README.md",
    "assets/*",
    ".eval_results/*.yaml",
    TRAINING_ARGS,
    "all_results.json",
    RESULT_FILE,
    "onnx/*.onnx",
    "onnx/*.json",
    f"onnx/{ONNX_TRANSLATOR}",
    f"onnx/{TARGET_TOKENIZER}/*.json",
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.h5", "*.msgpack")
NO_WEIGHTS = ("training_args.bin", "optimizer.*", "scheduler.*", "rng_state*", "scaler.*")


def check_weights(folder: str | Path) -> None:
    """
    Raises `ValueError` if a folder has no safetensors, or if they are damaged, not finite, or not exactly those that
    the model of its config needs.
    """
    if not os.path.isdir(folder):
        raise ValueError(f"{folder} is not a folder.")
    check_json_files(folder)
    files = find_weights(folder)
    if not files:
        if pickles := [file.name for file in find_pickles(folder)]:
            raise refuse_pickles(folder, pickles)
        raise ValueError(f"{folder} holds no weights ({SAFE_WEIGHTS_NAME}).")
    for file in files:
        try:
            with safe_open(file, framework="pt") as weights:
                infinite = [name for name in weights.keys() if not is_finite(weights.get_tensor(name))]
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{file} is truncated or damaged ({error}). Remove {folder} and resume from an earlier checkpoint."
            ) from error
        if infinite:
            raise ValueError(
                f"{file} holds values that are not finite (NaN or infinite) in {shorten(infinite)}. Train again "
                "with a lower learning rate, or use an earlier checkpoint."
            )
    check_complete(folder)


def check_complete(folder: str | Path) -> None:
    """Raises `ValueError` if the weights in a folder lack or exceed what the model of its config needs."""
    saved = load_json(Path(folder, CONFIG_NAME))
    # the code of another model type may be in the folder: `load_model` compares when that runs
    if saved.get("model_type") not in CONFIG_MAPPING or "quantization_config" in saved:
        return
    config = load_config(folder)
    for mapping in (
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
        MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING,
    ):
        model_class = mapping.get(type(config), None)
        if getattr(model_class, "__name__", None) in (config.architectures or []):
            with silence_loading():
                load_model(model_class, folder, device_map="meta" if is_accelerate_available() else None)


@contextmanager
def silence_loading() -> Generator[None]:
    """Hides the report and the progress bar of `from_pretrained`."""
    verbosity, has_progress_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_progress_bar:
            logging.enable_progress_bar()


def find_weights(folder: str | Path) -> list[Path]:
    return sorted(file for file in Path(folder).glob("model*.safetensors") if file.is_file())


def refuse_pickles(name: str | Path, files: list[str]) -> ValueError:
    """Returns the error for a folder or a repository whose only weights are pickles."""
    return ValueError(
        f"{name} holds weights as a pickle ({', '.join(files)}), which can run code when loaded. If you trust its "
        "origin, convert it: load it with transformers' `from_pretrained(..., use_safetensors=False)` and "
        f"`save_pretrained` it, which writes {SAFE_WEIGHTS_NAME}."
    )


def find_pickles(folder: str | Path) -> list[Path]:
    """Returns the files of a folder that hold weights in another format than safetensors."""
    files = [file for pattern in PICKLES for file in sorted(Path(folder).glob(pattern))]
    return [file for file in files if not any(fnmatch.fnmatch(file.name, pattern) for pattern in NO_WEIGHTS)]


def list_shared(folder: str | Path) -> tuple[list[str], list[str]]:
    """Returns the paths in a model's folder that are uploaded, and those that are not (top-level folders by name)."""
    shared = {
        file.relative_to(folder).as_posix()
        for pattern in SHARED
        for file in Path(folder).glob(pattern)
        if file.is_file()
    }
    onnx = Path(folder, "onnx")
    if onnx.is_dir() and read_text(onnx / WEIGHTS_DIGEST) != digest_weights(folder):
        logger.warning(f"{onnx} is skipped: it was exported from other weights. Export it again.")
        shared = {path for path in shared if not path.startswith("onnx/")}
    shared_folders = {path.split("/")[0] for path in shared if "/" in path}
    skipped = set()
    for path in Path(folder).iterdir():
        if path.is_dir() and path.name in shared_folders:
            skipped |= {file.relative_to(folder).as_posix() for file in path.rglob("*") if file.is_file()} - shared
        elif path.name not in shared:
            skipped.add(path.name)
    return sorted(shared), sorted(skipped)


def digest_weights(folder: str | Path) -> str:
    """Returns a digest of the weights in a folder."""
    total = hashlib.sha256()
    for file in find_weights(folder):
        with open(file, "rb") as weights:
            total.update(hashlib.file_digest(weights, "sha256").digest())
    return total.hexdigest()


def check_only_contains(folder: str | Path, names: set[str]) -> None:
    """Raises `ValueError` for a file, and for a folder with entries other than `names`, which are overwritten."""
    if os.path.isfile(folder):
        raise ValueError(f"{folder} is a file. Name a folder.")
    if os.path.isdir(folder) and (others := sorted(set(os.listdir(folder)) - names - {PUBLISHED})):
        raise ValueError(f"{folder} holds other files ({', '.join(others[:3])}). Name a new or an empty folder.")


def read_model_type(folder: str | Path) -> str | None:
    return load_json(Path(folder, CONFIG_NAME)).get("model_type")


def load_json(path: Path) -> dict:
    """Returns `{}` if there is no file. Raises `ValueError` for a file that does not hold a JSON object."""
    try:
        content = json.loads(read_text(path) or "{}")
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}). Save the model again.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} does not hold a JSON object. Save the model again.")
    return content


def read_text(path: Path) -> str | None:
    """Returns `None` if there is no file. Raises `ValueError` for an encoding other than UTF-8."""
    try:
        return path.read_text("utf-8") if path.is_file() else None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not in UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Saves atomically (temporary file, then rename): if the disk is full, the old file remains."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.saving")
    try:
        scratch.write_text(text, "utf-8")
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
