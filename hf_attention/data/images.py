# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Images with classes: data sets of the Hub, folders or parquet files, and scikit-learn's digits."""

import io
import os
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from datasets import (
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Image,
    IterableDataset,
    IterableDatasetDict,
    load_dataset,
)
from PIL import Image as PILImage
from PIL import ImageOps
from pyarrow import parquet
from transformers import BaseImageProcessor
from transformers.utils import logging

from .image_folders import find_folders, load_image_folders, load_metadata, warn_of_unread_images
from .image_targets import PROBLEM_TYPES, select_targets
from .image_utils import MODES, convert_mode
from .pair_files import READERS, prefix_errors_with
from .splits import combine_splits


logger = logging.get_logger(__name__)

SPLITS = ("train", "validation", "test")


def split_digits() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """
    Returns scikit-learn's digits (UCI, Alpaydin and Kaynak 1998): 1,797 grayscale images (images, 8, 8) from 0 to 1,
    and their classes (images,), 0 to 9.

    A third is the test split, a tenth of the rest the validation split, both stratified. The splits are deterministic.
    """
    from sklearn.datasets import load_digits as load
    from sklearn.model_selection import train_test_split

    digits = load()
    indices, labels = np.arange(len(digits.target)), digits.target
    train, test = train_test_split(indices, test_size=1 / 3, stratify=labels, random_state=0)
    train, validation = train_test_split(train, test_size=0.1, stratify=labels[train], random_state=0)
    return {
        name: (torch.from_numpy(digits.images[rows]).float() / 16, torch.from_numpy(labels[rows]))
        for name, rows in (("train", train), ("validation", validation), ("test", test))
    }


def load_digits() -> DatasetDict:
    """Returns scikit-learn's digits as columns `image` (encoded) and `label`, in the splits of [`split_digits`]."""
    features = Features({"image": Image(decode=False), "label": ClassLabel(names=[str(digit) for digit in range(10)])})
    splits = DatasetDict()
    for name, (images, labels) in split_digits().items():
        pixels = (images.double() * 255).round().byte().numpy()
        rows = {"image": [PILImage.fromarray(image) for image in pixels], "label": labels.tolist()}
        splits[name] = Dataset.from_dict(rows, features=features)
    return splits


def load_images(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: dict[str, str] | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    streaming: bool = False,
    problem_type: str | None = None,
    label_columns: list[str] | None = None,
    label_separator: str = ";",
    **kwargs: Any,
) -> DatasetDict | IterableDatasetDict:
    """
    Loads images as columns `image` (encoded) and `label` (a `ClassLabel` with the same names in every split, or with
    a `problem_type` a number for each label).

    Returns those of the splits `train`, `validation` and `test` that exist and have labels.

    Args:
        dataset_name (`str`, *optional*):
            A dataset on the Hub, or a local folder.
        data_files (`dict[str, str]`, *optional*):
            For each split a folder with a sub-folder of images per class, a parquet file, or a table (csv, tsv, json,
            jsonl) with a column `file_name`, relative to the table.
        image_column, label_column (`str`, *optional*):
            Names of the columns; by default the only column of images, and the only one of classes.
        streaming (`bool`, *optional*, defaults to `False`):
            Whether to read the data during training instead of loading it first.
        problem_type, label_columns, label_separator (*optional*):
            Of images with several labels, or with numbers: see [`~hf_attention.data.image_targets.select_targets`].
        kwargs:
            Passed to `datasets.load_dataset` (`token`, `revision`, `cache_dir`).

    Raises:
        `FileNotFoundError`: for a missing file or folder.
        `ValueError`: for a class folder without images, columns that are missing or ambiguous, or splits with
        different classes.
    """
    if data_files:
        dataset = load_files(data_files, streaming, **kwargs)
    elif not dataset_name:
        raise ValueError("Pass a dataset (`dataset_name`) or files and folders (`data_files`).")
    elif os.path.isdir(dataset_name) and (folders := find_folders(dataset_name)) is not None:
        dataset = load_image_folders(folders, streaming)
    else:
        with prefix_errors_with([dataset_name]):
            dataset = load_dataset(dataset_name, dataset_config_name, streaming=streaming, **kwargs)
        if os.path.isdir(dataset_name) and not streaming:
            warn_of_unread_images(dataset_name, image_paths(dataset))
    names: list[str] | None = None
    labeled = {}
    for split, rows in dataset.items():
        split = str(split)
        if split not in SPLITS:
            labels = None
        elif problem_type in PROBLEM_TYPES and isinstance(rows, Dataset):
            rows = rows if image_column in (None, "image") else rows.rename_column(image_column, "image")
            labels = select_targets(rows, split, problem_type, label_columns or [], label_separator, names)
        else:
            labels = select_columns(rows, split, image_column, label_column, names)
        if labels is None:
            logger.warning(f"Skipping the split {split!r}: it is not one of {', '.join(SPLITS)}, or has no labels.")
            continue
        labeled[split] = labels
        split_names = label_names(labels)
        if names is not None and split_names != names:
            raise ValueError(f"The splits have different classes: {names}, but {split} has {split_names}.")
        names = split_names
    return combine_splits(labeled)


