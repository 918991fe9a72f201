# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The splits of a recipe's data: `train`, `validation` and `test`, as far as the data has them."""

from collections.abc import Callable

from datasets import Dataset, IterableDataset

from .arguments import BaseDataArguments, RunArguments


Splits = dict[str, Dataset | IterableDataset]


def check_streaming(data_args: BaseDataArguments, training_args: RunArguments) -> None:
    """Raises `ValueError` if embedded data is to be streamed, or training on a stream has no end."""
    if data_args.streaming and data_args.is_embedded:
        raise ValueError(f"`streaming` reads files or a dataset of the Hub; {data_args.dataset_name!r} is in memory.")
    if data_args.streaming and training_args.do_train and training_args.max_steps <= 0:
        raise ValueError("`streaming` has no end, so set `max_steps`.")


def check_has_train(data: Splits) -> None:
    if "train" not in data:
        raise ValueError(f"The data has no `train` split; it has {', '.join(data)}. Name a `train_file`.")


def read_evaluation_splits(data: Splits) -> Splits:
    """Reads the streamed splits but `train` into memory, because every evaluation reads them again."""
    return {
        split: rows if split == "train" else Dataset.from_list(list(rows), features=rows.features)
        for split, rows in data.items()
    }


def shuffle_and_limit(data: Splits, data_args: BaseDataArguments, seed: int) -> Splits:
    """
    Returns the splits with the requested numbers of rows, which are random, since data is often sorted by class.
    Streams are shuffled, `train` with the seed, and all but `train` are read into memory.
    """
    splits = dict(data)
    for split, limit in data_args.limits.items():
        if split not in splits:
            continue
        if data_args.streaming:
            splits[split] = splits[split].shuffle(seed=seed if split == "train" else 0, buffer_size=10_000)
        elif limit is not None:
            splits[split] = splits[split].shuffle(seed=0)
        if limit is not None:
            splits[split] = splits[split].take(limit)
    return read_evaluation_splits(splits) if data_args.streaming else splits


def first_rows(rows: Dataset | IterableDataset) -> Dataset | IterableDataset:
    """Returns the rows; of a stream the first 100,000, which are enough for a tokenizer."""
    return rows.take(100_000) if isinstance(rows, IterableDataset) else rows


def apply_transform(rows: Dataset | IterableDataset, transform: Callable[[dict], dict]) -> Dataset | IterableDataset:
    """Transforms rows when they are read. The trainer does so to a stream, with each process's rows alone."""
    return rows if isinstance(rows, IterableDataset) else rows.with_transform(transform)


def in_memory(rows: Dataset | IterableDataset) -> Dataset:
    """Returns an evaluation split, which is never a stream, as the type checker cannot know."""
    assert isinstance(rows, Dataset)
    return rows


def sample(rows: Dataset | IterableDataset, count: int) -> list[dict]:
    """Returns the same random rows each time, since files may be sorted; the first ones of a stream."""
    return list((rows.shuffle(seed=0) if isinstance(rows, Dataset) else rows).take(count))


def describe_sizes(data: Splits) -> str:
    """Returns the sizes of the splits, such as `train 40,000, test streamed`."""
    sizes = {
        split: "streamed" if isinstance(rows, IterableDataset) else f"{len(rows):,}" for split, rows in data.items()
    }
    return ", ".join(f"{split} {size}" for split, size in sizes.items())
