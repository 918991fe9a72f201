# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Probabilities of classes or answers as HTML."""

from collections.abc import Mapping
from html import escape


STYLE = """
.scores {border-collapse: collapse; width: 100%}
table.scores, .scores :is(tr, td, th) {border: 0 !important}
.scores :is(td, th) {padding: .1rem .3rem !important; text-align: start; font-weight: normal}
.scores th {overflow-wrap: anywhere}
.scores tr:first-child :is(td, th) {font-weight: bold}
.scores meter {width: 100%}
"""


def scores_to_html(scores: Mapping[str, float]) -> str:
    """Returns a table of names and their probabilities, in the given order, with bars."""
    rows = "".join(
        f'<tr><th scope="row"><bdi>{escape(name)}</bdi></th><td>{score:.3f}</td>'
        f'<td style="width: 50%" aria-hidden="true"><meter value="{score:.4f}"></meter></td></tr>'
        for name, score in scores.items()
    )
    return f'<style>{STYLE}</style><table class="scores">{rows}</table>'


__all__ = []
