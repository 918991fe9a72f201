# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest

from hf_attention.metrics import (
    Accuracy,
    Bleu,
    ChrF,
    Coverage,
    ErrorRate,
    ExactMatch,
    MacroF1,
    TopFiveAccuracy,
)


@pytest.mark.parametrize("metric", [Accuracy, Bleu, ChrF, Coverage, ErrorRate, ExactMatch, MacroF1, TopFiveAccuracy])
def test_nothing_to_score_is_an_error(metric):
    with pytest.raises(ValueError, match="`predictions` is empty, so there is nothing to score"):
        metric().compute(predictions=[], references=[])


def test_an_unknown_tokenizer_of_bleu_is_named():
    with pytest.raises(ValueError, match="`tokenize` must be one of none, zh, 13a, .*, got 'words'"):
        Bleu().compute(predictions=["a"], references=["a"], tokenize="words")
