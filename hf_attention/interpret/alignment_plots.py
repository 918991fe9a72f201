# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Alignments as heat maps, as in figure 3 of Bahdanau et al. 2014 (arXiv 1409.0473)."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from .alignments import Alignment
from .bidi import display_order, text_direction
from .color_scale import DPI, ColorScale
from .fonts import find_fonts, readable_token


CELL = 0.32  # of a token, in inches, unless the figure would be too large


def plot_alignment(
    alignment: Alignment,
    ax: Axes | None = None,
    cmap: str = "gray",
    max_size: float = 20.0,
    high: float = 1.0,
    colorbar: bool = True,
    name: str = "attention",
) -> Axes:
    """
    Plots an alignment as a heat map, source tokens from left to right and target tokens from top to bottom. A source
    that is written from right to left stands so.

    Args:
        alignment (`Alignment`): from [`align`].
        ax (`matplotlib.axes.Axes`, *optional*): axes to plot into; by default those of a new figure.
        cmap (`str`, *optional*, defaults to `"gray"`): matplotlib color map, from weight 0 to weight `high`.
        max_size (`float`, *optional*, defaults to 20.0): maximum width and height of a new figure in inches.
        high (`float`, *optional*, defaults to 1.0): the weight at the end of the color scale.
        colorbar (`bool`, *optional*, defaults to `True`):
            Whether to add a color bar. On it the weight of an even alignment is marked, 1 / S for S source tokens.
        name (`str`, *optional*, defaults to `"attention"`): what the weights are, for the color bar.

    Returns:
        `matplotlib.axes.Axes`: the axes with the plot; `ax.figure.savefig` writes it, as `.png`, or as `.svg` or
        `.pdf`, without loss.

    Warns if no installed font covers the tokens' characters.
    """
    order = display_order(alignment.source_tokens)
    source = [readable_token(alignment.source_tokens[column]) for column in order]
    target = [readable_token(token) for token in alignment.target_tokens]
    if ax is None:
        width, height = 2.0 + CELL * len(source), 1.2 + CELL * len(target)
        size = (min(width, max_size), min(height, max_size))
        _, ax = plt.subplots(figsize=size, dpi=DPI, layout="constrained")
    ax.imshow(alignment.weights[:, order], cmap=cmap, vmin=0, vmax=high, aspect="auto", interpolation="none")
    column, row = ax.bbox.width / max(len(source), 1), ax.bbox.height / max(len(target), 1)  # in pixels
    fonts = find_fonts("".join(source + target))
    style: dict[str, Any] = {"fontfamily": fonts, "parse_math": False}
    ax.xaxis.tick_top()
    ax.set_xticks(range(len(source)), source, fontsize=fit_font(column / ax.figure.dpi), **style)
    for label in ax.get_xticklabels():
        label.set_rotation(90 if len(label.get_text()) > 1 else 0)
    ax.set_yticks(range(len(target)), target, fontsize=fit_font(row / ax.figure.dpi), **style)
    ax.tick_params(length=0)
    is_from_right = text_direction(alignment.source) == "rtl"
    ax.set_xlabel(f"source (read{', from right to left' if is_from_right else ''})")
    ax.xaxis.set_label_position("top")
    ax.set_ylabel("target (written)")
    if colorbar and source:
        even = 1 / len(source)
        ColorScale(0.0, high, even, cmap).add_bar(ax, f"{name} (each row sums to 1)", shrink=0.9)
    return ax


def fit_font(cell: float) -> float:
    """The size in points of a label of a cell of that many inches: at most 10, and at least 5, which can be read."""
    return min(10.0, max(5.0, 0.8 * 72 * cell))


__all__ = ["plot_alignment"]
