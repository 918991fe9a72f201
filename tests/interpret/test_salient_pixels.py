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


def test_sharp_change_is_at_the_edges(square):
    found = pixel_saliency([square], "change")[0]
    assert found.shape == (24, 30) and found.min() >= 0 and found.max() == 1
    assert found[8, 15] > 0.8 and found[12, 12] > 0.8  # edges
    assert found[11:13, 15:17].max() < 0.2 and found[:4].max() < 0.01  # within, and far away


def test_what_is_apart_from_the_background(square):
    found = pixel_saliency([square], "background")[0]
    assert found[10:14, 14:18].min() > 0.9 and found[:4].max() < 0.2
    both = pixel_saliency([square], "both")[0]
    np.testing.assert_allclose(both, (found + pixel_saliency([square], "change")[0]) / 2, atol=1e-6)


def test_a_colour_apart_that_is_as_light():
    pixels = np.full((16, 16, 3), (150, 100, 100), dtype=np.uint8)
    pixels[6:10, 6:10] = (60, 130, 60)
    found = pixel_saliency([Image.fromarray(pixels)], "background")[0]
    assert found[8, 8] > 0.9 and found[0, 0] < 0.3


def test_nothing_stands_out_of_an_even_image():
    for method in ("change", "background", "both"):
        assert pixel_saliency([Image.new("RGB", (9, 7), (10, 200, 30))], method)[0].max() == 0


def test_bad_input(square):
    with pytest.raises(ValueError, match="`method` must be one of change, background, both, got 'itti'"):
        pixel_saliency([square], "itti")
    with pytest.raises(ValueError, match="`sigma` must be more than 0, got 0"):
        pixel_saliency([square], sigma=0)
    with pytest.raises(ValueError, match="must be a list of PIL images"):
        pixel_saliency(square)
