# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from small_vision_models import make_cnn, make_gray_processor, make_recurrent, make_vit

from hf_attention.interpret import attention_maps, image_maps, saliency


def test_a_transformer_has_its_rollout_in_multiples_of_an_even_map(color_images):
    model, processor = make_vit()
    maps = image_maps(model, processor, color_images, batch_size=2)
    for item, expected in zip(maps, attention_maps(model, processor, color_images), strict=True):
        np.testing.assert_allclose(item.values, expected.rollout() * 64, rtol=1e-5)
        assert item.values.mean() == pytest.approx(1, rel=1e-4)  # the weights of 8 x 8 tokens sum to 1
        assert "rollout" in item.what


def test_even_attention_is_even_also_next_to_a_class_token(color_images):
    model, processor = make_vit(pooling_type="cls")
    for parameter in model.parameters():
        parameter.data.zero_()  # all logits of attention are 0
    (item,) = image_maps(model, processor, color_images[:1])
    assert np.ptp(item.values) == pytest.approx(0, abs=1e-5)
    # in each of the three layers, half of what reaches the class token stays with it
    assert item.values.mean() == pytest.approx(1 - 1 / 8, rel=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_cnn(attention_type="se", reduction_ratio=2),
        lambda: make_cnn(attention_type="non_local"),
        lambda: make_recurrent(),
    ],
)
def test_other_models_have_gradients(gray_images, make):
    model, processor = make(), make_gray_processor()
    maps = image_maps(model, processor, gray_images)
    for item, expected in zip(maps, saliency(model, processor, gray_images), strict=True):
        np.testing.assert_allclose(item.values, expected / expected.mean(), rtol=1e-4)
        assert "gradient" in item.what
