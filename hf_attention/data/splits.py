# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Combining splits into one data set."""

from collections.abc import Mapping

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict


def combine_splits(splits: Mapping[str, Dataset | IterableDataset]) -> DatasetDict | IterableDatasetDict:
    """Returns splits, which are either all in memory or all streamed, as one data set."""
    in_memory, streamed = DatasetDict(), IterableDatasetDict()
    for name, split in splits.items():
        if isinstance(split, Dataset):
            in_memory[name] = split
        else:
            streamed[name] = split
    return streamed or in_memory


__all__ = ["combine_splits"]
