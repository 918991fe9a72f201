# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Corpus BLEU (Papineni et al. 2002) by sacrebleu (Post 2018, arXiv 1804.08771)."""

import sacrebleu

from .checks import TextMetric, as_streams


class Bleu(TextMetric):
    """
    `compute(predictions=[...], references=[...])` takes one detokenized reference per prediction, or a list of
    several, and returns `bleu`, 0 to 100, and sacrebleu's `signature`. `tokenize` selects its tokenizer (`13a`, `zh`,
    `ja-mecab`, `char`, ...).
    """

    paper = "Post 2018, arXiv 1804.08771"

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self,
        *,
        predictions: list[str],
        references: list[str] | list[list[str]],
        tokenize: str = "13a",
        lowercase: bool = False,
    ) -> dict[str, float | str]:
        if tokenize not in sacrebleu.BLEU.TOKENIZERS:
            raise ValueError(f"`tokenize` must be one of {', '.join(sacrebleu.BLEU.TOKENIZERS)}, got {tokenize!r}.")
        metric = sacrebleu.BLEU(tokenize=tokenize, lowercase=lowercase)
        score = metric.corpus_score(predictions, as_streams(references))
        return {"bleu": score.score, "signature": str(metric.get_signature())}


__all__ = ["Bleu"]
