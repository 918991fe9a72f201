# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The share of predictions that are correct."""

import evaluate
from datasets import Features, Value

from .checks import check_has_predictions


class Accuracy(evaluate.Metric):
    """`compute(predictions=[...], references=[...])` of class numbers returns `accuracy`, 0 to 1."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="",
            inputs_description="predictions and references: class numbers",
            features=Features({"predictions": Value("int64"), "references": Value("int64")}),
        )

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[int], references: list[int]
    ) -> dict[str, float]:
        check_has_predictions(predictions)
        hits = [prediction == reference for prediction, reference in zip(predictions, references)]
        return {"accuracy": sum(hits) / len(hits)}


__all__ = ["Accuracy"]
