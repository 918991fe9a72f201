# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""How tokens are displayed, and which fonts have their characters."""

import warnings
from functools import cache

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font


def readable_token(token: str) -> str:
    """A sentencepiece token for display: a lone space mark becomes `␣`, the mark before a word is removed."""
    return token.replace("▁", "␣") if token == "▁" else token.replace("▁", "")


def find_fonts(text: str) -> list[str]:
    """
    Returns font families, matplotlib's default first, that together cover all characters of `text`.

    Warns about characters that no installed font covers.
    """
    families = list(plt.rcParams["font.sans-serif"][:1])
    missing = set(text) - read_characters(font_manager.findfont(families[0]))
    missing = {character for character in missing if character.isprintable()}
    for font in sorted(font_manager.fontManager.ttflist, key=lambda font: (font.style != "normal", font.name)):
        if not missing:
            break
        # matplotlib's Last Resort font draws a placeholder box for every character
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
    """The characters that a font file has glyphs for."""
    return frozenset(map(chr, FT2Font(file).get_charmap()))
