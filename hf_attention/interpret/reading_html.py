# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Readings as HTML: a token that is hovered over, clicked, or focused with Tab shows where the model looked for it."""

import base64
import hashlib
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image, ImageDraw

from .color_scale import ColorScale
from .fonts import readable_token
from .html import token_to_html
from .overlays import overlay
from .readings import Reading


HEIGHT = 160  # pixels of a picture, at least
RADIUS = 5  # of the mark of the center, in pixels
STYLE = """
.reading {font: 1.1rem/2 system-ui, sans-serif}
.reading p {margin: .3rem 0; overflow-wrap: anywhere}
.reading .t {padding: .15rem .3rem; border-radius: .2rem; border-bottom: 2px solid rgb(66, 133, 244);
  white-space: pre; cursor: pointer}
.reading .t:is(:hover, :focus) {background: rgb(26, 86, 196) !important; color: white !important}
.reading .pictures {display: grid}
.reading .pictures img {grid-area: 1 / 1; max-width: 100%; margin: 0}
.reading .m {visibility: hidden}
"""


def reading_to_html(reading: Reading, scale: ColorScale | None = None) -> str:
    """
    Returns HTML with the tokens of a reading, the image, and the color scale of all maps, in multiples of an even map.
    The map of a token, with the center of its attention, replaces the image while the token is hovered over or
    focused.

    It uses the browser's fonts, loads no files and runs no scripts.

    Args:
        scale (`ColorScale`, *optional*): of several readings; by default that of this one.

    In a notebook: `IPython.display.HTML(reading_to_html(read(model, image_processor, tokenizer, [image])[0]))`.
    """
    scale = scale or fit_scale([reading])
    shown = [overlay(reading.image, np.zeros((1, 1)), opacity=0, min_size=HEIGHT)]
    ratio = shown[0].height / reading.image.height
    for values, (x, y) in zip(in_multiples(reading), reading.centers() * ratio):
        picture = overlay(reading, values, min_size=HEIGHT, scale=scale)
        circle = (x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS)
        ImageDraw.Draw(picture).ellipse(circle, fill="white", outline="black", width=2)
        shown.append(picture)
    sources = [to_source(picture) for picture in shown]
    # the class name keeps several readings on one page apart
    name = "r" + hashlib.sha256(repr((reading.tokens, sources)).encode()).hexdigest()[:10]
    numbers = range(len(reading.tokens))
    # a token that is hovered over counts more than one that is focused
    rules = [f".{name}:has(.t{number}:focus) .m{number} {{visibility: visible}}" for number in numbers]
    rules.append(f".{name}:has(.t:hover) .m {{visibility: hidden}}")
    rules += [f".{name}:has(.t{number}:hover) .m{number} {{visibility: visible}}" for number in numbers]
    tokens = "<wbr>".join(
        f'<span class="t t{number}" tabindex="0">{token_to_html(token)}</span>'
        for number, token in enumerate(reading.tokens)
    )
    maps = "".join(
        f'<img class="m m{number}" src="{source}" alt="where the model looked for {escape(readable_token(token))}">'
        for number, (token, source) in enumerate(zip(reading.tokens, sources[1:]))
    )
    return (
        f'<style>{STYLE}{"".join(rules)}</style><div class="reading {name}"><p dir="auto">{tokens}</p>'
        f'<div class="pictures"><img src="{sources[0]}" alt="the image, as the model saw it">{maps}</div>'
        f"{scale.to_svg()}</div>"
    )


def in_multiples(reading: Reading) -> np.ndarray:
    """Returns the maps (T, rows, columns) in multiples of the value of an even map, so that models can be compared."""
    return reading.maps * np.prod(reading.maps.shape[1:])


def fit_scale(readings: Sequence[Reading]) -> ColorScale:
    """Returns the color scale of all maps of some readings, in multiples of an even map."""
    return ColorScale.fit([in_multiples(reading) for reading in readings], even=1.0)


def to_source(picture: Image.Image) -> str:
    """Returns a picture as the source of an `img`."""
    file = io.BytesIO()
    picture.save(file, "webp")
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


__all__ = ["reading_to_html"]
