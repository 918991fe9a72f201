# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Sentence pairs from the Hub or local files, tokenized for sequence-to-sequence models."""

import csv
import logging
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, Value, load_dataset
from datasets.exceptions import DatasetGenerationError
from pandas.errors import ParserError
from transformers import PreTrainedTokenizerBase

from .splits import combine_splits


if TYPE_CHECKING:
    from _csv import Reader as CsvReader

logger = logging.getLogger(__name__)

FORMATS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


def load_parallel(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: dict[str, list[str]] | None = None,
    source_lang: str = "source",
    target_lang: str = "target",
    streaming: bool = False,
    **kwargs: Any,
) -> DatasetDict | IterableDatasetDict:
    """
    Loads sentence pairs as columns `source` and `target`; an `alignment` column is kept.

    Args:
        dataset_name (`str`, *optional*):
            A dataset on the Hub, or a local folder.
        data_files (`dict[str, list[str]]`, *optional*):
            For each split, csv, tsv, json, jsonl or parquet files, or two plain text files with a sentence per line.
        source_lang, target_lang (`str`):
            Keys of the `translation` column, or names of two columns. Swap them for the other direction.
        streaming (`bool`, *optional*, defaults to `False`):
            Whether to read the data during training instead of loading it first.
        kwargs:
            Passed to `datasets.load_dataset` (`token`, `revision`, `cache_dir`).

    Raises:
        `FileNotFoundError`: for a missing file.
        `ValueError`: for files of unknown or different formats, files that are empty or cannot be read, text files of
        different length, or missing columns or texts.
    """
    if data_files:
        splits = {}
        for name, files in data_files.items():
            rows = load_files(files, streaming, **kwargs)
            with prefix_errors_with(files):
                splits[name] = select_pair(rows, source_lang, target_lang)
        return combine_splits(splits)
    if not dataset_name:
        raise ValueError("Pass a dataset (`dataset_name`) or files (`data_files`).")
    dataset = load_dataset(dataset_name, dataset_config_name, streaming=streaming, **kwargs)
    splits = {}
    for name, rows in dataset.items():
        with prefix_errors_with([f"{dataset_name} ({name})"]):
            splits[str(name)] = select_pair(rows, source_lang, target_lang)
    return combine_splits(splits)


@contextmanager
def prefix_errors_with(sources: list[str]) -> Generator[None]:
    """Turns errors about sources that cannot be read into a `ValueError` that names them and the remedy, if known."""
    try:
        yield
    except (ValueError, DatasetGenerationError, csv.Error) as error:
        cause = error.__cause__ or error
        remedy = ""
        if isinstance(cause, UnicodeDecodeError):
            remedy = " Save it as UTF-8."
        elif isinstance(cause, (ParserError, csv.Error)):
            remedy = " Each row must have as many cells as the first line; quote cells with commas or quotes."
        raise ValueError(f"{', '.join(sources)}: {str(cause).strip().rstrip('.')}.{remedy}") from error


def load_files(files: list[str], streaming: bool = False, **kwargs: Any) -> Dataset | IterableDataset:
    """Loads one split from local files; see [`load_parallel`]."""
    for file in files:
        if not os.path.isfile(file):
            raise FileNotFoundError(f"There is no data file {file!r}.")
    if not any(map(os.path.getsize, files)):
        raise ValueError(f"{', '.join(files)} is empty.")
    extensions = {os.path.splitext(file)[1].lower() for file in files}
    if len(extensions) > 1 and extensions & FORMATS.keys():
        raise ValueError(f"{', '.join(files)} have different formats: convert them to one, or pass only one of them.")
    if len(extensions) == 1 and (extension := extensions.pop()) in FORMATS:
        if FORMATS[extension] == "csv":
            kwargs.update(csv_options(files, extension))
        with prefix_errors_with(files):
            return load_dataset(FORMATS[extension], data_files=files, split="train", streaming=streaming, **kwargs)
    if len(files) == 2:
        if streaming:
            names = {"source_file": files[0], "target_file": files[1]}
            return IterableDataset.from_generator(read_text_pairs, gen_kwargs=names)
        # from_generator would use its cache for a changed file with the same name
        return Dataset.from_list(list(read_text_pairs(*files)))
    raise ValueError(
        f"Cannot read {', '.join(files)}: pass files of one of the formats {', '.join(FORMATS)}, or two plain text "
        "files, the source first."
    )


