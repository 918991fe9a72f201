# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Tables that are written in parts, so that a run that was cut short resumes."""

import csv
import json
import os
import sys
from pathlib import Path
from typing import TextIO

from transformers.utils import logging


logger = logging.get_logger(__name__)

STANDARD = "-"  # the name of standard output


class TableFile:
    """
    A table as `.tsv`, `.csv` or `.jsonl`, or on standard output as tsv; also as `.txt`, with a line per row, if it has
    a `line_column`.

    What is written stands in `FILE.partial`, next to `FILE.partial.json`, which says how much of it is complete, until
    the file is; a run with the same options resumes there.

    Args:
        file (`str`): its name, or `-` for standard output.
        columns (`list[str]`): their names.
        options (`dict`): of the run, in JSON's types.
        overwrite (`bool`): whether to replace the file, and what another run left.
        line_column (`str`, *optional*): the column that a `.txt` file holds.

    Attributes:
        num_rows (`int`): how many rows of the run's input are done.

    Raises:
        `FileExistsError`: if the file exists, unless `overwrite` is set.
        `ValueError`: for an unknown format, or if the file was begun with other options.
    """

    def __init__(
        self,
        file: str,
        columns: list[str],
        options: dict | None = None,
        overwrite: bool = False,
        line_column: str | None = None,
    ) -> None:
        formats = [".tsv", ".csv", ".jsonl"] if line_column is None else [".txt", ".tsv", ".csv", ".jsonl"]
        self.file, self.columns, self.line_column = file, columns, line_column
        self.format = ".tsv" if file == STANDARD else os.path.splitext(file)[1].lower()
        if self.format not in formats:
            raise ValueError(f"`output_file` is {file!r}, but its name must end in {', '.join(formats)}.")
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

    def append(self, rows: list[dict], done: int | None = None) -> None:
        """Appends rows, the results of `done` rows of the input; by default as many."""
        if self.file == STANDARD:
            if self.format == ".tsv" and not self.num_rows:
                self.write_cells(sys.stdout, self.columns)
            self.write_rows(sys.stdout, rows)
            sys.stdout.flush()
        else:
            with open(self.partial, "a", encoding="utf-8", newline="") as output:
                self.write_rows(output, rows)
                output.flush()
                os.fsync(output.fileno())
        self.num_rows += len(rows) if done is None else done
        if self.file != STANDARD:
            self.save_progress()

    def write_rows(self, output: TextIO, rows: list[dict]) -> None:
        for row in rows:
            if self.format == ".txt":
                output.write(self.on_one_line(row[self.line_column]) + "\n")
            elif self.format == ".jsonl":
                output.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            else:
                self.write_cells(output, [row.get(name) for name in self.columns])

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


__all__ = ["TableFile"]
