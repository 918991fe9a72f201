# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import logging

import pytest
from huggingface_hub import ModelCard, ModelCardData

from hf_attention.hub.card_merge import (
    OLD_STAMP,
    SPACE_CARD_MARK,
    STAMP,
    TRAINER_CARD_MARK,
    TRAINER_PLACEHOLDER,
    add_tags,
    format_card,
    is_generated,
    merge_cards,
    read_card,
    set_repo_id,
    split_sections,
    stamp_card,
    update_card,
)


BODY = """# small

Generated.

## Results

accuracy {accuracy}

## Use

```python
## no heading
task("small")
load(model="small")
```

## Limits

None known.
"""


TRAINER_CARD = f"---\ntags: []\n---\n\n<!-- This model card {TRAINER_CARD_MARK} -->\n\n# model\n\n"
TRAINER_CARD += f"## A\n\n{TRAINER_PLACEHOLDER}\n\n" * 3


def generate(accuracy=0.5, body=BODY, **metadata) -> str:
    metric = {"type": "accuracy", "value": accuracy}
    index = [{"task": {"type": "t"}, "dataset": {"name": "d", "type": "d", "split": "test"}, "metrics": [metric]}]
    fields = {
        "license": "mit",
        "tags": ["attention"],
        "model-index": [{"name": "small", "results": index}],
        **metadata,
    }
    data = ModelCardData(**fields)
    return stamp_card(ModelCard(f"---\n{data.to_yaml()}\n---\n{body.format(accuracy=accuracy)}"))


def headings(text: str) -> list[str]:
    return [heading for heading, _ in split_sections(read_card(text)[1])]


def test_a_heading_in_code_starts_no_section():
    assert headings(BODY) == ["", "Results", "Use", "Limits"]
    assert headings("~~~\n## a\n```\n## b\n~~~\n## c") == ["", "c"]


def test_an_unedited_card_is_regenerated():
    assert update_card(None, generate(0.7)) == generate(0.7)
    assert update_card(generate(0.5), generate(0.7)) == generate(0.7)
    assert update_card(generate(0.5), generate(0.5)) == generate(0.5)


def test_edited_sections_are_kept(caplog):
    edited = generate(0.5).replace("None known.", "It fails on Sundays.")
    edited = edited.replace("## Use", "## Ethics\n\nAsked everybody.\n\n## Use").replace("Generated.", "Mine.")
    updated = update_card(edited, generate(0.7))
    assert headings(updated) == ["", "Results", "Ethics", "Use", "Limits"]
    for text in ("It fails on Sundays.", "Asked everybody.", "Mine.", "accuracy 0.7", "value: 0.7"):
        assert text in updated
    assert "0.5" not in updated
    assert not caplog.records
    # and again: what was edited is remembered as edited
    assert update_card(updated, generate(0.7)) == updated
    again = update_card(updated, generate(0.9))
    assert "accuracy 0.9" in again
    assert "It fails on Sundays." in again


def test_an_edited_section_whose_results_changed_is_kept_with_a_warning(caplog):
    logging.getLogger("transformers").propagate = True
    edited = generate(0.5).replace("accuracy 0.5", "accuracy 0.5 (of my own)")
    updated = update_card(edited, generate(0.7))
    assert "of my own" in updated
    assert "value: 0.7" in updated
    assert "'Results' was edited and is kept" in caplog.text


def test_a_removed_section_stays_removed_and_a_new_one_is_added():
    removed = generate().replace("## Limits\n\nNone known.\n\n", "")
    assert "Limits" not in update_card(removed, generate(0.7)).split("<!--")[0]
    newer = BODY.replace("## Use", "## Data\n\nOurs.\n\n## Use")
    assert headings(update_card(generate(), generate(body=newer))) == ["", "Results", "Data", "Use", "Limits"]
    older = update_card(generate(body=newer), generate())
    assert "## Data" not in older


