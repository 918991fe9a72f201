# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from small_image_models import (
    SIZE,
    LinearClassifier,
    LinearConfig,
    make_compact,
    make_images,
    make_processor,
    make_vit,
)
from transformers import SwinConfig, SwinForImageClassification

from hf_attention import RecurrentAttentionConfig, RecurrentAttentionForImageClassification
from hf_attention.faithfulness import image_maps, token_evidence
from hf_attention.faithfulness.attention_hooks import uniform_attention
from hf_attention.faithfulness.images import make_image_examples
from hf_attention.faithfulness.removal import leave_one_out
from hf_attention.interpret import attention_maps


processor = make_processor()


def explain(model):
    return make_image_examples(model, processor, make_images())


@pytest.mark.parametrize("make", [make_compact, make_vit], ids=["compact_vit", "vit"])
@pytest.mark.parametrize("name", image_maps.IMAGE_MAPS)
def test_maps_have_the_size_of_the_input(make, name):
    examples = explain(make())
    without = {"windows"} if make is make_compact else {"windows", "sequence pool", "token evidence"}
    if name in without:
        with pytest.raises(ValueError):
            image_maps.IMAGE_MAPS[name](examples, processor)
        return
    maps = image_maps.IMAGE_MAPS[name](examples, processor)
    assert len(maps) == 3
    assert all(weights.shape == (SIZE, SIZE) and np.isfinite(weights).all() for weights in maps)
    assert np.ptp(maps[0]) > 0


@pytest.mark.parametrize("options", [{}, {"pooling_type": "mean"}, {"tokenizer_type": "patch", "qkv_bias": True}])
def test_evidence_of_the_tokens_sums_to_the_logits(options):
    model = make_compact(**options)
    pixel_values = processor(make_images(), return_tensors="pt")["pixel_values"]
    evidence, bias = token_evidence(model, pixel_values)
    with torch.no_grad():
        logits = model(pixel_values).logits
    torch.testing.assert_close(evidence.sum(dim=1) + bias, logits, atol=1e-4, rtol=1e-4)


def test_a_class_token_has_no_evidence_by_token():
    with pytest.raises(ValueError, match="pooling_type"):
        token_evidence(make_compact(pooling_type="cls"), torch.zeros(1, 1, SIZE, SIZE))


def test_maps_of_a_linear_classifier_are_its_weights():
    torch.manual_seed(0)
    model = LinearClassifier(LinearConfig()).eval()
    examples = explain(model)
    slopes = image_maps.gradient(examples, processor)
    integrals = image_maps.integrated_gradients(examples, processor)
    for example, slope, integral in zip(examples, slopes, integrals):
        sign = 1 if example.target == 1 else -1
        weight = model.weight.detach()[0].numpy()
        np.testing.assert_allclose(slope, np.abs(weight) * example.target, atol=1e-6)  # of its own logit
        np.testing.assert_allclose(integral, weight * example.pixel_values[0].numpy() * (sign == 1), atol=1e-5)


def test_leave_one_out_of_a_linear_classifier():
    torch.manual_seed(0)
    model = LinearClassifier(LinearConfig()).eval()
    example = explain(model)[0]
    effects = leave_one_out(example, "mean")
    pixels, weight = example.pixel_values[0].double(), model.weight.detach()[0].double()
    sign = 1 if example.target == 1 else -1
    logit = (pixels * weight).sum()
    cell = ((pixels - pixels.mean()) * weight)[2:4, 6:8].sum()  # of a grid of 8 x 8: row 1, column 3
    expected = torch.sigmoid(sign * logit) - torch.sigmoid(sign * (logit - cell))
    assert effects.shape == (1, 64)
    assert effects[0, 8 + 3] == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("make", [make_compact, make_vit], ids=["compact_vit", "vit"])
def test_uniform_attention_is_uniform_and_is_undone(make):
    model = make()
    before = attention_maps(model, processor, make_images())[0]
    with uniform_attention(model):
        item = attention_maps(model, processor, make_images())[0]
    np.testing.assert_allclose(item.attentions, 1 / item.attentions.shape[-1], atol=1e-6)
    if item.pooling_weights is not None:
        np.testing.assert_allclose(item.pooling_weights, 1 / 64, atol=1e-6)
    np.testing.assert_array_equal(attention_maps(model, processor, make_images())[0].attentions, before.attentions)


def test_attention_with_biases_of_positions_is_not_called_uniform():
    config = SwinConfig(image_size=8, patch_size=2, embed_dim=8, depths=[1], num_heads=[2], window_size=2)
    with pytest.raises(ValueError, match="depend on positions"), uniform_attention(SwinForImageClassification(config)):
        pass


def test_gradient_rollout_is_that_of_a_loop():
    model = make_vit()
    examples = explain(model)
    pixel_values = examples[1].pixel_values[None]
    model.set_attn_implementation("eager")
    outputs = model(pixel_values, output_attentions=True)
    slopes = torch.autograd.grad(outputs.logits[0, examples[1].target], outputs.attentions)
    relevance = torch.eye(17)
    for weights, slope in zip(outputs.attentions, slopes):
        relevance = relevance + (weights * slope)[0].clamp_min(0).mean(dim=0) @ relevance
    expected = image_maps.to_pixels(relevance[0, 1:].reshape(4, 4).detach().numpy(), examples[1])
    np.testing.assert_allclose(image_maps.gradient_rollout(examples, processor)[1], expected, atol=1e-5)


def test_attention_gradient_is_the_effect_of_all_rows_of_the_last_layer():
    model = make_compact(num_hidden_layers=1)
    examples = explain(model)
    model.set_attn_implementation("eager")
    outputs = model(examples[0].pixel_values[None], output_attentions=True)
    (slope,) = torch.autograd.grad(outputs.logits[0, examples[0].target], outputs.attentions)
    expected = (outputs.attentions[0] * slope)[0].mean(dim=0).sum(dim=0).reshape(8, 8).detach().numpy()
    actual = image_maps.attention_gradient(examples, processor)[0]
    np.testing.assert_allclose(actual, image_maps.to_pixels(expected, examples[0]), atol=1e-5)


def test_windows_cover_what_the_glimpses_do():
    torch.manual_seed(0)
    config = RecurrentAttentionConfig(
        image_size=SIZE, num_channels=1, num_glimpses=2, glimpse_size=4, num_scales=1, num_labels=3
    )
    examples = explain(RecurrentAttentionForImageClassification(config).eval())
    covered = image_maps.window_map(examples, processor)[0]
    assert set(np.unique(covered)) <= {0, 1, 2}
    assert 4 <= covered.sum() <= 2 * 25


def test_removed_pixels_are_those_of_the_baseline():
    example = explain(make_compact())[0]
    keep = np.zeros((1, SIZE * SIZE), dtype=bool)
    with torch.no_grad():
        for name in ("blur", "mean"):
            logits = example.model(example.baseline(name)[None].contiguous()).logits
            expected = logits.softmax(dim=-1)[0, example.target]
            assert example.predict(keep, name)[0, 0] == pytest.approx(float(expected), abs=1e-5)
    assert float(example.baseline("blur").std()) < 0.5 * float(example.pixel_values.std())
    assert float(example.baseline("mean").std()) == pytest.approx(0, abs=1e-6)
