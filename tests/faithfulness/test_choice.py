# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from transformers import AutoModelForImageClassification, AutoModelForSeq2SeqLM, AutoTokenizer

from hf_attention import CompactVitImageProcessorPil
from hf_attention.data.images import load_digits, open_image
from hf_attention.faithfulness import Faithfulness, LeadingMap, Score, choose_map, read_leading_map
from hf_attention.faithfulness.image_maps import IMAGE_MAPS
from hf_attention.faithfulness.images import make_image_examples
from hf_attention.interpret import align


DATES, DIGITS = "model_cards/bahdanau-dates", "model_cards/compact-vit-digits"


def make_result(kind="image", **headlines):
    baselines = ("blur", "mean") if kind == "image" else ("mask", "unknown")
    rows = {"random": 0.0, **({"center blob": 0.2} if kind == "image" else {}), **headlines}
    scores = {
        name.replace("_", " "): {f"insertion_minus_deletion_{part}": Score(value, 0.01, 9) for part in baselines}
        for name, value in rows.items()
    }
    return Faithfulness("a", kind, 9, scores, baselines=baselines)


def test_the_best_attention_map_that_beats_the_controls_comes_first():
    choice = choose_map(make_result(integrated_gradients=0.5, sequence_pool=0.4, attention_rollout=0.3))
    assert choice.name == "sequence pool"
    assert "0.40; random order 0.00, a blob in the middle 0.20" in choice.reason
    assert "*integrated gradients*, says still more (0.50)" in choice.reason


def test_gradients_come_first_where_no_attention_beats_the_controls():
    choice = choose_map(make_result(integrated_gradients=0.5, sequence_pool=0.21, gradient=0.1))
    assert choice.name == "integrated gradients"
    assert choice.reason.startswith("No attention map of this model says more about it than random order and a blob")


def test_where_nothing_beats_the_controls_there_is_a_caution():
    choice = choose_map(make_result(integrated_gradients=0.2, sequence_pool=0.1, attention_rollout=0.0))
    assert choice.name == "sequence pool"
    assert choice.reason.startswith("Caution: under both baselines, no map says more")
    texts = choose_map(make_result("text", attention=0.01))
    assert texts.name == "attention" and "than random order. Do not" in texts.reason


def test_without_a_measurement_the_default_stays(tmp_path):
    for choice in (choose_map(None), read_leading_map(str(tmp_path))):
        assert choice.name is None
        assert choice.reason.startswith("It was not measured")


def test_damaged_results_are_named(tmp_path):
    (tmp_path / "faithfulness.json").write_text("{")
    with pytest.raises(ValueError, match=r"faithfulness\.json is not a result"):
        read_leading_map(str(tmp_path))


def test_the_map_of_an_image_is_the_measured_one():
    model = AutoModelForImageClassification.from_pretrained(DIGITS)
    processor = CompactVitImageProcessorPil.from_pretrained(DIGITS)
    image = open_image(load_digits()["test"]["image"][0])
    (example,) = make_image_examples(model, processor, [image])
    for name in ("token evidence", "sequence pool"):
        expected = IMAGE_MAPS[name]([example], processor)[0]
        np.testing.assert_allclose(LeadingMap(name, "").of_image(model, processor, image), expected)
    assert read_leading_map(DIGITS) == choose_map(Faithfulness.load(f"{DIGITS}/faithfulness.json"))


def test_an_alignment_gets_the_weights_of_the_measured_map():
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(DATES), AutoTokenizer.from_pretrained(DATES)
    (alignment,) = align(model, tokenizer, ["4. März 2005"])
    assert LeadingMap("attention", "").of_alignment(model, tokenizer, tokenizer, alignment) is alignment
    same = LeadingMap("shifted attention", "").of_alignment(model, tokenizer, tokenizer, alignment)
    np.testing.assert_allclose(same.weights[:-1], alignment.weights[1:], atol=1e-5)
    signed = LeadingMap("attention x gradient", "").of_alignment(model, tokenizer, tokenizer, alignment)
    assert signed.weights.min() == 0
    sums = signed.weights.sum(axis=1)
    assert ((abs(sums - 1) < 1e-6) | (sums == 0)).all() and sums.sum() > 5
    assert (signed.source_tokens, signed.target) == (alignment.source_tokens, alignment.target)
