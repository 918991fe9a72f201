# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import shutil

import numpy as np
import pytest
from huggingface_hub import create_branch, create_repo, upload_folder
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.interpret import align


TEXTS = ["4. März 2005", "2031년 12월 25일", "<en_US> 3/4/05"]


@pytest.fixture(scope="module")
def translator(small_run):
    return pipeline("translation-with-alignment", model=str(small_run[0]))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
@pytest.mark.parametrize("options", [{"num_beams": 1}, {"num_beams": 3, "num_return_sequences": 2}], ids=str)
def test_results_equal_those_of_align(small_run, translator, batch_size, options):
    folder, _ = small_run
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    expected = iter(align(model, tokenizer, TEXTS, batch_size=batch_size, **options))
    results_of_texts = translator(TEXTS, batch_size=batch_size, **options)
    assert len(results_of_texts) == 3
    for results in results_of_texts:
        assert len(results) == options.get("num_return_sequences", 1)
        for result in results:
            alignment = next(expected)
            assert result["translation_text"] == alignment.target
            assert result["score"] == pytest.approx(alignment.score, abs=1e-4)
            assert result["source_tokens"] == alignment.source_tokens
            assert result["target_tokens"] == alignment.target_tokens
            np.testing.assert_allclose(result["weights"], alignment.weights, atol=1e-5)


def test_without_return_alignment_only_text_and_score(translator):
    result = translator(TEXTS[0], return_alignment=False)
    assert [set(item) for item in result] == [{"translation_text", "score"}]


@pytest.mark.parametrize("text", ["", "  ", 3])
def test_texts_that_are_empty_or_no_strings_are_errors(translator, text):
    with pytest.raises(ValueError, match="must be a string that is not empty, got .* at position 1"):
        translator([TEXTS[0], text])
    with pytest.raises(ValueError, match="must be a string that is not empty"):
        translator(text)


def test_an_empty_list_returns_an_empty_list(translator):
    assert translator([]) == []


@pytest.mark.parametrize("num_beams", [0, "3", 2.5])
def test_invalid_num_beams_is_an_error(translator, num_beams):
    with pytest.raises(ValueError, match=f"`num_beams` must be an integer of at least 1, got {num_beams!r}"):
        translator(TEXTS, num_beams=num_beams)


def test_the_target_tokenizer_must_match_the_revision(hub, tmp_path):
    """The default branch's tokenizer is loaded; for another revision it must be passed."""
    sizes = {"embedding_size": 8, "hidden_size": 8, "attention_size": 8, "maxout_size": 8}
    for revision, source, target in (("main", "ein Hund", "a dog"), ("next", "ein Ding", "a thing")):
        tokenizer, target_tokenizer = (train_tokenizer([text], 60, "char") for text in (source, target))
        config = BahdanauConfig(vocab_size=len(target_tokenizer), encoder_vocab_size=len(tokenizer), **sizes)
        BahdanauForConditionalGeneration(config).save_pretrained(tmp_path / revision)
        tokenizer.save_pretrained(tmp_path / revision)
        target_tokenizer.save_pretrained(tmp_path / revision / "target_tokenizer")
        create_repo("alice/pair", private=True, exist_ok=True)
        create_branch("alice/pair", branch=revision, exist_ok=True)
        upload_folder(repo_id="alice/pair", folder_path=tmp_path / revision, revision=revision)
    for name in ("alice/pair", str(tmp_path / "main")):
        loaded = pipeline("translation-with-alignment", model=name).target_tokenizer
        assert "g" in loaded.get_vocab()
        assert "t" not in loaded.get_vocab()
    options = {"task": "translation-with-alignment", "model": "alice/pair", "revision": "next"}
    with pytest.raises(ValueError, match=r"another `revision` than alice/pair's default branch: .*`target_tokenizer="):
        pipeline(**options)
    pipeline(**options, target_tokenizer=target_tokenizer)
    shutil.rmtree(tmp_path / "main" / "target_tokenizer")
    with pytest.raises(ValueError, match=r"is missing in .*main \((.|\n)*; pass `target_tokenizer="):
        pipeline("translation-with-alignment", model=str(tmp_path / "main"))
