# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Alignments as HTML: a token that is hovered over, or focused with Tab, highlights those that it is aligned with."""

import hashlib
from html import escape

import numpy as np

from .alignments import Alignment
from .bidi import display_order, isolate, text_direction
from .fonts import readable_token


MIN_WEIGHT = 0.01  # lower weights are invisible
BLACK_TEXT = 0.87  # higher weights are too bright for white text, of a dark page
STYLE = """
.alignment {font: 1.1rem/2 system-ui, sans-serif}
.alignment p {margin: .3rem 0}
.alignment b {display: inline-block; min-width: 8rem; font-size: .8rem; font-weight: normal; unicode-bidi: isolate;
  margin-inline-end: .5rem}
.alignment .s, .alignment .t {padding: .15rem .2rem; border-radius: .2rem; white-space: pre-wrap; cursor: pointer}
.alignment .s {border-bottom: 2px dotted rgb(66, 133, 244)}
.alignment .t {border-bottom: 2px solid rgb(66, 133, 244)}
.alignment :is(.s, .t):is(:hover, :focus) {background: rgb(26, 86, 196) !important; color: white !important}
.alignment .wide {overflow-x: auto}
.alignment table {border-collapse: collapse; font-size: .8rem; line-height: 1.3; width: auto; margin-top: .6rem}
.alignment caption {text-align: start}
.alignment td, .alignment th {padding: .15rem .3rem !important; text-align: center; font-weight: normal}
.alignment td {border: 1px solid rgba(128, 128, 128, .2) !important}
.alignment :is(table, tr, th) {border: 0 !important; white-space: pre}
.alignment .scale {font-size: .8rem}
.alignment .scale i {display: inline-block; width: 6rem; height: .8rem; border: 1px solid rgba(128, 128, 128, .4)}
.alignment .scale .even {width: .8rem}
"""


def alignment_to_html(alignment: Alignment) -> str:
    """
    Returns HTML with the source tokens, the target tokens, and a table of the weights (rows target, columns source).
    Text from right to left stands so.

    It uses the browser's fonts, loads no files and runs no scripts.

    In a notebook: `IPython.display.HTML(alignment_to_html(align(model, tokenizer, ["4. März 2005"])[0]))`.
    """
    source = [token_to_html(token) for token in alignment.source_tokens]
    target = [token_to_html(token) for token in alignment.target_tokens]
    # the class name keeps several alignments on one page apart
    name = "a" + hashlib.sha256(repr((source, target, alignment.weights.tolist())).encode()).hexdigest()[:10]
    rules = [
        f".{name}:has(.t{row}:hover, .t{row}:focus) .s{column} {{{highlight(weight)}}}"
        f".{name}:has(.s{column}:hover, .s{column}:focus) .t{row} {{{highlight(weight)}}}"
        for row, weights in enumerate(alignment.weights)
        for column, weight in enumerate(weights)
        if weight >= MIN_WEIGHT
    ]
    columns = alignment.weights.T
    sources = "".join(
        f'<span class="s s{column}" tabindex="0" title="{list_best(alignment.target_tokens, columns[column])}">'
        f"{token}</span>"
        for column, token in enumerate(source)
    )
    targets = "".join(
        f'<span class="t t{row}" tabindex="0" title="{list_best(alignment.source_tokens, alignment.weights[row])}">'
        f"{token}</span>"
        for row, token in enumerate(target)
    )
    # the columns stand in the order in which the source does
    order = display_order(alignment.source_tokens)
    head = "".join(f'<th scope="col" dir="auto">{source[column]}</th>' for column in order)
    rows = "".join(
        f'<tr><th scope="row" dir="auto">{token}</th>'
        + "".join(
            f'<td style="background: {shade(weights[column])}" title="{weights[column]:.3f}"></td>' for column in order
        )
        + "</tr>"
        for token, weights in zip(target, alignment.weights)
    )
    even = 1 / max(len(source), 1)
    return (
        f'<style>{STYLE}{"".join(rules)}</style><div class="alignment {name}">'
        f'<p dir="{text_direction(alignment.source)}"><b dir="ltr">source (read)</b>{sources}</p>'
        f'<p dir="{text_direction(alignment.target)}"><b dir="ltr">target (written)</b>{targets}</p>'
        f'<div class="wide"><table><caption>columns: source (read), rows: target (written)</caption>'
        f"<tr><th></th>{head}</tr>{rows}</table></div>"
        f'<p class="scale">0 <i style="background: linear-gradient(to right, {shade(0)}, {shade(1)})"></i> 1, '
        f'even: {even:.2f} <i class="even" style="background: {shade(even)}"></i></p></div>'
    )


def shade(weight: float) -> str:
    """The CSS color of a weight."""
    return f"rgba(66, 133, 244, {weight:.2f})"


def highlight(weight: float) -> str:
    """The style of a token with a weight, whose text stays legible."""
    return f"background: {shade(weight)}" + ("; color: black" if weight > BLACK_TEXT else "")


def token_to_html(token: str) -> str:
    """A token; a special one, or a feature, is kept apart from the direction of the text."""
    text = escape(readable_token(token)) or "&nbsp;"
    return f"<bdi>{text}</bdi>" if len(token) > 2 and (token[0] == "<" or "=" in token) else text


def list_best(tokens: list[str], weights: np.ndarray, count: int = 3) -> str:
    """The tokens with the highest weights, as text of an attribute."""
    best = [index for index in weights.argsort()[::-1][:count] if weights[index] >= MIN_WEIGHT]
    return ", ".join(f"{escape(isolate(readable_token(tokens[index])))} {weights[index]:.2f}" for index in best)


__all__ = ["alignment_to_html"]
