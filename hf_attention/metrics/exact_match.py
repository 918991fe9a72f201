# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The share of predictions that equal a reference, character for character."""

from .checks import TextMetric, as_list


class ExactMatch(TextMetric):
    """
    `compute(predictions=[...], references=[...])` returns `exact_match`, 0 to 1, ignoring outer white space. A
    prediction may have several references, as a list of strings; it is right if it equals one.
    """

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[str], references: list[str] | list[list[str]]
    ) -> dict[str, float]:
        matches = [prediction.strip() in as_list(texts) for prediction, texts in zip(predictions, references)]
        return {"exact_match": sum(matches) / len(matches)}


__all__ = ["ExactMatch"]
