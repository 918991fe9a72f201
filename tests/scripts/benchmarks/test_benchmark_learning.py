# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from types import SimpleNamespace

import benchmark_learning
import pytest
from datasets import Dataset


OPTIONS = ["--preset", "tiny", "--vocab_size", "40", "--per_device_train_batch_size", "4", "--learning_rate", "0.01"]
OPTIONS += ["--source_lang", "de", "--target_lang", "en", "--report_to", "none", "--max_target_length", "12"]


def write_pairs(folder, name, count):
    pairs = [{"de": "ein Hund " * (row % 4 + 1), "en": "a dog " * (row % 4 + 1)} for row in range(count)]
    Dataset.from_dict({"translation": pairs}).to_parquet(folder / name)
    return str(folder / name)


def test_curve_has_a_point_for_every_minute_and_one_at_the_end(tmp_path, monkeypatch, capsys):
    seconds = iter(range(0, 100_000, 25))
    monkeypatch.setattr(benchmark_learning, "time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    files = [
        "--train_file",
        write_pairs(tmp_path, "train.parquet", 64),
        "--test_file",
        write_pairs(tmp_path, "test.parquet", 6),
    ]
    picture, output = tmp_path / "curve.png", tmp_path / "run"
    benchmark_learning.main(
        [*OPTIONS, *files, "--minutes", "2.5", "--plot", str(picture), "--output_dir", str(output)]
    )
    curve = json.loads((output / "learning_curve.json").read_text())
    # each step takes 25 seconds on this clock, which does not advance between steps
    assert [point["step"] for point in curve] == [3, 5, 6]
    assert [round(point["minutes"], 2) for point in curve] == [1.25, 2.08, 2.5]
    assert all(0 <= point["bleu"] <= 100 for point in curve)
    assert picture.read_bytes().startswith(b"\x89PNG")
    results = json.loads((output / "all_results.json").read_text())
    assert 0 < results["train_loader_share"] < 1
    assert "2.5 min, step 6" in capsys.readouterr().out


def test_data_without_a_test_split_raises(tmp_path):
    with pytest.raises(ValueError, match="test_file"):
        files = ["--train_file", write_pairs(tmp_path, "train.parquet", 8), "--output_dir", str(tmp_path / "run")]
        benchmark_learning.main([*OPTIONS, *files])
