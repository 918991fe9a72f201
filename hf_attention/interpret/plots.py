# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Alignments as heat maps (Bahdanau et al. 2014, figure 3)."""

import warnings
from functools import cache

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.ft2font import FT2Font

from .alignments import Alignment


def plot_alignment(alignment: Alignment, ax: Axes | None = None, cmap: str = "gray", max_size: float = 14.0) -> Axes:
    """
    Draws the weights with the source's tokens along the top and the target's down the side.

    Args:
        alignment (`Alignment`): from [`align`].
        ax (`matplotlib.axes.Axes`, *optional*): where to draw; without it a new figure of fitting size, in inches at
            most `max_size` on a side.
        cmap (`str`, *optional*, defaults to `"gray"`): matplotlib colour map, from weight 0 to weight 1.

    Warns where no installed font has a character of the tokens, and names one that would.
    """
    source = [readable(token) for token in alignment.source_tokens]
    target = [readable(token) for token in alignment.target_tokens]
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


def readable(token: str) -> str:
    """A sentencepiece token as a person reads it: a mark for the space, nothing for the one before the first word."""
    return token.replace("▁", "␣") if token == "▁" else token.replace("▁", "")


def find_fonts(text: str) -> list[str]:
    """
    Families, matplotlib's own first, that together have every character of a text.

    Warns about characters that no installed font has.
    """
    families = list(plt.rcParams["font.sans-serif"][:1])
    missing = set(text) - read_characters(font_manager.findfont(families[0]))
    missing = {character for character in missing if character.isprintable()}
    for font in sorted(font_manager.fontManager.ttflist, key=lambda font: (font.style != "normal", font.name)):
        if not missing:
            break
        # matplotlib's Last Resort draws a box for every character there is
        if font.weight not in (400, "normal", "regular") or font.name.startswith("Last Resort"):
            continue
        if covered := missing & read_characters(font.fname):
            families.append(font.name)
            missing -= covered
    if missing:
        warnings.warn(
            f"No installed font can draw {' '.join(sorted(missing)[:10])}. Install one that can, such as Noto Sans "
            "CJK or Nanum for Korean (Debian: fonts-noto-cjk, fonts-nanum), and remove matplotlib's font cache "
            "(`matplotlib.get_cachedir()`).",
            stacklevel=3,
        )
    return families


@cache
def read_characters(file: str) -> frozenset[str]:
    return frozenset(map(chr, FT2Font(file).get_charmap()))


__all__ = ["plot_alignment"]
