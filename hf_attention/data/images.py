# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Images with classes: data sets of the Hub, folders or parquet files, and scikit-learn's digits."""

import glob
import io
import os
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
    Value,
    load_dataset,
)
from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder
from PIL import Image as PILImage
from PIL import ImageOps, UnidentifiedImageError
from transformers import BaseImageProcessor
from transformers.utils import logging

from .image_utils import MODES, convert_mode
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
    **kwargs: Any,
) -> DatasetDict | IterableDatasetDict:
    """
    Loads images as columns `image` (encoded) and `label` (a `ClassLabel` with the same names in every split).

    Returns those of the splits `train`, `validation` and `test` that exist and have labels.

    Args:
        dataset_name (`str`, *optional*):
            A dataset on the Hub, or a local folder.
        data_files (`dict[str, str]`, *optional*):
            For each split, a parquet file, or a folder with a sub-folder of images per class.
        image_column, label_column (`str`, *optional*):
            Names of the columns; by default the only column of images, and the only one of classes.
        streaming (`bool`, *optional*, defaults to `False`):
            Whether to read the data during training instead of loading it first.
        kwargs:
            Passed to `datasets.load_dataset` (`token`, `revision`, `cache_dir`).

    Raises:
        `FileNotFoundError`: for a missing file or folder.
        `ValueError`: for a class folder without images, columns that are missing or ambiguous, or splits with
        different classes.
    """
    classes = set()  # of folders
    if data_files:
        dataset, classes = load_files(data_files, streaming, **kwargs)
    elif dataset_name:
        if os.path.isdir(dataset_name):
            for split in sorted(entry.path for entry in os.scandir(dataset_name) if entry.is_dir()):
                classes |= set(check_folder(split, nested=True))
        dataset = load_dataset(dataset_name, dataset_config_name, streaming=streaming, **kwargs)
    else:
        raise ValueError("Pass a dataset (`dataset_name`) or files and folders (`data_files`).")
    names: list[str] | None = None
    labelled = {}
    for split, rows in dataset.items():
        split = str(split)
        labels = select_columns(rows, split, image_column, label_column, names) if split in SPLITS else None
        if labels is None:
            logger.warning(f"Skipping the split {split!r}: it is not one of {', '.join(SPLITS)}, or has no labels.")
            continue
        labelled[split] = labels
        split_names = label_names(labels)
        if classes and set(split_names) != classes:
            raise ValueError(
                f"The images are in the folders {', '.join(split_names)}, but the folders of the classes are "
                f"{', '.join(sorted(classes))}. Put each image directly into the folder of its class."
            )
        if names is not None and split_names != names:
            raise ValueError(f"The splits have different classes: {names}, but {split} has {split_names}.")
        names = split_names
    return combine_splits(labelled)


def load_files(
    data_files: dict[str, str], streaming: bool, **kwargs: Any
) -> tuple[DatasetDict | IterableDatasetDict, set[str]]:
    """Loads splits from folders of images, with the classes of the folders, or from parquet files."""
    for path in data_files.values():
        if not os.path.exists(path):
            raise FileNotFoundError(f"There is no file or folder {path!r}.")
    folders = [path for path in data_files.values() if os.path.isdir(path)]
    if folders and len(folders) < len(data_files):
        raise ValueError(f"Pass folders for all splits, or parquet files for all: {', '.join(data_files.values())}.")
    if not folders:
        if other := [path for path in data_files.values() if not path.endswith(".parquet")]:
            raise ValueError(f"Cannot read {', '.join(other)}: pass a parquet file, or a folder of images.")
        splits = {  # one by one, since `datasets` would use the class names of the first file for all
            split: load_dataset("parquet", data_files={split: path}, split=split, streaming=streaming, **kwargs)
            for split, path in data_files.items()
        }
        return combine_splits(splits), set()
    classes = {split: check_folder(path) for split, path in data_files.items()}
    first = next(iter(classes))
    for split, names in classes.items():
        if extra := set(names) - set(classes[first]):
            raise ValueError(
                f"{data_files[split]} has classes missing from {data_files[first]}: {', '.join(sorted(extra))}."
            )
    patterns = {split: os.path.join(glob.escape(path), "**") for split, path in data_files.items()}
    dataset = load_dataset("imagefolder", data_files=patterns, drop_labels=False, streaming=streaming, **kwargs)
    return dataset, set(classes[first])