def test_edited_metadata_is_kept_and_the_rest_regenerated():
    existing = generate(0.5, language="ko").replace("license: mit", "license: cc-by-4.0\nthumbnail: me.png")
    existing = existing.replace("- attention", "- attention\n- mine")
    metadata, _, _ = read_card(update_card(existing, generate(0.7)))
    assert metadata["license"] == "cc-by-4.0"
    assert metadata["thumbnail"] == "me.png"
    assert metadata["tags"] == ["attention", "mine"]
    assert "language" not in metadata  # it is no longer generated
    assert metadata["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.7


def test_results_that_the_user_added_are_kept():
    text = generate(0.5)
    metadata, body, digests = read_card(text)
    other = {"task": {"type": "t"}, "dataset": {"name": "e", "type": "e"}, "metrics": [{"type": "f1", "value": 0.1}]}
    metadata["model-index"][0]["results"].append(other)
    merged, _, _ = read_card(update_card(format_card(metadata, body, digests), generate(0.7)))
    merged_results = [
        (result["dataset"]["type"], result["metrics"][0]["value"]) for result in merged["model-index"][0]["results"]
    ]
    assert merged_results == [("d", 0.7), ("e", 0.1)]


def test_a_result_of_another_split_is_kept():
    metadata, body, digests = read_card(generate(0.5))
    (ours,) = metadata["model-index"][0]["results"]
    metric = {"type": "accuracy", "value": 0.1}
    metadata["model-index"][0]["results"].append(
        {**ours, "dataset": {**ours["dataset"], "split": "validation"}, "metrics": [metric]}
    )
    merged, _, _ = read_card(update_card(format_card(metadata, body, digests), generate(0.7)))
    results = merged["model-index"][0]["results"]
    merged_results = [(result["dataset"]["split"], result["metrics"][0]["value"]) for result in results]
    assert merged_results == [("test", 0.7), ("validation", 0.1)]


OWN = "---\nlicense: gpl-3.0  # mine\n---\n# Mine\n\n\n## Results\n\nGood.\n\n## Results\n\nBetter.  \n"


def test_a_card_written_by_hand_keeps_its_body():
    updated = update_card(OWN, generate(0.7))
    metadata, body, _ = read_card(updated)
    assert body.strip() == OWN.split("---\n")[2].strip()
    assert metadata["license"] == "gpl-3.0"
    assert metadata["model-index"][0]["results"]
    # the metadata that was added is updated, the body never
    again, body, _ = read_card(update_card(updated, generate(0.9)))
    assert again["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.9
    assert again["license"] == "gpl-3.0"
    assert "Good." in body
    assert "Better." in body
    assert "Limits" not in body
    assert not is_generated(OWN)


def test_a_second_section_with_the_same_heading_is_kept(caplog):
    edited = generate(0.5).replace("## Limits", "## Results\n\nMine, too.\n\n## Limits")
    updated = update_card(edited, generate(0.7))
    assert headings(updated) == ["", "Results", "Use", "Results", "Limits"]
    assert "accuracy 0.7" in updated
    assert "Mine, too." in updated
    assert "accuracy 0.5" not in updated


def test_a_card_with_the_stamp_of_version_0_1_is_regenerated():
    assert update_card(generate(0.5).replace(STAMP, OLD_STAMP), generate(0.7)) == generate(0.7)


def test_text_after_the_stamp_is_kept():
    edited = generate(0.5) + "\n## Thanks\n\nTo all.\n"
    updated = update_card(edited, generate(0.7))
    assert "To all." in updated
    assert "accuracy 0.7" in updated
    assert updated.count("<!-- generated by") == 1
    assert is_generated(edited)


def test_the_trainers_card_and_a_card_without_body_are_replaced():
    trainers = TRAINER_CARD
    assert update_card(trainers, generate()) == generate()
    assert is_generated(trainers)
    filled = trainers.replace(TRAINER_PLACEHOLDER, "I know.", 1)
    assert "I know." in update_card(filled, generate())
    assert not is_generated(filled)
    assert "accuracy 0.5" in update_card("---\nlicense: gpl-3.0\n---\n", generate())
    assert update_card("", generate()) == generate()


def test_front_matter_is_told_from_rules_around_a_title():
    assert read_card("\ufeff---\na: 1\n---\n# b")[:2] == ({"a": 1}, "# b")
    for text in ("---\n\n# Title\n\n---\n\ntext", "# no metadata\n\n---\n\nb: 1\n\n---\n"):
        assert read_card(text)[:2] == ({}, text)
    assert read_card("---\n---\ntext")[:2] == ({}, "text")


def test_removed_metadata_stays_removed():
    removed = generate(0.5).replace("license: mit\n", "")
    assert "license: mit" not in update_card(removed, generate(0.7))
    assert "license: mit" in generate(0.7)


def test_invalid_metadata_is_an_error():
    with pytest.raises(ValueError, match=r"(?s)not valid YAML .* Fix or remove"):
        update_card("---\na: [\n---\n\n# Mine\n", generate())
    with pytest.raises(ValueError, match="not a list of `name: value`"):
        update_card("---\n- a\n---\n\n# Mine\n", generate())


def test_examples_load_the_repository_instead_of_the_folder():
    text = set_repo_id(generate(), "alice/small")
    assert 'model="alice/small"' in text
    assert "# small" in text
    assert 'task("small")' in text
    assert update_card(text, generate(0.7)) == generate(0.7)  # so changed, it still counts as generated
    edited = generate().replace("## no heading", "# mine")
    assert 'model="small"' in set_repo_id(edited, "alice/small")
    assert set_repo_id(OWN, "alice/small") == OWN


def test_tags_are_added_once():
    metadata, _, _ = read_card(add_tags(generate(), ["attention", "korean"]))
    assert metadata["tags"] == ["attention", "korean"]
    assert add_tags("# Mine\n", ["korean"]) == "---\ntags:\n- korean\n---\n\n# Mine\n"
    assert add_tags(OWN, []) == OWN


class TestMergeCards:
    """`merge_cards(published, local, remote)`."""

    def test_one_card_changed(self):
        assert merge_cards(None, OWN, None) == OWN
        assert merge_cards(generate(), generate(), OWN) == OWN  # only there
        assert merge_cards(OWN, generate(), OWN) == generate()  # only here
        again = generate().replace("None known.", "Some.")
        assert merge_cards(again, again.replace("Some.", "Many."), again).count("Many.") == 1

    def test_both_cards_changed(self, caplog):
        base = generate(0.5)
        here = generate(0.7).replace("None known.", "Fails on Sundays.")
        there = base.replace("Generated.", "Mine.").replace("license: mit", "license: gpl-3.0")
        there = there.replace("## Use", "## Thanks\n\nTo all.\n\n## Use")
        text = merge_cards(base, here, there)
        for part in ("accuracy 0.7", "Fails on Sundays.", "Mine.", "To all.", "license: gpl-3.0", "value: 0.7"):
            assert part in text
        assert "0.5" not in text.split("<!--")[0]
        assert headings(text) == ["", "Results", "Thanks", "Use", "Limits"]
        logging.getLogger("transformers").propagate = True
        text = merge_cards(base, base.replace("None known.", "A."), base.replace("None known.", "B."))
        assert "B." in text
        assert "'Limits' was edited and is kept" in caplog.text

    def test_two_cards_without_a_common_ancestor(self):
        with pytest.raises(ValueError, match="both were written by hand"):
            merge_cards(None, OWN, "# Another\n")
        assert "# Another" in merge_cards(None, generate(), "# Another\n")

    @pytest.mark.parametrize(
        "remote",
        [
            f"---\nsdk: gradio\n---\n\n{SPACE_CARD_MARK} https://huggingface.co/docs/hub/spaces-config-reference",
            TRAINER_CARD,
        ],
        ids=["Space", "Trainer"],
    )
    def test_a_default_card_on_the_hub_is_replaced(self, remote):
        assert merge_cards(None, OWN, remote) == OWN
