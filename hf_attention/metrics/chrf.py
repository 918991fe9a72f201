# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Character n-gram F-score (Popović 2015) by sacrebleu."""

import evaluate
import sacrebleu
from datasets import Features, Value

from .checks import check_has_predictions


class ChrF(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` takes one reference per prediction and returns `chrf`, 0 to 100;
    `word_order=2` gives chrF++.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="Popović 2015, aclanthology W15-3049",
            inputs_description="predictions and references: strings",
            features=Features({"predictions": Value("string"), "references": Value("string")}),
        )

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[str], references: list[str], word_order: int = 0
    ) -> dict[str, float]:
        check_has_predictions(predictions)
        return {"chrf": sacrebleu.CHRF(word_order=word_order).corpus_score(predictions, [references]).score}


__all__ = ["ChrF"]
