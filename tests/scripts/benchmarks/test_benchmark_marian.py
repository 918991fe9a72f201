# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import benchmark_marian
import numpy as np
import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from hf_attention.prediction.shortlist import add_shortlist


MODEL = Path(__file__).parents[3] / "model_cards" / "bahdanau-dates"
SOURCES = ["4. März 2005", "2031년 12월 25일", "1. Mai 1999"]


def option(command, name):
    words = command.split()
    return words[words.index(name) + 1]


class Trainer:
    """Writes a model as Marian does, as far as the benchmark reads it."""

    def __init__(self, command):
        self.file, self.sizes = (
            option(command, "--model"),
            (option(command, "--dim-emb"), option(command, "--dim-rnn")),
        )

    def train(self):
        bias = np.zeros((1, 40), np.float32)
        np.savez(self.file, decoder_ff_logit_l2_b=bias, **{"special:model.yml": np.zeros(3, np.int8)})


class Translator:
    """Stops as Marian does: as many tokens as `max-length-factor` times the longest source, or more."""

    def __init__(self, command):
        with np.load(option(command, "--models")) as weights:
            assert weights["decoder_ff_logit_l2_b"][0, 0] < -1000
        lines = Path(option(command, "--vocabs")).read_text("utf-8").splitlines()
        self.words = {line.split(":")[0].strip('"') for line in lines}

    def translate(self, rows, **options):
        assert all(word in self.words for row in rows for word in row.split())
        limit = options["max-length-factor"] * (1 + max(len(row.split()) for row in rows))
        return [" ".join(["7"] * int(np.ceil(limit))) for _ in rows]


@pytest.mark.parametrize("has_marian", [False, True])
def test_precisions_are_measured_and_marian_if_it_is_installed(has_marian, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark_marian, "SINGLES", 2)
    monkeypatch.setattr(benchmark_marian, "DECODING_STEPS", 3)
    monkeypatch.setattr(benchmark_marian, "find_spec", lambda name: has_marian)
    package = ModuleType("pymarian")
    package.__spec__ = ModuleSpec("pymarian", None)
    package.Trainer, package.Translator = Trainer, Translator
    monkeypatch.setitem(sys.modules, "pymarian", package)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(MODEL), AutoTokenizer.from_pretrained(MODEL)
    add_shortlist(model, tokenizer, SOURCES, ["2005-03-04", "2031-12-25", "1999-05-01"])
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "model")
    test, output = tmp_path / "test.jsonl", tmp_path / "results.json"
    names = model.config.source_lang, model.config.target_lang
    test.write_text("".join(json.dumps(dict(zip(names, (text, "x")))) + "\n" for text in SOURCES), "utf-8")
    options = ["--rounds", "1", "--num_threads", "1", "--batch_size", "2", "--output_file", str(output)]
    benchmark_marian.main([str(tmp_path / "model"), "--test_file", str(test), *options])
    results = json.loads(output.read_text("utf-8"))["results"]
    assert list(results) == ["greedy", "5 beams", "greedy, one by one"]
    for rows in results.values():
        assert {"ours", "ours, int8", "ours, bf16", "ours, shortlist", "ours, bf16, shortlist"} <= set(rows)
        assert ("pymarian" in rows) == has_marian
    assert ("times pymarian's speed" in capsys.readouterr().out) == has_marian
