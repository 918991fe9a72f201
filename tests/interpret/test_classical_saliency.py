# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from PIL import Image

from hf_attention.interpret import pixel_saliency


@pytest.fixture
def square():
    """A light square on a dark ground."""
    pixels = np.full((24, 30), 20, dtype=np.uint8)
    pixels[8:16, 12:20] = 220
    return Image.fromarray(pixels)


def test_change_is_high_at_edges(square):
    saliency = pixel_saliency([square], "change")[0]
    assert saliency.shape == (24, 30)
    assert saliency.min() >= 0
    assert saliency.max() == 1
    assert min(saliency[8, 15], saliency[12, 12]) > 0.8  # edges
    assert saliency[11:13, 15:17].max() < 0.2  # inside the square
    assert saliency[:4].max() < 0.01  # far away


def test_background_is_high_where_the_lightness_differs(square):
    saliency = pixel_saliency([square], "background")[0]
    assert saliency[10:14, 14:18].min() > 0.9
    assert saliency[:4].max() < 0.2
    both = pixel_saliency([square], "both")[0]
    np.testing.assert_allclose(both, (saliency + pixel_saliency([square], "change")[0]) / 2, atol=1e-6)


def test_background_is_high_where_only_the_color_differs():
    pixels = np.full((16, 16, 3), (150, 100, 100), dtype=np.uint8)
    pixels[6:10, 6:10] = (60, 130, 60)
    saliency = pixel_saliency([Image.fromarray(pixels)], "background")[0]
    assert saliency[8, 8] > 0.9
    assert saliency[0, 0] < 0.3


def test_a_uniform_image_has_no_saliency():
    for method in ("change", "background", "both"):
        assert pixel_saliency([Image.new("RGB", (9, 7), (10, 200, 30))], method)[0].max() == 0


def test_wrong_arguments_are_named_in_the_error(square):
    with pytest.raises(ValueError, match="`method` must be one of change, background, both, got 'itti'"):
        pixel_saliency([square], "itti")
    with pytest.raises(ValueError, match="`sigma` must be above 0, got 0"):
        pixel_saliency([square], sigma=0)
    with pytest.raises(ValueError, match="must be a list of PIL images"):
        pixel_saliency(square)
