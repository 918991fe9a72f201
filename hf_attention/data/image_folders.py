# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Folders of images with a sub-folder per class: which files are read, and which are left out and why."""

import os
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import chain

from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, IterableDatasetDict
from datasets.data_files import SPLIT_KEYWORDS
from PIL import Image as PILImage
from transformers.utils import logging

from . import image_utils  # noqa: F401  (registers the reader of HEIC files)
from .pair_files import READERS, prefix_errors_with
from .splits import combine_splits


logger = logging.get_logger(__name__)

HIDDEN = (".", "__MACOSX")  # what their names begin with; the latter is in archives created by macOS
UNREAD = {".avif", ".heic", ".heif", ".jxl", ".svg"}  # extensions of images that PIL may not read
HEIF_REMEDY = "To read .heic and .heif files: pip install 'hf_attention[heic]'."
STREAM_SHARDS = 64  # of a streamed folder, for workers and processes
Files = dict[str, list[str]]


def image_extensions() -> set[str]:
    """The extensions of the formats that PIL reads, with those of plugins that are registered, but without HDF5."""
    formats = PILImage.registered_extensions()
    return {extension for extension, name in formats.items() if name in PILImage.OPEN} - {".h5", ".hdf"}


def load_image_folders(folders: Mapping[str, str], streaming: bool = False) -> DatasetDict | IterableDatasetDict:
    """
    Loads the images of folders with a sub-folder per class, which may be a link, as columns `image` and `label`.

    Warns of files that are not read. A streamed split is in random order, always the same, since its shuffle buffer
    would hold few of the classes.

    Args:
        folders (`Mapping[str, str]`): the folder of each split; the first has all classes.

    Raises:
        `ValueError`: for folders without classes, classes without images or with two spellings of a name, images
        outside the folder of a class, classes that the first folder does not have, and names that are not in UTF-8.
    """
    tables = {split: table for split, path in folders.items() if (table := find_metadata(path)) is not None}
    if tables:
        if without := [path for split, path in folders.items() if split not in tables]:
            raise ValueError(f"{', '.join(without)} has no metadata.csv or metadata.jsonl, as another split has.")
        return combine_splits(
            {
                split: rows.shuffle(seed=0).to_iterable_dataset() if streaming else rows
                for split, rows in ((split, load_metadata(table)) for split, table in tables.items())
            }
        )
    listed = {split: list_images(path) for split, path in folders.items()}
    first = next(iter(folders))
    names = sorted(listed[first])
    for split, files in listed.items():
        if extra := set(files) - set(names):
            raise ValueError(
                f"{folders[split]} has classes missing from {folders[first]}: {', '.join(sorted(extra))}."
            )
    features = Features({"image": Image(decode=False), "label": ClassLabel(names=names)})
    splits = {}
    for split, files in listed.items():
        rows = {
            "image": list(chain.from_iterable(files.values())),
            "label": [name for name, paths in files.items() for _ in paths],
        }
        dataset = Dataset.from_dict(rows, features=features)
        if streaming:
            dataset = dataset.shuffle(seed=0).to_iterable_dataset(num_shards=min(STREAM_SHARDS, len(dataset)))
        splits[split] = dataset
    return combine_splits(splits)


def find_folders(path: str) -> dict[str, str] | None:
    """
    Returns the folders of the splits in a folder, or the folder itself as `train` if it has the classes.

    Returns `None` if it holds something else than images in folders, such as a table or a configuration.
    """
    for _, _, files in os.walk(path, followlinks=False):
        if any(file.endswith((".parquet", ".zip", ".tar")) for file in files):
            return None
    if has_configuration(os.path.join(path, "README.md")):
        return None
    folders = visible_folders(path)
    if find_metadata(path) is not None:
        return {"train": path}
    keywords = {keyword: str(split) for split, words in SPLIT_KEYWORDS.items() for keyword in words}
    found = {keywords[name.lower()]: folder for name, folder in folders.items() if name.lower() in keywords}
    if not found:
        extensions = image_extensions() | UNREAD
        has_classes = any(
            os.path.splitext(file)[1].lower() in extensions
            for folder in folders.values()
            for file in os.listdir(folder)
        )
        return {"train": path} if has_classes else None
    if not all(visible_folders(folder) or find_metadata(folder) for folder in found.values()):
        return None
    if others := sorted(set(folders.values()) - set(found.values())):
        logger.warning(f"Skipping {', '.join(others)}: not the name of a split, {', '.join(keywords)}.")
    order = {split: place for place, split in enumerate(("train", "validation", "test"))}
    return dict(sorted(found.items(), key=lambda item: order[item[0]]))


def find_metadata(path: str) -> str | None:
    """The table that names the images of a folder, with their labels, as in `datasets`."""
    files = [file for name in ("metadata.csv", "metadata.jsonl") if os.path.isfile(file := os.path.join(path, name))]
    if len(files) > 1:
        raise ValueError(f"{path} has both metadata.csv and metadata.jsonl: remove one of them.")
    return files[0] if files else None