def image_paths(dataset: DatasetDict) -> set[str]:
    """The files that the columns of images name."""
    cells = (
        cell
        for rows in dataset.values()
        for column, kind in rows.features.items()
        if isinstance(kind, Image)
        for cell in rows.select_columns([column]).cast_column(column, Image(decode=False))[column]
    )
    return {cell["path"] for cell in cells if cell and cell["path"]}


def load_files(data_files: dict[str, str], streaming: bool, **kwargs: Any) -> DatasetDict | IterableDatasetDict:
    """Loads splits from folders of images, from parquet files, or from tables that name the images."""
    for path in data_files.values():
        if not os.path.exists(path):
            raise FileNotFoundError(f"There is no file or folder {path!r}.")
    folders = [path for path in data_files.values() if os.path.isdir(path)]
    if folders and len(folders) < len(data_files):
        raise ValueError(f"Pass folders for all splits, or files for all: {', '.join(data_files.values())}.")
    if folders:
        return load_image_folders(data_files, streaming)
    formats = {path: os.path.splitext(path)[1].lower() for path in data_files.values()}
    if other := [path for path, suffix in formats.items() if suffix not in READERS]:
        raise ValueError(
            f"Cannot read {', '.join(other)}: pass a folder of images, a parquet file, or a table with `file_name`."
        )
    if tables := [path for path, suffix in formats.items() if suffix != ".parquet"]:
        if len(tables) < len(formats) or streaming:
            raise ValueError(f"{tables[0]} is a table that names images: pass tables for all splits, not streamed.")
        return combine_splits({split: load_metadata(path) for split, path in data_files.items()})
    splits = {}  # one by one, since `datasets` would use the class names of the first file for all
    for split, path in data_files.items():
        with prefix_errors_with([path]):
            if parquet.read_metadata(path).num_rows == 0:
                raise ValueError("There are no rows")
            splits[split] = load_dataset(
                "parquet", data_files={split: path}, split=split, streaming=streaming, **kwargs
            )
    return combine_splits(splits)


def select_columns(
    dataset: Dataset | IterableDataset,
    split: str,
    image_column: str | None,
    label_column: str | None,
    names: list[str] | None,
) -> Dataset | IterableDataset | None:
    """
    Renames the columns of images and of classes (numbers or strings) to `image` and `label`.

    Returns `None` for an evaluation split without any labels, such as the test split of a competition.
    """
    features = dataset.features
    if features is None:
        raise ValueError(f"The features of {split} are unknown when streaming; store the data with features.")
    columns = {
        "image_column": (image_column, [name for name, kind in features.items() if isinstance(kind, Image)]),
        "label_column": (label_column, [name for name, kind in features.items() if isinstance(kind, ClassLabel)]),
    }
    default_names = {"image_column": ("image", "img"), "label_column": ("label", "labels")}
    for argument, (_, candidates) in columns.items():
        if not candidates:  # tables written by other libraries lack such features
            candidates.extend(name for name in default_names[argument] if name in features)
    chosen = {}
    for argument, (column, candidates) in columns.items():
        if column is not None and column not in features:
            raise ValueError(f"`{argument}`: {split} has no column {column!r}; it has {', '.join(features)}.")
        if column is None and len(candidates) != 1:
            raise ValueError(
                f"Set `{argument}`: {split} has {'several' if candidates else 'no'} suitable columns; its "
                f"columns are {', '.join(features)}."
            )
        chosen[argument] = column or candidates[0]
    kind = features[chosen["image_column"]]
    if not isinstance(kind, (Image, dict)) and getattr(kind, "dtype", None) not in (
        "binary",
        "large_binary",
        "string",
    ):
        raise ValueError(f"`image_column`: {split}'s {chosen['image_column']!r} holds {kind}, not images.")
    dataset = dataset.select_columns(list(chosen.values()))
    dataset = dataset.rename_columns({old: new for old, new in zip(chosen.values(), ("image", "label")) if old != new})
    dataset = dataset.cast_column("image", Image(decode=False))
    if isinstance(dataset, Dataset):
        missing = sum(is_missing(label) for label in dataset["label"])
        if missing == len(dataset) and split != "train":
            return None
        if missing:
            raise ValueError(f"{missing} of {len(dataset)} images of {split} have no label. Remove them.")
    kind = (dataset.features or {})["label"]
    if isinstance(kind, ClassLabel):
        composed = [unicodedata.normalize("NFC", name) for name in kind.names]
        return dataset if composed == kind.names else dataset.cast_column("label", ClassLabel(names=composed))
    if isinstance(dataset, IterableDataset):
        raise ValueError(f"`label_column` ({chosen['label_column']}) must be a `ClassLabel` when streaming.")
    labels = [name_class(label, chosen["label_column"]) for label in dataset["label"]]
    values = set(labels)
    if unknown := [] if names is None else sorted(values - set(names)):
        raise ValueError(f"The splits have different classes: {names}, but {split} has {', '.join(unknown)} too.")
    is_number = all(value.isdecimal() for value in values)
    classes = ClassLabel(names=names or sorted(values, key=int if is_number else None))
    return dataset.map(
        lambda rows: {"label": [classes.str2int(name_class(name)) for name in rows["label"]]},
        batched=True,
        features=Features({"image": Image(decode=False), "label": classes}),
    )


