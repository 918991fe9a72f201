# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Sentence pairs from the Hub or local files, tokenized for sequence-to-sequence models."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from datasets import (
    Dataset,
    DatasetBuilder,
    DatasetDict,
    IterableDataset,
    IterableDatasetDict,
    load_dataset,
    load_dataset_builder,
)
from huggingface_hub import HfFileSystem, hf_hub_download
from huggingface_hub.hf_file_system import HfFileSystemResolvedRepositoryPath
from transformers import PreTrainedTokenizerBase

from ..interpret.alignments import has_text
from ..models.bahdanau.features_bahdanau import feature_ids
from .features import read_features
from .pair_files import (
    REMOTE,
    check_columns,
    file_format,
    has_references,
    load_pair_files,
    pick_pair,
    prefix_errors_with,
)
from .splits import combine_splits


logger = logging.getLogger(__name__)


def load_parallel(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: dict[str, list[str]] | None = None,
    source_lang: str = "source",
    target_lang: str = "target",
    streaming: bool = False,
    feature_columns: Sequence[str] = (),
    feature_separator: str = ";",
    **kwargs: Any,
) -> DatasetDict | IterableDatasetDict:
    """
    Loads sentence pairs as columns `source`, `target` and, for `feature_columns`, `features`; an `alignment` column is
    kept. If targets are lists of texts, or a csv or tsv file has the target's column several times, `references` has
    all of them, and `target` the first.

    Args:
        dataset_name (`str`, *optional*):
            A dataset on the Hub, or a local folder.
        data_files (`dict[str, list[str]]`, *optional*):
            For each split, csv, tsv, json, jsonl or parquet files, or two plain text files with a sentence per line,
            all in UTF-8. They may be compressed (`.gz`, `.bz2`, `.xz`). Only `\\n` or `\\r\\n` ends a line of text.
        source_lang, target_lang (`str`):
            Keys of the `translation` column, or names of two columns. Swap them for the other direction.
        streaming (`bool`, *optional*, defaults to `False`):
            Whether to read the data during training instead of loading it first.
        feature_columns (`Sequence[str]`, *optional*):
            Columns that describe the source; see [`~hf_attention.data.features.read_features`].
        feature_separator (`str`, *optional*, defaults to `";"`):
            Separates the values of a cell of these columns.
        kwargs:
            Passed to `datasets.load_dataset` (`token`, `revision`, `cache_dir`).

    Raises:
        `FileNotFoundError`: for a missing file.
        `ValueError`: for files of unknown or different formats, files that are empty or cannot be read, text files of
        different length, or missing columns or texts.
    """
    features = (tuple(feature_columns), feature_separator)
    if data_files:
        cache_dir = kwargs.get("cache_dir")
        return combine_splits(
            {
                name: load_pair_files(files, source_lang, target_lang, streaming, cache_dir, *features)
                for name, files in data_files.items()
            }
        )
    if not dataset_name:
        raise ValueError("Pass a dataset (`dataset_name`) or files (`data_files`).")
    with prefix_errors_with([dataset_name]):
        builder = load_dataset_builder(dataset_name, dataset_config_name, **kwargs)
    if (files := find_files(builder, streaming, kwargs.get("token"))) is not None:
        return load_parallel(None, None, files, source_lang, target_lang, streaming, *features, **kwargs)
    with prefix_errors_with([dataset_name]):
        dataset = load_dataset(dataset_name, dataset_config_name, streaming=streaming, **kwargs)
    splits = {}
    for name, rows in dataset.items():
        with prefix_errors_with([f"{dataset_name} ({name})"]):
            splits[str(name)] = select_pair(rows, source_lang, target_lang, *features)
    return combine_splits(splits)


def find_files(
    builder: DatasetBuilder, streaming: bool = False, token: str | bool | None = None
) -> dict[str, list[str]] | None:
    """
    Returns the csv or json files of each split of a data set, downloaded unless they are to be streamed, since the
    readers of `datasets` guess types from texts. Returns `None` for other formats, or if options say how to read them.
    """
    config = builder.config
    known = {"name", "version", "data_dir", "data_files", "description", "sep"}
    has_options = any(getattr(config, item.name) != item.default for item in fields(config) if item.name not in known)
    if builder.name not in ("csv", "json") or has_options or not config.data_files:
        return None
    files = {str(split): list(map(str, paths)) for split, paths in config.data_files.items()}
    formats = {file_format(path) for paths in files.values() for path in paths}
    separator = "\t" if formats == {".tsv"} else ","
    if None in formats or getattr(config, "sep", separator) != separator:
        return None
    return {split: [path if streaming else download(path, token) for path in paths] for split, paths in files.items()}


def download(path: str, token: str | bool | None) -> str:
    """Returns the path of a local file, or of a copy of a file on the Hub."""
    if not path.startswith(REMOTE):
        return path
    file = HfFileSystem(token=token).resolve_path(path)
    assert isinstance(file, HfFileSystemResolvedRepositoryPath)  # of a data set
    return hf_hub_download(
        file.repo_id, file.path_in_repo, repo_type=file.repo_type, revision=file.revision, token=token
    )


