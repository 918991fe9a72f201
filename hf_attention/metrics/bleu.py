# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Corpus BLEU (Papineni et al. 2002) by sacrebleu (Post 2018, arXiv 1804.08771)."""

import evaluate
import sacrebleu
from datasets import Features, Value

from .checks import check_has_predictions


class Bleu(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` takes one detokenized reference per prediction and returns `bleu`,
    0 to 100, and sacrebleu's `signature`. `tokenize` selects its tokenizer (`13a`, `zh`, `ja-mecab`, `char`, ...).
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="Post 2018, arXiv 1804.08771",
            inputs_description="predictions and references: strings",
            features=Features({"predictions": Value("string"), "references": Value("string")}),
        )

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[str], references: list[str], tokenize: str = "13a", lowercase: bool = False
    ) -> dict[str, float | str]:
        check_has_predictions(predictions)
        if tokenize not in sacrebleu.BLEU.TOKENIZERS:
            raise ValueError(f"`tokenize` must be one of {', '.join(sacrebleu.BLEU.TOKENIZERS)}, got {tokenize!r}.")
        metric = sacrebleu.BLEU(tokenize=tokenize, lowercase=lowercase)
        score = metric.corpus_score(predictions, [references])
        return {"bleu": score.score, "signature": str(metric.get_signature())}


__all__ = ["Bleu"]
