# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def color_images() -> list[Image.Image]:
    """Three RGB images of noise, 24 pixels wide and 20 high."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


@pytest.fixture
def gray_images() -> list[Image.Image]:
    """Three grayscale images of noise, 24 pixels wide and 20 high."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 20, 24), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]
