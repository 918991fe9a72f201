# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from hf_attention.data.digit_rows import load_digit_rows
from hf_attention.data.images import open_image, split_digits


SIZES = {"train": 30, "validation": 10, "test": 10}


def pixels_of(rows):
    return np.stack([np.asarray(open_image(cell)) for cell in rows["image"]])


def test_the_same_rows_for_the_same_seed():
    data = load_digit_rows(SIZES)
    assert {split: len(rows) for split, rows in data.items()} == SIZES
    images = pixels_of(data["train"])
    assert images.shape == (30, 16, 80) and images.dtype == np.uint8
    assert (pixels_of(load_digit_rows(SIZES)["train"]) == images).all()
    assert (pixels_of(load_digit_rows(SIZES, seed=1)["train"]) != images).any()
    assert {len(text) for text in data["train"]["text"]} == {2, 3, 4, 5}


def test_each_character_has_its_box_from_left_to_right():
    for row, image in zip(load_digit_rows(SIZES)["train"], pixels_of(load_digit_rows(SIZES)["train"])):
        assert len(row["boxes"]) == len(row["text"])
        outside = image.copy()
        for left, top, right, bottom in row["boxes"]:
            assert 0 <= left < right <= 80 and 0 <= top < bottom <= 16
            assert image[top:bottom, left:right].max() > 128
            outside[top:bottom, left:right] = 0
        assert outside.max() <= 26  # the faint rim of a digit
        edges = [edge for left, _, right, _ in row["boxes"] for edge in (left, right)]
        assert edges == sorted(edges)


def test_a_row_of_one_digit_is_that_digit():
    """On a canvas of its own size, so that the text and the split can be looked up."""
    options = {"canvas_size": (8, 8), "digit_sizes": (8, 8), "lengths": (1, 1)}
    for split, (digits, labels) in split_digits().items():
        known = {(digit * 255).round().byte().numpy().tobytes(): label for digit, label in zip(digits, labels)}
        rows = load_digit_rows(SIZES, **options)[split]
        for text, image in zip(rows["text"], pixels_of(rows)):
            assert int(known[image.tobytes()]) == int(text)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"lengths": (3, 2)}, "`lengths` must be two numbers, 0 < low <= high, got \\(3, 2\\)"),
        ({"digit_sizes": (0, 9)}, "`digit_sizes` must be two numbers"),
        ({"lengths": (2, 6)}, "6 digits of up to 14 pixels do not fit on a canvas of 16 x 80"),
        ({"sizes": {"dev": 3}}, "`sizes` has dev; the splits are train, validation, test"),
    ],
)
def test_invalid_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        load_digit_rows(**options)
