# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from pathlib import Path

import benchmark_shortlist
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from hf_attention.prediction.shortlist import add_shortlist


MODEL = Path(__file__).parents[3] / "model_cards" / "bahdanau-dates"


def test_both_searches_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_shortlist, "SINGLES", 2)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(MODEL), AutoTokenizer.from_pretrained(MODEL)
    rows = {"4. März 2005": "2005-03-04", "2031년 12월 25일": "2031-12-25", "1. Mai 1999": "1999-05-01"}
    add_shortlist(model, tokenizer, list(rows), list(rows.values()))
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "model")
    test, output = tmp_path / "test.jsonl", tmp_path / "results.json"
    names = model.config.source_lang, model.config.target_lang
    test.write_text("".join(json.dumps(dict(zip(names, row))) + "\n" for row in rows.items()), "utf-8")
    options = ["--rounds", "1", "--num_threads", "1", "--batch_size", "2", "--output_file", str(output)]
    benchmark_shortlist.main([str(tmp_path / "model"), "--test_file", str(test), *options])
    results = json.loads(output.read_text("utf-8"))
    titles = ["greedy, batches of 2: 3 sentences", "5 beams, batches of 2: 3 sentences"]
    for title in [*titles, "greedy, one by one: 2 sentences"]:
        assert (
            results[title]["all tokens"]["bleu"] > 90 and len(results[title]["shortlist"]["sentences_per_second"]) == 1
        )
