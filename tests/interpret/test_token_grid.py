# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from PIL import Image
from small_vision_models import make_cnn
from transformers import ViTConfig

from hf_attention import CompactVitConfig, CompactVitForImageClassification
from hf_attention.interpret import ImageAttention, ImageMap, Reading, overlay
from hf_attention.interpret.token_grid import WHOLE_IMAGE, find_grid, find_grid_box, resize_map


def find_center(embed, shape, token):
    """The mean position of the pixels that a token depends on, by the size of their gradients, as y and x."""
    total = torch.zeros(shape[1:])
    for _ in range(24):
        pixel_values = torch.rand(1, *shape, requires_grad=True)
        states = embed(pixel_values)[0, :, token[0], token[1]]
        (gradient,) = torch.autograd.grad((states * torch.randn_like(states)).sum(), pixel_values)
        total += gradient.abs().sum(dim=(0, 1))
    rows, columns = ((torch.arange(side) + 0.5) / side for side in shape[1:])
    return float((total.sum(1) * rows).sum() / total.sum()), float((total.sum(0) * columns).sum() / total.sum())


@pytest.mark.parametrize(
    "options",
    [
        {"num_conv_layers": 1, "kernel_size": 3},
        {"num_conv_layers": 2, "kernel_size": 3},
        {"num_conv_layers": 2, "kernel_size": 2},
        {"num_conv_layers": 1, "kernel_size": 7},
        {"tokenizer_type": "patch", "patch_size": 8},
        {"tokenizer_type": "whitened", "num_conv_layers": 2},
    ],
)
def test_a_token_of_a_compact_vit_is_in_the_middle_of_the_pixels_that_it_depends_on(options):
    torch.manual_seed(0)
    model = CompactVitForImageClassification(
        CompactVitConfig.from_preset("cct_2_3x2", image_size=(64, 100), **options)
    )
    model.eval()  # in training a batch norm makes every token depend on every pixel
    embed = next(module for name, module in model.named_modules() if name.endswith("patch_embeddings"))
    check_center(model.config, embed)


@pytest.mark.parametrize("stages", [[1, 2], [2, 3]])
def test_a_position_of_an_attention_cnn_is_in_the_middle_of_the_pixels_that_it_depends_on(stages):
    torch.manual_seed(0)
    model = make_cnn(
        attention_type="none", image_size=[64, 96], embedding_stride=2, hidden_sizes=[4, 6, 6], depths=[1, 1, 1]
    )
    model.config.attention_stages = stages
    check_center(model.config, lambda pixels: model(pixels, output_hidden_states=True).hidden_states[stages[-1]])


def check_center(config, embed):
    shape = (config.num_channels, *config.image_height_width)
    rows, columns = (config.grid_size(side) for side in shape[1:])
    left, top, right, bottom = find_grid_box(config, shape[1:])
    assert embed(torch.zeros(1, *shape)).shape[2:] == (rows, columns)
    row, column = rows // 2, columns // 2
    expected = top + (row + 0.5) / rows * (bottom - top), left + (column + 0.5) / columns * (right - left)
    np.testing.assert_allclose(find_center(embed, shape, (row, column)), expected, atol=0.01)


def test_patches_leave_pixels_over():
    config = ViTConfig(patch_size=4)
    assert find_grid(config, (18, 23), 21) == (4, 5)
    assert find_grid_box(config, (18, 23)) == (0, 0, 20 / 23, 16 / 18)
    assert find_grid_box(config, (16, 24)) == WHOLE_IMAGE


@pytest.mark.parametrize("box", [WHOLE_IMAGE, (-0.1, -0.05, 0.9, 0.95), (0, 0, 0.6, 0.7)])
def test_a_map_is_interpolated_between_the_centers_of_the_tokens(box):
    (left, top, right, bottom), (rows, columns) = box, (4, 6)
    x, y = (
        left + (np.arange(columns) + 0.5) / columns * (right - left),
        top + (np.arange(rows) + 0.5) / rows * (bottom - top),
    )
    values = 2 * x + 5 * y[:, None]  # linear, so its interpolation is too
    actual = resize_map(values, (60, 40), box)
    across, down = (np.arange(60) + 0.5) / 60, (np.arange(40) + 0.5) / 40
    expected = 2 * across.clip(x[0], x[-1]) + 5 * down.clip(y[0], y[-1])[:, None]
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_an_overlay_is_brightest_at_the_token():
    values = np.eye(4)[2][:, None] * np.eye(4)[1]  # the token in row 2 and column 1
    item = ImageMap(Image.new("L", (64, 64)), values, "", grid_box=(-0.1, -0.1, 0.9, 0.9))
    shown = np.asarray(overlay(item, values, 1.0, min_size=1))
    rows, columns = np.nonzero(shown.sum(axis=2) == shown.sum(axis=2).max())
    np.testing.assert_allclose([rows.mean() + 0.5, columns.mean() + 0.5], [0.525 * 64, 0.275 * 64], atol=0.51)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3), dtype=np.uint8), "cat.png", None])
def test_an_overlay_over_what_is_no_image_is_refused(image):
    with pytest.raises(ValueError, match=rf"must be a PIL image, or .* got {type(image).__name__}\. Open files"):
        overlay(image, np.eye(2))


def test_the_center_of_a_reading_is_that_of_the_token():
    maps = np.zeros((2, 2, 6))
    maps[0, 0, 1] = maps[1, 1, 5] = 0.5
    reading = Reading(Image.new("L", (24, 8)), "1", ["1", "</s>"], maps, grid_box=(-0.1, -0.2, 0.9, 0.8))
    np.testing.assert_allclose(reading.centers(), [[(-0.1 + 0.25) * 24, 0.05 * 8], [(-0.1 + 5.5 / 6) * 24, 0.55 * 8]])


def test_the_token_at_a_point_is_the_closest_one():
    box, (rows, columns) = (-0.06, -0.1, 0.97, 0.9), (3, 5)
    item = ImageAttention(Image.new("L", (9, 9)), "", 0.0, np.ones((1, 1, 15, 15)), None, (rows, columns), 0)
    item.grid_box = box
    x = box[0] + (np.arange(columns) + 0.5) / columns * (box[2] - box[0])
    y = box[1] + (np.arange(rows) + 0.5) / rows * (box[3] - box[1])
    for point in np.random.default_rng(0).random((50, 2)):
        assert item.find_token(*point) == (abs(y - point[1]).argmin(), abs(x - point[0]).argmin())
