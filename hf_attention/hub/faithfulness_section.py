# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The section of a model card that says whether the model's attention can be trusted."""

from pathlib import Path

from ..faithfulness.result import RESULT_FILE, Faithfulness
from .card_merge import digest, format_card, join_sections, read_card, split_sections
from .folder import read_text, write_text


CARD = "README.md"
HEADING = "Can its attention be trusted?"
PREVIOUS = "How to use it"  # the section that it follows


def describe_faithfulness(result: Faithfulness) -> str:
    """Returns the section of a card, in Markdown: the verdict, and the table with the worst entries too."""
    kind = "translations" if result.kind == "text" else "images"
    note = (
        f"Means over {result.num_examples} {kind} with standard errors, the best map first; in parentheses, controls "
        "that know nothing of the model, and the effect of leaving out each part. ↑ high is good, ↓ low is good. "
        "Measured with `hf_attention.faithfulness`, whose README explains the measures."
    )
    return f"## {HEADING}\n\n{result.verdict()}\n\n{result.to_markdown()}\n\n{note}"


def add_faithfulness(folder: str | Path) -> None:
    """
    Adds the section to the generated card of a folder in which `faithfulness.json` is, or regenerates it. A section
    that the user edited, and a card that was not generated, stay as they are.

    Raises `ValueError` for a file that does not hold results.
    """
    file, text = Path(folder, RESULT_FILE), read_text(Path(folder, CARD))
    if text is None or not file.is_file():
        return
    metadata, body, digests = read_card(text)
    if digests is None:
        return
    sections, key = split_sections(body), (HEADING, 0)
    if key in sections and digest(sections[key]) != digests["sections"].get(HEADING):
        return
    section = describe_faithfulness(Faithfulness.load(file))
    if key not in sections:
        places = list(sections)
        place = places.index((PREVIOUS, 0)) + 1 if (PREVIOUS, 0) in sections else len(places)
        sections = dict([*list(sections.items())[:place], (key, section), *list(sections.items())[place:]])
    sections[key] = section
    digests["sections"][HEADING] = digest(section)
    write_text(Path(folder, CARD), format_card(metadata, join_sections(sections), digests))
