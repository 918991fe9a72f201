# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Pages, docstrings, comments and messages are written in plain English and in the words of the field."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
FOLDERS = ("hf_attention", "scripts", "tests")
# what not to write (a regular expression), what to write instead
WORDS = {
    r"sooner": "faster, earlier",
    r"in place of": "instead of",
    r"(?<!there\s)(?:is|are) no (?!longer|more|less|faster|slower|larger|smaller|better|worse)\w+": "is not a",
    r"mend(?:s|ed|ing)?": "fix",
    r"reckon(?:s|ed|ing)?": "compute",
    r"renew(?:s|ed|al|ing)?": "regenerate, update",
    r"figures(?! \d)": "metrics, results (figures are plots)",
    r"whole(?! numbers?\b)": "complete, full",
    r"beside": "compared with, next to",
    r"wanted": "requested",
    r"nobody|anybody|a person": "the user",
    r"two sides": "source and target",
    r"for the time(?! (?:steps?|to|of|it|that)\b)": "temporarily",
    r"knows? no": "has no",
    r"of ours": "of this project",
    r"whatever else": "whatever",
    r"as little as": "not",
    r"worth (?:its|their|the) while": "worth it",
    r"at hand": "available",
}
KEPT = ("written by hf_attention, which renews what nobody changed since",)  # the mark of cards written before
PATTERNS = {re.compile(rf"\b(?:{word})\b".replace(" ", r"\s+"), re.I): instead for word, instead in WORDS.items()}


def odd_words(text: str, line: int = 1) -> Iterator[str]:
    """Yields `line: word -> what to write instead` for each word of the list in the text, which begins at `line`."""
    for kept in KEPT:
        text = text.replace(kept, "")
    text = re.sub(r"`[^`\n]+`", "", text)  # code
    for pattern, instead in PATTERNS.items():
        for match in pattern.finditer(text):
            yield f"{line + text.count(chr(10), 0, match.start())}: {' '.join(match[0].split())} -> {instead}"


def prose(source: str) -> Iterator[tuple[str, int]]:
    """Yields the comments and strings of Python code, f-strings without their expressions, and their lines."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if tokenize.tok_name[token.type] in ("COMMENT", "STRING", "FSTRING_MIDDLE"):
            is_format = re.match(r"r?f", token.string, re.I)
            yield re.sub(r"\{[^{}\n]*\}", "", token.string) if is_format else token.string, token.start[0]


@pytest.mark.parametrize("folder", FOLDERS)
def test_code_is_in_plain_english(folder):
    odd = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        if path != Path(__file__):
            for text, line in prose(path.read_text(encoding="utf-8")):
                odd += [f"{path.relative_to(ROOT)}:{word}" for word in odd_words(text, line)]
    assert not odd, "\n".join(["", *odd])


@pytest.mark.parametrize("folder", [".", "model_cards", *FOLDERS])
def test_pages_are_in_plain_english(folder):
    odd = []
    for path in sorted((ROOT / folder).glob("*.md" if folder == "." else "**/*.md")):
        text = path.read_text(encoding="utf-8")
        if path.name == "CHANGELOG.md":  # what is released stays as it is
            text = "\n## ".join(text.split("\n## ")[:2])
        if path.name == "CONTRIBUTING.md":  # its table of words has both columns
            text = re.sub(r"^\|.*", "", text, flags=re.M)
        odd += [f"{path.relative_to(ROOT)}:{word}" for word in odd_words(text)]
    assert not odd, "\n".join(["", *odd])


@pytest.mark.parametrize(
    "text, words",
    [
        ("'x' is no\n  number, and the\nWhole file", ["1: is no number -> is not a", "3: Whole -> complete, full"]),
        ("if there is no file, it is no longer a whole number, as figures 2 and 3 show", []),
    ],
)
def test_what_the_list_catches(text, words):
    assert list(odd_words(text)) == words


def test_expressions_of_f_strings_are_not_prose():
    assert list(prose('f"has {wanted} rows"  # 2')) == [('f"has  rows"', 1), ("# 2", 1)]
