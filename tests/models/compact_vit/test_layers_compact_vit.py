# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import math
import re

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModelForImageClassification

from hf_attention import (
    CompactVitBackbone,
    CompactVitConfig,
    CompactVitForImageClassification,
    CompactVitForMaskedImageModeling,
)
from hf_attention.models.compact_vit.layers_compact_vit import eager_attention_forward


SIZES = {"image_size": 16, "hidden_size": 24, "intermediate_size": 20, "num_attention_heads": 2, "num_labels": 4}
SIZES |= {"num_hidden_layers": 3, "initializer_range": 0.4}


def make_model(**options):
    torch.manual_seed(0)
    return CompactVitForImageClassification(CompactVitConfig(**SIZES, **options)).eval()


def make_images():
    return torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("num_channels", [1, 3])
def test_tokenizer_has_the_values_and_gradients_of_the_papers_order(num_channels):
    embeddings = make_model(num_channels=num_channels, num_conv_layers=2).model.embeddings.patch_embeddings
    images = torch.randn(2, num_channels, 16, 16)
    first, second = (module.weight for module in embeddings.projection if isinstance(module, torch.nn.Conv2d))

    def convolve(tokens, weight):
        tokens = torch.nn.functional.conv2d(tokens, weight, padding=1)
        return torch.nn.functional.max_pool2d(tokens.relu(), 3, 2, 1)

    outputs, expected = embeddings(images), convolve(convolve(images, first), second)
    torch.testing.assert_close(outputs, expected)
    upstream = torch.randn_like(expected)
    for value, other in zip(
        torch.autograd.grad(outputs, (first, second), upstream),
        torch.autograd.grad(expected, (first, second), upstream),
    ):
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-4)


def test_hidden_dropout_is_applied_everywhere():
    model = make_model(hidden_dropout_prob=0.5).train()
    widths = []
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            assert module.p == 0.5
            module.register_forward_hook(lambda module, inputs, outputs: widths.append(inputs[0].shape[-1]))
    model(make_images())
    assert widths == [24, *[24, 20, 24] * 3]  # embeddings; attention, hidden and output of each layer


