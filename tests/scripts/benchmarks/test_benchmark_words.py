# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from argparse import Namespace

import pytest
from benchmark_words import Task, describe


ROWS = [{"word": "read", "sound": ["R EH D", "R AY D"]}, {"word": "red", "sound": ["R EH D"]}]


@pytest.fixture
def task(tmp_path):
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return Task(Namespace(folder=tmp_path, source="word", target="sound", target_separator=" "))


def test_any_answer_is_right(task):
    assert task.score(["R AY D", "R EH D"]) == {"word_error_rate": 0, "symbol_error_rate": 0}
    scores = task.score(["R AY D", "R AY T"])
    assert scores["word_error_rate"] == 50
    assert scores["symbol_error_rate"] == pytest.approx(100 * 2 / 6)


def test_each_answer_is_a_pair_to_train_on(task):
    assert [answer for _, answer in task.read_pairs("train")] == ["R EH D", "R AY D", "R EH D"]
    assert [answer for _, answer in task.read_pairs("validation")] == ["R EH D", "R EH D"]


def test_the_table_has_means_and_deviations():
    runs = [{"word_error_rate": 10, "symbol_error_rate": 2}, {"word_error_rate": 12, "symbol_error_rate": 3}]
    assert describe("ours", runs) == "| ours | 11.0 ± 1.4 | 2.50 ± 0.71 |  |"
    assert describe("one", runs[:1]) == "| one | 10.0 | 2.00 |  |"
