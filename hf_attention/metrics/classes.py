# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Metrics of classifiers in addition to the accuracy: macro F1, and whether the class is among the five best."""

import evaluate
from datasets import Features, List, Value
from sklearn.metrics import f1_score

from .checks import check_has_predictions


class MacroF1(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` of class numbers returns `macro_f1`, 0 to 1: the mean of the F1 of
    all classes that are predicted or true. Rare classes count as much as frequent ones.
    """

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
        return {"macro_f1": float(f1_score(references, predictions, average="macro", zero_division=0))}


class TopFiveAccuracy(evaluate.Metric):
    """
    `compute(predictions=[[...], ...], references=[...])` of the five most probable class numbers each returns
    `top_5_accuracy`, 0 to 1: the share of images whose class is among them.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="",
            inputs_description="predictions: lists of class numbers; references: class numbers",
            features=Features({"predictions": List(Value("int64")), "references": Value("int64")}),
        )

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[list[int]], references: list[int]
    ) -> dict[str, float]:
        check_has_predictions(predictions)
        hits = [reference in best for best, reference in zip(predictions, references)]
        return {"top_5_accuracy": sum(hits) / len(hits)}


__all__ = ["MacroF1", "TopFiveAccuracy"]
