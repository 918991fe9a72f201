# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Images with their classes: any data set of the Hub, imagefolder or parquet, and scikit-learn's digits."""

import glob
import io
import os
from collections.abc import Callable
from functools import partial

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

from ..models.compact_vit.image_processing_pil_compact_vit import MODES, convert_mode


logger = logging.get_logger(__name__)

SPLITS = ("train", "validation", "test")


def split_digits() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """
    scikit-learn's digits (UCI, Alpaydin and Kaynak 1998): 1,797 grey images (images, 8, 8) from 0 to 1, and their
    classes (images,), 0 to 9.

    A third is the test split, a tenth of the rest the validation split, each stratified; always the same.
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
    """scikit-learn's digits as `image` (encoded) and `label`, split as [`split_digits`] does."""
    features = Features({"image": Image(decode=False), "label": ClassLabel(names=[str(digit) for digit in range(10)])})
    splits = {}
    for name, (images, labels) in split_digits().items():
        pixels = (images.double() * 255).round().byte().numpy()
        rows = {"image": [PILImage.fromarray(image) for image in pixels], "label": labels.tolist()}
        splits[name] = Dataset.from_dict(rows, features=features)
    return DatasetDict(splits)


def load_images(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: dict[str, str] | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    streaming: bool = False,
    **kwargs,
) -> DatasetDict | IterableDatasetDict:
    """
    Loads images as columns `image`, still encoded, and `label`, a `ClassLabel` of the same names in every split: of
    `train`, `validation` and `test`, as far as they are there and have labels.

    Args:
        dataset_name (`str`, *optional*):
            A dataset of the Hub, or a local folder.
        data_files (`dict[str, str]`, *optional*):
            Split name to a parquet file, or to a folder with a sub-folder of images for each class.
        image_column, label_column (`str`, *optional*):
            Names of the columns; without them the one that holds images, and the one that holds classes.
        streaming (`bool`, *optional*, defaults to `False`):
            Whether to read the data while training.
        kwargs:
            Passed to `datasets.load_dataset` (`token`, `revision`, `cache_dir`).

    Raises:
        `FileNotFoundError`: for a missing file or folder.
        `ValueError`: for a class folder without images, columns that are not there or not told apart, or splits with
        classes of their own.
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
        raise ValueError("Name a dataset (`dataset_name`) or files and folders (`data_files`).")
    names = None
    for split in list(dataset):
        labels = select_columns(dataset[split], split, image_column, label_column, names) if split in SPLITS else None
        if labels is None:
            logger.warning(f"Leaving out the split {split!r}: it is none of {', '.join(SPLITS)}, or has no labels.")
            del dataset[split]
            continue
        dataset[split] = labels
        found = labels.features["label"].names
        if classes and set(found) != classes:
            raise ValueError(
                f"The images stand in folders {', '.join(found)}, but the classes' folders are "
                f"{', '.join(sorted(classes))}. Put each image right into the folder of its class."
            )
        if names is not None and found != names:
            raise ValueError(f"The splits have different classes: {names}, but {split} has {found}.")
        names = found
    return dataset


def load_files(
    data_files: dict[str, str], streaming: bool, **kwargs
) -> tuple[DatasetDict | IterableDatasetDict, set[str]]:
    """Splits from folders of images, with the folders' classes, or from parquet files."""
    for path in data_files.values():
        if not os.path.exists(path):
            raise FileNotFoundError(f"There is no file or folder {path!r}.")
    folders = [path for path in data_files.values() if os.path.isdir(path)]
    if folders and len(folders) < len(data_files):
        raise ValueError(f"Give folders for every split, or parquet files: {', '.join(data_files.values())}.")
    if not folders:
        if other := [path for path in data_files.values() if not path.endswith(".parquet")]:
            raise ValueError(f"Cannot read {', '.join(other)}: give a parquet file, or a folder of images.")
        splits = {  # one by one, or `datasets` puts the first one's class names on the numbers of all
            split: load_dataset("parquet", data_files={split: path}, split=split, streaming=streaming, **kwargs)
            for split, path in data_files.items()
        }
        return (IterableDatasetDict if streaming else DatasetDict)(splits), set()
    classes = {split: check_folder(path) for split, path in data_files.items()}
    first = next(iter(classes))
    for split, names in classes.items():
        if extra := set(names) - set(classes[first]):
            raise ValueError(
                f"{data_files[split]} has classes that {data_files[first]} has not: {', '.join(sorted(extra))}."
            )
    patterns = {split: os.path.join(glob.escape(path), "**") for split, path in data_files.items()}
    dataset = load_dataset("imagefolder", data_files=patterns, drop_labels=False, streaming=streaming, **kwargs)
    return dataset, set(classes[first])


def check_folder(path: str, nested: bool = False) -> list[str]:
    """The classes of a folder; raises `ValueError` where one has no image, which `datasets` would leave out."""
    hidden = (".", "__MACOSX")  # the latter comes out of archives made on a Mac
    classes = sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith(hidden))
    held = {name: [file for _, _, files in os.walk(os.path.join(path, name)) for file in files] for name in classes}
    suffixes = tuple(ImageFolder.EXTENSIONS)
    empty = [
        name
        for name, files in held.items()
        if not any(file.lower().endswith(suffixes) and not file.startswith(".") for file in files)
    ]
    if empty and (len(empty) < len(classes) or not nested):
        raise ValueError(
            f"{path} has classes without an image: {', '.join(empty)}. Fill these folders, or remove them."
        )
    if not classes and not nested:
        raise ValueError(f"{path} has no sub-folders; put the images of each class in a folder of its name.")
    return classes


