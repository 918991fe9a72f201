# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import benchmark_token_pruning
import pytest
import torch

from hf_attention import CompactVitConfig, CompactVitForImageClassification, CompactVitImageProcessorPil
from hf_attention.data.embedded import EMBEDDED_IMAGES


def make_folder(folder, **options):
    sizes = {"image_size": 8, "num_channels": 1, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2}
    config = CompactVitConfig(num_attention_heads=2, id2label=options, **sizes)
    CompactVitForImageClassification(config).save_pretrained(folder)
    CompactVitImageProcessorPil(size={"height": 8, "width": 8}, num_channels=1).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("name", ["digits", "cluttered_digits"])
def test_results_and_curve_are_written(name, tmp_path, capsys):
    folder = make_folder(tmp_path / "model", **{str(digit): str(digit) for digit in range(10)})
    file, picture = tmp_path / "pruning.json", tmp_path / "pruning.png"
    arguments = ["--dataset_name", name, "--keep_rates", "0.5", "--max_samples", "20", "--rounds", "2"]
    arguments += ["--num_threads", "1", "--output_file", str(file), "--plot_file", str(picture)]
    benchmark_token_pruning.main([folder, *arguments])
    results = json.loads(file.read_text())["results"]
    assert [row["keep_rate"] for row in results] == [1.0, 0.5]
    assert all(0 <= row["accuracy"] <= 1 for row in results)
    assert all(len(row["seconds"]) == 2 for row in results)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "| 0.5 |" in capsys.readouterr().out


def test_accuracy_of_a_constant_prediction_is_the_fraction_of_its_class(tmp_path):
    folder = make_folder(tmp_path / "model", **{str(digit): str(digit) for digit in range(10)})
    model = CompactVitForImageClassification.from_pretrained(folder)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.arange(10) == 7)
    model.save_pretrained(folder)
    file = tmp_path / "pruning.json"
    benchmark_token_pruning.main([folder, "--num_threads", "1", "--rounds", "1", "--output_file", str(file)])
    labels = EMBEDDED_IMAGES["digits"].load()["test"]["label"]
    expected = sum(label == 7 for label in labels) / len(labels)
    results = json.loads(file.read_text())["results"]
    assert [row["accuracy"] for row in results] == pytest.approx([expected] * 8)


def test_data_with_other_classes_than_the_model_raises(tmp_path):
    folder = make_folder(tmp_path / "model", **{"0": "cat", "1": "dog"})
    with pytest.raises(ValueError, match="the model's \\['cat', 'dog'\\]"):
        benchmark_token_pruning.main([folder, "--max_samples", "2", "--num_threads", "1"])
