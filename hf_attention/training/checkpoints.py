# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Checkpoints: which are complete, which can be resumed from, and which are removed."""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import logging

from ..hub.folder import check_weights, write_text


logger = logging.get_logger(__name__)

# written last, with the size and the digest of every other file, instead of `UNFINISHED`
FILE_LIST = "checkpoint_files.json"
UNFINISHED = '"unfinished"'
# what training needs to resume, as the Trainer, FSDP or DeepSpeed name it
NEEDED = {
    "weights": (
        "model.safetensors",
        "model-*.safetensors",
        "pytorch_model*.bin",
        "pytorch_model_fsdp*",
        "global_step*",
    ),
    "optimizer": ("optimizer.pt", "optimizer.bin", "optimizer_*", "global_step*"),
    "scheduler": ("scheduler.pt", "global_step*"),
    "state of the random number generators": ("rng_state.pth", "rng_state_*.pth"),
}
PICKLES = (".pt", ".pth", ".bin")


def numbered_checkpoints(folder: Path) -> list[Path]:
    """Returns the Trainer's checkpoints in a folder, by step. Those of another name are the user's."""
    folders = [path for path in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*") if path.is_dir()]
    return sorted((path for path in folders if path.name.rsplit("-", 1)[1].isdecimal()), key=step_of_name)


def step_of_name(checkpoint: Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1])


def read_state(checkpoint: str | Path) -> TrainerState:
    """Returns the Trainer's state. Raises `ValueError` if it is missing or damaged."""
    file = Path(checkpoint, TRAINER_STATE_NAME)
    if not file.is_file():
        raise ValueError(f"{checkpoint} is not a complete checkpoint: it has no {file.name}.")
    try:
        state = TrainerState.load_from_json(str(file))
        if not isinstance(state.global_step, int):
            raise TypeError
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{checkpoint} is not a complete checkpoint: invalid {file.name}.") from error
    return state


def begin_checkpoint(checkpoint: Path) -> None:
    """Makes an empty folder for a checkpoint, which counts as incomplete until [`write_file_list`]."""
    remove_checkpoint(checkpoint)
    write_text(checkpoint / FILE_LIST, UNFINISHED)


def write_file_list(checkpoint: Path) -> None:
    """Completes a checkpoint: writes the list of its files, when all of them are on the disk."""
    files = {}
    for file in sorted(file for file in checkpoint.rglob("*") if file.is_file() and file.name != FILE_LIST):
        with open(file, "rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            os.fsync(content.fileno())
        files[file.relative_to(checkpoint).as_posix()] = {"size": file.stat().st_size, "sha256": digest}
    write_text(checkpoint / FILE_LIST, json.dumps(files, indent=1))
    with open(checkpoint / FILE_LIST, "rb") as content:
        os.fsync(content.fileno())


def check_checkpoint(folder: Path) -> None:
    """
    Raises `ValueError` if training cannot resume from a folder, with the name of the file that is missing or damaged.
    """
    check_files(folder)
    read_state(folder)
    for kind, patterns in NEEDED.items():
        files = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file() == ("." in pattern)]
        if not any(path.is_dir() or path.stat().st_size for path in files):
            raise ValueError(f"{folder} is not a complete checkpoint: it has no {patterns[0]} ({kind}).")


def check_files(folder: Path) -> None:
    """
    Raises `ValueError` if a file of a checkpoint is missing or damaged. If the checkpoint has no list of them, as one
    of a plain `Trainer`, they are read.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder.")
    if (folder / FILE_LIST).exists():
        check_listed_files(folder)
        return
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        check_readable(folder, file)
    if not any(folder.glob("pytorch_model_fsdp*")):
        check_weights(str(folder))


def last_complete(folder: Path) -> str | None:
    """Returns the last checkpoint in a folder that training can resume from, and warns of later ones."""
    for checkpoint in reversed(numbered_checkpoints(folder)):
        try:
            check_checkpoint(checkpoint)
            return str(checkpoint)
        except ValueError as error:
            logger.warning(f"Skipping a checkpoint: {error}")
    return None


def check_listed_files(folder: Path) -> None:
    """Raises `ValueError` if a file of the checkpoint is not as it was saved."""
    if is_unfinished(folder):
        raise ValueError(f"{folder} is not a complete checkpoint: the run ended while it was saved.")
    try:
        listed = read_json(folder / FILE_LIST)
        files = {str(name): (int(item["size"]), item["sha256"]) for name, item in listed.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{folder} is not a complete checkpoint: {FILE_LIST} is damaged.") from error
    for name, (size, digest) in files.items():
        file = folder / name
        if not file.is_file():
            raise ValueError(f"{folder} is not a complete checkpoint: {name} is missing.")
        if file.stat().st_size != size:
            raise ValueError(
                f"{folder} is not a complete checkpoint: {name} has {file.stat().st_size} bytes instead of {size}."
            )
        with open(file, "rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != digest:
                raise ValueError(f"{folder} is not a complete checkpoint: {name} is damaged (its SHA-256 differs).")


def is_unfinished(checkpoint: Path) -> bool:
    file = checkpoint / FILE_LIST
    return file.is_file() and file.read_bytes() == UNFINISHED.encode()


def check_readable(folder: Path, file: Path) -> None:
    """Raises `ValueError` if a file of a checkpoint without a list of its files is damaged, as far as can be seen."""
    problem = None
    if file.suffix == ".json":
        try:
            read_json(file)
        except (OSError, ValueError):
            problem = "is not valid JSON"
    elif file.suffix in PICKLES:
        try:
            with zipfile.ZipFile(file) as archive:  # which is what torch saves, with a checksum of each part
                problem = "is damaged" if archive.testzip() else None
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            problem = "is truncated or damaged"
    if problem:
        raise ValueError(f"{folder} is not a complete checkpoint: {file.relative_to(folder)} {problem}.")


def read_json(file: Path):
    return json.loads(file.read_text("utf-8"))


def remove_checkpoint(checkpoint: Path) -> None:
    """Removes a checkpoint. A run that is killed meanwhile leaves nothing that looks like one."""
    for removed in checkpoint.parent.glob(f".removed-{PREFIX_CHECKPOINT_DIR}-*"):
        shutil.rmtree(removed, ignore_errors=True)
    if checkpoint.is_dir():
        removed = checkpoint.rename(checkpoint.with_name(f".removed-{checkpoint.name}"))
        shutil.rmtree(removed, ignore_errors=True)


def remove_oldest(folder: Path, limit: int | None, kept: set[str]) -> None:
    """
    Removes checkpoints until `limit` are left, unfinished ones first, then the oldest. Those in `kept` (names) stay.
    """
    if not limit or limit < 1:
        return

    def age(checkpoint: Path) -> tuple[bool, int, int]:
        return not is_unfinished(checkpoint), checkpoint.stat().st_mtime_ns, step_of_name(checkpoint)

    checkpoints = numbered_checkpoints(folder)
    removable = sorted((path for path in checkpoints if path.name not in kept), key=age)
    for checkpoint in removable[: max(0, len(checkpoints) - limit)]:
        remove_checkpoint(checkpoint)


__all__ = [
    "begin_checkpoint",
    "check_checkpoint",
    "check_files",
    "is_unfinished",
    "last_complete",
    "numbered_checkpoints",
    "read_state",
    "remove_checkpoint",
    "remove_oldest",
    "step_of_name",
    "write_file_list",
]