def select_columns(
    dataset: Dataset | IterableDataset,
    split: str,
    image_column: str | None,
    label_column: str | None,
    names: list[str] | None,
) -> Dataset | IterableDataset | None:
    """
    Brings a column of images and one of classes, numbers or strings, to `image` and `label`.

    Returns `None` for a split to evaluate on that has no labels at all, as the tests of competitions.
    """
    features = dataset.features
    if features is None:
        raise ValueError(f"The features of {split} are not known while streaming; store the data with features.")
    columns = {
        "image_column": (image_column, [name for name, kind in features.items() if isinstance(kind, Image)]),
        "label_column": (label_column, [name for name, kind in features.items() if isinstance(kind, ClassLabel)]),
    }
    usual = {"image_column": ("image", "img"), "label_column": ("label", "labels")}
    for argument, (_, candidates) in columns.items():
        if not candidates:  # a table that another library wrote has no features of the kind
            candidates.extend(name for name in usual[argument] if name in features)
    chosen = {}
    for argument, (wanted, candidates) in columns.items():
        if wanted is not None and wanted not in features:
            raise ValueError(f"`{argument}`: {split} has no column {wanted!r}; it has {', '.join(features)}.")
        if wanted is None and len(candidates) != 1:
            raise ValueError(
                f"Set `{argument}`: {split} has {'several' if candidates else 'none'} that could be it, of the "
                f"columns {', '.join(features)}."
            )
        chosen[argument] = wanted or candidates[0]
    dataset = dataset.select_columns(list(chosen.values()))
    dataset = dataset.rename_columns({old: new for old, new in zip(chosen.values(), ("image", "label")) if old != new})
    dataset = dataset.cast_column("image", Image(decode=False))
    if isinstance(dataset, Dataset):
        missing = sum(label is None or (isinstance(label, int) and label < 0) for label in dataset["label"])
        if missing == len(dataset) and split != "train":
            return None
        if missing:
            raise ValueError(f"{missing} of {len(dataset)} images of {split} have no label. Leave them out.")
    if not isinstance(dataset.features["label"], ClassLabel):
        if isinstance(dataset, IterableDataset):
            raise ValueError(f"`label_column` ({chosen['label_column']}) must be a `ClassLabel` while streaming.")
        kind = dataset.features["label"]
        is_number = isinstance(kind, Value) and kind.dtype.startswith(("int", "uint"))
        found = sorted({str(name) for name in dataset["label"]}, key=int if is_number else None)
        if unknown := [] if names is None else sorted(set(found) - set(names)):
            raise ValueError(f"The splits have different classes: {names}, but {split} has {', '.join(unknown)} too.")
        kind = ClassLabel(names=names or found)
        dataset = dataset.map(
            lambda rows: {"label": [kind.str2int(str(name)) for name in rows["label"]]},
            batched=True,
            features=Features({"image": Image(decode=False), "label": kind}),
        )
    return dataset


def align_labels(dataset: Dataset | IterableDataset, label2id: dict[str, int]) -> Dataset | IterableDataset:
    """Gives the classes of a data set the numbers that a model has for them."""
    numbers = [label2id[name] for name in dataset.features["label"].names]
    kind = ClassLabel(names=sorted(label2id, key=label2id.get))
    return dataset.map(
        partial(renumber, numbers=numbers), batched=True, features=Features({**dataset.features, "label": kind})
    )


def renumber(rows: dict, numbers: list[int]) -> dict:
    return {"label": [numbers[label] for label in rows["label"]]}


def open_image(cell: dict, where: str = "An image") -> PILImage.Image:
    """
    Decodes a cell of an `Image(decode=False)` column, all of it, and turns it upright (EXIF).

    Raises:
        `ValueError`: for an image that is missing, cut short, damaged, of no known format or too large to be one,
        with its file's name, or `where` it stood.
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
        raise ValueError(f"{where} cannot be read ({error}). Mend it, or leave it out.") from error


def check_images(dataset: Dataset, split: str, num_channels: int):
    """
    Decodes every image once.

    Raises:
        `ValueError`: with the first ten that cannot be read or converted, before a training run meets them.
    """
    bad = []
    for index, cell in enumerate(dataset["image"]):
        try:
            convert_mode(open_image(cell, f"Image {index} of {split}"), MODES[num_channels])
        except ValueError as error:
            bad.append(str(error))
    if bad:
        raise ValueError(f"{len(bad)} of {len(dataset)} images of {split} cannot be used:\n" + "\n".join(bad[:10]))


def make_transform(image_processor: BaseImageProcessor, num_channels: int, **kwargs) -> Callable[[dict], dict]:
    """
    For `dataset.with_transform`: rows with `image` and `label` to `pixel_values` (C, height, width) and `labels`.

    `kwargs` go to the image processor; with `do_normalize=False` pixels stay from 0 to 1, as augmentation takes them.
    """
    # workers that are spawned get it pickled
    return partial(transform_rows, image_processor=image_processor, mode=MODES[num_channels], options=kwargs)


def transform_rows(rows: dict, image_processor: BaseImageProcessor, mode: str, options: dict) -> dict:
    images = [convert_mode(open_image(cell), mode) for cell in rows["image"]]
    pixel_values = image_processor(images, return_tensors="pt", **options)["pixel_values"]
    return {"pixel_values": pixel_values, "labels": torch.tensor(rows["label"])}
