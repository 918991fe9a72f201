# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Files of sources and of their predictions, which are written in parts, so that a run that was cut short resumes."""

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from transformers.utils import logging

from ..data.pair_files import READERS, file_format, prefix_errors_with, read_lines, without_end
from .translator import Translation


logger = logging.get_logger(__name__)

STANDARD = "-"  # the name of standard input and output
PREDICTION, SCORE, RANK, ALIGNMENT = "prediction", "score", "rank", "alignment"
OUTPUT_FORMATS = (".txt", ".tsv", ".csv", ".jsonl")


class SourceFile:
    """
    The texts to translate: the lines of a text file or of standard input, or a column of a csv, tsv, json, jsonl or
    parquet file, whose other columns are kept. Files are read once before anything is translated, so errors in them
    are raised here.

    Args:
        file (`str`): its name, or `-` for standard input.
        column (`str`, *optional*): the source's; by default the first of `candidates` that the file has, or its only
            one.
        candidates (`list[str]`): names that the source's column may have.

    Attributes:
        num_rows (`int` or `None`): the number of sources, which is not known for standard input.

    Raises:
        `FileNotFoundError`: for a missing file.
        `ValueError`: for a file that cannot be read or is empty, or without the column.
    """

    def __init__(self, file: str, column: str | None = None, candidates: Iterable[str] = ()) -> None:
        self.file = file
        self.format = None if file == STANDARD else file_format(file)
        self.column, self.columns, self.num_rows = "source", ["source"], None
        if self.format is None and column is not None:
            raise ValueError(f"`source_column` is {column!r}, but {file} is plain text, a source per line. Remove it.")
        if file == STANDARD:
            return
        if not os.path.isfile(file):
            raise FileNotFoundError(f"There is no file {file!r}: `input_file` must be one, or `-` for standard input.")
        if self.format is not None:
            self.columns = list(next(self.rows(), {}))
            self.column = self.find_column(column, candidates)
        self.num_rows = sum(1 for _ in self.rows())
        if not self.num_rows:
            raise ValueError(f"{file} has no rows: there is nothing to translate.")

    def find_column(self, column: str | None, candidates: Iterable[str]) -> str:
        names = self.columns
        if reserved := {PREDICTION, SCORE, RANK, ALIGNMENT} & set(names):
            raise ValueError(
                f"{self.file} has a column {', '.join(sorted(reserved))}, which the predictions need: rename it."
            )
        if column is None:
            column = next((name for name in candidates if name in names), names[0] if len(names) == 1 else None)
        if column is None or column not in names:
            was = "is not set" if column is None else f"is {column!r}"
            raise ValueError(
                f"`source_column` {was}, but must be one of the columns of {self.file}: {', '.join(names)}."
            )
        return column

    def chunks(self, size: int, start: int = 0) -> Iterator[list[dict]]:
        """Yields lists of at most `size` rows, from row `start` on."""
        rows = islice(self.rows(), start, None)
        while chunk := list(islice(rows, size)):
            yield chunk

    def rows(self) -> Iterator[dict]:
        """Yields the rows, with their columns."""
        if self.file == STANDARD:
            lines = io.TextIOWrapper(sys.stdin.buffer, "utf-8-sig", newline="\n")
        elif self.format is None:
            lines = read_lines(self.file)
        else:
            lines = None
        with prefix_errors_with([self.file]):
            if lines is not None:
                yield from ({"source": without_end(line)} for line in lines)
                return
            for number, row in enumerate(READERS[self.format or ""](self.file), start=1):
                text = row.get(self.column)
                if not isinstance(text, str | None):
                    raise ValueError(f"row {number}: `{self.column}` must be text, but is {text!r}")
                yield row


