# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The splits of a recipe's data: `train`, `validation` and `test`, as far as the data has them."""

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