def check_folder(path: str, nested: bool = False) -> list[str]:
    """Returns the classes of a folder; raises `ValueError` for one without images, which `datasets` would skip."""
    hidden = (".", "__MACOSX")  # the latter is in archives created by macOS
    classes = sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith(hidden))
    files_of_class = {
        name: [file for _, _, files in os.walk(os.path.join(path, name)) for file in files] for name in classes
    }
    suffixes = tuple(ImageFolder.EXTENSIONS)
    empty = [
        name
        for name, files in files_of_class.items()
        if not any(file.lower().endswith(suffixes) and not file.startswith(".") for file in files)
    ]
    if empty and (len(empty) < len(classes) or not nested):
        raise ValueError(
            f"{path} has classes without images: {', '.join(empty)}. Add images to these folders or remove them."
        )
    if not classes and not nested:
        raise ValueError(f"{path} has no sub-folders; put the images of each class into a folder with its name.")
    return classes


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
    dataset = dataset.select_columns(list(chosen.values()))
    dataset = dataset.rename_columns({old: new for old, new in zip(chosen.values(), ("image", "label")) if old != new})
    dataset = dataset.cast_column("image", Image(decode=False))
    if isinstance(dataset, Dataset):
        missing = sum(label is None or (isinstance(label, int) and label < 0) for label in dataset["label"])
        if missing == len(dataset) and split != "train":
            return None
        if missing:
            raise ValueError(f"{missing} of {len(dataset)} images of {split} have no label. Remove them.")
    kind = (dataset.features or {})["label"]
    if not isinstance(kind, ClassLabel):
        if isinstance(dataset, IterableDataset):
            raise ValueError(f"`label_column` ({chosen['label_column']}) must be a `ClassLabel` when streaming.")
        is_number = isinstance(kind, Value) and kind.dtype.startswith(("int", "uint"))
        values = {str(name) for name in dataset["label"]}
        if unknown := [] if names is None else sorted(values - set(names)):
            raise ValueError(f"The splits have different classes: {names}, but {split} has {', '.join(unknown)} too.")
        classes = ClassLabel(names=names or (sorted(values, key=int) if is_number else sorted(values)))
        dataset = dataset.map(
            lambda rows: {"label": [classes.str2int(str(name)) for name in rows["label"]]},
            batched=True,
            features=Features({"image": Image(decode=False), "label": classes}),
        )
    return dataset


def label_names(dataset: Dataset | IterableDataset) -> list[str]:
    """Returns the names of the classes of `label`."""
    return (dataset.features or {})["label"].names


def align_labels(dataset: Dataset | IterableDataset, label2id: dict[str, int]) -> Dataset | IterableDataset:
    """Renumbers the classes of a data set as in a model's `label2id`."""
    numbers = [label2id[name] for name in label_names(dataset)]
    kind = ClassLabel(names=sorted(label2id, key=label2id.__getitem__))
    features = Features({**(dataset.features or {}), "label": kind})
    return dataset.map(partial(renumber, numbers=numbers), batched=True, features=features)


def renumber(rows: dict[str, list], numbers: list[int]) -> dict[str, list[int]]:
    return {"label": [numbers[label] for label in rows["label"]]}


def open_image(cell: dict, where: str = "An image") -> PILImage.Image:
    """
    Decodes a cell of an `Image(decode=False)` column and applies the EXIF orientation.

    Raises:
        `ValueError`: for an image that is missing, truncated, damaged, too large or of an unknown format; the message
        has its file name, or `where` it is.
    """
    if cell and cell["path"]:
        where = cell["path"] if os.path.isfile(cell["path"]) else f"{where} ({cell['path']})"
    if not cell or not (cell["bytes"] or cell["path"]):
        raise ValueError(f"{where} is missing.")
    try:
        with PILImage.open(io.BytesIO(cell["bytes"]) if cell["bytes"] else cell["path"]) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, UnidentifiedImageError, PILImage.DecompressionBombError, ValueError) as error:
        raise ValueError(f"{where} cannot be read ({error}). Fix or remove it.") from error


def check_images(dataset: Dataset, split: str, num_channels: int) -> None:
    """
    Decodes every image once, so that errors are raised before a training run.

    Raises:
        `ValueError`: if images cannot be read or converted; the message lists the first ten.
    """
    errors = []
    for index, cell in enumerate(dataset["image"]):
        try:
            convert_mode(open_image(cell, f"Image {index} of {split}"), MODES[num_channels])
        except ValueError as error:
            errors.append(str(error))
    if errors:
        raise ValueError(
            f"{len(errors)} of {len(dataset)} images of {split} cannot be used:\n" + "\n".join(errors[:10])
        )


def make_transform(image_processor: BaseImageProcessor, num_channels: int, **kwargs: Any) -> Callable[[dict], dict]:
    """
    Returns a function for `dataset.with_transform` that converts rows with `image` and `label` to `pixel_values`
    (C, height, width) and `labels`.

    `kwargs` go to the image processor; augmentation needs `do_normalize=False`, which keeps pixels from 0 to 1.
    """
    # a partial function can be pickled for spawned workers
    return partial(transform_rows, image_processor=image_processor, mode=MODES[num_channels], options=kwargs)


def transform_rows(rows: dict, image_processor: BaseImageProcessor, mode: str, options: dict) -> dict:
    images = [convert_mode(open_image(cell), mode) for cell in rows["image"]]
    pixel_values = image_processor(images, return_tensors="pt", **options)["pixel_values"]
    return {"pixel_values": pixel_values, "labels": torch.tensor(rows["label"])}
