# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image
from PIL import Image as PILImage

from hf_attention.data.image_summary import summarize_images


FEATURES = Features({"image": Image(decode=False), "label": ClassLabel(names=["ant", "bee"])})


def rows(images, labels=None):
    labels = [index % 2 for index in range(len(images))] if labels is None else labels
    return Dataset.from_dict({"image": images, "label": labels}, features=FEATURES)


def noise(width, height, low=0, high=256, channels=3):
    pixels = np.random.default_rng(width).integers(low, high, (height, width, channels), dtype=np.uint8)
    return PILImage.fromarray(pixels.squeeze())


def test_photos():
    summary = summarize_images(rows([noise(60, 40), noise(40, 60), noise(80, 40)], [0, 0, 1]))
    assert summary.describe() == (
        "3 images of 2 classes (1 to 2 each), in color, 60 x 40 pixels (median), of 3 proportions"
    )
    assert summary.classes == {"ant": 2, "bee": 1}
    assert not summary.is_gray
    assert len(summary.mean) == len(summary.std) == 3


def test_drawings_are_gray_with_even_edges():
    drawings = []
    for shade in (255, 240, 20):
        pixels = np.full((30, 30, 3), shade, np.uint8)
        pixels[10:20, 10:20] = 255 - shade
        drawings.append(PILImage.fromarray(pixels))
    summary = summarize_images(rows(drawings))
    assert summary.is_gray
    assert summary.has_even_edges
    assert summary.describe() == "3 images of 2 classes (1 to 2 each), gray, 30 x 30 pixels, with even edges"
    assert len(summary.mean) == 1
    area = 100 / 900
    expected = np.mean([(shade * (1 - area) + (255 - shade) * area) / 255 for shade in (255, 240, 20)])
    assert summary.mean[0] == pytest.approx(expected, abs=0.02)


def test_images_that_cannot_be_read_are_left_to_the_check_of_all_images():
    broken = {"bytes": b"not an image", "path": None}
    good = rows([noise(20, 20)])
    both = Dataset.from_list([{"image": broken, "label": 0}, good[0]], features=FEATURES)
    assert summarize_images(both).width == 20
    with pytest.raises(ValueError, match="cannot be read"):
        summarize_images(both.select([0]))
