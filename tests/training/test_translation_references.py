# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import csv
import json

import numpy as np
import pytest
from train_translation import train
from transformers.trainer_utils import EvalLoopOutput

from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.training.translation_scores import compute_metrics


WORDS = {"read": ["R AY D", "R EH D"], "red": ["R EH D"], "deer": ["D AY R"], "dear": ["D AY R", "D IH R"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a short training on words with one or two pronunciations."""
    folder = tmp_path_factory.mktemp("references")
    rows = [json.dumps({"word": word, "sound": sounds}) for word, sounds in WORDS.items()]
    (folder / "words.jsonl").write_text("\n".join(rows) + "\n")
    options = ["characters", "--source_lang", "word", "--target_lang", "sound", "--target_separator", " "]
    for split in ("train", "validation", "test"):
        options += [f"--{split}_file", str(folder / "words.jsonl")]
    options += ["--output_dir", str(folder / "run"), "--max_steps", "60", "--save_strategy", "no", "--num_beams", "2"]
    train([*options, "--disable_tqdm", "true", "--config_overrides", "dropout=0"])
    return folder / "run"


def test_any_reference_is_right(run):
    """Six pairs of four words, whose targets a model cannot tell apart, leave at most four right with one each."""
    results = json.loads((run / "all_results.json").read_text())
    with (run / "predictions.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["source"] for row in rows] == list(WORDS)
    right = 0
    for row in rows:
        assert row["reference"].split(" | ") == WORDS[row["source"]]
        assert (row["right"] == "True") == (row["prediction"] in WORDS[row["source"]])
        right += row["prediction"] in WORDS[row["source"]]
    assert results["test_exact_match"] == right / 4
    assert right >= 2


def test_metrics_take_the_closest_reference():
    texts = [text for sounds in WORDS.values() for text in sounds]
    tokenizer = train_tokenizer(texts, separator=" ")
    predictions = ["R EH D", "R EH D", "D AY", "D IH R"]
    ids = tokenizer(predictions)["input_ids"]
    width = max(map(len, ids))
    padded = np.array([[*row, *[0] * (width - len(row))] for row in ids])
    output = EvalLoopOutput(padded, None, {}, 4)
    scores = compute_metrics(output, tokenizer, list(WORDS.values()), "13a")
    assert scores["exact_match"] == 0.75
    assert scores["symbol_error_rate"] == pytest.approx(1 / 12)


def test_bleu_and_chrf_take_several_references():
    references = [["the cat sat on a mat", "a cat sat on the mat"], ["dogs bark all day long"]]
    tokenizer = train_tokenizer([text for texts in references for text in texts], vocab_size=40, model_type="bpe")
    ids = [tokenizer(text)["input_ids"] for text in ("a cat sat on the mat", "dogs bark all day long")]
    padded = np.array([[*row, *[0] * (max(map(len, ids)) - len(row))] for row in ids])
    scores = compute_metrics(EvalLoopOutput(padded, None, {}, 2), tokenizer, references, "13a", signature=True)
    assert scores["bleu"] == pytest.approx(100)
    assert scores["chrf"] == pytest.approx(100)
    assert "nrefs:var" in scores["signature"]
