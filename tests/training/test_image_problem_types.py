# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Training on images with several labels each, or with numbers."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from train_image_classification import train
from transformers import AutoModelForImageClassification, EvalPrediction
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention import AttentionCnnConfig, AttentionCnnForImageClassification
from hf_attention.training.image_arguments import ImageModelArguments
from hf_attention.training.image_classification import make_model
from hf_attention.training.image_scores import METRICS


REGRESSION = ["--problem_type", "regression", "--label_columns", "red"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Even images, with the color's parts as numbers, and which of them are bright as labels."""
    folder = tmp_path_factory.mktemp("table")
    random = np.random.default_rng(0)
    with open(folder / "colors.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "red", "green", "bright"])
        for row in range(96):
            color = random.integers(0, 256, 3)
            Image.new("RGB", (8, 8), tuple(map(int, color))).save(folder / f"{row}.png")
            bright = ";".join(name for name, part in zip(("red", "green", "blue"), color) if part > 127)
            writer.writerow([f"{row}.png", *(color[:2] / 255), bright])
    return str(folder / "colors.csv")


CNN = ["--model_type", "attention_cnn", "--config_overrides", "image_size=8,hidden_sizes=[16],depths=[1]"]
RUN = [*CNN, "--disable_tqdm", "true", "--crop_mode", "squash", "--rotation_degrees", "0", "--horizontal_flip", "0"]
RUN += ["--num_train_epochs", "25", "--learning_rate", "1e-2"]


@pytest.mark.parametrize(
    "options, metrics",
    [
        (["multi_label_classification", "--label_columns", "bright"], {"exact_match", "macro_f1"}),
        (["regression", "--label_columns", "red", "green"], {"mae", "rmse"}),
    ],
    ids=["labels", "numbers"],
)
def test_targets_are_learned(table, tmp_path, options, metrics):
    arguments = ["--train_file", table, "--test_file", table, "--problem_type", *options, *RUN]
    results = train([*arguments, "--output_dir", str(tmp_path / "out")])
    assert {f"test_{name}" for name in metrics} <= set(results)
    assert "test_accuracy" not in results
    if "exact_match" in metrics:
        assert results["test_exact_match"] > 0.5  # by chance 1/8
        assert results["test_blue_f1"] > 0.7
    else:
        assert results["test_mae"] < 0.15  # of the mean about 0.25
    with open(tmp_path / "out" / "predictions.csv", newline="") as file, open(table, newline="") as truth:
        rows, known = list(csv.DictReader(file)), list(csv.DictReader(truth))
    assert len(rows) == len(known)
    if "exact_match" in metrics:
        assert [set(row["true"].split(";")) for row in rows] == [set(row["bright"].split(";")) for row in known]
    else:
        numbers = [[float(number) for number in row["true"].split(";")] for row in rows]
        assert np.allclose(numbers, [[float(row["red"]), float(row["green"])] for row in known], atol=1e-5)
        errors = np.array(numbers) - [[float(row["red"]), float(row["green"])] for row in rows]
        assert np.abs(errors).mean() == pytest.approx(results["test_mae"], abs=1e-4)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "confusion" not in card
    assert ("3 labels" if "exact_match" in metrics else "2 numbers") in card
    model = AutoModelForImageClassification.from_pretrained(tmp_path / "out").eval()
    assert model.config.problem_type == options[0]
    processor = AutoImageProcessor.from_pretrained(tmp_path / "out")
    with torch.no_grad():
        logits = model(**processor(Image.new("RGB", (8, 8), (250, 10, 10)), return_tensors="pt")).logits[0]
    assert logits[model.config.label2id["red"]] > logits[model.config.label2id["green"]]


def test_metrics_of_labels_and_numbers():
    labels = EvalPrediction(np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 0], [0, 1], [0, 1]]))
    # F1 of the first label: 2 of (2 + 1); of the second: precision 1, recall 1/2
    assert METRICS["multi_label_classification"](labels, 2) == {
        "exact_match": pytest.approx(1 / 3),
        "macro_f1": pytest.approx(2 / 3),
    }
    numbers = EvalPrediction(np.array([[1.0], [4.0]]), np.array([[2.0], [1.0]]))
    assert METRICS["regression"](numbers, 1) == {"mae": pytest.approx(2), "rmse": pytest.approx(5**0.5)}


def test_a_model_of_another_problem_type_is_refused(tmp_path):
    config = AttentionCnnConfig(image_size=8, hidden_sizes=[4], depths=[1], problem_type="multi_label_classification")
    AttentionCnnForImageClassification(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="has the `problem_type` 'multi_label_classification', but the data has one"):
        make_model(ImageModelArguments(model_name_or_path=str(tmp_path)), ["LABEL_0", "LABEL_1"])


@pytest.mark.parametrize(
    "options, message",
    [
        (["--problem_type", "regression"], "`label_columns` is None for `problem_type` 'regression'"),
        (["--label_columns", "red"], r"`label_columns` is \['red'\] for `problem_type` 'single_label_classification'"),
        (
            [*REGRESSION, "--mixup_alpha", "1"],
            "`mixup_alpha` and `cutmix_alpha` mix classes",
        ),
        (
            [*REGRESSION, "--label_smoothing_factor", "0.1"],
            "`label_smoothing_factor` is for classes",
        ),
        (
            [*REGRESSION, "--class_weights", "balanced"],
            "`class_weights` is for classes, but `problem_type` is 'regression'",
        ),
    ],
)
def test_options_of_classes_are_errors(table, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        train(["--train_file", table, *RUN, *options, "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
