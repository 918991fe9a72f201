# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Attention in a terminal: alignments as lines of shaded text, maps over small images as coloured blocks."""

import numpy as np
from matplotlib import colormaps
from PIL import Image
from rich.table import Table
from rich.text import Text

from ..models.compact_vit.image_processing_pil_compact_vit import convert_mode
from .alignments import Alignment
from .plots import readable


def render_alignment(alignment: Alignment) -> Table:
    """
    What `rich.print` shows as a line for each target token: the token, and the source with each token's background as
    dark as its weight.

    >>> import rich
    >>> rich.print(render_alignment(align(model, tokenizer, ["4. März 2005"])[0]))  # doctest: +SKIP
    """
    table = Table(show_header=False, box=None, padding=(0, 1))
    joiner = "" if all(len(readable(token)) <= 1 for token in alignment.source_tokens[:-1]) else " "
    for token, weights in zip(alignment.target_tokens, alignment.weights):
        line = Text()
        for source_token, weight in zip(alignment.source_tokens, weights):
            level = round(255 * (1 - float(weight)))
            ink = "black" if weight < 0.5 else "white"
            line.append(readable(source_token), style=f"{ink} on rgb({level},{level},255)")
            line.append(joiner)
        table.add_row(Text(readable(token), style="bold"), line)
    return table


def render_image(image: Image.Image, values: np.ndarray | None = None, width: int = 16, cmap: str = "magma") -> Text:
    """
    A small image for `rich.print`, or a map over it: a block for each of `width` pixels a row, coloured, or, where the
    terminal has no colours, shaded.

    Args:
        values (`np.ndarray` of shape `(rows, columns)`, *optional*): shown in the image's place, lowest to highest.
    """
    height = max(1, round(width * image.height / image.width))
    if values is None:
        pixels = np.asarray(convert_mode(image, "RGB").resize((width, height), Image.Resampling.NEAREST))
    else:
        scaled = (values - values.min()) / max(np.ptp(values), 1e-12)
        heat = Image.fromarray((scaled * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
        pixels = (colormaps[cmap](np.asarray(heat))[..., :3] * 255).astype(int)
    text = Text()
    for row in pixels:
        for red, green, blue in row:
            colour = f"rgb({red},{green},{blue})"
            text.append(2 * " ░▒▓█"[int((int(red) + int(green) + int(blue)) / 766 * 5)], style=f"{colour} on {colour}")
        text.append("\n")
    return text


__all__ = ["render_alignment", "render_image"]