class PredictionFile:
    """
    The file of predictions, in the order of the sources. `.txt` and standard output hold a prediction per line;
    `.tsv`, `.csv` and `.jsonl` hold the columns of the sources and `prediction`, `score` (see [`Translation`]), `rank`
    (if there are several predictions of a source), and `alignment` (if requested).

    What is written stands in `FILE.partial`, next to `FILE.partial.json`, which says how much of it is complete, until
    the file is; a run with the same options resumes there.

    Args:
        file (`str`): its name, or `-` for standard output.
        columns (`list[str]`): of the sources.
        n_best (`int`): predictions per source.
        alignments (`bool`): whether they have alignments.
        options (`dict`): of the run, in JSON's types.
        overwrite (`bool`): whether to replace the file, and what another run left.

    Raises:
        `FileExistsError`: if the file exists, unless `overwrite` is set.
        `ValueError`: for an unknown format, or if the file was begun with other options.
    """

    def __init__(
        self,
        file: str,
        columns: list[str],
        n_best: int = 1,
        alignments: bool = False,
        options: dict | None = None,
        overwrite: bool = False,
    ) -> None:
        self.file = file
        self.format = ".txt" if file == STANDARD else os.path.splitext(file)[1].lower()
        if file == STANDARD and (n_best > 1 or alignments):
            self.format = ".tsv"
        if self.format not in OUTPUT_FORMATS:
            raise ValueError(f"`output_file` is {file!r}, but its name must end in {', '.join(OUTPUT_FORMATS)}.")
        if self.format == ".txt" and (n_best > 1 or alignments):
            raise ValueError(
                f"`output_file` ({file}) has one prediction per line: for `n_best` or `alignments` use .tsv, .csv or "
                ".jsonl."
            )
        self.columns = [
            *columns,
            PREDICTION,
            SCORE,
            *([RANK] if n_best > 1 else []),
            *([ALIGNMENT] if alignments else []),
        ]
        self.options = {**(options or {}), "columns": self.columns}
        self.num_rows = self.num_changed = 0
        self.partial, self.progress = Path(f"{file}.partial"), Path(f"{file}.partial.json")
        if file == STANDARD:
            return
        if not overwrite and os.path.lexists(file):
            raise FileExistsError(
                f"`output_file` ({file}) exists. Name another one, or replace it with `--overwrite`."
            )
        if not Path(file).parent.is_dir():
            raise FileNotFoundError(f"`output_file` is {file!r}, but there is no folder {str(Path(file).parent)!r}.")
        self.resume(overwrite)

    def resume(self, overwrite: bool) -> None:
        """Cuts the partial file to its complete rows, or begins it."""
        saved = (
            json.loads(self.progress.read_text("utf-8"))
            if self.progress.is_file() and self.partial.is_file()
            else None
        )
        if saved is not None and not overwrite:
            different = [name for name in self.options if saved["options"].get(name) != self.options[name]]
            if different:
                details = ", ".join(
                    f"{name} {saved['options'].get(name)!r} instead of {self.options[name]!r}" for name in different
                )
                raise ValueError(
                    f"{self.partial} was written by another run ({details}). Run that one again to finish it, name "
                    "another `output_file`, or replace it with `--overwrite`."
                )
            self.num_rows = saved["rows"]
            os.truncate(self.partial, saved["bytes"])
            logger.warning(f"Resuming {self.file} after {self.num_rows} rows.")
            return
        with open(self.partial, "w", encoding="utf-8", newline="") as output:
            if self.format in (".tsv", ".csv"):
                self.write_cells(output, self.columns)
        self.save_progress()

    def save_progress(self) -> None:
        progress = {"rows": self.num_rows, "bytes": self.partial.stat().st_size, "options": self.options}
        scratch = self.progress.with_suffix(".tmp")
        scratch.write_text(json.dumps(progress, ensure_ascii=False), "utf-8")
        scratch.replace(self.progress)

    def write(self, rows: list[dict], translations: list[list[Translation]]) -> None:
        """Appends the predictions of some rows: none for a row without text, which has an empty prediction."""
        if self.file == STANDARD:
            if self.format == ".tsv" and not self.num_rows:
                self.write_cells(sys.stdout, self.columns)
            self.write_rows(sys.stdout, rows, translations)
            sys.stdout.flush()
            self.num_rows += len(rows)
            return
        with open(self.partial, "a", encoding="utf-8", newline="") as output:
            self.write_rows(output, rows, translations)
            output.flush()
            os.fsync(output.fileno())
        self.num_rows += len(rows)
        self.save_progress()

    def write_rows(self, output: TextIO, rows: list[dict], translations: list[list[Translation]]) -> None:
        for row, candidates in zip(rows, translations):
            for rank, candidate in enumerate(candidates or [Translation("", float("nan"))], start=1):
                if self.format == ".txt":
                    output.write(self.on_one_line(candidate.text) + "\n")
                    continue
                cells = {**row, PREDICTION: candidate.text}
                cells[SCORE] = None if candidate.score != candidate.score else round(candidate.score, 6)
                if RANK in self.columns:
                    cells[RANK] = rank
                if ALIGNMENT in self.columns:
                    cells[ALIGNMENT] = alignment_cell(candidate)
                if self.format == ".jsonl":
                    output.write(json.dumps(cells, ensure_ascii=False, default=str) + "\n")
                else:
                    self.write_cells(output, [cells.get(name) for name in self.columns])

    def write_cells(self, output: TextIO, cells: list) -> None:
        texts = [
            ""
            if cell is None
            else json.dumps(cell, ensure_ascii=False)
            if isinstance(cell, dict | list)
            else str(cell)
            for cell in cells
        ]
        if self.format == ".csv":
            csv.writer(output, lineterminator="\n").writerow(texts)
        else:  # without quotes, as tsv files are read
            output.write("\t".join(map(self.on_one_line, texts)) + "\n")

    def on_one_line(self, text: str) -> str:
        """The text with spaces instead of tabs and line breaks, which a line of plain text or tsv cannot hold."""
        line = text.translate({ord(separator): " " for separator in "\t\r\n"})
        self.num_changed += line != text
        return line

    def finish(self) -> None:
        """Gives the complete file its name."""
        if self.num_changed:
            logger.warning(
                f"{self.num_changed} cells hold tabs or line breaks, written as spaces: use .csv or .jsonl to "
                "keep them."
            )
        if self.file != STANDARD:
            self.partial.replace(self.file)
            self.progress.unlink(missing_ok=True)


def alignment_cell(translation: Translation) -> dict | None:
    if translation.weights is None:
        return None
    return {
        "source_tokens": translation.source_tokens,
        "target_tokens": translation.target_tokens,
        "weights": translation.weights.round(4).tolist(),
    }


__all__ = ["PredictionFile", "SourceFile"]
