# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Attention in a terminal: alignments as lines of shaded text, maps over small images as colored blocks."""

import numpy as np
from PIL import Image
from rich.table import Table
from rich.text import Text

from ..data.image_utils import convert_mode
from .alignments import Alignment
from .color_scale import ColorScale
from .fonts import readable_token
from .token_grid import Tokenized, resize_map, split_image


def render_alignment(alignment: Alignment) -> Table:
    """
    Returns a table for `rich.print`, with one line per target token: the token, then the source tokens, each on a
    background that is darker for higher weights. Right-to-left text is in the order in which it is read, since
    terminals turn it.

    >>> import rich
    >>> rich.print(render_alignment(align(model, tokenizer, ["4. März 2005"])[0]))  # doctest: +SKIP
    """
    table = Table(show_header=False, box=None, padding=(0, 1))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")  # a long source continues on the next line; nothing is cut
    joiner = "" if all(len(readable_token(token)) <= 1 for token in alignment.source_tokens[:-1]) else " "
    for token, weights in zip(alignment.target_tokens, alignment.weights):
        line = Text()
        for source_token, weight in zip(alignment.source_tokens, weights):
            level = round(255 * (1 - float(weight)))
            foreground = "black" if weight < 0.5 else "white"
            line.append(readable_token(source_token), style=f"{foreground} on rgb({level},{level},255)")
            line.append(joiner)
        table.add_row(Text(readable_token(token), style="bold"), line)
    return table


def render_image(
    image: Image.Image | Tokenized,
    values: np.ndarray | None = None,
    width: int = 16,
    cmap: str | None = None,
    scale: ColorScale | None = None,
) -> Text:
    """
    Returns a small image, or a map of its size, for `rich.print`: `width` blocks per row, shaded if the terminal has
    no colors.

    Args:
        image (`PIL.Image.Image`, [`ImageAttention`] or [`Reading`]): for a map of tokens, the item; see [`overlay`].
        values (`np.ndarray` of shape `(rows, columns)`, *optional*): a map to show instead of the image.
        cmap (`str`, *optional*), scale (`ColorScale`, *optional*): the colors of the map; see [`overlay`].
    """
    image, box = split_image(image)
    height = max(1, round(width * image.height / image.width))
    if values is None:
        pixels = np.asarray(convert_mode(image, "RGB").resize((width, height), Image.Resampling.NEAREST))
    else:
        pixels = (scale or ColorScale.fit([values], cmap=cmap)).colors(resize_map(values, (width, height), box))
    text = Text()
    for row in pixels:
        for red, green, blue in row:
            color = f"rgb({red},{green},{blue})"
            text.append(2 * " ░▒▓█"[int((int(red) + int(green) + int(blue)) / 766 * 5)], style=f"{color} on {color}")
        text.append("\n")
    return text


__all__ = ["render_alignment", "render_image"]
