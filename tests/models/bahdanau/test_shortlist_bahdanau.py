# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from small_models import KINDS, make_batch, make_model, name_of

from hf_attention import BahdanauConfig, BahdanauForCausalLM, BahdanauForConditionalGeneration
from hf_attention.models.bahdanau import steps_bahdanau


SOFT = [options for options in KINDS if "hard_attention" not in options]
SIZE = 3


def make_short_model(**options):
    """A model whose shortlist is random, a batch, and the target tokens that its searches may use."""
    model, batch = make_model(shortlist_size=SIZE, **options), make_batch()
    generator = torch.Generator().manual_seed(4)
    size = model.config.vocab_size
    model.shortlist.candidates.copy_(torch.randint(-1, size, model.shortlist.candidates.shape, generator=generator))
    model.shortlist.common.copy_(torch.tensor([7, 3, -1]))
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    allowed = {7, 3} | {int(token) for row in batch["input_ids"].unique() for token in model.shortlist.candidates[row]}
    config = model.generation_config
    allowed |= {config.eos_token_id, config.pad_token_id, config.decoder_start_token_id, model.config.pad_token_id}
    if model.config.copy_mechanism:
        allowed |= set(batch["input_ids"].flatten().tolist())
    return model, inputs, sorted(token for token in allowed if token is not None and token >= 0)


@pytest.mark.parametrize("options", SOFT, ids=name_of)
def test_searches_are_those_of_a_model_that_has_no_other_tokens(options):
    model, inputs, allowed = make_short_model(**options)
    others = [token for token in range(model.config.vocab_size) if token not in allowed]
    assert len(others) > 2
    searches = [{}, {"num_beams": 3, "num_return_sequences": 2}, {"min_new_tokens": 5, "eos_token_id": [2, 7]}]
    searches.append({"decoder_input_ids": torch.tensor([[1, 7, 3]]).expand(len(inputs["input_ids"]), -1)})
    short = [model.generate(**inputs, **search, max_new_tokens=8, use_shortlist=True) for search in searches]
    with torch.no_grad():
        if model.lm_head.bias is None:
            model.lm_head.bias = torch.nn.Parameter(torch.zeros(model.config.vocab_size))
        model.lm_head.bias[others] = -1e9
    for search, tokens in zip(searches, short):
        assert torch.equal(tokens, model.generate(**inputs, **search, max_new_tokens=8))


def test_only_the_rows_of_the_shortlist_are_computed(monkeypatch):
    model, inputs, allowed = make_short_model()
    sizes, step = set(), steps_bahdanau.FusedDecodingStep.compute

    def spy(*given):
        logits, state = step(*given)
        sizes.add(logits.shape[-1])
        return logits, state

    monkeypatch.setattr(steps_bahdanau.FusedDecodingStep, "compute", spy)
    model.generate(**inputs, max_new_tokens=4, use_shortlist=True)
    assert sizes == {len(allowed)}
    model.generate(**inputs, max_new_tokens=4)
    assert sizes == {len(allowed), model.config.vocab_size}


def test_it_is_saved_with_the_weights(tmp_path):
    model, inputs, _ = make_short_model()
    model.save_pretrained(tmp_path)
    loaded, info = BahdanauForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert torch.equal(loaded.shortlist.candidates, model.shortlist.candidates)
    for use_shortlist in (True, False):
        search = {"max_new_tokens": 8, "use_shortlist": use_shortlist}
        assert torch.equal(loaded.generate(**inputs, **search), model.generate(**inputs, **search))
    _, info = BahdanauForCausalLM.from_pretrained(tmp_path, output_loading_info=True)  # the decoder has none
    assert not info["missing_keys"] and not info["unexpected_keys"]


def test_tokens_beyond_the_table_have_no_candidates():
    model, inputs, _ = make_short_model()
    model.resize_token_embeddings(model.config.vocab_size + 4, mean_resizing=False)
    inputs["input_ids"][0, 0] = model.config.vocab_size - 1
    assert model.eval().generate(**inputs, max_new_tokens=3, use_shortlist=True).max() < model.config.vocab_size


def test_searches_without_a_shortlist_are_refused():
    model, inputs, _ = make_short_model()
    for options in ({"do_sample": True}, {"no_repeat_ngram_size": 2}, {"return_dict_in_generate": True}):
        with pytest.raises(ValueError, match="is for plain greedy and beam search"):
            model.generate(**inputs, **options, use_shortlist=True)
    encoder_outputs = model.get_encoder()(**inputs)
    with pytest.raises(ValueError, match="needs the ids of the source"):
        model.generate(encoder_outputs=encoder_outputs, attention_mask=inputs["attention_mask"], use_shortlist=True)


def test_models_without_one_are_refused():
    inputs = {"input_ids": make_batch()["input_ids"], "use_shortlist": True}
    for model in (make_model(), make_model(shortlist_size=2)):  # without a table, and with an empty one
        with pytest.raises(ValueError, match="needs a model with a shortlist, which scripts/make_shortlist.py adds"):
            model.generate(**inputs)
    model, _, _ = make_short_model()
    model.lm_head = torch.nn.Sequential(model.lm_head).eval()
    with pytest.raises(ValueError, match="rows can be selected"):
        model.generate(**inputs, max_new_tokens=3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"shortlist_size": 0}, "`shortlist_size`"),
        ({"attention_query": "current", "hard_attention": "marginal"}, "`shortlist_size=2`"),
        ({"is_decoder": True, "is_encoder_decoder": False}, "needs the model's own encoder"),
    ],
    ids=["size", "hard attention", "decoder alone"],
)
def test_options_that_do_not_fit_are_named(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        BahdanauConfig(**{"shortlist_size": 2, **options})
