# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import benchmark_loader
import PIL.Image
import pytest
from datasets import ClassLabel, Dataset, Features, Image


@pytest.mark.parametrize("kind", ["embedded", "pairs", "images"])
def test_results_for_each_number_of_workers_are_written(kind, tmp_path, capsys):
    given = ["--steps", "2", "--rounds", "1", "--workers", "0", "1", "--num_threads", "1"]
    expected = {"embedded": ["dates", "digits"], "pairs": ["multi30k"], "images": ["cifar10-cct-2-3x2"]}[kind]
    if kind == "embedded":
        given += ["--max_train_samples", "200"]
    elif kind == "pairs":
        pairs = [{"de": f"ein Hund {row}", "en": f"a dog {row}"} for row in range(40)]
        Dataset.from_dict({"translation": pairs}).to_parquet(tmp_path / "train.parquet")
    else:
        features = Features({"img": Image(), "label": ClassLabel(names=["cat", "dog"])})
        images = [PIL.Image.new("RGB", (32, 32), (row, 0, 0)) for row in range(40)]
        rows = Dataset.from_dict({"img": images, "label": [0, 1] * 20}, features=features)
        rows.to_parquet(tmp_path / "train.parquet")
    if kind != "embedded":
        given += ["--data_dir", str(tmp_path)]
    file = tmp_path / "loader.json"
    benchmark_loader.main([*given, "--output_file", str(file)])
    results = json.loads(file.read_text())["results"]
    assert [(row["recipe"], row["workers"]) for row in results] == [
        (name, count) for name in expected for count in (0, 1)
    ]
    runs = [run for row in results for run in row["runs"]]
    assert all(0 < run["share"] < 1 for run in runs)
    assert all(run["steps_per_second"] > 0 for run in runs)
    assert f"| {expected[-1]} | 1 |" in capsys.readouterr().out