def csv_options(files: list[str], extension: str) -> dict:
    """Options of pandas that read every cell as text, also `NA`, `None` and `007`; tsv files have no quotes."""
    delimiter, quoting = ("\t", csv.QUOTE_NONE) if extension == ".tsv" else (",", csv.QUOTE_MINIMAL)
    columns: list[str] = []
    has_rows = False
    for file in files:
        with prefix_errors_with([file]), open(file, encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines, delimiter=delimiter, quoting=quoting)
            header = next(filter(None, rows), None)
            has_rows = (header is not None and check_cells(rows, header)) or has_rows
        if header is None:
            raise ValueError(f"{file} is empty, but its first line must have the names of its columns.")
        columns = columns or header
        if missing := set(columns) - set(header):
            raise ValueError(
                f"{file} has no column {', '.join(sorted(missing))}, which {files[0]} has; its columns are "
                f"{', '.join(header)}. Pass files with the same columns."
            )
    if not has_rows:
        raise ValueError(f"{', '.join(files)}: there are no rows below the first line, the names of the columns.")
    options = {"sep": delimiter, "quoting": quoting} if extension == ".tsv" else {}
    features = Features({column: Value("string") for column in columns})
    return {"keep_default_na": False, "encoding": "utf-8-sig", "features": features, **options}


def check_cells(rows: "CsvReader", header: list[str]) -> bool:
    """
    Returns whether there are rows. Raises `csv.Error` for a row with more or fewer cells than the header, which pandas
    would accept: it would shift the columns or fill in missing cells.
    """
    has_rows = False
    limit = csv.field_size_limit(2**31 - 1)
    try:
        for row in rows:
            if not any(map(str.strip, row)):
                continue
            has_rows = True
            if len(row) != len(header):
                raise csv.Error(f"line {rows.line_num} has {len(row)} cells, the first line {len(header)}")
    finally:
        csv.field_size_limit(limit)
    return has_rows


def read_text_pairs(source_file: str, target_file: str) -> Iterable[dict[str, str]]:
    """Yields the pairs of two text files, line by line."""
    with (
        prefix_errors_with([source_file, target_file]),
        open(source_file, encoding="utf-8-sig") as source,
        open(target_file, encoding="utf-8-sig") as target,
    ):
        while True:
            source_line, target_line = source.readline(), target.readline()
            if not source_line and not target_line:
                return
            if not source_line or not target_line:
                shorter = source_file if not source_line else target_file
                raise ValueError(f"They must have the same number of lines; {shorter} ends first.")
            yield {"source": source_line.rstrip("\r\n"), "target": target_line.rstrip("\r\n")}


def select_pair(dataset: Dataset | IterableDataset, source_lang: str, target_lang: str) -> Dataset | IterableDataset:
    """Converts a `translation` column or two text columns to columns `source` and `target`."""
    first = next(iter(dataset), None)
    if first is None:
        raise ValueError("There are no rows.")
    columns = list(dataset.column_names or first)
    keep = [column for column in ("alignment",) if column in columns]
    if "translation" in columns:
        languages = first["translation"]
        if isinstance(languages, dict) and (missing := {source_lang, target_lang} - set(languages)):
            raise ValueError(
                f"The `translation` column has no {', '.join(sorted(missing))}; its languages are "
                f"{', '.join(languages)}. Set `source_lang` and `target_lang`."
            )
        read = read_translation
    else:
        if missing := {source_lang, target_lang} - set(columns):
            raise ValueError(
                f"The data has no column {', '.join(sorted(missing))}; its columns are {', '.join(columns)}. Set "
                "`source_lang` and `target_lang` to two of them."
            )
        read = read_columns
    return dataset.map(  # no lambda, since streamed data is pickled for spawned workers
        partial(read, source_lang=source_lang, target_lang=target_lang),
        remove_columns=[column for column in columns if column not in keep],
    )


