# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Files of sources and of their predictions."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice

from ..data.pair_files import READERS, file_format, prefix_errors_with, read_lines, without_end
from .table_file import STANDARD, TableFile
from .translator import Translation


PREDICTION, SCORE, RANK, ALIGNMENT = "prediction", "score", "rank", "alignment"


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


class PredictionFile(TableFile):
    """
    The file of predictions, in the order of the sources. `.txt` and standard output hold a prediction per line;
    `.tsv`, `.csv` and `.jsonl` hold the columns of the sources and `prediction`, `score` (see [`Translation`]), `rank`
    (if there are several predictions of a source), and `alignment` (if requested). See [`TableFile`].

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
        if os.path.splitext(file)[1].lower() == ".txt" and (n_best > 1 or alignments):
            raise ValueError(
                f"`output_file` ({file}) has one prediction per line: for `n_best` or `alignments` use .tsv, .csv or "
                ".jsonl."
            )
        columns = [
            *columns,
            PREDICTION,
            SCORE,
            *([RANK] if n_best > 1 else []),
            *([ALIGNMENT] if alignments else []),
        ]
        super().__init__(file, columns, options, overwrite, line_column=PREDICTION)
        if file == STANDARD and not (n_best > 1 or alignments):
            self.format = ".txt"

    def write(self, rows: list[dict], translations: list[list[Translation]]) -> None:
        """Appends the predictions of some rows: none for a row without text, which has an empty prediction."""
        self.append([cells for row in zip(rows, translations) for cells in self.make_cells(*row)], len(rows))

    def make_cells(self, row: dict, candidates: list[Translation]) -> Iterator[dict]:
        for rank, candidate in enumerate(candidates or [Translation("", float("nan"))], start=1):
            cells = {**row, PREDICTION: candidate.text}
            cells[SCORE] = None if candidate.score != candidate.score else round(candidate.score, 6)
            if RANK in self.columns:
                cells[RANK] = rank
            if ALIGNMENT in self.columns:
                cells[ALIGNMENT] = alignment_cell(candidate)
            yield cells


def alignment_cell(translation: Translation) -> dict | None:
    if translation.weights is None:
        return None
    return {
        "source_tokens": translation.source_tokens,
        "target_tokens": translation.target_tokens,
        "weights": translation.weights.round(4).tolist(),
    }


__all__ = ["PredictionFile", "SourceFile"]
