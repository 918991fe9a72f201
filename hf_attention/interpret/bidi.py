# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Right-to-left text: the direction of a text, and the order in which its tokens stand next to each other."""

import unicodedata


RIGHT_TO_LEFT, NUMBER = ("R", "AL"), ("EN", "AN")  # bidirectional classes of characters
ISOLATE, END = "\u2068", "\u2069"  # around text whose direction must not affect what is next to it


def text_direction(text: str) -> str:
    """Returns `"rtl"` or `"ltr"`: the direction of the first letter, as `dir="auto"` of HTML."""
    kinds = (unicodedata.bidirectional(character) for character in text)
    return "rtl" if next((kind for kind in kinds if kind in ("L", *RIGHT_TO_LEFT)), "L") != "L" else "ltr"


def isolate(text: str) -> str:
    """Marks a text whose direction is its own, such as a label in a title."""
    return f"{ISOLATE}{text}{END}" if not text.isascii() else text


def display_order(tokens: list[str]) -> list[int]:
    """
    Returns the positions of tokens from left to right, as the Unicode bidirectional algorithm orders their text: a
    Hebrew sentence begins at the right, and the digits of a number in it still stand from left to right. Special
    tokens (`</s>`) have no direction.
    """
    kinds = [find_kind(token) for token in tokens]
    base = 1 if next((kind for kind in kinds if kind in ("L", "R")), "L") == "R" else 0
    if base == 0 and "R" not in kinds:
        return list(range(len(tokens)))
    levels = find_levels(kinds, base)
    order = list(range(len(tokens)))
    for level in range(max(levels, default=0), 0, -1):  # rule L2: reverse all runs of at least each level
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = max(end, start + 1)
    return order


def find_kind(token: str) -> str:
    """`L`, `R`, `N` for a number, `JOINT` for what can join numbers, or nothing for a token without a direction."""
    if token.startswith("<") and token.endswith(">"):
        return ""
    for character in token:
        kind = unicodedata.bidirectional(character)
        if kind in ("L", *RIGHT_TO_LEFT):
            return "L" if kind == "L" else "R"
        if kind in NUMBER:
            return "N"
    return "JOINT" if unicodedata.bidirectional(token[:1] or " ") in ("CS", "ES") else ""


def find_levels(kinds: list[str], base: int) -> list[int]:
    """The embedding level of each token (rules W4 to I2 of the algorithm, without explicit marks)."""
    directions, last = [], "R" if base else "L"  # of the last letter; a number after a left-to-right letter is as it
    for kind in kinds:
        last = kind if kind in ("L", "R") else last
        directions.append("L" if kind == "N" and last == "L" else kind)
    for index, kind in enumerate(directions):  # what joins two numbers, such as the points of a date
        neighbors = (directions[index - 1] if index else "", directions[index + 1] if index + 1 < len(kinds) else "")
        if kind == "JOINT" and neighbors == ("N", "N"):
            directions[index] = "N"
    levels = []
    for index, kind in enumerate(directions):
        if kind in ("", "JOINT"):  # has the direction of both neighbors, or else that of the text; numbers count as R
            sides = [
                next((other for other in part if other not in ("", "JOINT")), "R" if base else "L").replace("N", "R")
                for part in (directions[:index][::-1], directions[index + 1 :])
            ]
            kind = sides[0] if sides[0] == sides[1] else "R" if base else "L"
        levels.append({"L": 2 * base, "R": 1, "N": 2}[kind])
    return levels