def is_missing(label: object) -> bool:
    """Whether a row has no label: `None`, NaN (of pandas), an empty text, or a negative number (of competitions)."""
    return label is None or label == "" or label != label or (isinstance(label, (int, float)) and label < 0)


def name_class(label: object, column: str = "label") -> str:
    """Returns the name of a class; raises `ValueError` for a label that is neither text nor an integer."""
    if isinstance(label, float) and label.is_integer():  # pandas stores integers as such where some are missing
        return str(int(label))
    if not isinstance(label, (str, int)):
        raise ValueError(f"`label_column` ({column}) must have one text or integer per image, but one is {label!r}.")
    return unicodedata.normalize("NFC", str(label))


def label_names(dataset: Dataset | IterableDataset) -> list[str]:
    """Returns the names of the classes of `label`, or of its numbers."""
    kind = (dataset.features or {})["label"]
    return list(kind) if isinstance(kind, dict) else kind.names


def align_labels(dataset: Dataset | IterableDataset, label2id: dict[str, int]) -> Dataset | IterableDataset:
    """Renumbers the classes of a data set as in a model's `label2id`."""
    numbers = [label2id[name] for name in label_names(dataset)]
    kind = ClassLabel(names=sorted(label2id, key=label2id.__getitem__))
    features = Features({**(dataset.features or {}), "label": kind})
    return dataset.map(partial(renumber, numbers=numbers), batched=True, features=features)


def renumber(rows: dict[str, list], numbers: list[int]) -> dict[str, list[int]]:
    return {"label": [numbers[label] for label in rows["label"]]}


def open_image(cell: dict, where: str = "An image", mode: str | None = None) -> PILImage.Image:
    """
    Decodes a cell of an `Image(decode=False)` column, applies the EXIF orientation, and converts it to `mode`. Of an
    animation it is the first frame.

    Raises:
        `ValueError`: for an image that is missing, truncated, damaged, too large, of an unknown format, or of a mode
        that cannot be converted; the message has its file name, or `where` it is.
    """
    if cell and cell["path"]:
        where = cell["path"] if os.path.isfile(cell["path"]) else f"{where} ({cell['path']})"
    if not cell or not (cell["bytes"] or cell["path"]):
        raise ValueError(f"{where} is missing.")
    try:
        with PILImage.open(io.BytesIO(cell["bytes"]) if cell["bytes"] else cell["path"]) as image:
            image.load()
            image = ImageOps.exif_transpose(image)
            return image if mode is None else convert_mode(image, mode)
    except Exception as error:  # PIL's decoders raise many types for damaged files
        reason = str(error).rstrip(".") or type(error).__name__
        raise ValueError(f"{where} cannot be read ({reason}). Fix or remove it.") from error


def check_images(dataset: Dataset, split: str, num_channels: int) -> None:
    """
    Decodes every image once, so that errors are raised before a training run.

    Raises:
        `ValueError`: if images cannot be read or converted; the message lists the first ten.
    """
    errors = []
    for index, cell in enumerate(dataset["image"]):
        try:
            open_image(cell, f"Image {index} of {split}", MODES[num_channels])
        except ValueError as error:
            errors.append(str(error))
    if errors:
        raise ValueError(
            f"{len(errors)} of {len(dataset)} images of {split} cannot be used:\n" + "\n".join(errors[:10])
        )


def make_transform(
    image_processor: BaseImageProcessor, num_channels: int, with_aspect_ratios: bool = False, **kwargs: Any
) -> Callable[[dict], dict]:
    """
    Returns a function for `dataset.with_transform` that converts rows with `image` and `label` to `pixel_values`
    (C, height, width) and `labels`.

    `with_aspect_ratios` adds `aspect_ratios`, the width of each image divided by its height. `kwargs` go to the image
    processor; augmentation needs `do_normalize=False`, which keeps pixels from 0 to 1.
    """
    # a partial function can be pickled for spawned workers
    options = {"mode": MODES[num_channels], "with_aspect_ratios": with_aspect_ratios, "options": kwargs}
    return partial(transform_rows, image_processor=image_processor, **options)


def transform_rows(
    rows: dict, image_processor: BaseImageProcessor, mode: str, with_aspect_ratios: bool, options: dict
) -> dict:
    images = [open_image(cell, mode=mode) for cell in rows["image"]]
    pixel_values = image_processor(images, return_tensors="pt", **options)["pixel_values"]
    labels = [list(label.values()) if isinstance(label, dict) else label for label in rows["label"]]
    columns = {"pixel_values": pixel_values, "labels": torch.tensor(labels)}
    if with_aspect_ratios:
        columns["aspect_ratios"] = torch.tensor([image.width / image.height for image in images])
    return columns
