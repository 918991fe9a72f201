# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""
Renewing a card that a person may have edited.

A card of ours ends in a comment with a digest of every section and of every entry of the metadata, as they were
written. What still has its digest is renewed; what differs is a person's, and stays.
"""

import hashlib
import json
import re

import yaml
from huggingface_hub import ModelCard
from transformers.utils import logging


logger = logging.get_logger(__name__)

RECORD = re.compile(r"\n*<!-- written by hf_attention, which renews what nobody changed since: (\{.*\}) -->\s*$")
# what transformers' Trainer puts above the cards it makes
TRAINERS = "This model card has been generated automatically according to the information the Trainer had access to"


def digest(value) -> str:
    text = value.strip() if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def split_sections(body: str) -> list[tuple[str, str]]:
    """Pairs of a heading (of two signs; empty for what stands before the first) and its text, the heading included."""
    sections, is_code = [("", [])], False
    for line in body.strip().splitlines():
        is_code ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not is_code:
            sections.append((line[3:].strip(), []))
        sections[-1][1].append(line)
    return [(heading, "\n".join(lines).strip()) for heading, lines in sections]


def join_card(metadata: dict, sections: list[tuple[str, str]], record: dict | None) -> str:
    """The text of a card, which remembers by its record what of it was generated."""
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=10_000).strip()
    parts = [f"---\n{head}\n---", *(text for _, text in sections if text)]
    if record is not None:
        parts.append(f"<!-- written by hf_attention, which renews what nobody changed since: {json.dumps(record)} -->")
    return "\n\n".join(parts) + "\n"


def read_card(text: str) -> tuple[dict, list[tuple[str, str]], dict | None]:
    """
    Metadata, sections and record (`None` in a card that is not ours).

    Raises `ValueError` for metadata that cannot be read.
    """
    try:
        card = ModelCard(text, ignore_metadata_errors=True)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"The metadata at the top of README.md is no YAML ({error}). Mend or remove it.") from error
    found = RECORD.search(card.text)
    body = card.text[: found.start()] if found else card.text
    return card.data.to_dict(), split_sections(body), json.loads(found[1]) if found else None


def sign_card(card: ModelCard) -> str:
    """The text of a card just generated, with its record."""
    metadata, sections, _ = read_card(str(card))
    return join_card(metadata, sections, record_of(metadata, sections))


def is_generated(text: str) -> bool:
    """Whether a card was written by us or by the Trainer, be it edited since."""
    return TRAINERS in text or RECORD.search(text) is not None


def record_of(metadata: dict, sections: list[tuple[str, str]]) -> dict:
    return {
        "sections": {heading: digest(text) for heading, text in sections},
        "metadata": {name: digest(value) for name, value in metadata.items()},
    }


def renew_card(existing: str | None, generated: str) -> str:
    """
    The card to write where `existing` stands: `generated` (see [`sign_card`]), but for what a person changed.

    Sections that were generated and are unchanged are renewed, or left out where they are generated no more; sections
    that a person wrote, changed or removed stay so. Of the metadata, the person's values stay, tags are joined, and
    measured results replace those of the same data and metric. A card of which nothing was generated keeps its whole
    body. A card of transformers' Trainer is replaced.

    Raises `ValueError` for metadata that cannot be read.
    """
    if not (existing or "").strip() or TRAINERS in existing:
        return generated
    metadata, sections, record = read_card(existing)
    new_metadata, new_sections, written = read_card(generated)
    written = written or record_of(new_metadata, new_sections)
    if record is None:
        if not any(text for _, text in sections):  # metadata alone
            return join_card(merge_metadata(metadata, new_metadata, {}), new_sections, written)
        kept = {name: value for name, value in written["metadata"].items() if name not in metadata}
        # to be known without a digest is to be a person's for good
        own = {"sections": dict.fromkeys(written["sections"], ""), "metadata": kept}
        return join_card(merge_metadata(metadata, new_metadata, {}), sections, own)

    renewed, is_known = dict(new_sections), record["sections"]
    result = []
    for heading, text in sections:
        if is_known.get(heading) != digest(text):
            if is_known.get(heading) and heading in renewed and digest(renewed[heading]) != is_known[heading]:
                logger.warning(
                    f"README.md: section {heading or 'above the first heading'!r} was changed by hand and stays as it "
                    "is, though what it was made from has changed."
                )
            result.append((heading, text))
        elif heading in renewed:
            result.append((heading, renewed[heading]))
    # sections of a newer writer go after the one they follow
    present = [heading for heading, _ in result]
    for position, (heading, text) in enumerate(new_sections):
        if heading not in is_known and heading not in present:
            before = [name for name, _ in new_sections[:position] if name in present]
            index = present.index(before[-1]) + 1 if before else 0
            result.insert(index, (heading, text))
            present.insert(index, heading)
    written["sections"] |= {heading: "" for heading, known in is_known.items() if known == ""}
    return join_card(merge_metadata(metadata, new_metadata, record["metadata"]), result, written)


def merge_metadata(existing: dict, generated: dict, record: dict) -> dict:
    """`record` holds the digests of what of `existing` was generated."""
    merged = {}
    for name, value in existing.items():
        if record.get(name) == digest(value):
            if name in generated:
                merged[name] = generated[name]
        elif name == "tags" and name in generated:
            merged[name] = [*value, *(tag for tag in generated[name] if tag not in value)]
        elif name == "model-index" and name in generated:
            merged[name] = merge_results(value, generated[name])
        else:
            merged[name] = value
    return {**merged, **{name: value for name, value in generated.items() if name not in existing}}


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


def address_card(text: str, repo_id: str) -> str:
    """A generated card whose examples name `repo_id` in place of the folder the model was trained in."""
    metadata, sections, record = read_card(text)
    if record is None or not metadata.get("model-index"):
        return text
    name = metadata["model-index"][0]["name"]
    for index, (heading, section) in enumerate(sections):
        if record["sections"].get(heading) == digest(section):
            sections[index] = heading, section.replace(f'"{name}"', f'"{repo_id}"')
            record["sections"][heading] = digest(sections[index][1])
    return join_card(metadata, sections, record)


def add_tags(text: str, tags: list[str]) -> str:
    """A card with more tags in its metadata."""
    metadata, sections, record = read_card(text)
    found = metadata.get("tags") or []
    metadata["tags"] = [*found, *(tag for tag in tags if tag not in found)]
    return join_card(metadata, sections, record)