def test_eager_attention_drops_weights_in_training_only():
    module, (query, key, value) = torch.nn.Module(), torch.randn(3, 2, 3, 40, 8).unbind()
    without_dropout, _ = eager_attention_forward(module.eval(), query, key, value, None, scaling=0.3, dropout=0.25)
    torch.testing.assert_close(without_dropout.transpose(1, 2), (query @ key.mT * 0.3).softmax(-1) @ value)
    torch.manual_seed(0)
    outputs, weights = eager_attention_forward(module.train(), query, key, value, None, scaling=0.3, dropout=0.25)
    assert (weights == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert weights.sum(-1).mean().item() == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(outputs.transpose(1, 2), weights @ value)


def reference_attention(layer, tokens):
    """Returns the weights of one image, (heads, N, N), and the layer's attention output, head by head."""
    query, key, value = (tokens @ layer.attention.qkv.weight.T).split(24, dim=1)
    maps, heads = [], []
    for columns in (slice(0, 12), slice(12, 24)):
        maps.append((query[:, columns] @ key[:, columns].T / math.sqrt(12)).softmax(-1))
        heads.append(maps[-1] @ value[:, columns])
    return torch.stack(maps), layer.attention.proj(torch.cat(heads, dim=1))


def reference_pruning(model, image, rate, layers):
    """Returns the last hidden state of one image and the indices of its kept tokens, computed token by token."""
    base = model.model
    tokens, prefix = base.embeddings(image[None])[0], int(model.config.pooling_type == "cls")
    numbers = list(range(len(tokens)))
    for index, layer in enumerate(base.layers):
        maps, attended = reference_attention(layer, layer.layernorm_before(tokens))
        tokens = tokens + attended
        if index in layers:
            places = list(range(prefix, len(tokens)))
            readers = [0] if prefix else range(len(tokens))
            drawn = {place: sum(float(head[row, place]) for head in maps for row in readers) for place in places}
            kept = sorted(sorted(places, key=drawn.get)[-max(1, round(rate * len(places))) :])
            kept = list(range(prefix)) + kept
            tokens, numbers = tokens[kept], [numbers[place] for place in kept]
        tokens = layer.layernorm_after(tokens)
        tokens = tokens + layer.fc2(torch.nn.functional.gelu(layer.fc1(tokens)))
    return base.layernorm(tokens), numbers


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("pooling_type", ["sequence", "cls", "mean"])
@torch.no_grad()
def test_pruning_matches_the_reference(implementation, pooling_type):
    options = {"token_keep_rate": 0.3, "token_pruning_layers": [0, 2], "pooling_type": pooling_type}
    model = make_model(attn_implementation=implementation, **options)
    outputs = model.model(make_images())
    for row, image in enumerate(make_images()):
        tokens, numbers = reference_pruning(model, image, 0.3, [0, 2])
        assert outputs.kept_tokens[-1][row].tolist() == numbers
        torch.testing.assert_close(outputs.last_hidden_state[row], tokens, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_outputs_contain_the_indices_of_the_kept_tokens():
    model = make_model(token_keep_rate=0.5, attn_implementation="eager")
    assert model.config.resolved_pruning_layers == [0, 1, 2]
    outputs = model(make_images(), output_attentions=True, output_hidden_states=True)
    assert [states.shape[1] for states in outputs.hidden_states] == [64, 32, 16, 8]
    assert [kept.shape for kept in outputs.kept_tokens] == [states.shape[:2] for states in outputs.hidden_states]
    assert [weights.shape[-1] for weights in outputs.attentions] == [64, 32, 16]
    assert outputs.pooling_weights.shape == (3, 8)
    for before, after in zip(outputs.kept_tokens, outputs.kept_tokens[1:]):
        for row in range(3):
            assert set(after[row].tolist()) < set(before[row].tolist())
    fused = make_model(token_keep_rate=0.5)(make_images(), output_attentions=True)
    assert not fused.attentions  # sdpa returns no weights, not even in pruning layers


def test_no_token_is_pruned_by_default_or_in_training(tmp_path):
    model = make_model()
    assert model(make_images()).kept_tokens is None
    model.save_pretrained(tmp_path)
    fewer = AutoModelForImageClassification.from_pretrained(tmp_path, token_keep_rate=0.25)
    assert fewer(make_images()).pooling_weights.shape == (3, 1)
    fewer.train()
    outputs = fewer(make_images())
    assert outputs.kept_tokens is None and outputs.pooling_weights.shape == (3, 64)
    assert AutoModelForImageClassification.from_pretrained(tmp_path).config.token_keep_rate == 1


@torch.no_grad()
def test_default_pruning_layers_are_those_of_evit():
    assert CompactVitConfig(num_hidden_layers=12).resolved_pruning_layers == [3, 6, 9]
    assert CompactVitConfig(num_hidden_layers=12).pruning_layers == [3, 6, 9]  # old name
    model = make_model(token_keep_rate=0.001, token_pruning_layers=[1])
    assert [kept.shape[1] for kept in model(make_images()).kept_tokens] == [64, 64, 1, 1]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"token_keep_rate": 0.0}, "`token_keep_rate` must be above 0 .* got 0.0"),
        ({"token_keep_rate": 1.5}, "`token_keep_rate` must be above 0 .* got 1.5"),
        ({"token_pruning_layers": [3]}, r"`token_pruning_layers` must list layers from 0 to 2, got \[3\]"),
        ({"token_pruning_layers": []}, "set `token_keep_rate=1.0`"),
    ],
)
def test_invalid_pruning_options_raise(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        make_model(**options)


@pytest.mark.parametrize("model_class", [CompactVitBackbone, CompactVitForMaskedImageModeling])
def test_models_that_return_a_map_refuse_to_prune_tokens(model_class):
    with pytest.raises(ValueError, match="load the model with `token_keep_rate=1.0`"):
        model_class(CompactVitConfig(**SIZES, token_keep_rate=0.5))


WHITENED = {"tokenizer_type": "whitened", "num_conv_layers": 2, "conv_channels": 30, "conv_block_depth": 3}


def test_whitened_pixels_are_uncorrelated_and_of_variance_one():
    embeddings = make_model(**WHITENED).get_input_embeddings()
    mixing = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)) + 2 * torch.eye(3)
    images = 5 * torch.einsum("ij,bjhw->bihw", mixing, make_images().repeat(20, 1, 1, 1) + torch.randn(60, 3, 16, 16))
    embeddings.whiten(images)
    outputs = embeddings.projection[0](images)[:, :, :-1, :-1]  # without the pixels that are padded
    assert outputs.shape == (60, 24, 15, 15)
    covariance = torch.cov(outputs[:, :12].transpose(0, 1).flatten(1))
    torch.testing.assert_close(covariance, torch.eye(12), atol=1e-2, rtol=0)
    torch.testing.assert_close(outputs[:, 12:], -outputs[:, :12])


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 3, 1, 8), (0, 3, 8, 8), (3, 8, 8)])
def test_pixels_of_another_shape_do_not_whiten(shape):
    embeddings = make_model(**WHITENED).get_input_embeddings()
    with pytest.raises(ValueError, match=rf"must be images \(batch, 3, height, width\).* got {re.escape(str(shape))}"):
        embeddings.whiten(torch.zeros(shape))


