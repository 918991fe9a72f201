# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Images with texts: data sets of the Hub, local folders or parquet files."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from datasets import (
    Dataset,
    DatasetDict,
    Features,
    Image,
    IterableDataset,
    IterableDatasetDict,
    List,
    Value,
    load_dataset,
)
from transformers import BaseImageProcessor, PreTrainedTokenizerBase, VisionEncoderDecoderModel

from .image_utils import MODES
from .images import SPLITS, load_files, open_image
from .pair_files import prefix_errors_with
from .splits import combine_splits


# of images with texts whose characters have known boxes: left, top, right, bottom
READING_FEATURES = Features(
    {"image": Image(decode=False), "text": Value("string"), "boxes": List(List(Value("int32"), length=4))}
)


def load_image_texts(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: dict[str, str] | None = None,
    image_column: str | None = None,
    text_column: str | None = None,
    streaming: bool = False,
    **kwargs: Any,
) -> DatasetDict | IterableDatasetDict:
    """
    Loads images and their texts as columns `image` (encoded) and `text`, and `boxes` (see
    [`~hf_attention.data.digit_rows.load_digit_rows`]) if the data has them.

    Args:
        dataset_name (`str`, *optional*):
            A dataset on the Hub, or a local folder, which may be one of images with a `metadata.csv`.
        data_files (`dict[str, str]`, *optional*): a parquet file for each split.
        image_column, text_column (`str`, *optional*):
            Names of the columns; by default the only column of images, and `text` or the only one of texts.
        kwargs: of `datasets.load_dataset`.

    Raises:
        `FileNotFoundError`: for a missing file or folder.
        `ValueError`: for columns that are missing, ambiguous or of another type, and for rows without text.
    """
    if data_files:
        dataset = load_files(data_files, streaming, **kwargs)
    elif not dataset_name:
        raise ValueError("Pass a dataset (`dataset_name`) or files (`data_files`).")
    else:
        with prefix_errors_with([dataset_name]):
            dataset = load_dataset(dataset_name, dataset_config_name, streaming=streaming, **kwargs)
    splits = {str(split): rows for split, rows in dataset.items() if str(split) in SPLITS}
    if not splits:
        raise ValueError(f"The data has the splits {', '.join(map(str, dataset))}; name them {', '.join(SPLITS)}.")
    return combine_splits(
        {split: select_columns(rows, split, image_column, text_column) for split, rows in splits.items()}
    )


def select_columns(
    rows: Dataset | IterableDataset, split: str, image_column: str | None, text_column: str | None
) -> Dataset | IterableDataset:
    """Renames the columns of images and of texts to `image` and `text`, and keeps no others but `boxes`."""
    features = rows.features or {}
    images = [name for name, kind in features.items() if isinstance(kind, Image)]
    texts = [name for name, kind in features.items() if isinstance(kind, Value) and "string" in kind.dtype]
    chosen = {
        "image_column": pick_column("image_column", image_column, images, split, list(features)),
        "text_column": pick_column("text_column", text_column, texts, split, list(features)),
    }
    rows = rows.select_columns([*chosen.values(), *(["boxes"] if "boxes" in features else [])])
    rows = rows.rename_columns({old: new for old, new in zip(chosen.values(), ("image", "text")) if old != new})
    rows = rows.cast_column("image", Image(decode=False))
    if isinstance(rows, Dataset) and (empty := sum(not text or not text.strip() for text in rows["text"])):
        raise ValueError(f"{empty} of {len(rows)} images of {split} have no text. Remove them.")
    return rows


def pick_column(argument: str, name: str | None, candidates: list[str], split: str, columns: list[str]) -> str:
    if name is None and "text" in candidates:
        return "text"
    if name is not None and name not in candidates:
        kind = "images" if argument == "image_column" else "texts"
        raise ValueError(f"`{argument}`: {split} has no column {name!r} of {kind}; it has {', '.join(columns)}.")
    if name is None and len(candidates) != 1:
        raise ValueError(
            f"Set `{argument}`: {split} has {'several' if candidates else 'no'} suitable columns; its columns are "
            f"{', '.join(columns)}."
        )
    return name or candidates[0]


def make_transform(
    image_processor: BaseImageProcessor,
    tokenizer: PreTrainedTokenizerBase,
    num_channels: int,
    max_target_length: int,
) -> Callable[[dict], dict]:
    """
    Returns a function for `dataset.with_transform` that converts rows with `image` and `text` to `pixel_values`
    (C, height, width) and `labels`.
    """
    options = {"mode": MODES[num_channels], "max_length": max_target_length}
    return partial(transform_rows, image_processor=image_processor, tokenizer=tokenizer, **options)


def transform_rows(
    rows: dict, image_processor: BaseImageProcessor, tokenizer: PreTrainedTokenizerBase, mode: str, max_length: int
) -> dict:
    images = [open_image(cell, mode=mode) for cell in rows["image"]]
    labels = tokenizer(rows["text"], truncation=True, max_length=max_length)["input_ids"]
    return {"pixel_values": list(image_processor(images, return_tensors="pt")["pixel_values"]), "labels": labels}


class ImageTextCollator:
    """Stacks images, pads labels with -100, and adds the decoder's inputs that `model` makes of them."""

    def __init__(self, model: VisionEncoderDecoderModel) -> None:
        self.model = model

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        labels = [torch.as_tensor(row["labels"]) for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)
        pixel_values = torch.stack([row["pixel_values"] for row in rows])
        inputs = self.model.prepare_decoder_input_ids_from_labels(padded)
        return {"pixel_values": pixel_values, "labels": padded, "decoder_input_ids": inputs}


__all__ = ["READING_FEATURES", "ImageTextCollator", "load_image_texts", "make_transform"]
