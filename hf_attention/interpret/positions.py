# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Attention of the position at a chosen pixel, in a non-local block or a layer of a vision transformer."""

import numpy as np
from matplotlib.figure import Figure

from ..data.image_utils import convert_mode
from .fonts import find_fonts
from .image_attention import ImageAttention
from .overlays import overlay


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
    rows, columns = attention.grid
    position = row * rows // height * columns + column * columns // width
    return attention.on_grid(attention.weights(layer)[attention.num_prefix_tokens + position])


def plot_positions(attentions: list[ImageAttention], pixels: list[list[tuple[int, int]]], cell: float = 1.8) -> Figure:
    """
    Plots a row for each image: the image with the chosen pixels numbered, then the attention of each of them.

    Args:
        pixels (`list[list[tuple[int, int]]]`): (column, row) of the pixels of each image, the same number for each.
        cell (`float`, *optional*, defaults to 1.8): size of a panel in inches.

    Raises:
        `ValueError`: if `attentions` is empty, or if `pixels` has a different length or numbers of pixels that differ.
    """
    if not attentions:
        raise ValueError("`attentions` is empty; there is nothing to plot.")
    if len(pixels) != len(attentions) or len({len(chosen) for chosen in pixels}) != 1:
        raise ValueError("`pixels` must have one list per image of `attentions`, all of the same length.")
    count = len(pixels[0])
    figure = Figure(figsize=(cell * (count + 1), cell * 1.15 * len(attentions)), layout="constrained")
    axes = figure.subplots(len(attentions), count + 1, squeeze=False)
    for row, (item, chosen) in enumerate(zip(attentions, pixels)):
        axes[row, 0].imshow(np.asarray(convert_mode(item.image, "RGB")))
        title = f"predicted: {item.label} ({item.score:.2f})" if item.label else ""
        axes[row, 0].set_title(title, fontsize=8, fontfamily=find_fonts(title), parse_math=False)
        for number, (ax, pixel) in enumerate(zip(axes[row, 1:], chosen), 1):
            picture = overlay(item.image, position_map(item, pixel))
            factor = picture.width / item.image.width
            ax.imshow(np.asarray(picture))
            column, line = ((place + 0.5) * factor - 0.5 for place in pixel)
            ax.plot(column, line, marker="+", color="cyan", markersize=12, markeredgewidth=2.5)
            ax.set_title(f"attention of pixel {number}", fontsize=8)
            badge = {"boxstyle": "circle,pad=0.2", "facecolor": "cyan", "edgecolor": "black"}
            axes[row, 0].text(*pixel, str(number), fontsize=7, ha="center", va="center", bbox=badge)
        for ax in axes[row]:
            ax.set_axis_off()
    return figure


__all__ = ["plot_positions", "position_map"]
