# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The trained models in `model_cards/` work as README says, and as well as their cards say."""

import json
from pathlib import Path

import pytest
import torch
import update_model_cards
from transformers import AutoModelForImageClassification, pipeline
from transformers.models.auto.image_processing_auto import AutoImageProcessor

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.data.dates import load_dates
from hf_attention.data.images import load_digits, open_image


MODEL_CARDS = Path(__file__).parents[1] / "model_cards"


def results_of(name: str) -> dict:
    return json.loads((MODEL_CARDS / name / "all_results.json").read_text("utf-8"))


def test_dates_are_translated():
    translate = pipeline("translation-with-alignment", model=str(MODEL_CARDS / "bahdanau-dates"))
    assert translate.model.dtype == torch.float32
    expected = {
        "4. März 2005": "2005-03-04",
        "2031년 12월 25일 목요일": "2031-12-25",
        "<en_US> 3/4/05": "2005-03-04",
        "<en_GB> 03/04/2005": "2005-04-03",
    }
    outputs = translate(list(expected))
    assert [output["translation_text"] for [output] in outputs] == list(expected.values())


def test_dates_of_the_test_split_are_as_accurate_as_the_card_says():
    translate = pipeline("translation-with-alignment", model=str(MODEL_CARDS / "bahdanau-dates"))
    rows = load_dates()["test"].select(range(200))
    outputs = translate(list(rows["source"]), batch_size=50)
    correct = sum(output["translation_text"] == target for [output], target in zip(outputs, rows["target"]))
    assert correct / 200 >= results_of("bahdanau-dates")["test_exact_match"] - 0.015


def test_digits_are_classified_as_accurately_as_the_card_says():
    folder = MODEL_CARDS / "compact-vit-digits"
    model = AutoModelForImageClassification.from_pretrained(folder)
    image_processor = AutoImageProcessor.from_pretrained(folder)
    rows = load_digits()["test"]
    images = [open_image(cell) for cell in rows["image"]]
    with torch.no_grad():
        logits = model(**image_processor(images, return_tensors="pt")).logits
    predictions = [int(model.config.id2label[label]) for label in logits.argmax(dim=-1).tolist()]
    accuracy = sum(map(int.__eq__, predictions, rows["label"])) / len(predictions)
    assert accuracy == pytest.approx(results_of("compact-vit-digits")["test_accuracy"], abs=0.005)


@pytest.mark.parametrize("name", ["bahdanau-dates", "compact-vit-digits"])
def test_a_model_in_the_repository_is_small_and_holds_no_code(name):
    files = list((MODEL_CARDS / name).iterdir())
    assert sum(file.stat().st_size for file in files if file.is_file()) < 1_000_000
    assert not [file for file in files if file.suffix == ".py"]
    assert "auto_map" not in json.loads((MODEL_CARDS / name / "config.json").read_text("utf-8"))


def test_a_finished_run_is_copied_with_its_pictures_and_weights_in_half_precision(small_run, tmp_path):
    folder, _ = small_run
    update_model_cards.main([str(folder), "--output_dir", str(tmp_path)])
    copied = tmp_path / Path(folder).name
    translate, original = (pipeline("translation-with-alignment", model=str(path)) for path in (copied, folder))
    for name, weight in translate.model.state_dict().items():
        assert torch.equal(weight, original.model.state_dict()[name].half().float()), name
    assert (copied / "README.md").read_text("utf-8") == (Path(folder) / "README.md").read_text("utf-8")
    assert list((copied / "assets").glob("*.png"))
    with pytest.raises(SystemExit):
        update_model_cards.main([str(tmp_path / "missing")])
