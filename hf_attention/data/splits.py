# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Combining splits into one data set, and splitting off a part for validation."""

import logging
from collections import Counter
from collections.abc import Mapping

from datasets import ClassLabel, Dataset, DatasetDict, IterableDataset, IterableDatasetDict, concatenate_datasets


logger = logging.getLogger(__name__)


def combine_splits(splits: Mapping[str, Dataset | IterableDataset]) -> DatasetDict | IterableDatasetDict:
    """Returns splits, which are either all in memory or all streamed, as one data set."""
    in_memory, streamed = DatasetDict(), IterableDatasetDict()
    for name, split in splits.items():
        if isinstance(split, Dataset):
            in_memory[name] = split
        else:
            streamed[name] = split
    return streamed or in_memory


def split_off(rows: Dataset, share: float) -> tuple[Dataset, Dataset]:
    """
    Splits images into two parts with the same shares of classes, always in the same way. Images that are the only one
    of their class stay in the first part, with a warning. Images with several labels, or numbers, are split at random.

    Raises:
        `ValueError`: for a share that leaves too few images in one of the parts.
    """
    if not isinstance(rows.features["label"], ClassLabel):
        parts = rows.train_test_split(share, seed=0)
        return parts["train"], parts["test"]
    counts = Counter(rows["label"])
    alone = [index for index, label in enumerate(rows["label"]) if counts[label] == 1]
    if not alone:
        parts = rows.train_test_split(share, stratify_by_column="label", seed=0)
        return parts["train"], parts["test"]
    if len(alone) == len(rows):
        raise ValueError("every class has one image")
    names = [rows.features["label"].names[rows[index]["label"]] for index in alone]
    logger.warning("Classes with one image, which is not validated on: %s.", ", ".join(names))
    others = rows.select(sorted(set(range(len(rows))) - set(alone)))
    parts = others.train_test_split(share, stratify_by_column="label", seed=0)
    return concatenate_datasets([parts["train"], rows.select(alone)]), parts["test"]


__all__ = ["combine_splits", "split_off"]
