# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Alignments as HTML: a target token that is hovered over, or focused with Tab, highlights its source tokens."""

import hashlib
from html import escape

from .alignments import Alignment
from .fonts import readable_token


MIN_WEIGHT = 0.01  # lower weights are invisible
STYLE = """
.alignment {font: 1.1rem/2 system-ui, sans-serif; overflow-x: auto}
.alignment p {margin: .3rem 0}
.alignment b {display: inline-block; min-width: 4.5rem; font-size: .8rem; font-weight: normal; opacity: .7}
.alignment .s, .alignment .t {padding: .15rem .2rem; border-radius: .2rem; white-space: pre}
.alignment .t {cursor: pointer; border-bottom: 2px solid rgb(66, 133, 244)}
.alignment .t:hover, .alignment .t:focus {background: rgb(66, 133, 244); color: white; outline: none}
.alignment table {border-collapse: collapse; font-size: .8rem; line-height: 1.3; width: auto; margin-top: .6rem}
.alignment td, .alignment th {padding: .15rem .3rem !important; text-align: center; font-weight: normal}
.alignment td {border: 1px solid rgba(128, 128, 128, .2) !important}
.alignment th, .alignment tr {border: 0 !important; white-space: pre}
"""


def alignment_to_html(alignment: Alignment) -> str:
    """
    Returns HTML with the source tokens, the target tokens, and a table of the weights (rows target, columns source).

    It uses the browser's fonts, loads no files and runs no scripts.

    In a notebook: `IPython.display.HTML(alignment_to_html(align(model, tokenizer, ["4. März 2005"])[0]))`.
    """
    source = [token_to_html(token) for token in alignment.source_tokens]
    target = [token_to_html(token) for token in alignment.target_tokens]
    # the class name keeps several alignments on one page apart
    name = "a" + hashlib.sha256(repr((source, target, alignment.weights.tolist())).encode()).hexdigest()[:10]
    rules = [
        f".{name}:has(.t{row}:hover, .t{row}:focus) .s{column} {{background: {shade(weight)}}}"
        for row, weights in enumerate(alignment.weights)
        for column, weight in enumerate(weights)
        if weight >= MIN_WEIGHT
    ]
    sources = "".join(f'<span class="s s{column}">{token}</span>' for column, token in enumerate(source))
    targets = "".join(
        f'<span class="t t{row}" tabindex="0" title="{list_best_sources(alignment, row)}">{token}</span>'
        for row, token in enumerate(target)
    )
    head = "".join(f"<th>{token}</th>" for token in source)
    rows = "".join(
        f"<tr><th>{token}</th>"
        + "".join(f'<td style="background: {shade(weight)}" title="{weight:.3f}"></td>' for weight in weights)
        + "</tr>"
        for token, weights in zip(target, alignment.weights)
    )
    return (
        f'<style>{STYLE}{"".join(rules)}</style><div class="alignment {name}">'
        f"<p><b>source</b>{sources}</p><p><b>target</b>{targets}</p>"
        f"<table><tr><th></th>{head}</tr>{rows}</table></div>"
    )


def shade(weight: float) -> str:
    """The CSS color of a weight."""
    return f"rgba(66, 133, 244, {weight:.2f})"


def token_to_html(token: str) -> str:
    return escape(readable_token(token)) or "&nbsp;"


def list_best_sources(alignment: Alignment, row: int, count: int = 3) -> str:
    """The source tokens with the highest weights for a target token, as text."""
    weights = alignment.weights[row]
    best = [column for column in weights.argsort()[::-1][:count] if weights[column] >= MIN_WEIGHT]
    return ", ".join(f"{token_to_html(alignment.source_tokens[column])} {weights[column]:.2f}" for column in best)


__all__ = ["alignment_to_html"]
