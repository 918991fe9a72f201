# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The share of predictions that equal the reference, character for character."""

import evaluate
from datasets import Features, Value

from .checks import check_has_predictions


class ExactMatch(evaluate.Metric):
    """`compute(predictions=[...], references=[...])` returns `exact_match`, 0 to 1, ignoring outer white space."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="",
            inputs_description="predictions and references: strings",
            features=Features({"predictions": Value("string"), "references": Value("string")}),
        )

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[str], references: list[str]
    ) -> dict[str, float]:
        check_has_predictions(predictions)
        matches = [prediction.strip() == reference.strip() for prediction, reference in zip(predictions, references)]
        return {"exact_match": sum(matches) / len(matches)}


__all__ = ["ExactMatch"]
