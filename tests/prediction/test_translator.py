# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import shutil

import numpy as np
import pytest
import torch

from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.interpret import align
from hf_attention.prediction.translator import Translator


KINDS = ["bahdanau", "marian"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beams", [1, 3])
def test_translations_are_those_of_one_text_at_a_time(make_model, tokenizer, sources, kind, beams):
    model = make_model(kind)
    translations = Translator(model, tokenizer, batch_size=2).translate(sources, num_beams=beams)
    for source, (translation,) in zip(sources, translations, strict=True):
        batch = tokenizer([source], return_tensors="pt", return_token_type_ids=False)
        expected = tokenizer.decode(model.generate(**batch, num_beams=beams)[0], skip_special_tokens=True)
        assert translation.text == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_scores_of_the_best_are_those_of_beam_search(make_model, tokenizer, sources, kind, penalty):
    model = make_model(kind)
    options = {"num_beams": 4, "length_penalty": penalty}
    translations = Translator(model, tokenizer).translate(sources, n_best=3, **options)
    batch = tokenizer(sources, return_tensors="pt", padding=True, return_token_type_ids=False)
    outputs = model.generate(
        **batch, **options, num_return_sequences=3, output_scores=True, return_dict_in_generate=True
    )
    scores = torch.tensor([[candidate.score for candidate in candidates] for candidates in translations])
    torch.testing.assert_close(scores.flatten(), outputs.sequences_scores, rtol=1e-4, atol=1e-5)
    texts = [candidate.text for candidates in translations for candidate in candidates]
    assert texts == tokenizer.batch_decode(outputs.sequences, skip_special_tokens=True)


@pytest.mark.parametrize("kind", KINDS)
def test_alignments_are_those_of_align(make_model, tokenizer, sources, kind):
    model = make_model(kind)
    translations = Translator(model, tokenizer).translate(sources, alignments=True, length_penalty=0.0)
    for (translation,), expected in zip(translations, align(model, tokenizer, sources), strict=True):
        assert translation.text == expected.target
        assert translation.source_tokens == expected.source_tokens
        assert translation.target_tokens == expected.target_tokens
        np.testing.assert_allclose(translation.weights, expected.weights, rtol=1e-4, atol=1e-5)
        assert translation.score == pytest.approx(expected.score, rel=1e-4)


def test_a_text_without_content_has_no_translation(make_model, tokenizer, sources):
    done = []
    texts = [sources[0], "", sources[1], "  "]
    translations = Translator(make_model(), tokenizer).translate(texts, progress=done.append)
    assert [len(candidates) for candidates in translations] == [1, 0, 1, 0]
    assert sum(done) == 4
    assert Translator(make_model(), tokenizer).translate([]) == []


def test_long_sources_are_cut_with_a_warning(make_model, tokenizer, sources, caplog):
    model = make_model()
    cut = Translator(model, tokenizer, max_source_length=6).translate(sources[:1])
    assert "1 of 1 texts were cut to 6 tokens" in caplog.text
    ids = tokenizer(sources[:1], truncation=True, max_length=6, return_tensors="pt", return_token_type_ids=False)
    assert cut[0][0].text == tokenizer.decode(model.generate(**ids)[0], skip_special_tokens=True)


def test_separate_vocabularies_are_loaded(make_model, tokenizer, sources, tmp_path):
    target = train_tokenizer(["abc", "cab"], 20, "char")
    model = make_model(encoder_vocab_size=len(tokenizer), vocab_size=len(target))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    target.save_pretrained(tmp_path / "target_tokenizer")
    translator = Translator.from_pretrained(str(tmp_path))
    translations = translator.translate(sources)
    assert translator.target_tokenizer.get_vocab() == target.get_vocab()
    assert set("".join(candidates[0].text for candidates in translations)) <= set("abc ")


def test_models_with_other_tokenizers_are_no_ensemble(make_model, tokenizer, tmp_path):
    make_model().save_pretrained(tmp_path / "one")
    tokenizer.save_pretrained(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    train_tokenizer(["abc"], 20, "char").save_pretrained(tmp_path / "two")
    with pytest.raises(ValueError, match="have different tokenizers, so their predictions cannot be averaged"):
        Translator.from_pretrained([str(tmp_path / "one"), str(tmp_path / "two")])


@pytest.mark.parametrize("n_best, beams", [(0, 2), (3, 2), (2, 1)])
def test_more_predictions_than_beams_are_an_error(make_model, tokenizer, n_best, beams):
    with pytest.raises(ValueError, match=f"`n_best` is {n_best}, but must be between 1 and `num_beams`"):
        Translator(make_model(), tokenizer).translate(["Hund"], n_best=n_best, num_beams=beams)


@pytest.mark.parametrize("name", ["batch_size", "max_source_length"])
def test_sizes_below_one_are_errors(make_model, tokenizer, name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1, got 0"):
        Translator(make_model(), tokenizer, **{name: 0})
