# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import pytest
import translate as script
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
from translate import translate

from hf_attention.data.dates import load_dates
from hf_attention.hub import export_onnx


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    file = tmp_path_factory.mktemp("words") / "dates.txt"
    file.write_text("\n".join([*load_dates(10, 10, 20)["test"]["source"], "", "4. März 2005"]) + "\n")
    return file


def translate_one_by_one(folder, file, **options):
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    texts = []
    for line in file.read_text().splitlines():
        batch = tokenizer([line], return_tensors="pt", return_token_type_ids=False)
        texts.append(tokenizer.decode(model.generate(**batch, **options)[0], skip_special_tokens=True) if line else "")
    return texts


def test_predictions_are_in_the_order_of_the_input(small_run, words, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "ROWS", 7)
    output = tmp_path / "out.txt"
    translate([str(small_run[0]), "--input_file", str(words), "--output_file", str(output), "--batch_size", "3"])
    assert output.read_text().splitlines() == translate_one_by_one(small_run[0], words)


def test_a_stopped_run_resumes(small_run, words, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "ROWS", 7)
    arguments = [str(small_run[0]), "--input_file", str(words), "--num_beams", "2", "--n_best", "2"]
    translate([*arguments, "--output_file", str(tmp_path / "expected.jsonl")])
    original, calls = script.Translator.translate, []

    def fail_in_the_third_call(self, texts, *args, **kwargs):
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, texts, *args, **kwargs)

    monkeypatch.setattr(script.Translator, "translate", fail_in_the_third_call)
    with pytest.raises(KeyboardInterrupt):
        translate([*arguments, "--output_file", str(tmp_path / "out.jsonl")])
    translate([*arguments, "--output_file", str(tmp_path / "out.jsonl")])
    assert calls == [7, 7, 7, 7, 1]
    assert (tmp_path / "out.jsonl").read_text() == (tmp_path / "expected.jsonl").read_text()


def test_an_ensemble_writes_alignments(small_run, words, tmp_path):
    output = tmp_path / "out.jsonl"
    folder = str(small_run[0])
    arguments = ["--input_file", str(words), "--output_file", str(output), "--alignments", "--num_beams", "2"]
    translate([folder, folder, *arguments])
    entries = [json.loads(line) for line in output.read_text().splitlines()]
    assert [entry["prediction"] for entry in entries] == translate_one_by_one(folder, words, num_beams=2)
    alignment = entries[0]["alignment"]
    assert len(alignment["weights"]) == len(alignment["target_tokens"])
    assert sum(alignment["weights"][0]) == pytest.approx(1, abs=1e-3)


def test_onnx_files_give_the_greedy_translations(small_run, words, tmp_path):
    export_onnx(str(small_run[0]), str(tmp_path / "onnx"))
    output = tmp_path / "out.tsv"
    arguments = [str(tmp_path / "onnx"), "--input_file", str(words), "--batch_size", "4"]
    translate([*arguments, "--output_file", str(output)])
    onnx = [line.split("\t") for line in output.read_text().splitlines()[1:]]
    assert [cells[1] for cells in onnx] == translate_one_by_one(small_run[0], words, num_beams=1)
    greedy = tmp_path / "greedy.tsv"
    translate([str(small_run[0]), *arguments[1:], "--num_beams", "1", "--output_file", str(greedy)])
    scores = [line.split("\t")[2] for line in greedy.read_text().splitlines()[1:]]
    for cells, score in zip(onnx, scores, strict=True):
        assert (cells[2] == score == "") or float(cells[2]) == pytest.approx(float(score), abs=1e-4)
    with pytest.raises(ValueError, match="ONNX files translate by greedy search"):
        translate([*arguments, "--num_beams", "2", "--output_file", str(tmp_path / "beams.tsv")])


def test_standard_output_has_a_prediction_per_line(small_run, words, capsys):
    translate([str(small_run[0]), "--input_file", str(words)])
    assert capsys.readouterr().out.splitlines() == translate_one_by_one(small_run[0], words)


def test_a_users_mistake_is_one_line(small_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["translate.py", str(small_run[0]), "--input_file", str(tmp_path / "no.txt")])
    with pytest.raises(SystemExit, match="^translate.py: There is no file"):
        script.main()
