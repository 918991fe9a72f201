# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import copy

import pytest
import torch

from hf_attention.prediction.ensemble import EnsembleForSeq2SeqLM


PAIRS = [("bahdanau", "bahdanau"), ("marian", "marian"), ("bahdanau", "marian")]


@pytest.fixture
def batch(tokenizer, sources):
    return dict(tokenizer(sources, return_tensors="pt", padding=True, return_token_type_ids=False))


@pytest.fixture
def make_ensemble(make_model):
    def make(kinds):
        return EnsembleForSeq2SeqLM([make_model(kind, seed) for seed, kind in enumerate(kinds)]).eval()

    return make


def search_greedily(models, batch, steps):
    """Greedy search from the equation: no cache, all models from the start at every step."""
    ids = torch.ones(len(batch["input_ids"]), 1, dtype=torch.long)
    finished = torch.zeros(len(ids), dtype=torch.bool)
    for _ in range(steps):
        log_probs = [model(**batch, decoder_input_ids=ids).logits[:, -1].log_softmax(-1) for model in models]
        tokens = (sum(log_probs) / len(models)).argmax(-1).masked_fill(finished, 0)
        ids = torch.cat([ids, tokens.unsqueeze(1)], dim=1)
        finished |= tokens == 2
        if finished.all():
            break
    return ids


@torch.no_grad()
@pytest.mark.parametrize("kinds", PAIRS)
def test_greedy_search_maximizes_the_mean_log_probability(make_ensemble, batch, kinds):
    ensemble = make_ensemble(kinds)
    expected = search_greedily(ensemble.models, batch, 11)
    assert ensemble.generate(**batch).tolist() == expected.tolist()


@torch.no_grad()
@pytest.mark.parametrize("kinds", PAIRS)
def test_beams_with_a_cache_are_those_without(make_ensemble, batch, kinds):
    ensemble = make_ensemble(kinds)
    options = {"num_beams": 3, "num_return_sequences": 2, "return_dict_in_generate": True, "output_scores": True}
    cached = ensemble.generate(**batch, **options)
    uncached = ensemble.generate(**batch, **options, use_cache=False)
    assert cached.sequences.tolist() == uncached.sequences.tolist()
    torch.testing.assert_close(cached.sequences_scores, uncached.sequences_scores, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["bahdanau", "copied states", "marian"])
def test_twice_the_same_model_translates_as_it_does_alone(make_model, batch, kind):
    copied = {"initial_state_type": "copy", "encoder_hidden_size": 4}
    model = make_model("bahdanau", **copied) if kind == "copied states" else make_model(kind)
    ensemble = EnsembleForSeq2SeqLM([model, copy.deepcopy(model)])
    assert ensemble.generate(**batch, num_beams=3).tolist() == model.generate(**batch, num_beams=3).tolist()


@torch.no_grad()
def test_attention_is_the_mean_of_the_members(make_ensemble, batch):
    ensemble = make_ensemble(("bahdanau", "bahdanau"))
    ids = torch.ones(len(batch["input_ids"]), 3, dtype=torch.long)
    weights = ensemble(**batch, decoder_input_ids=ids, output_attentions=True).cross_attentions
    members = [
        model(**batch, decoder_input_ids=ids, output_attentions=True).cross_attentions[-1] for model in ensemble.models
    ]
    torch.testing.assert_close(weights[0], (members[0] + members[1]) / 2)


def test_one_model_is_an_error(make_model):
    with pytest.raises(ValueError, match="needs at least two models, got 1"):
        EnsembleForSeq2SeqLM([make_model()])


def test_models_with_different_special_tokens_are_an_error(make_model):
    other = make_model()
    other.config.eos_token_id = 5
    with pytest.raises(ValueError, match=r"need the same `eos_token_id`, got \[2, 5\]"):
        EnsembleForSeq2SeqLM([make_model(), other])