def select_pair(
    dataset: Dataset | IterableDataset,
    source_lang: str,
    target_lang: str,
    feature_columns: tuple[str, ...] = (),
    feature_separator: str = ";",
) -> Dataset | IterableDataset:
    """Converts a `translation` column or two text columns, and those of features, to columns of [`load_parallel`]."""
    first = next(iter(dataset), None)
    if first is None:
        raise ValueError("There are no rows.")
    columns = list(dataset.column_names or first)
    keep = [column for column in ("alignment",) if column in columns]
    check_columns({**dict.fromkeys(columns), **first}, source_lang, target_lang)
    pick = partial(
        read_pair,
        languages=(source_lang, target_lang),
        with_references=has_references(first, target_lang),
        columns=feature_columns,
        separator=feature_separator,
    )
    return dataset.map(  # no lambda, since streamed data is pickled for spawned workers
        pick,
        remove_columns=[column for column in columns if column not in keep],
    )


def read_pair(
    row: dict, languages: tuple[str, str], with_references: bool, columns: tuple[str, ...], separator: str
) -> dict[str, Any]:
    pair = pick_pair(row, *languages, with_references)
    return pair | ({"features": read_features(row, columns, separator)} if columns else {})


def pair_with_each_reference(dataset: Dataset | IterableDataset) -> Dataset | IterableDataset:
    """Returns a row for each of the `references` of a row, with that as its `target`."""
    if "references" not in (dataset.column_names or []):
        return dataset
    return dataset.map(repeat_rows, batched=True, remove_columns=["references"])


def repeat_rows(rows: dict[str, list]) -> dict[str, list]:
    pairs = [(index, target) for index, targets in enumerate(rows["references"]) for target in targets]
    others = {name: [values[index] for index, _ in pairs] for name, values in rows.items() if name != "references"}
    return {**others, "target": [target for _, target in pairs]}


def tokenize_pairs(
    dataset: Dataset | IterableDataset,
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase | None = None,
    max_source_length: int = 128,
    max_target_length: int = 128,
    drop: bool = True,
    feature_values: Mapping[str, Sequence[str]] | None = None,
    feature_separator: str = ";",
) -> Dataset | IterableDataset:
    """
    Converts columns `source` and `target` to `input_ids`, `attention_mask`, `labels` and `length` (the larger of the
    source's and the target's), and `features` to `feature_ids`.

    Args:
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*):
            The target's, if source and target have different vocabularies.
        max_source_length, max_target_length (`int`):
            Maximum numbers of tokens, including the end of sequence.
        drop (`bool`, *optional*, defaults to `True`):
            Whether to drop pairs with an empty or over-long source or target (for training), or to keep all pairs and
            truncate the sources (for evaluation, where every pair counts).
        feature_values (`Mapping[str, Sequence[str]]`, *optional*):
            The known features of each column (`config.feature_values`), if the data has them.

    Raises:
        `ValueError`: if no pair is left.
    """
    dataset = dataset.map(
        partial(
            tokenize,
            tokenizer=tokenizer,
            target_tokenizer=target_tokenizer,
            max_source_length=None if drop else max_source_length,
            feature_values=feature_values,
            feature_separator=feature_separator,
        ),
        batched=True,
    )
    if not drop:
        return dataset
    tokenizers = (tokenizer, target_tokenizer or tokenizer)
    with_text = dataset.filter(partial(has_texts, tokenizers=tokenizers))
    kept = with_text.filter(partial(fits, limits=(max_source_length, max_target_length)))
    if not (isinstance(dataset, Dataset) and isinstance(with_text, Dataset) and isinstance(kept, Dataset)):
        return kept  # streamed
    total, empty = len(dataset), len(dataset) - len(with_text)
    if len(kept) < total:
        logger.warning(
            "Dropped %d of %d pairs: %d have an empty text, %d are longer than %d (source) or %d (target) tokens.",
            total - len(kept),
            total,
            empty,
            total - len(kept) - empty,
            max_source_length,
            max_target_length,
        )
    if len(kept) == 0:
        raise ValueError(
            "No pair is left: all have an empty or over-long source or target. Raise `max_source_length` and "
            "`max_target_length`, or check the data."
        )
    return kept


def tokenize(
    rows: dict,
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase | None,
    max_source_length: int | None,
    feature_values: Mapping[str, Sequence[str]] | None = None,
    feature_separator: str = ";",
) -> dict[str, list]:
    """Tokenizes a batch of pairs; the sources are truncated to `max_source_length` if it is given."""
    features = dict(tokenizer(rows["source"], truncation=max_source_length is not None, max_length=max_source_length))
    features.pop("token_type_ids", None)
    if target_tokenizer is None:
        features["labels"] = tokenizer(text_target=rows["target"])["input_ids"]
    else:
        features["labels"] = target_tokenizer(rows["target"])["input_ids"]
    if feature_values is not None:
        features["feature_ids"] = feature_ids(feature_values, rows["features"], feature_separator)
    features["length"] = [max(map(len, pair)) for pair in zip(features["input_ids"], features["labels"])]
    return features


def has_texts(row: dict, tokenizers: tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase]) -> bool:
    """Whether source and target of a tokenized pair have text."""
    return all(
        has_text(row[name], tokenizer, row[ids])
        for name, ids, tokenizer in zip(("source", "target"), ("input_ids", "labels"), tokenizers)
    )


def fits(row: dict, limits: tuple[int, int]) -> bool:
    return len(row["input_ids"]) <= limits[0] and len(row["labels"]) <= limits[1]
