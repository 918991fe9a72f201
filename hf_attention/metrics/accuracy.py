# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The share of images whose class was found."""

import evaluate
from datasets import Features, Value


class Accuracy(evaluate.Metric):
    """`compute(predictions=[...], references=[...])` of class numbers returns `accuracy`, 0 to 1."""

    def _info(self):
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="",
            inputs_description="predictions and references: class numbers",
            features=Features({"predictions": Value("int64"), "references": Value("int64")}),
        )

    def _compute(self, predictions, references):
        hits = [prediction == reference for prediction, reference in zip(predictions, references)]
        return {"accuracy": sum(hits) / len(hits)}


__all__ = ["Accuracy"]
