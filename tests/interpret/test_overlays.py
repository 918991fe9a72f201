# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from PIL import Image
from small_vision_models import make_vit

from hf_attention.interpret import ColorScale, attention_maps, overlay, plot_attention_grid, plot_heads


def test_bright_is_where_the_map_is_high():
    values = np.zeros((4, 4))
    values[0, 3] = 1
    pixels = np.asarray(overlay(Image.new("L", (8, 8), 0), values, opacity=1.0).convert("L"), dtype=int)
    assert pixels.shape == (224, 224)
    assert pixels[10, -10] > 200
    assert pixels[-10, 10] < 10


def test_opacity_and_size():
    image = Image.new("RGB", (300, 400), (10, 20, 30))
    assert overlay(image, np.ones((2, 2)), opacity=0.0).getpixel((5, 5)) == (10, 20, 30)
    black = ColorScale(1.0, 2.0, cmap="gray")
    assert overlay(image, np.ones((2, 2)), opacity=0.5, scale=black).getpixel((5, 5)) == (5, 10, 15)
    assert overlay(image, np.ones((2, 2)), opacity=0.2, scale=black).getpixel((5, 5)) == (8, 16, 24)
    assert overlay(image, np.ones((2, 2))).size == (300, 400)
    assert overlay(Image.new("L", (8, 4)), np.ones((2, 2))).size == (448, 224)
    with pytest.raises(ValueError, match="must have the shape"):
        overlay(image, np.ones(4))


def test_an_even_map_has_one_color_also_with_rounding_errors():
    noise = np.random.default_rng(0).normal(0.25, 1e-8, (8, 8))
    for values in (np.full((8, 8), 0.25), noise):
        pixels = np.asarray(overlay(Image.new("L", (8, 8)), values, opacity=1.0))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("pooling_type, columns", [("sequence", 6), ("cls", 5)])
def test_plot_attention_grid_has_layers_rollout_and_pool(color_images, pooling_type, columns, tmp_path):
    model, processor = make_vit(pooling_type=pooling_type)
    figure = plot_attention_grid(attention_maps(model, processor, color_images))
    assert len(figure.axes) == 3 * columns + 1  # and the color bar
    assert figure.axes[-1].get_ylabel() == "multiple of an even map"
    titles = [ax.get_title() for ax in figure.axes[:columns]]
    assert titles[1:5] == ["layer 1", "layer 2", "layer 3", "rollout"]
    assert titles[0].startswith("predicted: LABEL_")
    figure.savefig(tmp_path / "grid.png")
    assert len(set(Image.open(tmp_path / "grid.png").convert("L").get_flattened_data())) > 20
    with pytest.raises(ValueError, match="`attentions` is empty"):
        plot_attention_grid([])


def test_plot_heads_has_a_panel_per_head(color_images):
    model, processor = make_vit()
    figure = plot_heads(attention_maps(model, processor, color_images)[0])
    assert [ax.get_title() for ax in figure.axes][5] == "layer 3, head 2"
    assert len(figure.axes) == 6 + 1  # and the color bar


def test_titles_have_the_true_class_and_say_what_is_wrong(color_images):
    model, processor = make_vit()
    items = attention_maps(model, processor, color_images)
    true = [items[0].label, "another", "LABEL_\u05d0"]
    titles = [ax.get_title().splitlines() for ax in plot_attention_grid(items, true).figure.axes[::6][:3]]
    assert titles[0][0] == f"true: {items[0].label}, right"
    assert titles[1][0] == "true: another, WRONG"
    assert titles[2][0] == "true: \u2068LABEL_\u05d0\u2069, WRONG"  # its direction does not affect what follows
    assert [lines[1] for lines in titles] == [f"predicted: {item.label} ({item.score:.2f})" for item in items]
    with pytest.raises(ValueError, match=r"`labels` \(1\) must have the same length as the images \(3\)"):
        plot_attention_grid(items, ["a"])


def test_maps_of_a_figure_share_one_scale_in_which_even_attention_is_the_mark(color_images):
    model, processor = make_vit(pooling_type="mean")
    for parameter in model.parameters():
        parameter.data.zero_()  # all logits of attention are 0
    figure = plot_attention_grid(attention_maps(model, processor, color_images[:2]))
    bar = figure.axes[-1]
    (mark, _) = [line.get_ydata()[0] for line in bar.lines]
    assert mark == 1
    assert bar.get_ylim() == (0, 3)
    black = Image.new("RGB", color_images[0].size)
    expected = overlay(black, np.ones((8, 8)), scale=ColorScale(0, 3)).getpixel((0, 0))
    for ax in (figure.axes[1], figure.axes[-2]):
        shown = np.asarray(ax.images[0].get_array(), dtype=float)
        image = overlay(color_images[figure.axes.index(ax) // 5], np.ones((8, 8)), opacity=0.0)
        np.testing.assert_allclose(shown - 0.4 * np.asarray(image), np.broadcast_to(expected, shown.shape), atol=1.5)


def test_figures_have_150_dots_per_inch_and_vectors_by_their_name(color_images, tmp_path):
    model, processor = make_vit()
    figure = plot_heads(attention_maps(model, processor, color_images)[0], cell=1.0)
    figure.savefig(tmp_path / "heads.png")
    assert Image.open(tmp_path / "heads.png").width == pytest.approx(2.8 * 150, abs=1)
    for name in ("heads.svg", "heads.pdf"):
        figure.savefig(tmp_path / name)
    assert "<svg" in (tmp_path / "heads.svg").read_text()
    assert (tmp_path / "heads.pdf").read_bytes().startswith(b"%PDF")


def test_sixteen_bits_and_class_names_that_look_like_formulas(color_images, tmp_path):
    image = Image.fromarray((np.arange(64).reshape(8, 8) * 1024).astype(np.uint16))
    shown = np.asarray(overlay(image, np.zeros((2, 2)), opacity=0.0))
    assert 120 < shown.mean() < 130  # clipped at 255, it would be white
    model, processor = make_vit()
    model.config.id2label = dict.fromkeys(range(3), "a$x^^$")
    plot_attention_grid(attention_maps(model, processor, color_images)).savefig(tmp_path / "grid.png")
