# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Alignments as heat maps, as in figure 3 of Bahdanau et al. 2014 (arXiv 1409.0473)."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from .alignments import Alignment
from .fonts import find_fonts, readable_token


def plot_alignment(alignment: Alignment, ax: Axes | None = None, cmap: str = "gray", max_size: float = 14.0) -> Axes:
    """
    Plots an alignment as a heat map, source tokens from left to right and target tokens from top to bottom.

    Args:
        alignment (`Alignment`): from [`align`].
        ax (`matplotlib.axes.Axes`, *optional*): axes to plot into; by default those of a new figure.
        max_size (`float`, *optional*, defaults to 14.0): maximum width and height of a new figure in inches.
        cmap (`str`, *optional*, defaults to `"gray"`): matplotlib color map, from weight 0 to weight 1.

    Returns:
        `matplotlib.axes.Axes`: the axes with the plot.

    Warns if no installed font covers the tokens' characters.
    """
    source = [readable_token(token) for token in alignment.source_tokens]
    target = [readable_token(token) for token in alignment.target_tokens]
    if ax is None:
        width, height = 1.2 + 0.32 * len(source), 1.0 + 0.32 * len(target)
        _, ax = plt.subplots(figsize=(min(width, max_size), min(height, max_size)), layout="constrained")
    ax.imshow(alignment.weights, cmap=cmap, vmin=0, vmax=1, aspect="auto")
    fonts = find_fonts("".join(source + target))
    ax.xaxis.tick_top()
    ax.set_xticks(range(len(source)), source, fontfamily=fonts, parse_math=False)
    for label in ax.get_xticklabels():
        label.set_rotation(90 if len(label.get_text()) > 1 else 0)
    ax.set_yticks(range(len(target)), target, fontfamily=fonts, parse_math=False)
    ax.tick_params(length=0)
    return ax


__all__ = ["plot_alignment"]
