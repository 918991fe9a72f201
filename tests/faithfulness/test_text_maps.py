# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from small_text_models import make_bahdanau

from hf_attention.faithfulness import text_maps
from hf_attention.faithfulness.attention_hooks import (
    plain_attention,
    recorded_weights,
    uniform_attention,
    value_norms,
)
from hf_attention.faithfulness.text import link_spans, make_text_examples


def test_masked_tokens_are_as_if_they_were_not_there(example, tokenizer):
    """True of a recurrent encoder; a transformer's absolute positions still count them."""
    if example.model.config.model_type == "marian":
        pytest.skip("absolute positions")
    keep = np.array([[True] * 5, [True, False, True, False, True]])
    short = make_text_examples(example.model, tokenizer, tokenizer, ["ace"], ["dcba"])[0]
    full = np.ones((1, 3), dtype=bool)
    np.testing.assert_allclose(example.predict(keep, "mask")[1], short.predict(full, "mask")[0], atol=1e-6)


def test_unknown_tokens_replace_those_that_are_not_kept(example, tokenizer):
    keep = np.array([[True, False, True, False, True]])
    other = make_text_examples(example.model, tokenizer, tokenizer, ["azcze"], ["dcba"])[0]  # z is unknown
    expected = other.predict(np.ones((1, 5), dtype=bool), "unknown")
    np.testing.assert_allclose(example.predict(keep, "unknown"), expected, atol=1e-6)


def test_special_tokens_are_neither_removed_nor_explained(example):
    assert example.units.tolist() == [0, 1, 2, 3, 4]
    assert example.outputs.tolist() == [0, 1, 2, 3]
    assert example.predict(np.zeros((1, 5), dtype=bool), "mask").shape == (1, 4)


@pytest.mark.parametrize("name", text_maps.TEXT_MAPS)
def test_maps_have_a_row_for_each_target_token(example, name):
    if name == "attention rollout" and example.model.config.model_type != "marian":
        with pytest.raises(ValueError, match="no self-attention"):
            text_maps.TEXT_MAPS[name](example)
        return
    weights = text_maps.TEXT_MAPS[name](example)
    assert weights.shape == (5, 6)
    assert np.isfinite(weights).all() and np.ptp(weights) > 0


def test_integrated_gradients_sum_to_the_difference_of_the_log_odds(example):
    with example.embedded(torch.zeros_like), torch.no_grad():
        none, _ = example.log_odds()
    with torch.no_grad():
        complete, _ = example.log_odds()
    sums = text_maps.integrated_gradients(example).sum(axis=1)
    # 32 steps are few where sparsemax bends
    tolerance = 0.2 if getattr(example.model.config, "attention_function", "") == "sparsemax" else 0.05
    np.testing.assert_allclose(sums, (complete - none)[0], atol=tolerance * float((complete - none).abs().max()))


def test_log_odds_are_those_of_the_probabilities(example):
    with torch.no_grad():
        odds, _ = example.log_odds(copies=2)
        log_probs, _ = example.run(example.input_ids)
    expected = log_probs[0] - torch.log1p(-log_probs[0].exp())
    torch.testing.assert_close(odds, expected.expand(2, -1), atol=1e-4, rtol=1e-4)


def test_gradient_is_that_of_small_changes(example):
    slopes, embeddings = text_maps.embedding_gradients(example)
    changed = torch.zeros_like(embeddings)
    changed[2, 1] = 1e-2
    values = []
    for sign in (1, -1):
        with example.embedded(lambda output: output + sign * changed), torch.no_grad():  # noqa: B023
            values.append(example.log_odds()[0][0])
    torch.testing.assert_close(slopes[0, :, 2, 1], (values[0] - values[1]) / 2e-2, atol=2e-2, rtol=2e-2)


def test_attention_gradient_is_the_effect_of_the_weights_of_the_step(tokenizer):
    torch.manual_seed(0)
    model = make_bahdanau(len(tokenizer))
    example = make_text_examples(model, tokenizer, tokenizer, ["abcde"], ["dcba"])[0]
    products = text_maps.attention_gradient(example)
    weights = text_maps.attention(example)
    attention = model.model.decoder.layers[0].attention
    step, place, change = 2, 3, 1e-2
    values = []
    for sign in (1, -1):
        calls = []

        def weigh(*inputs, calls=calls, sign=sign):
            computed = type(attention).weigh(attention, *inputs).clone()
            if len(calls) == step:
                computed[..., place] += sign * change
            calls.append(step)
            return computed

        attention.weigh = weigh
        with plain_attention(model), torch.no_grad():
            values.append(float(example.log_odds()[0][0, step]))
        del attention.weigh
    slope = (values[0] - values[1]) / (2 * change)
    assert products[step, place] == pytest.approx(slope * weights[step, place], rel=0.05, abs=1e-3)


def test_shifted_attention_is_that_of_the_next_step(example):
    weights, shifted = text_maps.attention(example), text_maps.shifted_attention(example)
    np.testing.assert_array_equal(shifted[:-1], weights[1:])
    np.testing.assert_array_equal(shifted[-1], weights[-1])


def test_uniform_attention_is_uniform_and_is_undone(example):
    before = text_maps.attention(example)
    with uniform_attention(example.model):
        np.testing.assert_allclose(text_maps.attention(example), 1 / 6, atol=1e-6)
    np.testing.assert_array_equal(text_maps.attention(example), before)


def test_fast_path_is_off_only_meanwhile(tokenizer):
    model = make_bahdanau(len(tokenizer))
    with plain_attention(model), recorded_weights(model):
        assert not model.config.fused
    assert model.config.fused
    assert "weigh" not in vars(model.model.decoder.layers[0].attention)


def test_value_norms_are_those_of_a_loop():
    torch.manual_seed(0)
    weights, values = torch.rand(2, 3, 4, 5), torch.randn(2, 5, 6)
    output = torch.nn.Linear(6, 7)
    norms = value_norms(weights, values, output)
    for row in range(4):
        for place in range(5):
            vector = torch.zeros(7)
            for head in range(3):
                part = slice(2 * head, 2 * head + 2)
                vector += weights[1, head, row, place] * (output.weight[:, part] @ values[1, place, part])
            assert float(norms[1, row, place]) == pytest.approx(float(vector.detach().norm()), abs=1e-4)


def test_value_norm_of_a_recurrent_decoder(tokenizer):
    model = make_bahdanau(len(tokenizer))
    example = make_text_examples(model, tokenizer, tokenizer, ["abc"], ["cb"])[0]
    with torch.no_grad():
        annotations = model.model.encoder(example.input_ids).last_hidden_state[0]
        norms = (annotations @ model.model.decoder.readout.context_proj.weight.T).norm(dim=-1).numpy()
    expected = text_maps.attention(example) * norms
    np.testing.assert_allclose(text_maps.value_attention(example), expected, rtol=1e-5)


def test_links_overlap_the_spans():
    # "ab cd" from "xy": tokens of two characters
    links = link_spans([[0, 2, 3, 5]], [[0, 2], [3, 4], [4, 5], [0, 0]], [[0, 1], [1, 2], [2, 3]])
    assert links == [{1, 2}, {1, 2}, set()]
