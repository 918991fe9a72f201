# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

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
