# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.colors import to_rgb
from PIL import Image
from rich.console import Console

from hf_attention.interpret import Alignment, plot_alignment, render_alignment, render_image
from hf_attention.interpret.fonts import find_fonts


matplotlib.use("Agg")


def make(source, target):
    weights = np.eye(len(target), len(source), dtype=np.float32)
    return Alignment("", "", source, target, weights, 0.0)


def test_the_heat_map_has_tokens_and_weights():
    alignment = make(["▁", "4", "Mai", "</s>"], ["0", "5", "</s>"])
    ax = plot_alignment(alignment)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["␣", "4", "Mai", "</s>"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "5", "</s>"]
    # long tokens are rotated, so that they do not overlap
    assert [label.get_rotation() for label in ax.get_xticklabels()] == [0, 0, 90, 90]
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array(), alignment.weights)
    # row 0 is on top, weight 1 white, weight 0 black
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert image.to_rgba(1.0)[:3] == to_rgb("white")
    assert image.to_rgba(0.0)[:3] == to_rgb("black")
    assert ax.get_xlabel() == "source (read)"
    assert ax.get_ylabel() == "target (written)"
    bar = ax.figure.axes[-1]
    assert bar.get_ylim() == (0, 1)
    assert {line.get_ydata()[0] for line in bar.lines} == {1 / 4}  # an even alignment


def test_a_source_from_right_to_left_stands_so():
    alignment = make(["א", "▁", "1", "9", "</s>"], ["1", "9"])
    alignment.source = "א 19"
    ax = plot_alignment(alignment)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["</s>", "1", "9", "␣", "א"]
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 0, 0, 0, 1], [0, 0, 0, 1, 0]])
    assert "from right to left" in ax.get_xlabel()


def test_labels_of_many_tokens_do_not_overlap():
    ax = plot_alignment(make([f"token{index}" for index in range(120)], list("abcdefghijklmnopqrst")))
    ax.figure.draw_without_rendering()
    for axis, side in ((ax.xaxis, 0), (ax.yaxis, 1)):
        boxes = sorted(
            (label.get_window_extent().intervalx, label.get_window_extent().intervaly)[side].tolist()
            for label in axis.get_ticklabels()
        )
        assert all(first[1] <= second[0] + 0.5 for first, second in pairwise(boxes))
        assert min(label.get_fontsize() for label in axis.get_ticklabels()) >= 6


def test_a_vector_file_holds_the_weights_without_loss(tmp_path):
    plot_alignment(make(["a", "b"], ["c"])).figure.savefig(tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_dollar_signs_are_not_formulas(tmp_path):
    ax = plot_alignment(make(["$x_$", "\\frac"], ["$"]))
    ax.figure.savefig(tmp_path / "a.png")


def test_missing_characters_are_a_warning(monkeypatch):
    assert find_fonts("plain text") == ["DejaVu Sans"]
    # as if only matplotlib's fonts were installed
    bundled = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    assert any(font.name.startswith("Last Resort") for font in bundled)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", bundled)
    with pytest.warns(UserWarning, match="No installed font can draw 한. Install one .*fonts-nanum"):
        assert find_fonts("a한") == ["DejaVu Sans"]


def test_render_alignment_shades_the_source_tokens():
    alignment = make(["▁Ein", "▁Hund"], ["▁A", "▁dog"])
    console = Console(force_terminal=True, color_system="truecolor", width=60)
    with console.capture() as capture:
        console.print(render_alignment(alignment))
    first, second = capture.get().splitlines()[:2]
    looked, ignored = "48;2;0;0;255m", "48;2;255;255;255m"
    assert "A" in first
    assert first.index(looked) < first.index("Ein") < first.index(ignored) < first.index("Hund")
    assert "dog" in second
    assert second.index(ignored) < second.index("Ein") < second.index(looked) < second.index("Hund")


def test_a_long_source_continues_on_the_next_line():
    tokens = [chr(0x4E00 + index) for index in range(60)]
    console = Console(width=30, color_system=None)
    for source in (tokens, [f"▁{token * 3}" for token in tokens]):
        with console.capture() as capture:
            console.print(render_alignment(make(source, ["x"])))
        shown = capture.get()
        assert "…" not in shown
        assert [shown.count(token) for token in tokens] == [len(source[0].strip("▁"))] * 60


def test_an_even_map_has_one_color_in_the_terminal():
    noise = np.random.default_rng(0).normal(1, 1e-7, (4, 4))
    assert len({span.style for span in render_image(Image.new("L", (4, 4)), noise, width=4).spans}) == 1


def test_render_image_shows_images_and_maps():
    image = Image.new("L", (4, 2))
    image.putpixel((3, 0), 255)
    lines = render_image(image, width=4).plain.splitlines()
    assert lines == ["      ██", "        "]
    values = np.zeros((2, 4))
    values[1, 0] = 1
    text = render_image(image, values, width=4)
    assert text.plain.splitlines()[1].startswith("█") or text.plain.splitlines()[1].startswith("▓")
    assert len(text.spans) == 8  # a color for each
    assert len(render_image(Image.new("RGB", (10, 20)), width=5).plain.splitlines()) == 10
