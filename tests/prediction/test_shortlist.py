# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

from collections import Counter
from pathlib import Path

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from hf_attention.interpret import align
from hf_attention.prediction.shortlist import add_shortlist


MODEL = Path(__file__).parents[2] / "model_cards" / "bahdanau-dates"
SOURCES = ["4. März 2005", "2031년 12월 25일", "<en_GB> 03/04/2005", "1. Mai 1999"]
TARGETS = ["2005-03-04", "2031-12-25", "2005-04-03", "1999-05-01"]


def test_candidates_are_the_targets_that_attention_links_to_a_token():
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(MODEL), AutoTokenizer.from_pretrained(MODEL)
    add_shortlist(model, tokenizer, SOURCES, TARGETS, shortlist_size=4, min_probability=0.05, batch_size=3)
    links, frequent = {}, Counter()
    for alignment in align(model, tokenizer, SOURCES, TARGETS):  # one by one
        sources, targets = map(tokenizer.convert_tokens_to_ids, (alignment.source_tokens, alignment.target_tokens))
        for target, weights in zip(targets, alignment.weights.tolist()):
            for source, weight in zip(sources, weights):
                if weight >= 0.1:
                    links.setdefault(source, Counter())[target] += weight
                    frequent[target] += weight
    assert len(links) > 3
    for source, row in enumerate(model.shortlist.candidates.tolist()):
        counts = links.get(source, Counter())
        best = [(token, count) for token, count in counts.most_common(4) if count >= 0.05 * counts.total()]
        kept = [token for token in row if token >= 0]
        assert len(kept) == len(best)
        assert [counts[token] for token in kept] == pytest.approx([count for _, count in best], rel=1e-4)
    common = model.shortlist.common.tolist()
    assert [frequent[token] for token in common] == pytest.approx([n for _, n in frequent.most_common(4)], rel=1e-4)


def test_wrong_arguments_are_named_before_the_model_changes():
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(MODEL), AutoTokenizer.from_pretrained(MODEL)
    for arguments, message in (
        ({"targets": TARGETS[:2]}, r"`sources` \(4\) and `targets` \(2\)"),
        ({"sources": [], "targets": []}, "not 0"),
        ({"min_probability": 2}, "`min_probability` must be between 0 and 1"),
        ({"shortlist_size": 0}, "`shortlist_size`"),
    ):
        with pytest.raises(ValueError, match=message):
            add_shortlist(model, tokenizer, **{"sources": SOURCES, "targets": TARGETS, **arguments})
        assert model.config.shortlist_size is None and model.shortlist is None
