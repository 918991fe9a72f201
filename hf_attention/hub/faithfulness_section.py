# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The section of a model card that says whether the model's attention can be trusted."""

import re
from pathlib import Path

from ..faithfulness.choice import choose_map
from ..faithfulness.result import RESULT_FILE, Faithfulness
from .card_merge import digest, format_card, join_sections, read_card, split_sections
from .folder import read_text, write_text


CARD = "README.md"
HEADING = "Can its attention be trusted?"
PREVIOUS = "How to use it"  # the section that it follows
LEADING_MAP = "assets/leading_map.png"
LEADING_PATTERN = re.compile(rf"!\[[^]]*\]\({re.escape(LEADING_MAP)}\)\n\n[^\n]*\n\n")
CAPTIONS = {
    "image": "Above, images, right and wrong ones; below each, {name}: how much it says that the predicted "
    "class depends on the place (of maps with a sign, red is for the class and blue against it). All have the "
    "color scale at the right.",
    "text": "Each row is a token of the translation, each column a token of the source; the brighter a cell, the more "
    "{name} says that the one depends on the other.",
}


def describe_faithfulness(result: Faithfulness) -> str:
    """Returns the section of a card, in Markdown: the verdict, and the table with the worst entries too."""
    kind = "translations" if result.kind == "text" else "images"
    note = (
        f"Means over {result.num_examples} {kind} with standard errors, the best map first; in parentheses, controls "
        "that know nothing of the model, and the effect of leaving out each part. ↑ high is good, ↓ low is good. "
        "Measured with `hf_attention.faithfulness`, whose README explains the measures."
    )
    return f"## {HEADING}\n\n{result.verdict()}\n\n{result.to_markdown()}\n\n{note}"


def lead_with_best_map(introduction: str, result: Faithfulness) -> str:
    """A card's first section with the picture of the map that did best before all other pictures."""
    leading = choose_map(result)
    caption = f"{CAPTIONS[result.kind].format(name=leading.name)} {leading.reason}"
    caption = caption.replace("*", "")  # all of it is emphasized
    block = f"![The map that was measured as the best: {leading.name}]({LEADING_MAP})\n\n*{caption}*\n\n"
    introduction = LEADING_PATTERN.sub("", introduction + "\n\n")
    before, mark, after = introduction.partition("![")
    return f"{before}{block}{mark}{after}".strip("\n")


def add_faithfulness(folder: str | Path) -> None:
    """
    Adds the section to the generated card of a folder in which `faithfulness.json` is, or regenerates it. A section
    that the user edited, and a card that was not generated, stay as they are. If the picture of the map that did best
    is there, it becomes the first one of the card.

    Raises `ValueError` for a file that does not hold results.
    """
    file, text = Path(folder, RESULT_FILE), read_text(Path(folder, CARD))
    if text is None or not file.is_file():
        return
    metadata, body, digests = read_card(text)
    if digests is None:
        return
    sections, key = split_sections(body), (HEADING, 0)
    result, first = Faithfulness.load(file), ("", 0)
    if Path(folder, LEADING_MAP).is_file() and digest(sections[first]) == digests["sections"].get(""):
        sections[first] = lead_with_best_map(sections[first], result)
        digests["sections"][""] = digest(sections[first])
    if key not in sections:
        places = list(sections)
        place = places.index((PREVIOUS, 0)) + 1 if (PREVIOUS, 0) in sections else len(places)
        sections = dict([*list(sections.items())[:place], (key, ""), *list(sections.items())[place:]])
    if not sections[key] or digest(sections[key]) == digests["sections"].get(HEADING):
        sections[key] = describe_faithfulness(result)
        digests["sections"][HEADING] = digest(sections[key])
    write_text(Path(folder, CARD), format_card(metadata, join_sections(sections), digests))