def read_translation(row: dict, source_lang: str, target_lang: str) -> dict[str, str]:
    pair = row["translation"]
    if not isinstance(pair, dict) or not {source_lang, target_lang} <= set(pair):
        raise ValueError(f"Every `translation` must have {source_lang!r} and {target_lang!r}, but one is {pair!r}.")
    return read_columns(pair, source_lang, target_lang)


def read_columns(row: dict, source_lang: str, target_lang: str) -> dict[str, str]:
    return {"source": as_text(row[source_lang]), "target": as_text(row[target_lang])}


def as_text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"The two columns must contain text, but one contains {value!r}.")
    return value or ""


def tokenize_pairs(
    dataset: Dataset | IterableDataset,
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase | None = None,
    max_source_length: int = 128,
    max_target_length: int = 128,
    drop: bool = True,
) -> Dataset | IterableDataset:
    """
    Converts columns `source` and `target` to `input_ids`, `attention_mask`, `labels` and `length` (the larger of the
    source's and the target's).

    Args:
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*):
            The target's, if source and target have different vocabularies.
        max_source_length, max_target_length (`int`):
            Maximum numbers of tokens, including the end of sequence.
        drop (`bool`, *optional*, defaults to `True`):
            Whether to drop pairs with an empty or over-long source or target (for training), or to keep all pairs and
            truncate the sources (for evaluation, where every pair counts).

    Raises:
        `ValueError`: if no pair is left.
    """
    dataset = dataset.map(
        partial(
            tokenize,
            tokenizer=tokenizer,
            target_tokenizer=target_tokenizer,
            max_source_length=None if drop else max_source_length,
        ),
        batched=True,
    )
    if not drop:
        return dataset
    kept = dataset.filter(partial(fits, max_source_length=max_source_length, max_target_length=max_target_length))
    if isinstance(dataset, Dataset) and isinstance(kept, Dataset) and len(kept) < len(dataset):
        empty = sum(not has_text(*pair) for pair in zip(dataset["source"], dataset["target"]))
        logger.warning(
            "Dropped %d of %d pairs: %d have an empty text, %d are longer than %d (source) or %d (target) tokens.",
            len(dataset) - len(kept),
            len(dataset),
            empty,
            len(dataset) - len(kept) - empty,
            max_source_length,
            max_target_length,
        )
    if isinstance(kept, Dataset) and len(kept) == 0:
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
) -> dict[str, list]:
    """Tokenizes a batch of pairs; the sources are truncated to `max_source_length` if it is given."""
    features = dict(tokenizer(rows["source"], truncation=max_source_length is not None, max_length=max_source_length))
    features.pop("token_type_ids", None)
    if target_tokenizer is None:
        features["labels"] = tokenizer(text_target=rows["target"])["input_ids"]
    else:
        features["labels"] = target_tokenizer(rows["target"])["input_ids"]
    features["length"] = [max(map(len, pair)) for pair in zip(features["input_ids"], features["labels"])]
    return features


def fits(row: dict, max_source_length: int, max_target_length: int) -> bool:
    return (
        has_text(row["source"], row["target"])
        and 0 < len(row["input_ids"]) <= max_source_length
        and 0 < len(row["labels"]) <= max_target_length
    )


def has_text(source: str, target: str) -> bool:
    """Whether both texts have more than white space."""
    return bool(source.strip() and target.strip())
