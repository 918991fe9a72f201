# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Compares each type of attention with a loop over the equations of its paper."""

import math

import pytest
import torch

from hf_attention import AttentionCnnConfig
from hf_attention.models.attention_cnn.layers_attention_cnn import (
    AttentionCnnNonLocal,
    AttentionCnnSpatialTransformer,
    AttentionCnnSqueezeExcitation,
    make_theta,
)


PAIRWISE = ("embedded_gaussian", "gaussian", "dot_product", "concatenation")


def random_maps(channels=6, height=4, width=5):
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(1))


def randomize(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module.eval()


@torch.no_grad()
def test_squeeze_and_excitation_matches_the_equations():
    module, maps = randomize(AttentionCnnSqueezeExcitation(6, reduction_ratio=2)), random_maps()
    outputs, gates = module(maps)
    for row, image in enumerate(maps):
        squeezed = [sum(float(value) for value in channel.flatten()) / 20 for channel in image]
        hidden = []
        for weights, bias in zip(module.reduce.weight, module.reduce.bias):
            hidden.append(max(0.0, float(bias) + sum(float(w) * z for w, z in zip(weights, squeezed))))
        assert len(hidden) == 3
        for channel in range(6):
            weights, bias = module.expand.weight[channel], float(module.expand.bias[channel])
            gate = 1 / (1 + math.exp(-bias - sum(float(w) * h for w, h in zip(weights, hidden))))
            assert float(gates[row, channel]) == pytest.approx(gate, rel=1e-4)
            torch.testing.assert_close(outputs[row, channel], image[channel] * gate, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pairwise_function", PAIRWISE)
@torch.no_grad()
def test_non_local_block_matches_the_equations(pairwise_function):
    module, maps = randomize(AttentionCnnNonLocal(6, pairwise_function)), random_maps()
    outputs, weights = module(maps)
    assert weights.shape == (2, 1, 20, 20)

    def project(convolution, x):
        return convolution.weight[:, :, 0, 0] @ x + convolution.bias

    def f(x_i, x_j):
        if pairwise_function == "gaussian":
            return torch.exp(x_i @ x_j)
        theta, phi = project(module.theta, x_i), project(module.phi, x_j)
        if pairwise_function == "concatenation":
            return (module.w_f.weight[0] @ torch.cat([theta, phi])).clamp(min=0)
        return torch.exp(theta @ phi) if pairwise_function == "embedded_gaussian" else theta @ phi

    for row, image in enumerate(maps):
        positions = [image[:, y, x] for y in range(4) for x in range(5)]
        for i, x_i in enumerate(positions):
            pairs = [f(x_i, x_j) for x_j in positions]
            total = sum(pairs) if "gaussian" in pairwise_function else 20
            y_i = sum(pair / total * project(module.g, x_j) for pair, x_j in zip(pairs, positions))
            z_i = project(module.w_z, y_i)
            norm = module.norm
            z_i = (z_i - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps) * norm.weight + norm.bias + x_i
            torch.testing.assert_close(outputs[row, :, i // 5, i % 5], z_i, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(weights[row, 0, i], torch.stack(pairs) / total, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind, warped_size", [("affine", None), ("affine", 6), ("attention", 6)])
@torch.no_grad()
def test_spatial_transformer_matches_the_equations(kind, warped_size):
    config = AttentionCnnConfig(spatial_transformer=kind, warped_size=warped_size, num_channels=2, image_size=9)
    module = randomize(AttentionCnnSpatialTransformer(config))
    maps = random_maps(channels=2, height=9, width=7)
    warped, theta = module(maps)
    height, width = (9, 7) if warped_size is None else (6, 6)
    assert warped.shape == (2, 2, height, width)
    assert theta.shape == (2, 2, 3)
    if kind == "attention":
        assert (theta[:, 0, 0] == theta[:, 1, 1]).all()
        assert (theta[:, [0, 1], [1, 0]] == 0).all()
    for row in range(2):
        for y in range(height):
            for x in range(width):
                target = torch.tensor([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1, 1.0])
                x_s, y_s = theta[row] @ target  # equation 1
                u, v = ((x_s + 1) * 7 - 1) / 2, ((y_s + 1) * 9 - 1) / 2  # in pixels, from pixel centers
                value = torch.zeros(2)
                for n in range(9):  # equation 5
                    for m in range(7):
                        near = max(0.0, 1 - abs(float(u) - m)) * max(0.0, 1 - abs(float(v) - n))
                        value += maps[row, :, n, m] * near
                torch.testing.assert_close(warped[row, :, y, x], value, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_hidden_units_recover_from_a_step_that_is_too_large():
    """The layer norm undoes a step that pushes all hidden units below zero: theta still depends on the image."""
    torch.manual_seed(0)
    module = randomize(AttentionCnnSpatialTransformer(AttentionCnnConfig(spatial_transformer="attention")))
    images = torch.randn(4, 3, 32, 32)
    before = module(images)[1]
    module.hidden.bias -= 1000
    torch.testing.assert_close(module(images)[1], before, rtol=1e-3, atol=1e-3)
    assert (before.std(dim=0)[:, 2] > 0).all()


def test_theta_with_zero_weights_is_the_identity():
    for size in (6, 3):
        expected = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(3, 2, 3)
        assert torch.equal(make_theta(torch.zeros(3, size)), expected)


def test_scale_and_translation_are_bounded():
    outputs = make_theta(torch.tensor([[4.0, 4, -4], [-1e6, 1e6, -1e6]]))
    scale, shift = 1 + math.tanh(0.4), math.tanh(0.4)
    torch.testing.assert_close(outputs[0], torch.tensor([[scale, 0, shift], [0, scale, -shift]]))
    torch.testing.assert_close(outputs[1], torch.tensor([[0.0, 0, 1], [0, 0, -1]]))
