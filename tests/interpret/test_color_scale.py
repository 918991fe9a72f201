# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from hf_attention.interpret import ColorScale, overlay


def draw_bar(scale, height=400):
    """The pixels of a drawn color bar, from its lower to its upper end: (rows, 3), and where it is marked."""
    figure = Figure(figsize=(2, 4), dpi=100)
    bar = scale.add_bar(figure.subplots(), "label")
    figure.draw_without_rendering()
    (mark, *_) = [line.get_ydata()[0] for line in bar.ax.lines] or [None]
    return bar, mark


def test_an_even_map_has_the_color_of_the_mark_on_the_bar():
    maps = [np.full((4, 4), 1 / 16), np.eye(4) / 4]
    scale = ColorScale.fit(maps, even=1 / 16)
    bar, mark = draw_bar(scale)
    assert mark == 1 / 16
    pixel = overlay(Image.new("L", (4, 4)), maps[0], opacity=1.0, scale=scale).getpixel((100, 100))
    np.testing.assert_allclose(pixel, np.multiply(bar.cmap(bar.norm(mark))[:3], 255), atol=1)
    np.testing.assert_allclose(bar.norm(mark), 0.25)  # of a scale that ends at the highest value, 1/4
    (label,) = [text.get_text() for axis in bar.ax.child_axes for text in axis.get_yticklabels()]
    assert label == "even"


def test_equal_values_have_equal_colors_in_all_maps():
    low, high = np.array([[0.0, 0.1]]), np.array([[0.1, 0.8]])
    scale = ColorScale.fit([low, high])
    assert (scale.colors(low)[0, 1] == scale.colors(high)[0, 0]).all()
    assert (scale.colors(low)[0, 1] != scale.colors(high)[0, 1]).any()


def test_signed_maps_are_centered_on_zero():
    scale = ColorScale.fit([np.array([-1.0, 0.0, 3.0])])
    assert (scale.low, scale.high, scale.even) == (-3, 3, None)
    below, middle, above = scale.colors(np.array([[-2.0, 0.0, 2.0]]))[0].astype(int)
    assert middle.min() > 240  # white
    assert below[2] > below[0] + 50  # blue
    assert above[0] > above[2] + 50  # red
    assert draw_bar(scale)[1] is None


def test_a_few_of_many_values_are_above_the_end():
    values = np.ones(10_000)
    values[:10] = 1000.0
    scale = ColorScale.fit([values])
    assert scale.is_cut
    assert scale.high == pytest.approx(3 * values.mean())
    assert draw_bar(scale)[0].extend == "max"
    assert not ColorScale.fit([values[:20]]).is_cut  # half of them


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.zeros((0, 3))])
def test_maps_without_attention(values):
    scale = ColorScale.fit([values])
    assert (scale.low, scale.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    "scale, names, label",
    [
        (ColorScale(0, 8, 1.0), ["0", "8", "1: even"], "0 is dark, 8 is bright, 1 is an even map"),
        (
            ColorScale(-2, 2, None, "RdBu_r", True),
            ["-2 or less", "2 or more", "0"],
            "-2 or less is blue, 2 or more is",
        ),
    ],
)
def test_a_bar_in_html_has_the_colors_of_the_scale_and_is_named(scale, names, label):
    page = ElementTree.fromstring(scale.to_svg())
    colors = [element.get("fill") for element in page.iter("rect")]
    ends = [to_hex(color / 255) for color in scale.colors(np.array([[scale.low, scale.high]]))[0]]
    assert [colors[0], colors[-1]] == ends
    assert [element.text for element in page.iter("text")] == names
    assert label in page.get("aria-label")
    places = [float(element.get("x")) for element in page.iter("text")]
    share = (0 - scale.low if scale.even is None else scale.even) / (scale.high - scale.low)
    assert places[2] == pytest.approx(places[0] + share * (places[1] - places[0]), abs=0.1)


def test_a_value_that_is_not_finite_leaves_the_other_maps_as_they_are():
    damaged, other = np.array([[np.nan, np.inf, 1.0]]), np.array([[0.0, 1.0, 2.0]])
    scale = ColorScale.fit([damaged, other])
    assert (scale.low, scale.high, scale.even) == (0.0, 3.0, 1.0)
    assert scale.colors(damaged)[0, 0].tolist() == [128, 128, 128]  # gray, which no value has
    assert ColorScale.fit([]).high == 1.0
