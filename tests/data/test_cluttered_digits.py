# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch

from hf_attention.data import cluttered_digits
from hf_attention.data.cluttered_digits import find_box, load_cluttered_digits, place
from hf_attention.data.images import open_image, split_digits


SIZES = {"train": 40, "validation": 20, "test": 20}


def pixels_of(rows):
    return np.stack([np.asarray(open_image(cell)) for cell in rows["image"]])


def test_the_same_canvases_for_the_same_seed():
    data = load_cluttered_digits(SIZES)
    assert {split: len(rows) for split, rows in data.items()} == SIZES
    images = pixels_of(data["train"])
    assert images.shape == (40, 60, 60)
    assert images.dtype == np.uint8
    assert (pixels_of(load_cluttered_digits(SIZES)["train"]) == images).all()
    assert (pixels_of(load_cluttered_digits(SIZES, seed=1)["train"]) != images).any()
    assert len({image.tobytes() for image in images}) == 40
    assert set(data["train"]["label"]) == set(range(10))


def test_the_splits_share_no_source_digit():
    parts = [{digit.numpy().tobytes() for digit in digits} for digits, _ in split_digits().values()]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    # an upright digit of its own size and no clutter: the canvas holds the source's pixels
    still = {"scale": (1.0, 1.0), "rotation": 0.0, "clutter": 0, "canvas_size": 8, "digit_size": 8}
    for number, (split, rows) in enumerate(load_cluttered_digits(SIZES, **still).items()):
        for image in pixels_of(rows):
            digit = torch.from_numpy(image / 255 * 16).round().float() / 16
            assert [digit.numpy().tobytes() in part for part in parts] == [index == number for index in range(3)], (
                split
            )


@pytest.mark.parametrize("shades", [(50, 100, 200), (200, 100, 50)])
def test_clutter_is_of_its_own_split(monkeypatch, shades):
    """Even digits, in each split of another shade: what is brighter comes from another split."""
    even = {split: (torch.full((10, 8, 8), shade / 255), torch.arange(10)) for split, shade in zip(SIZES, shades)}
    monkeypatch.setattr(cluttered_digits, "split_digits", lambda: even)
    data = load_cluttered_digits(dict.fromkeys(SIZES, 5))
    assert [pixels_of(rows).max() for rows in data.values()] == list(shades)


def test_a_digit_is_placed_by_the_map():
    """Every pixel of the canvas against the digit, turned, scaled and moved by hand."""
    digits = split_digits()["test"][0][:3]
    drawn = torch.Generator().manual_seed(5)
    placed = place(digits, 20, 10.0, (0.8, 1.5), 40.0, torch.Generator().manual_seed(5))
    size, angle, column, row = (
        torch.rand(3, 1, generator=drawn) * (most - least) + least
        for least, most in ((0.8, 1.5), (-40.0, 40.0), (-1, 1), (-1, 1))
    )
    for index, digit in enumerate(digits):
        side = float(size[index]) * 10
        turn = np.deg2rad(float(angle[index]))
        center = np.array([float(column[index]), float(row[index])]) * (20 - side) / 2 + 10
        for y in range(20):
            for x in range(20):
                away = np.array([x + 0.5, y + 0.5]) - center
                u = (np.cos(turn) * away[0] + np.sin(turn) * away[1]) * 8 / side + 4 - 0.5
                v = (-np.sin(turn) * away[0] + np.cos(turn) * away[1]) * 8 / side + 4 - 0.5
                total = 0.0
                for m in range(8):
                    for n in range(8):
                        total += float(digit[n, m]) * max(0, 1 - abs(u - m)) * max(0, 1 - abs(v - n))
                assert float(placed[index, y, x]) == pytest.approx(total, abs=1e-4)


def test_the_box_holds_the_ink():
    data = load_cluttered_digits(SIZES, clutter=0)["test"]
    for image, (left, top, right, bottom) in zip(pixels_of(data), data["box"]):
        bright = image > 0.12 * image.max()
        assert bright[top:bottom, left:right].sum() == bright.sum() > 0
        for edge in (image[top, left:right], image[bottom - 1, left:right], image[top:bottom, left]):
            assert edge.max() > 0.09 * image.max()
    assert find_box(np.eye(5)[1:]) == [1, 0, 5, 4]


def test_clutter_adds_light_and_leaves_the_box():
    bare, cluttered = (load_cluttered_digits({"test": 30}, clutter=clutter)["test"] for clutter in (0, 6))
    assert pixels_of(cluttered).mean() > 1.3 * pixels_of(bare).mean()
    spread = [(right - left, bottom - top) for left, top, right, bottom in cluttered["box"]]
    assert np.min(spread) > 5
    assert np.max(spread) < 42


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"digit_size": 55},
            r"`digit_size` \(55\) times the largest `scale` \(1.2\) is more than `canvas_size` \(60\)",
        ),
        ({"scale": (1.2, 0.7)}, "`scale` must be two factors"),
        ({"canvas_size": 0}, "`canvas_size` must be above 0, got 0"),
        ({"digit_size": -5}, "`digit_size` must be above 0, got -5"),
        ({"sizes": {"train": -1}}, "`sizes` must be above 0, got -1"),
        ({"clutter": -1}, "`clutter` must not be negative, got -1"),
        ({"rotation": 200}, "`rotation` must be from 0 to 180 degrees, got 200"),
        ({"sizes": {"dev": 3}}, "`sizes` has dev; the splits are train, validation, test"),
    ],
)
def test_arguments_out_of_range_are_named_in_the_error(options, message):
    with pytest.raises(ValueError, match=message):
        load_cluttered_digits(**options)