def test_pixels_that_are_not_finite_do_not_whiten():
    with pytest.raises(ValueError, match="`pixel_values` has values that are not finite"):
        make_model(**WHITENED).get_input_embeddings().whiten(torch.full((1, 3, 4, 4), float("nan")))


def test_new_convolutions_of_a_whitened_tokenizer_pass_their_inputs_on():
    embeddings = make_model(**WHITENED).get_input_embeddings()
    for block, inputs, outputs in zip(embeddings.projection[2:], (24, 30), (30, 24)):
        images = torch.randn(2, inputs, 8, 8)
        passed = min(inputs, outputs)
        torch.testing.assert_close(block.convs[0](images)[:, :passed], images[:, :passed])
        images = torch.randn(2, outputs, 4, 4)
        for conv in block.convs[1:]:
            torch.testing.assert_close(conv(images), images)


@pytest.mark.parametrize("hidden_act", ["gelu", "silu"])
def test_a_block_pools_after_its_first_convolution_and_normalizes_each(hidden_act):
    block = make_model(**WHITENED, hidden_act=hidden_act).get_input_embeddings().projection[2].eval()
    images = torch.randn(2, 24, 8, 8)
    expected = torch.nn.functional.max_pool2d(block.convs[0](images), 2)
    for conv, norm in zip([torch.nn.Identity(), *block.convs[1:]], block.norms):
        torch.nn.init.normal_(norm.running_mean)
        expected = conv(expected)
        expected = (expected - norm.running_mean[:, None, None]) / (1 + norm.eps) ** 0.5
        expected = getattr(torch.nn.functional, hidden_act)(expected)
    assert len(block.convs) == 3
    torch.testing.assert_close(block(images), expected)


def test_the_whitening_is_saved_and_not_trained(tmp_path):
    model = make_model(**WHITENED)
    model.get_input_embeddings().whiten(make_images())
    model.save_pretrained(tmp_path)
    reloaded = AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    assert torch.equal(reloaded(pixel_values=make_images()).logits, model(pixel_values=make_images()).logits)
    assert not any("projection.0" in name for name, _ in reloaded.named_parameters())


@pytest.mark.parametrize("size", [16, 13])
def test_a_whitened_tokenizer_halves_the_grid_once_per_block(size):
    model = make_model(**WHITENED)
    tokens = model.get_input_embeddings()(torch.randn(2, 3, size, size))
    assert tokens.shape == (2, 24, size // 4, size // 4)
    assert model.config.grid_size(size) == size // 4
    outputs = model(pixel_values=torch.randn(2, 3, size, size), interpolate_pos_encoding=True)
    assert outputs.pooling_weights.shape == (2, (size // 4) ** 2)


def test_other_tokenizers_do_not_whiten():
    with pytest.raises(ValueError, match="Only a tokenizer of `tokenizer_type='whitened'` whitens pixels."):
        make_model().get_input_embeddings().whiten(make_images())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 4}, "`tokenizer_type='whitened'` needs an odd `kernel_size`, got 4."),
        ({"num_conv_layers": 5}, r"`image_size` \(16\) is too small to be halved `num_conv_layers` = 5 times."),
    ],
)
def test_sizes_that_a_whitened_tokenizer_cannot_have_are_errors(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        CompactVitConfig(**{**SIZES, **WHITENED, **options})
