# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The table of an image classifier's predictions."""

from collections.abc import Iterator, Sequence
from itertools import islice

from datasets import Dataset
from transformers.utils import logging

from ..data.pair_files import READERS
from .files_to_classify import ImageFile
from .image_classifier import Classification, ImageClassifier
from .table_file import STANDARD, TableFile


logger = logging.get_logger(__name__)

ROWS = 1024  # read from a data set and then written
TOP = 5  # classes per image
FILE, TRUE, ERROR = "file", "true", "error"


class ClassificationFile(TableFile):
    """
    A row per image: `file`, `true` (if classes are known), the columns of the predictions, and `error`.

    Args:
        file (`str`): its name (`.tsv`, `.csv`, `.jsonl`), or `-` for standard output.
        predicted (`list[str]`): names of the columns of the predictions, as of [`ImageClassifier.columns`].
        has_true (`bool`): whether the images have classes.
        options (`dict`): of the run; see [`TableFile`].
        overwrite (`bool`): whether to replace the file, and what another run left.
    """

    def __init__(
        self,
        file: str,
        predicted: list[str],
        has_true: bool = False,
        options: dict | None = None,
        overwrite: bool = False,
    ) -> None:
        self.predicted, self.num_errors = predicted, 0
        super().__init__(file, [FILE, *([TRUE] if has_true else []), *predicted, ERROR], options, overwrite)

    def write(self, files: Sequence[ImageFile], results: Sequence[Classification]) -> None:
        """Appends the results of some images."""
        self.append([self.make_cells(*row) for row in zip(files, results)])

    def make_cells(self, file: ImageFile, result: Classification) -> dict:
        self.num_errors += result.error is not None
        cells = {FILE: file.path, TRUE: file.true} if TRUE in self.columns else {FILE: file.path}
        values = [round(value, 6) for value in result.probabilities]
        if "label_1" in self.predicted:
            values = [cell for pair in zip(result.labels, values) for cell in pair]
        return {**cells, **dict.fromkeys(self.predicted), **dict(zip(self.predicted, values)), ERROR: result.error}

    def read(self) -> Iterator[Classification]:
        """Yields the results that another run has written."""
        if self.file == STANDARD or not self.num_rows:
            return
        for row in islice(READERS[self.format](str(self.partial)), self.num_rows):
            self.num_errors += bool(row.get(ERROR))
            names = [name for name in self.predicted if row.get(name) not in (None, "")]
            yield Classification(
                [row[name] for name in names if name.startswith("label_")],
                [float(row[name]) for name in names if name.startswith("probability_")],
            )

    def finish(self) -> None:
        """Gives the complete file its name, and counts the images that could not be read."""
        super().finish()
        if self.num_errors:
            logger.warning(f"{self.num_errors} of {self.num_rows} images could not be read: see the column `{ERROR}`.")


def write_classifications(
    file: str, classifier: ImageClassifier, rows: Dataset, results: Sequence[Classification]
) -> None:
    """
    Writes what a classifier predicted for the rows of a data set to a table, in which an image without a file has its
    number.

    Args:
        file (`str`): its name; it is replaced if it exists.
        classifier (`ImageClassifier`): whose classes name the columns.
        rows (`Dataset`):
            With the columns `image`, not decoded, and `label`, the model's classes. The column `true` has several
            labels, or numbers, of an image with semicolons between them.
        results (`Sequence[Classification]`): one per row.
    """
    table = ClassificationFile(file, classifier.columns(TOP), has_true=True, overwrite=True)
    for start in range(0, len(rows), ROWS):
        chunk = rows[start : start + ROWS]
        files = [
            ImageFile(cell["path"] or str(start + index), describe_label(label, classifier))
            for index, (cell, label) in enumerate(zip(chunk["image"], chunk["label"]))
        ]
        table.write(files, results[start : start + ROWS])
    table.finish()


def describe_label(label: int | dict[str, float], classifier: ImageClassifier) -> str:
    if not isinstance(label, dict):
        return classifier.names[label]
    if classifier.problem_type == "regression":
        return ";".join(f"{value:g}" for value in label.values())
    return ";".join(name for name, value in label.items() if value)


__all__ = ["ClassificationFile", "write_classifications"]
