# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Corpus BLEU (Papineni et al. 2002) by sacrebleu (Post 2018, arXiv 1804.08771)."""

import evaluate
import sacrebleu
from datasets import Features, Value


class Bleu(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` takes one detokenised reference a prediction and returns `bleu`, 0
    to 100, and sacrebleu's `signature`. `tokenize` picks sacrebleu's tokenizer (`13a`, `zh`, `ja-mecab`, `char`, ...).
    """

    def _info(self):
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="Post 2018, arXiv 1804.08771",
            inputs_description="predictions and references: strings",
            features=Features({"predictions": Value("string"), "references": Value("string")}),
        )

    def _compute(self, predictions, references, tokenize: str = "13a", lowercase: bool = False):
        metric = sacrebleu.BLEU(tokenize=tokenize, lowercase=lowercase)
        score = metric.corpus_score(predictions, [references])
        return {"bleu": score.score, "signature": str(metric.get_signature())}


__all__ = ["Bleu"]