def load_metadata(table: str) -> Dataset:
    """Returns a table's rows, with a column `image` instead of `file_name`; warns of images that it does not name."""
    folder = os.path.dirname(table)
    rows, files = [], set()
    with prefix_errors_with([table]):
        if os.path.getsize(table) == 0:
            raise ValueError("It is empty")
        for number, row in enumerate(READERS[os.path.splitext(table)[1]](table), start=1):
            name = row.pop("file_name", None)
            if not isinstance(name, str) or not name:
                raise ValueError(f"Row {number} has no text in `file_name`; its columns are {', '.join(row)}")
            file = os.path.normpath(os.path.join(folder, name))
            if os.path.isabs(name) or os.path.relpath(file, folder).startswith(os.pardir):
                raise ValueError(f"Row {number} names {name}, which must be a relative path of a file in the folder")
            if not os.path.isfile(file):
                raise FileNotFoundError(f"{table}: row {number} names {name}, which does not exist.")
            kept = {column: value for column, value in row.items() if isinstance(value, (str, int, float, type(None)))}
            rows.append({**kept, "image": {"bytes": None, "path": file}})
            files.add(file)
        if not rows:
            raise ValueError("There are no rows")
    if len(files) < len(rows):
        logger.warning(f"{table}: {len(rows) - len(files)} rows name an image that another row names; all are used.")
    warn_of_unread_images(folder, files)
    return Dataset.from_list(rows).cast_column("image", Image(decode=False))


def warn_of_unread_images(folder: str, read: set[str]) -> None:
    """Warns of images in a folder that its table, such as a `metadata.csv`, does not name."""
    read = {os.path.realpath(file) for file in read}
    unread = [file for file in find_images(folder, image_extensions() | UNREAD) if os.path.realpath(file) not in read]
    if unread:
        logger.warning(f"{folder}: {len(unread)} images are not read, since no table names them: {shorten(unread)}.")


def has_configuration(card: str) -> bool:
    """Whether a data set's card names its files."""
    if not os.path.isfile(card):
        return False
    with open(card, encoding="utf-8", errors="replace") as lines:
        return any(line.startswith("configs:") for line in lines)


def visible_folders(path: str) -> dict[str, str]:
    """The folders in a folder, also links to folders, by name."""
    return {
        name: file
        for name in os.listdir(path)
        if os.path.isdir(file := os.path.join(path, name)) and not is_hidden(name)
    }


def is_hidden(name: str) -> bool:
    return name.startswith(HIDDEN)


def list_images(path: str) -> Files:
    """Returns the images of each class in a folder, and warns of what is left out; see [`load_image_folders`]."""
    check_name(path)
    left_out: Files = {}
    outside = []
    images: Files = {}
    folders = visible_folders(path)
    if not folders:
        raise ValueError(f"{path} has no sub-folders; put the images of each class into a folder with its name.")
    extensions = image_extensions()
    spellings: dict[str, str] = {}
    for folder in [path, *sorted(folders.values())]:
        name = check_name(os.path.basename(folder))  # macOS and Linux spell é in different ways
        if folder != path:
            if name in spellings:
                raise ValueError(
                    f"{path} has two folders for the class {name!r}, {spellings[name]!a} and "
                    f"{os.path.basename(folder)!a}: move the images into one."
                )
            spellings[name] = os.path.basename(folder)
            images[name] = []
        for file in (os.path.join(folder, entry) for entry in sorted(os.listdir(folder))):
            if os.path.isdir(file):
                if folder != path and not is_hidden(os.path.basename(file)):
                    outside += find_images(file, extensions)
            elif (reason := why_left_out(file, extensions)) is not None:
                left_out.setdefault(reason, []).append(file)
            elif folder == path:
                outside.append(file)
            else:
                check_name(file)
                images[name].append(file)
    if outside:
        raise ValueError(
            f"{path} has {len(outside)} images outside the folders of its classes ({shorten(outside)}). Put each "
            "image directly into the folder of its class."
        )
    what = "; ".join(f"{len(files)} {reason} ({shorten(files)})" for reason, files in sorted(left_out.items()))
    if empty := sorted(name for name, files in images.items() if not files):
        remedy = f" These files are not read: {what}." if what else ""
        raise ValueError(
            f"{path} has classes without images: {', '.join(empty)}. Add images to these folders or remove them."
            f"{remedy}"
        )
    if what:
        total = sum(map(len, left_out.values()))
        logger.warning(
            f"{path}: {total} files are not read: {what}. Convert images to a format such as JPEG or PNG, with its "
            f"extension.{' ' + HEIF_REMEDY if {'.heic', '.heif'} & set(left_out) else ''}"
        )
    return images


def find_images(path: str, extensions: set[str]) -> list[str]:
    """The images in a folder and the folders in it; links inside are not followed."""
    files = (os.path.join(root, name) for root, _, names in os.walk(path) for name in names)
    return sorted(file for file in files if os.path.splitext(file)[1].lower() in extensions)


def why_left_out(file: str, extensions: set[str]) -> str | None:
    """Why a file of a folder is not read; `None` for an image."""
    extension = os.path.splitext(file)[1].lower()
    if is_hidden(os.path.basename(file)):
        return "hidden"
    if not os.path.isfile(file):
        return "not a file, or a link to none"
    if not extension:
        return "without an extension"
    return None if extension in extensions else extension


def check_name(name: str) -> str:
    """Returns a name with composed characters; raises `ValueError` for a name that is not in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"The name {os.fsencode(name)!r} is not in UTF-8. Rename it.") from None
    return unicodedata.normalize("NFC", name)


def shorten(files: Iterable[str], count: int = 3) -> str:
    """The last two parts of the first paths."""
    files = [ascii_safe(os.sep.join(file.split(os.sep)[-2:])) for file in files]
    return ", ".join(files[:count]) + (", ..." if len(files) > count else "")


def ascii_safe(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
