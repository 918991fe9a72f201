# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Attention of the position at a chosen pixel, in a non-local block or a layer of a vision transformer."""

import numpy as np
from matplotlib.figure import Figure

from ..data.image_utils import convert_mode
from .color_scale import DPI, MULTIPLES, ColorScale
from .image_attention import ImageAttention
from .overlays import overlay
from .titles import make_titles, set_title


def position_map(attention: ImageAttention, pixel: tuple[int, int], layer: int = -1) -> np.ndarray:
    """
    Returns the attention of the position at a pixel, mean over the heads: (rows, columns).

    Args:
        pixel (`tuple[int, int]`): column and row, in pixels of `attention.image`.
        layer (`int`, *optional*, defaults to -1): index of the layer.

    Raises:
        `ValueError`: for a pixel outside the image or a layer that does not exist.
    """
    (column, row), (width, height) = pixel, attention.image.size
    if not (0 <= column < width and 0 <= row < height):
        raise ValueError(f"`pixel` (column, row) = {pixel} is outside the image of {width} x {height} pixels.")
    row, column = attention.find_token((column + 0.5) / width, (row + 0.5) / height)
    position = attention.num_prefix_tokens + row * attention.grid[1] + column
    return attention.on_grid(attention.weights(layer)[position])


def plot_positions(
    attentions: list[ImageAttention],
    pixels: list[list[tuple[int, int]]],
    cell: float = 1.8,
    labels: list[str] | None = None,
) -> Figure:
    """
    Plots a row for each image: the image with the chosen pixels numbered, then the attention of each of them. All maps
    have one color scale, in multiples of an even map; weights that may be negative are shown with their sign.

    Args:
        pixels (`list[list[tuple[int, int]]]`): (column, row) of the pixels of each image, the same number for each.
        labels (`list[str]`, *optional*): the true class of each image.
        cell (`float`, *optional*, defaults to 1.8): size of a panel in inches.

    Raises:
        `ValueError`: if `attentions` is empty, or if `pixels` has a different length or numbers of pixels that differ.
    """
    if not attentions:
        raise ValueError("`attentions` is empty; there is nothing to plot.")
    titles = make_titles(attentions, labels)
    if len(pixels) != len(attentions) or len({len(chosen) for chosen in pixels}) != 1:
        raise ValueError("`pixels` must have one list per image of `attentions`, all of the same length.")
    count = len(pixels[0])
    maps = [
        [position_map(item, pixel) * item.num_tokens for pixel in chosen] for item, chosen in zip(attentions, pixels)
    ]
    scale = ColorScale.fit((values for row in maps for values in row), even=1.0)
    size = (cell * (count + 1.4), cell * 1.2 * len(attentions))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots(len(attentions), count + 1, squeeze=False)
    for row, (item, chosen) in enumerate(zip(attentions, pixels)):
        axes[row, 0].imshow(np.asarray(convert_mode(item.image, "RGB")))
        set_title(axes[row, 0], titles[row])
        for number, (ax, pixel) in enumerate(zip(axes[row, 1:], chosen), 1):
            picture = overlay(item, maps[row][number - 1], scale=scale)
            factor = picture.width / item.image.width
            ax.imshow(np.asarray(picture))
            column, line = ((place + 0.5) * factor - 0.5 for place in pixel)
            ax.plot(column, line, marker="+", color="cyan", markersize=12, markeredgewidth=2.5)
            ax.set_title(f"attention of pixel {number}", fontsize=8)
            badge = {"boxstyle": "circle,pad=0.2", "facecolor": "cyan", "edgecolor": "black"}
            axes[row, 0].text(*pixel, str(number), fontsize=7, ha="center", va="center", bbox=badge)
        for ax in axes[row]:
            ax.set_axis_off()
    scale.add_bar(axes, MULTIPLES, shrink=min(1.0, 2.5 / len(attentions)))
    return figure


__all__ = ["plot_positions", "position_map"]
