# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from hf_attention.hub.card import describe_versions, write_model_card
from hf_attention.hub.image_card import ImageCardFacts, draw_confusion, find_confused
from hf_attention.training.image_arguments import ImageTrainingArguments


def test_the_card_shows_the_results_and_options_of_the_run(small_vision_run):
    folder, results = small_vision_run
    card = ModelCard.load(folder / "README.md")
    data = card.data
    assert (data.library_name, data.pipeline_tag, data.license) == (
        "transformers",
        "image-classification",
        "apache-2.0",
    )
    assert {"compact_vit", "vision", "attention"} <= set(data.tags)
    shown = {result.metric_type: result.metric_value for result in data.eval_results}
    keys = {"accuracy": "accuracy", "f1": "macro_f1", "top_5_accuracy": "top_5_accuracy"}
    assert shown == {kind: pytest.approx(results[f"test_{key}"], abs=1e-5) for kind, key in keys.items()}
    text = card.text
    assert f"| accuracy | {results['test_accuracy']:.4f} |" in text
    values = (results[f"test_7_{name}"] for name in ("precision", "recall", "f1"))
    assert f"| 7 | {results['test_7_number']:.0f} | " + " | ".join(f"{value:.3f}" for value in values) + " |" in text
    assert "train 320, validation 60, test 60 images, of 10 classes" in text
    for row in ("crop_padding | 1", "mixup_alpha | 0.2", "label_smoothing_factor | 0.1", "ema_decay | 0.8"):
        assert f"| {row} |" in text
    assert "| `hidden_size` | `32` |" in text
    assert describe_versions() in text
    assert "2104.05704" in text
    assert 'model="compact-vit-small"' in text
    assert "trust_remote_code=True" in text
    assert "convolutional tokenizer, sequence pooling" in text
    assert "{{" not in text
    assert "{%" not in text
    assert "id2label" not in text


def test_the_figures_exist(small_vision_run):
    folder, _ = small_vision_run
    text = (folder / "README.md").read_text()
    for name in ("assets/attention.png", "assets/confusion.png", "assets/curves.png"):
        assert f"]({name})" in text
        picture = Image.open(folder / name).convert("L")
        assert picture.width > 300
        assert len(set(picture.get_flattened_data())) > 20


def test_the_most_frequent_errors_come_first(tmp_path):
    matrix = np.array([[5, 0, 2], [1, 4, 0], [0, 0, 0]])
    names = ["ant", "bee", "cow"]
    assert find_confused(matrix, names) == [("ant", "cow", 2), ("bee", "ant", 1)]
    assert find_confused(matrix, names, most=1) == [("ant", "cow", 2)]
    assert find_confused(np.eye(3, dtype=int), names) == []
    draw_confusion(matrix, ["a$x^^$", "b", "c"], tmp_path / "confusion.png")
    assert Image.open(tmp_path / "confusion.png").width >= 300


def test_a_folder_without_a_run_is_an_error(tmp_path):
    arguments = ImageTrainingArguments(output_dir=str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"all_results.json"):
        write_model_card(str(tmp_path), None, arguments, ImageCardFacts(data_name="x", data_description=""))
    assert not list(tmp_path.iterdir())
