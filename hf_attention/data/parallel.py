# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Sentence pairs from the Hub or local files, as the features a sequence-to-sequence model trains on."""

import csv
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, Value, load_dataset
from datasets.exceptions import DatasetGenerationError
from pandas.errors import ParserError
from transformers import PreTrainedTokenizerBase


logger = logging.getLogger(__name__)

FORMATS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


def load_parallel(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: dict[str, list[str]] | None = None,
    source_lang: str = "source",
    target_lang: str = "target",
    streaming: bool = False,
    **kwargs,
) -> DatasetDict | IterableDatasetDict:
    """
    Loads sentence pairs as columns `source` and `target` (an `alignment` column is kept).

    Args:
        dataset_name (`str`, *optional*):
            A dataset of the Hub, or a local folder.
        data_files (`dict[str, list[str]]`, *optional*):
            Split name to files: csv, tsv, json, jsonl or parquet, or two plain text files, line beside line.
        source_lang, target_lang (`str`):
            Keys of the `translation` column, or names of two columns. Swapping them trains the other direction.
        streaming (`bool`, *optional*, defaults to `False`):
            Whether to read the data while training.
        kwargs:
            Passed to `datasets.load_dataset` (`token`, `revision`, `cache_dir`).

    Raises:
        `FileNotFoundError`: for a missing file.
        `ValueError`: for files of unknown or different formats, empty or unreadable, text files of unequal length, or
        columns or texts that are not there.
    """
    if data_files:
        splits = {}
        for name, files in data_files.items():
            rows = load_files(files, streaming, **kwargs)
            with naming(files):
                splits[name] = select_pair(rows, source_lang, target_lang)
        return IterableDatasetDict(splits) if streaming else DatasetDict(splits)
    if not dataset_name:
        raise ValueError("Name a dataset (`dataset_name`) or files (`data_files`).")
    dataset = load_dataset(dataset_name, dataset_config_name, streaming=streaming, **kwargs)
    for name in dataset:
        with naming([f"{dataset_name} ({name})"]):
            dataset[name] = select_pair(dataset[name], source_lang, target_lang)
    return dataset


@contextmanager
def naming(sources: list[str]) -> Iterator[None]:
    """Where these cannot be read, raises a `ValueError` that names them and, where it is known, the remedy."""
    try:
        yield
    except (ValueError, DatasetGenerationError, csv.Error) as error:
        cause = error.__cause__ or error
        remedy = ""
        if isinstance(cause, UnicodeDecodeError):
            remedy = " Save it as UTF-8."
        elif isinstance(cause, (ParserError, csv.Error)):
            remedy = " Each row must have the first line's cells; in a csv, quote one that holds a comma or a quote."
        raise ValueError(f"{', '.join(sources)}: {str(cause).strip().rstrip('.')}.{remedy}") from error


def load_files(files: list[str], streaming: bool = False, **kwargs) -> Dataset | IterableDataset:
    """One split from local files; see [`load_parallel`]."""
    for file in files:
        if not os.path.isfile(file):
            raise FileNotFoundError(f"There is no data file {file!r}.")
    if not any(map(os.path.getsize, files)):
        raise ValueError(f"{', '.join(files)} is empty.")
    extensions = {os.path.splitext(file)[1].lower() for file in files}
    if len(extensions) > 1 and extensions & FORMATS.keys():
        raise ValueError(f"{', '.join(files)} are of different formats: convert them to one, or name one of them.")
    if len(extensions) == 1 and (extension := extensions.pop()) in FORMATS:
        if FORMATS[extension] == "csv":
            kwargs.update(csv_options(files, extension))
        with naming(files):
            return load_dataset(FORMATS[extension], data_files=files, split="train", streaming=streaming, **kwargs)
    if len(files) == 2:
        if streaming:
            names = {"source_file": files[0], "target_file": files[1]}
            return IterableDataset.from_generator(read_text_pairs, gen_kwargs=names)
        # from_generator would take a changed file of the same name from its cache
        return Dataset.from_list(list(read_text_pairs(*files)))
    raise ValueError(
        f"Cannot read {', '.join(files)}: give files of one of the formats {', '.join(FORMATS)}, or two plain text "
        "files, the source's first."
    )


def csv_options(files: list[str], extension: str) -> dict:
    """Every cell is text: `NA`, `None` and `007` are what they are, and a tsv has no quotes."""
    dialect = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if extension == ".tsv" else {}
    columns, has_rows = None, False
    for file in files:
        with naming([file]), open(file, encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines, **dialect)
            header = next(filter(None, rows), None)
            has_rows = check_cells(rows, header) or has_rows
        if header is None:
            raise ValueError(f"{file} is empty, but its first line must name its columns.")
        columns = columns or header
        if missing := set(columns) - set(header):
            raise ValueError(
                f"{file} has no column {', '.join(sorted(missing))}, which {files[0]} has; its columns are "
                f"{', '.join(header)}. Give files of the same columns."
            )
    if not has_rows:
        raise ValueError(f"{', '.join(files)}: there is no row below the first line, which names the columns.")
    options = {"sep": dialect["delimiter"], "quoting": csv.QUOTE_NONE} if dialect else {}
    features = Features({column: Value("string") for column in columns})
    return {"keep_default_na": False, "encoding": "utf-8-sig", "features": features, **options}


