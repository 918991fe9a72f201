# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Sentence pairs from local files, as they are written: only `\\n` ends a line, and no type is guessed from a text."""

import bz2
import csv
import gzip
import json
import logging
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import IO, Any

import pyarrow as pa
import yaml
from datasets import Dataset, Features, IterableDataset, List, Value
from datasets.exceptions import DatasetGenerationError
from huggingface_hub import HfFileSystem
from pyarrow import parquet

from .features import read_features


logger = logging.getLogger(__name__)

COMPRESSIONS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
DAMAGE = (pa.ArrowException, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
REMOTE = "hf://"
VERSION = 1  # of the readers; files that an earlier version has read are not taken from the cache


@contextmanager
def prefix_errors_with(sources: Sequence[str]) -> Generator[None]:
    """Turns errors about sources that cannot be read into a `ValueError` that names them and the remedy, if known."""
    try:
        yield
    except (ValueError, DatasetGenerationError, csv.Error, yaml.YAMLError, OSError, EOFError, *DAMAGE) as error:
        # of the system, such as a missing permission or a full disk, or data that does not exist
        if isinstance(error, OSError) and (error.errno or isinstance(error, FileNotFoundError)):
            raise
        cause = error.__cause__ if isinstance(error, DatasetGenerationError) and error.__cause__ else error
        remedy = ""
        if isinstance(cause, UnicodeError):
            remedy = " Save it as UTF-8, without compression unless its name ends in .gz, .bz2 or .xz."
        elif isinstance(cause, csv.Error):
            remedy = " Each row must have as many cells as the first line; quote cells with commas, quotes or breaks."
        elif isinstance(cause, (EOFError, OSError, *DAMAGE)) and not sources[0].startswith(REMOTE):
            remedy = " The file is damaged or incomplete: create it again."
        raise ValueError(f"{', '.join(sources)}: {str(cause).strip().rstrip('.')}.{remedy}") from error


def load_pair_files(
    files: Sequence[str],
    source_lang: str,
    target_lang: str,
    streaming: bool = False,
    cache_dir: str | None = None,
    feature_columns: Sequence[str] = (),
    feature_separator: str = ";",
) -> Dataset | IterableDataset:
    """
    Loads one split from local files, with columns `source`, `target`, for `feature_columns` `features` and, if the
    first row has it, `alignment`. If its target is a list of texts, or the file has the target's column several times,
    `references` has all of them, and `target` the first.

    Local files are read once, also those that are streamed: errors are raised before training. Files that have not
    changed since come from the cache of `datasets`.

    Raises:
        `FileNotFoundError`: for a missing file.
        `ValueError`: for files of unknown or different formats, files that are empty or cannot be read, text files of
        different length, or missing columns or texts.
    """
    if isinstance(files, str) or not files:
        raise ValueError(f"`data_files` must have a list of files for each split, got {files!r}.")
    files = [str(file) for file in files]
    if len(set(files)) < len(files):
        raise ValueError(
            f"{', '.join(files)}: one of them is named twice. Name the source and the target, or each file once."
        )
    local = [file for file in files if not file.startswith(REMOTE)]
    for file in local:
        if not os.path.isfile(file):
            raise FileNotFoundError(f"There is no data file {file!r}.")
        if os.path.getsize(file) == 0:
            raise ValueError(f"{file} is empty.")
    formats = {file_format(file) for file in files}
    if len(formats) > 1:
        raise ValueError(f"{', '.join(files)} have different formats: convert them to one, or pass only one of them.")
    if formats == {None} and len(files) != 2:
        raise ValueError(
            f"Cannot read {', '.join(files)}: pass files of one of the formats {', '.join(READERS)}, or two plain "
            "text files, the source first."
        )
    parts: list[tuple[str, ...]] = [tuple(files)] if formats == {None} else [(file,) for file in files]
    first = next(read_rows(parts), None)
    if first is None:
        below = " below the first line, the names of the columns" if formats & {".csv", ".tsv"} else ""
        raise ValueError(f"{', '.join(files)}: there are no rows{below}.")
    features = {"source": Value("string"), "target": Value("string")}
    if has_references(first, target_lang):
        features["references"] = List(Value("string"))
    if "alignment" in first and isinstance(first["alignment"], str):
        logger.warning("%s: the column `alignment` is ignored, since it is text, not lists.", files[0])
    elif "alignment" in first:
        features["alignment"] = List(List(Value("int64")))
    if feature_columns:
        features["features"] = {column: Value("string") for column in feature_columns}
    arguments: dict = {
        "parts": parts,  # the shards, for workers and processes
        "languages": (source_lang, target_lang),
        "columns": tuple(features),
        "feature_columns": (tuple(feature_columns), feature_separator),
        "stamps": (VERSION, *((os.stat(file).st_mtime_ns, os.path.getsize(file)) for file in local)),
    }
    if streaming:
        for _ in read_pairs(**arguments) if local else ():
            pass
        return IterableDataset.from_generator(read_pairs, Features(features), arguments)
    try:
        return Dataset.from_generator(read_pairs, Features(features), cache_dir, gen_kwargs=arguments)  # ty: ignore[invalid-argument-type]  # `cache_dir` may be None
    except DatasetGenerationError as error:
        raise error.__cause__ or error from None


def file_format(file: str) -> str | None:
    """The extension of a file in a format with columns, without that of its compression; `None` for plain text."""
    stem, extension = os.path.splitext(file.lower())
    extension = os.path.splitext(stem)[1] if extension in COMPRESSIONS else extension
    return extension if extension in READERS else None


def read_pairs(
    parts: list[tuple[str, ...]],
    languages: tuple[str, str],
    columns: tuple[str, ...],
    feature_columns: tuple[tuple[str, ...], str],
    stamps: tuple,
) -> Iterator[dict]:
    """
    Yields the pairs of files.

    Args:
        parts (`list[tuple[str, ...]]`): files with columns, each alone, or one pair of plain text files.
        languages (`tuple[str, str]`): names of the columns, or keys of the column `translation`.
        columns (`tuple[str, ...]`): `source`, `target`, and perhaps `references`, `features` and `alignment`.
        feature_columns (`tuple[tuple[str, ...], str]`): the columns of features, and the separator of their values.
        stamps (`tuple`): tells versions of the files apart in the cache.
    """
    for part in parts:
        names = languages if len(part) == 1 else ("source", "target")
        needed: set[str] = set()
        for number, row in enumerate(read_rows([part]), start=1):
            with prefix_errors_with(part):
                if number == 1:
                    check_columns(row, *names)
                    needed = {"translation"} if "translation" in row else set(names)
                elif not needed & set(row):
                    raise ValueError(f"row {number} has no {' or '.join(sorted(needed))}, but {', '.join(row)}.")
                try:
                    pair = pick_pair(row, *names, "references" in columns)
                    if "alignment" not in columns and isinstance(row.get("alignment"), list):
                        raise ValueError("It has an `alignment`, but the first row has none: write null there.")
                    if "features" in columns:
                        pair["features"] = read_features(row, *feature_columns)
                    if "alignment" in columns:
                        pair["alignment"] = as_alignment(row.get("alignment"))
                except ValueError as error:
                    raise ValueError(f"row {number}: {error}") from error
            yield pair


def read_rows(parts: list[tuple[str, ...]]) -> Iterator[dict]:
    """Yields the rows of files, with the columns that they have."""
    for part in parts:
        with prefix_errors_with(part):
            yield from read_text(*part) if len(part) == 2 else READERS[file_format(part[0]) or ""](part[0])


def open_file(file: str) -> IO[bytes]:
    """Opens a file, which may be compressed, or on the Hub."""
    open_it = COMPRESSIONS.get(os.path.splitext(file)[1].lower(), open)
    if not file.startswith(REMOTE):
        return open_it(file, "rb")
    remote = HfFileSystem().open(file, "rb")
    return remote if open_it is open else open_it(remote, "rb")


def read_lines(file: str) -> Iterator[str]:
    """Yields the lines of a file, each with its `\\n` or `\\r\\n`; other breaks are inside a line."""
    with open_file(file) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                error.reason += f", in line {number}"
                raise


def without_end(line: str) -> str:
    return line.removesuffix("\r\n") if line.endswith("\r\n") else line.removesuffix("\n")


def read_text(source_file: str, target_file: str) -> Iterator[dict]:
    """Yields the pairs of two text files, line by line."""
    counts = [0, 0]
    for lines in zip_longest(read_lines(source_file), read_lines(target_file)):
        counts = [count + (line is not None) for count, line in zip(counts, lines)]
        if counts[0] == counts[1]:
            yield {"source": without_end(lines[0] or ""), "target": without_end(lines[1] or "")}
    if counts[0] != counts[1]:
        raise ValueError(
            f"They must have the same number of lines, but {source_file} has {counts[0]} and {target_file} {counts[1]}"
        )


def read_csv(file: str) -> Iterator[dict]:
    """Yields the rows of a csv file. Every cell is text, also `NA`, `007` and an empty one."""
    csv.field_size_limit(2**31 - 1)  # of the process; the default is 128 KiB
    rows = csv.reader(read_lines(file), strict=True)

    def numbered() -> Iterator[tuple[int, list[str]]]:
        try:
            for cells in rows:
                yield rows.line_num, cells
        except csv.Error as error:
            problem = "a carriage return is outside quotes" if "new-line" in str(error) else error
            raise csv.Error(f"line {rows.line_num}: {problem}") from error

    yield from read_table(numbered())


def read_tsv(file: str) -> Iterator[dict]:
    """Yields the rows of a tsv file. It has no quotes, and every cell is text."""
    yield from read_table(enumerate((without_end(line).split("\t") for line in read_lines(file)), start=1))


def read_table(rows: Iterable[tuple[int, list[str]]]) -> Iterator[dict]:
    """
    Yields numbered rows as dicts, with the first as names. A name that is repeated has a list of its cells that are
    not empty. Raises `csv.Error` for a row with more or fewer cells.
    """
    header, repeated = None, set()
    for number, cells in rows:
        if len(cells) < 2 and not any(map(str.strip, cells)):  # an empty line
            continue
        if header is None:
            header, repeated = cells, {name for name in cells if cells.count(name) > 1}
        elif len(cells) != len(header):
            raise csv.Error(f"line {number} has {len(cells)} cells, the first line {len(header)}")
        else:
            lists = {
                name: [cell for other, cell in zip(header, cells) if other == name and cell.strip()]
                for name in repeated
            }
            yield {**dict(zip(header, cells)), **lists}
    if header is None:
        raise ValueError("It is empty, but its first line must have the names of its columns.")


def read_json(file: str) -> Iterator[dict]:
    """Yields the objects of a file, one per line or in one list."""
    lines = read_lines(file)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if line.lstrip().startswith("["):
            rows = parse_json(line + "".join(lines), f"the list from line {number} on")
            yield from (check_object(row, f"row {index}") for index, row in enumerate(rows, start=1))
            return
        yield check_object(parse_json(line, f"line {number}"), f"line {number}")


def parse_json(text: str, where: str):
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        remedy = "Write one object per line, or one list of objects"
        raise ValueError(f"JSON cannot be parsed in {where} ({error}). {remedy}") from error


def unique_keys(pairs: list[tuple]) -> dict:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError(f"a key occurs twice in an object with the keys {', '.join(name for name, _ in pairs)}")
    return row


def check_object(row: object, where: str) -> dict:
    if not isinstance(row, dict):
        raise ValueError(f"{where} is {str(row)[:50]!r}, not an object such as {{'column': 'text'}}")
    return row


def read_parquet(file: str) -> Iterator[dict]:
    """Yields the rows of a parquet file."""
    with parquet.ParquetFile(file) as table:
        if len(set(table.schema_arrow.names)) < len(table.schema_arrow.names):
            raise ValueError(f"It has a column twice: {', '.join(table.schema_arrow.names)}")
        for batch in table.iter_batches(batch_size=1000):
            yield from batch.to_pylist()


READERS: dict[str, Callable[[str], Iterator[dict]]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".json": read_json,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".parquet": read_parquet,
}


def check_columns(row: dict, source_lang: str, target_lang: str) -> None:
    """Raises `ValueError` if the first row has neither the two columns nor `translation` with the two keys."""
    languages = {source_lang, target_lang}
    if "translation" in row:
        pair = row["translation"]
        if isinstance(pair, dict) and (missing := languages - set(pair)):
            raise ValueError(
                f"The `translation` column has no {', '.join(sorted(missing))}; its languages are "
                f"{', '.join(pair)}. Set `source_lang` and `target_lang`"
            )
    elif missing := languages - set(row):
        raise ValueError(
            f"The data has no column {', '.join(sorted(missing))}; its columns are {', '.join(row)}. Set "
            "`source_lang` and `target_lang` to two of them"
        )


def has_references(row: dict, target_lang: str) -> bool:
    """Whether the target of a row is a list of texts."""
    pair = row["translation"] if isinstance(row.get("translation"), dict) else row
    return isinstance(pair.get(target_lang), list)


def pick_pair(row: dict, source_lang: str, target_lang: str, with_references: bool = False) -> dict[str, Any]:
    """
    Returns the source and the target of a row with two columns, or with a column `translation`; `with_references` also
    all texts of a target that is a list.
    """
    pair = row
    if "translation" in row:
        pair = row["translation"]
        if not isinstance(pair, dict) or not {source_lang, target_lang} <= set(pair):
            raise ValueError(
                f"Every `translation` must have {source_lang!r} and {target_lang!r}, but one is {pair!r}."
            )
    source, target = pair.get(source_lang), pair.get(target_lang)
    if isinstance(source, list):
        raise ValueError(f"The source column {source_lang!r} has several texts: {source}. Only targets may have them.")
    if not with_references:
        if isinstance(target, list):
            raise ValueError(f"The target {target} is a list, but that of the first row is not: write all as lists.")
        return {"source": as_text(source), "target": as_text(target)}
    texts = list(map(as_text, target if isinstance(target, list) else [target]))
    references = list(dict.fromkeys(text for text in texts if text.strip())) or [""]
    return {"source": as_text(source), "target": references[0], "references": references}


def as_text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(
            f"The two columns must contain text, but one contains {value!r}. Store it as text, in quotes."
        )
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise ValueError(f"{value!r} has half of a surrogate pair, which is not a character. Remove it.") from None
    return value or ""


def as_alignment(value: object) -> list | None:
    is_links = isinstance(value, list) and all(
        isinstance(span, list) and len(span) == 4 and all(type(place) is int for place in span) for span in value
    )
    if value is not None and not is_links:
        raise ValueError(
            "`alignment` must be a list of [target start, target end, source start, source end], but one is "
            f"{str(value)[:50]}."
        )
    return value
