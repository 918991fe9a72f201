# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Titles of images: the true and the predicted class."""

from collections.abc import Sequence
from typing import Protocol

from matplotlib.axes import Axes

from .bidi import isolate
from .fonts import find_fonts


WRONG = "#b3261e"  # the color of the title of a mistake, whose words say so too


class Classified(Protocol):
    """An image with its predicted class and the probability of it."""

    label: str
    score: float


def make_titles(items: Sequence[Classified], labels: list[str] | None = None) -> list[str]:
    """
    Returns the title of each image, with its true class if there are `labels`.

    Raises `ValueError` if `items` has another length than `labels`.
    """
    if labels is not None and len(labels) != len(items):
        raise ValueError(f"`labels` ({len(labels)}) must have the same length as the images ({len(items)}).")
    titles = []
    for index, item in enumerate(items):
        lines = [f"predicted: {isolate(item.label)} ({item.score:.2f})"] if item.label else []
        if labels is not None:
            verdict = "" if not item.label else ", right" if labels[index] == item.label else ", WRONG"
            lines.insert(0, f"true: {isolate(labels[index])}{verdict}")
        titles.append("\n".join(lines))
    return titles


def set_title(ax: Axes, title: str, fontsize: float = 8) -> None:
    """Sets the title of an image, in a font that has its characters."""
    color = WRONG if ", WRONG\n" in title else "black"
    ax.set_title(title, fontsize=fontsize, fontfamily=find_fonts(title), parse_math=False, color=color)