def check_cells(rows, header: list[str] | None) -> bool:
    """
    Whether there is a row. Raises `csv.Error` for one with more or fewer cells than the header: pandas would shift the
    columns by those that the first row has too many, and fill those that are missing.
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
    with (
        naming([source_file, target_file]),
        open(source_file, encoding="utf-8-sig") as source,
        open(target_file, encoding="utf-8-sig") as target,
    ):
        while True:
            source_line, target_line = source.readline(), target.readline()
            if not source_line and not target_line:
                return
            if not source_line or not target_line:
                shorter = source_file if not source_line else target_file
                raise ValueError(f"They must have a line for each other; {shorter} ends first.")
            yield {"source": source_line.rstrip("\r\n"), "target": target_line.rstrip("\r\n")}


def select_pair(dataset: Dataset | IterableDataset, source_lang: str, target_lang: str) -> Dataset | IterableDataset:
    """Brings a `translation` column or two text columns into columns `source` and `target`."""
    first = next(iter(dataset), None)
    if first is None:
        raise ValueError("There is no row.")
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
    return dataset.map(  # whole functions: what is streamed goes, pickled, to workers that are spawned
        partial(read, source_lang=source_lang, target_lang=target_lang),
        remove_columns=[column for column in columns if column not in keep],
    )


def read_translation(row: dict, source_lang: str, target_lang: str) -> dict[str, str]:
    pair = row["translation"]
    if not isinstance(pair, dict) or not {source_lang, target_lang} <= set(pair):
        raise ValueError(
            f"Every `translation` must hold a {source_lang!r} and a {target_lang!r}, but one is {pair!r}."
        )
    return read_columns(pair, source_lang, target_lang)


def read_columns(row: dict, source_lang: str, target_lang: str) -> dict[str, str]:
    return {"source": as_text(row[source_lang]), "target": as_text(row[target_lang])}


def as_text(value) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"The two columns must hold text, but one holds {value!r}.")
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
    Turns columns `source` and `target` into `input_ids`, `attention_mask`, `labels` and `length` (of the longer side).

    Args:
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*):
            The target's, where the two sides have vocabularies of their own.
        max_source_length, max_target_length (`int`):
            In tokens, end of sequence included.
        drop (`bool`, *optional*, defaults to `True`):
            Whether pairs with an empty or over-long side are left out (for training), or kept with the source cut to
            its maximum (for evaluation, where every pair counts).

    Raises:
        `ValueError`: where nothing is left.
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
    kept = dataset.filter(partial(is_fit, max_source_length=max_source_length, max_target_length=max_target_length))
    if isinstance(dataset, Dataset) and len(kept) < len(dataset):
        empty = sum(not has_text(*pair) for pair in zip(dataset["source"], dataset["target"]))
        logger.warning(
            "Left out %d of %d pairs: of %d a side is empty, of %d longer than %d (source) or %d (target) tokens.",
            len(dataset) - len(kept),
            len(dataset),
            empty,
            len(dataset) - len(kept) - empty,
            max_source_length,
            max_target_length,
        )
    if isinstance(kept, Dataset) and len(kept) == 0:
        raise ValueError(
            "No pair is left: every one has an empty or over-long side. Raise `max_source_length` and "
            "`max_target_length`, or look at the data."
        )
    return kept


def tokenize(
    rows: dict,
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase | None,
    max_source_length: int | None,
) -> dict[str, list]:
    """A batch of pairs, the sources cut to `max_source_length`, or, without it, whole."""
    features = dict(tokenizer(rows["source"], truncation=max_source_length is not None, max_length=max_source_length))
    features.pop("token_type_ids", None)
    if target_tokenizer is None:
        features["labels"] = tokenizer(text_target=rows["target"])["input_ids"]
    else:
        features["labels"] = target_tokenizer(rows["target"])["input_ids"]
    features["length"] = [max(map(len, pair)) for pair in zip(features["input_ids"], features["labels"])]
    return features


def is_fit(row: dict, max_source_length: int, max_target_length: int) -> bool:
    return (
        has_text(row["source"], row["target"])
        and 0 < len(row["input_ids"]) <= max_source_length
        and 0 < len(row["labels"]) <= max_target_length
    )


def has_text(source: str, target: str) -> bool:
    return bool(source.strip() and target.strip())
