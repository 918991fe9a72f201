# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import re

import pytest
from huggingface_hub import ModelCard

from hf_attention.faithfulness import Faithfulness, Score
from hf_attention.hub.card_merge import read_card, split_sections, stamp_card, update_card
from hf_attention.hub.faithfulness_section import HEADING, LEADING_MAP, add_faithfulness


GENERATED = "---\nlicense: mit\n---\n\n# a\n\nA model.\n\n## How to use it\n\nSo.\n\n## Training\n\nLong.\n"


def make_result(pool):
    row = {"gradient": 0.3, "sequence pool": pool, "random": 0.0, "center blob": 0.2}
    scores = {
        name: {f"insertion_minus_deletion_{part}": Score(value, 0.01, 9) for part in ("blur", "mean")}
        for name, value in row.items()
    }
    return Faithfulness("a", "image", 9, scores, baselines=("blur", "mean"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "README.md").write_text(stamp_card(ModelCard(GENERATED)))
    make_result(0.1).save(tmp_path / "faithfulness.json")
    return tmp_path


def sections(folder):
    return split_sections(read_card((folder / "README.md").read_text()).body)


def test_the_section_follows_how_to_use_the_model_and_has_the_worst_map_too(folder):
    add_faithfulness(folder)
    assert [heading for heading, _ in sections(folder)] == ["", "How to use it", HEADING, "Training"]
    text = sections(folder)[HEADING, 0]
    assert "The best map is *gradient*" in text and "These do not: sequence pool." in text
    assert "| sequence pool | 0.100 ± 0.010 |" in text and "| (center blob) |" in text


def test_it_is_regenerated_and_no_other_section_changes(folder):
    add_faithfulness(folder)
    first = sections(folder)
    make_result(-0.2).save(folder / "faithfulness.json")
    add_faithfulness(folder)
    second = sections(folder)
    assert "-0.200" in second.pop((HEADING, 0)) and "-0.200" not in first.pop((HEADING, 0))
    assert first == second


def test_the_picture_of_the_best_map_comes_first(folder):
    card = folder / "README.md"
    text = GENERATED.replace("A model.", "A model.\n\n![Attention](assets/attention.png)\n\n*All maps.*")
    card.write_text(stamp_card(ModelCard(text)))
    add_faithfulness(folder)
    assert "leading_map" not in card.read_text()
    (folder / "assets").mkdir()
    (folder / LEADING_MAP).touch()
    for best in (0.1, 0.5, 0.1):
        make_result(best).save(folder / "faithfulness.json")
        add_faithfulness(folder)
        introduction, (first, second) = sections(folder)["", 0], re.findall(r"!\[(.*?)\]", sections(folder)["", 0])
        name = "sequence pool" if best == 0.5 else "gradient"
        assert (first, second) == (f"The map that was measured as the best: {name}", "Attention")
        assert ("No attention map of this model says more" in introduction) == (best == 0.1)
        assert introduction.endswith("*All maps.*")
    card.write_text(update_card(card.read_text(), stamp_card(ModelCard(text))))  # a later run
    add_faithfulness(folder)
    assert card.read_text().count("leading_map.png") == 1
    card.write_text(card.read_text().replace("A model.", "My model."))
    make_result(0.5).save(folder / "faithfulness.json")
    add_faithfulness(folder)
    assert "best: gradient" in sections(folder)["", 0]  # edited, so it stays
    assert "The best map is *sequence pool*" in sections(folder)[HEADING, 0]


def test_edits_of_the_user_are_kept(folder):
    add_faithfulness(folder)
    card = folder / "README.md"
    card.write_text(card.read_text().replace("The best map is", "We find that the best map is"))
    edited = card.read_text()
    add_faithfulness(folder)
    assert card.read_text() == edited
    card.write_text(update_card(edited, stamp_card(ModelCard(GENERATED))))  # a later run
    add_faithfulness(folder)
    assert "We find that" in sections(folder)[HEADING, 0]


def test_without_results_or_for_a_card_written_by_hand_nothing_changes(folder):
    (folder / "README.md").write_text("# mine\n")
    add_faithfulness(folder)
    assert (folder / "README.md").read_text() == "# mine\n"
    (folder / "README.md").write_text(stamp_card(ModelCard(GENERATED)))
    (folder / "faithfulness.json").unlink()
    add_faithfulness(folder)
    assert (HEADING, 0) not in sections(folder)


def test_damaged_results_are_named(folder):
    (folder / "faithfulness.json").write_text("{")
    with pytest.raises(ValueError, match=r"faithfulness\.json is not a result"):
        add_faithfulness(folder)
