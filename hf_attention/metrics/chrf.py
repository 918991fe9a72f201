# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Character n-gram F-score (Popović 2015) by sacrebleu."""

import sacrebleu

from .checks import TextMetric, as_streams


class ChrF(TextMetric):
    """
    `compute(predictions=[...], references=[...])` takes one reference per prediction, or a list of several, and
    returns `chrf`, 0 to 100; `word_order=2` gives chrF++.
    """

    paper = "Popović 2015, aclanthology W15-3049"

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[str], references: list[str] | list[list[str]], word_order: int = 0
    ) -> dict[str, float]:
        return {"chrf": sacrebleu.CHRF(word_order=word_order).corpus_score(predictions, as_streams(references)).score}


__all__ = ["ChrF"]
