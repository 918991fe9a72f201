# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Renewing a card that a person may have edited.

A card of ours ends in a comment with a digest of every section and of every entry of the metadata, as they were
written. What still has its digest is renewed; what differs is a person's, and stays.
"""

import hashlib
import json
import re
from collections.abc import Sequence

import yaml
from huggingface_hub import RepoCard
from transformers.utils import logging


logger = logging.get_logger(__name__)

RECORD = re.compile(r"\n*<!-- written by hf_attention, which renews what nobody changed since: (\{.*\}) -->\n?")
FRONT = re.compile(r"\A\ufeff?\s*---[ \t]*\n(.*?\n)?---[ \t]*(?:\n|\Z)", re.DOTALL)
# what transformers' Trainer puts above the cards it makes, and into each of three sections of them
TRAINERS = "This model card has been generated automatically according to the information the Trainer had access to"
TO_BE_FILLED = "More information needed"
SPACES = "Check out the configuration reference at"  # in the card that the Hub makes a Space with

Sections = dict[tuple[str, int], str]  # by heading, and its number among equal ones


def digest(value) -> str:
    text = value.strip() if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def split_sections(body: str) -> Sections:
    """Texts, headings of two signs included, by heading; what stands before the first has an empty one."""
    sections, key, fence = {("", 0): ""}, ("", 0), None
    for line in body.split("\n"):
        mark = line.lstrip()[:3]
        if mark in ("```", "~~~") and fence in (None, mark):
            fence = None if fence else mark
        if line.startswith("## ") and fence is None:
            heading = line[3:].strip()
            key = (heading, sum(heading == other for other, _ in sections))
            sections[key] = ""
        sections[key] += line + "\n"
    return {key: text.strip("\n") for key, text in sections.items()}


def read_card(text: str) -> tuple[dict, str, dict | None]:
    """
    Metadata, body and record (`None` in a card that is not ours).

    Raises `ValueError` for metadata that cannot be read.
    """
    metadata, found = None, FRONT.match(text)
    if found:
        try:
            metadata = yaml.safe_load(found[1] or "")
        except yaml.YAMLError as error:
            raise ValueError(
                f"The metadata at the top of README.md is no YAML ({error}). Mend or remove it."
            ) from error
        if metadata is not None and not isinstance(metadata, dict):
            raise ValueError("README.md begins with metadata that is no `name: value`. Mend or remove it.")
        is_front = metadata is not None or not (found[1] or "").strip()  # two rules around a title are none
        text = text[found.end() :] if is_front else text
    record = RECORD.search(text)
    body = text if record is None else text[: record.start()] + "\n" + text[record.end() :]
    return metadata or {}, body, json.loads(record[1]) if record else None


def write_card(metadata: dict, body: str, record: dict | None) -> str:
    """The text of a card, which remembers by its record what of it was generated."""
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=10_000).strip() if metadata else ""
    front = f"---\n{head}\n---\n\n" if head else ""
    if record is None:
        return front + body.lstrip("\n")
    written = f"<!-- written by hf_attention, which renews what nobody changed since: {json.dumps(record)} -->"
    return f"{front}{body.strip()}\n\n{written}\n"


def join_sections(sections: Sections) -> str:
    return "\n\n".join(text for text in sections.values() if text)


def sign_card(card: RepoCard) -> str:
    """The text of a card just generated, with its record."""
    metadata, body, _ = read_card(str(card))
    return write_card(metadata, join_sections(split_sections(body)), record_of(metadata, body))


def record_of(metadata: dict, body: str) -> dict:
    """Digests; no heading of a generated card comes twice."""
    return {
        "sections": {heading: digest(text) for (heading, _), text in split_sections(body).items()},
        "metadata": {name: digest(value) for name, value in metadata.items()},
    }


def is_generated(text: str) -> bool:
    """Whether a card was written by us, be it edited since, or by the Trainer and not edited."""
    return is_trainers(text) or RECORD.search(text) is not None


def is_trainers(text: str) -> bool:
    return TRAINERS in text and text.count(TO_BE_FILLED) == 3


def renew_card(existing: str | None, generated: str) -> str:
    """
    The card to write where `existing` stands: `generated` (see [`sign_card`]), but for what a person changed.

    Sections that were generated and are unchanged are renewed, or left out where they are generated no more; sections
    that a person wrote, changed or removed stay so. Of the metadata, the person's values stay, tags are joined, and
    measured results replace those of the same data and metric. A card of which nothing was generated keeps its whole
    body. An unedited card of transformers' Trainer is replaced.

    Raises `ValueError` for metadata that cannot be read.
    """
    if not (existing or "").strip() or is_trainers(existing):
        return generated
    metadata, body, record = read_card(existing)
    new_metadata, new_body, written = read_card(generated)
    written = written or record_of(new_metadata, new_body)
    if record is None:
        merged = merge_metadata(metadata, new_metadata, {})
        if not body.strip():  # metadata alone
            return write_card(merged, new_body, written)
        # to be known without a digest is to be a person's for good
        kept = {name: value for name, value in written["metadata"].items() if name not in metadata}
        return write_card(merged, body, {"sections": dict.fromkeys(written["sections"], ""), "metadata": kept})

    is_known = record["sections"]
    base = {key: digest(text) for key, text in split_sections(body).items() if is_known.get(key[0]) == digest(text)}
    base |= {(heading, 0): known for heading, known in is_known.items() if (heading, 0) not in split_sections(body)}
    sections = merge_sections(base, split_sections(new_body), split_sections(body), is_known)
    written["sections"] |= {heading: "" for heading, known in is_known.items() if known == ""}
    return write_card(merge_metadata(metadata, new_metadata, record["metadata"]), join_sections(sections), written)


def merge_sections(base: dict, ours: Sections, theirs: Sections, known: dict | None = None) -> Sections:
    """
    Sections of `theirs`, but where they are as in `base` (digests) those of `ours`; and what only `ours` has, where
    `theirs` has not removed it. `known` names what was generated once, for the warning.
    """
    merged = {}
    for key, text in theirs.items():
        if base.get(key) == digest(text):
            if key in ours:
                merged[key] = ours[key]
            continue
        was = (known or {}).get(key[0]) or base.get(key)
        if key in ours and was and digest(ours[key]) not in (was, digest(text)):
            name = repr(key[0]) if key[0] else "above the first heading"
            logger.warning(
                f"README.md: section {name} was changed by hand and stays as it is, though what it was made from has "
                "changed."
            )
        merged[key] = text
    # what is new goes after what it follows
    for position, (key, text) in enumerate(ours.items()):
        if key not in base and key not in merged and not (known or {}).get(key[0]):
            before = [name for name in list(ours)[:position] if name in merged]
            keys = list(merged)
            index = keys.index(before[-1]) + 1 if before else 0
            keys.insert(index, key)
            merged = {name: merged.get(name, text) for name in keys}
    return merged


def merge_metadata(existing: dict, generated: dict, record: dict) -> dict:
    """`record` holds the digests of what of `existing` was generated."""
    merged = {}
    for name, value in existing.items():
        if record.get(name) == digest(value):
            if name in generated:
                merged[name] = generated[name]
        elif name == "tags" and name in generated and isinstance(value, list):
            merged[name] = [*value, *(tag for tag in generated[name] if tag not in value)]
        elif name == "model-index" and name in generated:
            merged[name] = merge_results(value, generated[name])
        else:
            merged[name] = value
    new = {name: value for name, value in generated.items() if name not in existing and name not in record}
    return {**merged, **new}


def merge_results(existing: list[dict], generated: list[dict]) -> list[dict]:
    """A `model-index` with the results of both, the generated in place of those of the same data and metric."""

    def key(result: dict, metric: dict):
        dataset = result.get("dataset", {})
        return result.get("task", {}).get("type"), dataset.get("type"), dataset.get("split"), metric.get("type")

    model, *others = generated
    replaced = {key(result, metric) for result in model["results"] for metric in result["metrics"]}
    kept = []
    for result in [result for entry in existing for result in entry.get("results", [])]:
        metrics = [metric for metric in result.get("metrics", []) if key(result, metric) not in replaced]
        if metrics:
            kept.append({**result, "metrics": metrics})
    return [{**model, "results": [*model["results"], *kept]}, *others]


def combine_cards(published: str | None, local: str, remote: str | None) -> str:
    """
    The card to upload, where a person may have edited it here and on the Hub.

    Args:
        published (`str`, *optional*): the folder's card when it was uploaded last.
        remote (`str`, *optional*): what is there now.

    Raises:
        `ValueError`: for metadata that cannot be read, and for two cards by hand of which neither follows the other.
    """
    if remote is None or remote in (published, local):
        return local
    if local == published:
        return remote
    if published is not None:
        (old, old_body, _), (ours, our_body, record), (theirs, their_body, _) = map(
            read_card, (published, local, remote)
        )
        base = {key: digest(text) for key, text in split_sections(old_body).items()}
        sections = merge_sections(base, split_sections(our_body), split_sections(their_body))
        metadata = merge_metadata(theirs, ours, {name: digest(value) for name, value in old.items()})
        return write_card(metadata, join_sections(sections), record)
    if is_generated(local):
        return renew_card(remote, local)
    if is_trainers(remote) or SPACES in remote:
        return local
    raise ValueError(
        "README.md on the Hub is not the one in the folder, and both were written by hand. Take its changes over into "
        "yours (`hf download` gets it), or set `overwrite`."
    )


def address_card(text: str, repo_id: str) -> str:
    """A generated card whose examples name `repo_id` in place of the folder the model was trained in."""
    metadata, body, record = read_card(text)
    if record is None or not metadata.get("model-index"):
        return text
    name = re.escape(metadata["model-index"][0]["name"])
    sections = split_sections(body)
    for (heading, number), section in sections.items():
        if record["sections"].get(heading) == digest(section):
            section = re.sub(rf'((?:model=|from_pretrained\(|load_dataset\()"){name}"', rf'\g<1>{repo_id}"', section)
            sections[heading, number] = section
            record["sections"][heading] = digest(section)
    return write_card(metadata, join_sections(sections), record)


def add_tags(text: str, tags: Sequence[str]) -> str:
    """A card with more tags in its metadata; the same text where it has them."""
    metadata, body, record = read_card(text)
    found = metadata.get("tags") or []
    found = [found] if isinstance(found, str) else found
    if set(tags) <= set(found):
        return text
    return write_card({**metadata, "tags": [*found, *(tag for tag in tags if tag not in found)]}, body, record)
