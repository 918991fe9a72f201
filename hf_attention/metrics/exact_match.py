# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The share of predictions that equal a reference, character for character."""

import evaluate
from datasets import Features, List, Value

from .checks import check_has_predictions


class ExactMatch(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` returns `exact_match`, 0 to 1, ignoring outer white space. A
    prediction may have several references, as a list of strings; it is right if it equals one.
    """

    def _info(self) -> evaluate.MetricInfo:
        several = Features({"predictions": Value("string"), "references": List(Value("string"))})
        one = Features({"predictions": Value("string"), "references": Value("string")})
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="",
            inputs_description="predictions: strings; references: strings, or a list of strings each",
            features=[several, one],
        )

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[str], references: list[str] | list[list[str]]
    ) -> dict[str, float]:
        check_has_predictions(predictions)
        matches = [
            prediction.strip() in [text.strip() for text in ([texts] if isinstance(texts, str) else texts)]
            for prediction, texts in zip(predictions, references)
        ]
        return {"exact_match": sum(matches) / len(matches)}


__all__ = ["ExactMatch"]
