# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What all metrics ask of their inputs, and those of text of their references."""

from collections.abc import Sized
from itertools import zip_longest
from typing import Any

import evaluate
from datasets import Features, List, Value


def check_has_predictions(predictions: Sized) -> None:
    """Raises `ValueError` if there are none."""
    if len(predictions) == 0:
        raise ValueError("`predictions` is empty, so there is nothing to score.")


class TextMetric(evaluate.Metric):
    """A metric of texts with one reference each, a string, or several, a list of strings."""

    paper = ""

    def _info(self) -> evaluate.MetricInfo:
        several = Features({"predictions": Value("string"), "references": List(Value("string"))})
        one = Features({"predictions": Value("string"), "references": Value("string")})
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation=self.paper,
            inputs_description="predictions: strings; references: strings, or a list of strings each",
            features=[several, one],
        )

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict | None:
        """Computes the metric; `ValueError` if there are no predictions."""
        if predictions is not None:  # they may have been added in batches
            check_has_predictions(predictions)
        return super().compute(predictions=predictions, references=references, **kwargs)


def as_streams(references: list[str] | list[list[str]]) -> list[list[Any]]:
    """
    The first references of all predictions, the second ones, and so on, as sacrebleu takes them; `None` where there
    are fewer.
    """
    return [list(texts) for texts in zip_longest(*([row] if isinstance(row, str) else row for row in references))]


def as_list(references: str | list[str]) -> list[str]:
    """The references of one prediction, without outer white space."""
    return [text.strip() for text in ([references] if isinstance(references, str) else references)]
