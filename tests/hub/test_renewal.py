# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import logging

import pytest
from huggingface_hub import ModelCard, ModelCardData

from hf_attention.hub.renewal import (
    SPACES,
    TO_BE_FILLED,
    TRAINERS,
    add_tags,
    address_card,
    combine_cards,
    is_generated,
    read_card,
    renew_card,
    sign_card,
    split_sections,
    write_card,
)


BODY = """# small

Made by a machine.

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
    return sign_card(ModelCard(f"---\n{data.to_yaml()}\n---\n{body.format(accuracy=accuracy)}"))


def headings(text: str) -> list[str]:
    return [heading for heading, _ in split_sections(read_card(text)[1])]


def test_a_heading_in_code_is_none():
    assert headings(BODY) == ["", "Results", "Use", "Limits"]
    assert headings("~~~\n## a\n```\n## b\n~~~\n## c") == ["", "c"]


def test_what_nobody_changed_is_renewed():
    assert renew_card(None, generate(0.7)) == generate(0.7)
    assert renew_card(generate(0.5), generate(0.7)) == generate(0.7)
    assert renew_card(generate(0.5), generate(0.5)) == generate(0.5)


def test_what_a_person_wrote_stays(caplog):
    edited = generate(0.5).replace("None known.", "It fails on Sundays.")
    edited = edited.replace("## Use", "## Ethics\n\nAsked everybody.\n\n## Use").replace("Made by a machine.", "Mine.")
    renewed = renew_card(edited, generate(0.7))
    assert headings(renewed) == ["", "Results", "Ethics", "Use", "Limits"]
    for text in ("It fails on Sundays.", "Asked everybody.", "Mine.", "accuracy 0.7", "value: 0.7"):
        assert text in renewed
    assert "0.5" not in renewed and not caplog.records
    # and again: what was edited is remembered as edited
    assert renew_card(renewed, generate(0.7)) == renewed
    again = renew_card(renewed, generate(0.9))
    assert "accuracy 0.9" in again and "It fails on Sundays." in again


def test_an_edited_section_whose_figures_changed_is_kept_with_a_warning(caplog):
    logging.getLogger("transformers").propagate = True
    edited = generate(0.5).replace("accuracy 0.5", "accuracy 0.5 (of my own)")
    renewed = renew_card(edited, generate(0.7))
    assert "of my own" in renewed and "value: 0.7" in renewed
    assert "'Results' was changed by hand" in caplog.text


def test_a_section_that_a_person_removed_stays_away_and_a_new_one_comes():
    removed = generate().replace("## Limits\n\nNone known.\n\n", "")
    assert "Limits" not in renew_card(removed, generate(0.7)).split("<!--")[0]
    newer = BODY.replace("## Use", "## Data\n\nOurs.\n\n## Use")
    assert headings(renew_card(generate(), generate(body=newer))) == ["", "Results", "Data", "Use", "Limits"]
    older = renew_card(generate(body=newer), generate())
    assert "## Data" not in older


def test_metadata():
    existing = generate(0.5, language="ko").replace("license: mit", "license: cc-by-4.0\nthumbnail: me.png")
    existing = existing.replace("- attention", "- attention\n- mine")
    metadata, _, _ = read_card(renew_card(existing, generate(0.7)))
    assert metadata["license"] == "cc-by-4.0" and metadata["thumbnail"] == "me.png"
    assert metadata["tags"] == ["attention", "mine"]
    assert "language" not in metadata  # it was generated, and is no more
    assert metadata["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.7


def test_results_a_person_added_stay_beside_ours():
    text = generate(0.5)
    metadata, body, record = read_card(text)
    other = {"task": {"type": "t"}, "dataset": {"name": "e", "type": "e"}, "metrics": [{"type": "f1", "value": 0.1}]}
    metadata["model-index"][0]["results"].append(other)
    merged, _, _ = read_card(renew_card(write_card(metadata, body, record), generate(0.7)))
    found = [
        (result["dataset"]["type"], result["metrics"][0]["value"]) for result in merged["model-index"][0]["results"]
    ]
    assert found == [("d", 0.7), ("e", 0.1)]


def test_a_persons_result_of_another_split_stays_beside_ours():
    metadata, body, record = read_card(generate(0.5))
    (ours,) = metadata["model-index"][0]["results"]
    metric = {"type": "accuracy", "value": 0.1}
    metadata["model-index"][0]["results"].append(
        {**ours, "dataset": {**ours["dataset"], "split": "validation"}, "metrics": [metric]}
    )
    merged, _, _ = read_card(renew_card(write_card(metadata, body, record), generate(0.7)))
    results = merged["model-index"][0]["results"]
    found = [(result["dataset"]["split"], result["metrics"][0]["value"]) for result in results]
    assert found == [("test", 0.7), ("validation", 0.1)]


OWN = "---\nlicense: gpl-3.0  # mine\n---\n# Mine\n\n\n## Results\n\nGood.\n\n## Results\n\nBetter.  \n"


def test_a_persons_own_card_keeps_its_body():
    renewed = renew_card(OWN, generate(0.7))
    metadata, body, _ = read_card(renewed)
    assert body.strip() == OWN.split("---\n")[2].strip()
    assert metadata["license"] == "gpl-3.0" and metadata["model-index"][0]["results"]
    # the metadata that was added is renewed, the body never
    again, body, _ = read_card(renew_card(renewed, generate(0.9)))
    assert again["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.9 and again["license"] == "gpl-3.0"
    assert "Good." in body and "Better." in body and "Limits" not in body
    assert not is_generated(OWN)


def test_headings_that_come_twice(caplog):
    edited = generate(0.5).replace("## Limits", "## Results\n\nMine, too.\n\n## Limits")
    renewed = renew_card(edited, generate(0.7))
    assert headings(renewed) == ["", "Results", "Use", "Results", "Limits"]
    assert "accuracy 0.7" in renewed and "Mine, too." in renewed and "accuracy 0.5" not in renewed


def test_text_after_the_record():
    edited = generate(0.5) + "\n## Thanks\n\nTo all.\n"
    renewed = renew_card(edited, generate(0.7))
    assert "To all." in renewed and "accuracy 0.7" in renewed and renewed.count("<!-- written by") == 1
    assert is_generated(edited)


def test_the_trainers_card_and_bare_metadata_are_filled():
    trainers = f"---\ntags:\n- x\n---\n\n<!-- {TRAINERS} -->\n\n# model\n\n" + f"## A\n\n{TO_BE_FILLED}\n\n" * 3
    assert renew_card(trainers, generate()) == generate() and is_generated(trainers)
    filled = trainers.replace(TO_BE_FILLED, "I know.", 1)
    assert "I know." in renew_card(filled, generate()) and not is_generated(filled)
    assert "accuracy 0.5" in renew_card("---\nlicense: gpl-3.0\n---\n", generate())
    assert renew_card("", generate()) == generate()


def test_front_matter():
    assert read_card("\ufeff---\na: 1\n---\n# b")[:2] == ({"a": 1}, "# b")
    for text in ("---\n\n# Title\n\n---\n\ntext", "# no metadata\n\n---\n\nb: 1\n\n---\n"):
        assert read_card(text)[:2] == ({}, text)
    assert read_card("---\n---\ntext")[:2] == ({}, "text")


def test_what_a_person_removed_of_the_metadata_stays_away():
    removed = generate(0.5).replace("license: mit\n", "")
    assert "license: mit" not in renew_card(removed, generate(0.7)) and "license: mit" in generate(0.7)


def test_metadata_that_is_no_yaml_is_an_error():
    with pytest.raises(ValueError, match=r"(?s)no YAML .* Mend or remove"):
        renew_card("---\na: [\n---\n\n# Mine\n", generate())
    with pytest.raises(ValueError, match="no `name: value`"):
        renew_card("---\n- a\n---\n\n# Mine\n", generate())


def test_the_repository_takes_the_folders_place_in_examples():
    text = address_card(generate(), "alice/small")
    assert 'model="alice/small"' in text and "# small" in text and 'task("small")' in text
    assert renew_card(text, generate(0.7)) == generate(0.7)  # so changed, it still counts as generated
    edited = generate().replace("## no heading", "# mine")
    assert 'model="small"' in address_card(edited, "alice/small")
    assert address_card(OWN, "alice/small") == OWN


def test_tags():
    metadata, _, _ = read_card(add_tags(generate(), ["attention", "korean"]))
    assert metadata["tags"] == ["attention", "korean"]
    assert add_tags("# Mine\n", ["korean"]) == "---\ntags:\n- korean\n---\n\n# Mine\n"
    assert add_tags(OWN, []) == OWN


class TestCombining:
    """What goes to the Hub: (published before, in the folder, on the Hub)."""

    def test_one_side_changed(self):
        assert combine_cards(None, OWN, None) == OWN
        assert combine_cards(generate(), generate(), OWN) == OWN  # only there
        assert combine_cards(OWN, generate(), OWN) == generate()  # only here
        again = generate().replace("None known.", "Some.")
        assert combine_cards(again, again.replace("Some.", "Many."), again).count("Many.") == 1

    def test_both_changed(self, caplog):
        base = generate(0.5)
        here = generate(0.7).replace("None known.", "Fails on Sundays.")
        there = base.replace("Made by a machine.", "Mine.").replace("license: mit", "license: gpl-3.0")
        there = there.replace("## Use", "## Thanks\n\nTo all.\n\n## Use")
        text = combine_cards(base, here, there)
        for part in ("accuracy 0.7", "Fails on Sundays.", "Mine.", "To all.", "license: gpl-3.0", "value: 0.7"):
            assert part in text
        assert "0.5" not in text.split("<!--")[0] and headings(text) == ["", "Results", "Thanks", "Use", "Limits"]
        logging.getLogger("transformers").propagate = True
        text = combine_cards(base, base.replace("None known.", "A."), base.replace("None known.", "B."))
        assert "B." in text and "'Limits' was changed by hand" in caplog.text

    def test_two_of_which_nobody_knows_the_past(self):
        with pytest.raises(ValueError, match="both were written by hand"):
            combine_cards(None, OWN, "# Another\n")
        assert "# Another" in combine_cards(None, generate(), "# Another\n")

    @pytest.mark.parametrize(
        "remote",
        [
            f"---\nsdk: gradio\n---\n\n{SPACES} https://huggingface.co/docs/hub/spaces-config-reference\n",
            f"---\ntags: []\n---\n\n<!-- {TRAINERS} -->\n\n# model\n\n" + f"## A\n\n{TO_BE_FILLED}\n\n" * 3,
        ],
        ids=["Space", "Trainer"],
    )
    def test_a_card_that_a_machine_made_there_gives_way(self, remote):
        assert combine_cards(None, OWN, remote) == OWN
