# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Alignment error rate (Och & Ney 2003, Computational Linguistics 29(1), equation 36)."""

import evaluate
from datasets import Features, List, Value


LINKS = List(List(Value("int32")))


class AlignmentError(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` returns `alignment_error` = 1 - (|A & S| + |A & P|) / (|A| + |S|), 0
    to 1, over a corpus. A prediction A is a list of `[target, source]` positions; a reference is a dict of such lists,
    `sure` S and `possible` P, where P includes S. Without sure links it is the share of links outside P.

    Raises `ValueError` if neither predictions nor references have any links.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="Och & Ney 2003",
            inputs_description="predictions: lists of [target, source]; references: dicts of such lists",
            features=Features({"predictions": LINKS, "references": {"sure": LINKS, "possible": LINKS}}),
        )

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[list[list[int]]], references: list[dict[str, list[list[int]]]]
    ) -> dict[str, float]:
        hits = total = 0
        for prediction, reference in zip(predictions, references):
            links = set(map(tuple, prediction))
            sure = set(map(tuple, reference["sure"]))
            possible = sure | set(map(tuple, reference["possible"]))
            hits += len(links & sure) + len(links & possible)
            total += len(links) + len(sure)
        if total == 0:
            raise ValueError("`predictions` and `references` have no links, so there is no alignment to score.")
        return {"alignment_error": 1 - hits / total}


__all__ = ["AlignmentError"]
