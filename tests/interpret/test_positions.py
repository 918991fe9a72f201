# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from PIL import Image
from small_vision_models import make_cnn, make_gray_processor

from hf_attention.interpret import ImageAttention, attention_maps, plot_positions, position_map


def test_the_row_of_the_position_over_the_pixel(gray_images):
    model = make_cnn(attention_type="non_local")  # 10 x 10 positions of an image of 24 x 20 pixels
    item = attention_maps(model, make_gray_processor(), gray_images)[0]
    assert item.grid == (10, 10)
    assert item.num_prefix_tokens == 0
    weights = item.attentions[-1, 0]
    np.testing.assert_allclose(position_map(item, (0, 0)), weights[0].reshape(10, 10))
    np.testing.assert_allclose(position_map(item, (23, 19)), weights[99].reshape(10, 10))
    np.testing.assert_allclose(position_map(item, (12, 3)), weights[15].reshape(10, 10))
    assert position_map(item, (12, 3)).sum() == pytest.approx(1, rel=1e-4)


def test_a_grid_that_is_wider_than_high_after_a_class_token():
    weights = np.random.default_rng(0).random((1, 2, 7, 7))
    item = ImageAttention(Image.new("L", (30, 20)), "", 0.0, weights, None, grid=(2, 3), num_prefix_tokens=1)
    # (25, 5) is in row 0, column 2 of the grid: token 3; (5, 15) in row 1, column 0: token 4
    for pixel, token in (((25, 5), 3), ((5, 15), 4)):
        expected = [(one + other) / 2 for one, other in zip(*weights[0, :, token, 1:])]
        np.testing.assert_allclose(position_map(item, pixel), np.reshape(expected, (2, 3)))


def test_the_figure_marks_the_pixels(gray_images):
    attentions = attention_maps(make_cnn(attention_type="non_local"), make_gray_processor(), gray_images[:2])
    figure = plot_positions(attentions, [[(3, 4), (10, 10)], [(0, 0), (23, 19)]])
    assert len(figure.axes) == 6 + 1  # and the color bar
    assert figure.axes[1].get_title() == "attention of pixel 1"
    marked = figure.axes[5].lines[0].get_xydata()[0] / figure.axes[5].images[0].get_array().shape[1::-1]
    np.testing.assert_allclose(marked, [23.5 / 24, 19.5 / 20], atol=0.01)


def test_wrong_pixels_and_layers_are_named_in_the_error(gray_images):
    attentions = attention_maps(make_cnn(attention_type="non_local"), make_gray_processor(), gray_images[:1])
    with pytest.raises(ValueError, match=r"`pixel` \(column, row\) = \(24, 0\) is outside the image of 24 x 20"):
        position_map(attentions[0], (24, 0))
    with pytest.raises(ValueError, match="`layer` = 9, but the model has 1 layers"):
        position_map(attentions[0], (0, 0), layer=9)
    with pytest.raises(ValueError, match="`pixels` must have one list per image"):
        plot_positions(attentions, [])
    with pytest.raises(ValueError, match="`attentions` is empty"):
        plot_positions([], [])


def test_weights_of_both_signs_have_a_diverging_scale(gray_images):
    model = make_cnn(attention_type="non_local", pairwise_function="dot_product")
    attentions = attention_maps(model, make_gray_processor(), gray_images[:2])
    assert min(item.attentions.min() for item in attentions) < 0
    figure = plot_positions(attentions, [[(3, 4)], [(0, 0)]])
    low, high = figure.axes[-1].get_ylim()
    assert low == -high
    highest = max(
        abs(position_map(item, pixel)).max() * 100 for item, pixel in zip(attentions, [(3, 4), (0, 0)], strict=True)
    )
    assert high == pytest.approx(highest)
