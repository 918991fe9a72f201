# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Complete cards against reviewed files. After an intended change of a template:

    UPDATE_GOLDEN=1 python -m pytest tests/hub/test_golden_cards.py
"""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from huggingface_hub import ModelCard, get_session
from matplotlib.figure import Figure
from PIL import Image
from transformers import VisionEncoderDecoderModel

import hf_attention.hub.card as writer
from hf_attention import (
    BahdanauConfig,
    BahdanauForCausalLM,
    BahdanauForConditionalGeneration,
    CompactVitConfig,
    CompactVitForImageClassification,
    CompactVitModel,
    StackedAttentionConfig,
    StackedAttentionForVisualQuestionAnswering,
)
from hf_attention.hub import (
    ImageCardFacts,
    ImageTextCardFacts,
    QuestionCardFacts,
    TranslationCardFacts,
    write_dates_dataset,
    write_model_card,
)
from hf_attention.interpret import Reading
from hf_attention.interpret.views import View
from hf_attention.training.image_arguments import ImageTrainingArguments
from hf_attention.training.image_scores import score_classes
from hf_attention.training.image_text_arguments import ImageTextTrainingArguments
from hf_attention.training.translation_arguments import TranslationTrainingArguments
from hf_attention.training.visual_question_answering import QuestionArguments


GOLDEN = Path(__file__).parent / "golden"
HISTORY = [{"epoch": 1, "loss": 2.0}, {"epoch": 1, "eval_loss": 1.5, "eval_accuracy": 0.5}, {"epoch": 2, "loss": 1.0}]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a made-up run."""
    monkeypatch.setattr(writer, "describe_versions", lambda: "hf_attention 0.1.0, transformers 5.23.0")
    monkeypatch.setattr(writer, "describe_device", lambda args: "2 CPU threads")
    results = {"test_bleu": 12.345, "test_chrf": 34.5, "test_exact_match": 0.25, "test_alignment_error": 0.125}
    results |= {"test_accuracy": 0.75, "test_signature": "nrefs:1|case:mixed", "train_runtime": 61.2, "epoch": 2.0}
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "all_results.json").write_text(json.dumps(results))
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 20, "log_history": HISTORY}))
    return folder


def compare(folder: Path, name: str):
    text, golden = (folder / "README.md").read_text("utf-8"), GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text("utf-8")


def check_by_the_hub(hub, folder: Path, repo_type: str):
    content = {"repoType": repo_type, "content": (folder / "README.md").read_text("utf-8")}
    response = get_session().post(f"{hub.url}/api/validate-yaml", json=content)
    assert response.status_code == 200, response.text


def test_a_translation_card(hub, folder):
    options = {"vocab_size": 40, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    model = BahdanauForConditionalGeneration(BahdanauConfig.from_preset("tiny", **options))
    write_model_card(
        str(folder),
        model,
        TranslationTrainingArguments(output_dir=str(folder), learning_rate=1e-3),
        TranslationCardFacts(
            example='say "hi"',
            data_name="user/pairs",
            data_description="de to en. train 100, validation 10, test 10 pairs.",
            test_size=10,
            num_beams=5,
            languages=["de", "en"],
            dataset="user/pairs",
            license="cc-by-4.0",
            base_model="user/parent",
        ),
    )
    compare(folder, "translation_card.md")
    check_by_the_hub(hub, folder, "model")
    data = ModelCard.load(folder / "README.md").data
    assert data.model_name == "my-model"
    assert {result.metric_type for result in data.eval_results} >= {
        "bleu",
        "accuracy",
    }
    results = (folder / ".eval_results" / "test.yaml").read_text()
    assert results.startswith("- dataset:\n    id: user/pairs\n    task_id: exact_match\n  value: 0.25\n")


def test_validation_metrics_are_not_shown_as_test_results(folder):
    """And the results file of an earlier tested run is removed."""
    model = BahdanauForConditionalGeneration(BahdanauConfig.from_preset("tiny", vocab_size=40))
    results = json.loads((folder / "all_results.json").read_text())
    (folder / "all_results.json").write_text(json.dumps({**results, "eval_chrf": 45.6}))
    facts = TranslationCardFacts(
        example="a", data_name="user/pairs", data_description="", dataset="user/pairs", test_size=10
    )
    for split, shown, kept in (("test", 34.5, True), ("validation", 45.6, False)):
        card = write_model_card(
            str(folder),
            model,
            TranslationTrainingArguments(output_dir=str(folder)),
            dataclasses.replace(facts, split=split),
        )
        listed = {(result.dataset_split, result.metric_value) for result in card.data.eval_results}
        assert (split, shown) in listed
        assert {other for other, _ in listed} == {split}
        assert (folder / ".eval_results" / "test.yaml").is_file() == kept


def test_an_image_classification_card(hub, folder):
    model = CompactVitForImageClassification(
        CompactVitConfig.from_preset("cct_2_3x2", num_labels=3, id2label={0: "ant", 1: "bee", 2: "cow"})
    )
    write_model_card(
        str(folder),
        model,
        ImageTrainingArguments(output_dir=str(folder), learning_rate=1e-3),
        ImageCardFacts(
            regularization={"mixup_alpha": 0.8},
            attention=View(Figure(), "Bright is where attention is high."),
            predictions=np.array([0, 1, 2, 2, 0]),
            references=np.array([0, 1, 1, 2, 1]),
            classes=score_classes(np.array([0, 1, 2, 2, 0]), np.array([0, 1, 1, 2, 1]), ["ant", "bee", "cow|ox"]),
            data_name="photos",
            data_description="train 10, test 5 images, of 3 classes.",
        ),
    )
    compare(folder, "image_classification_card.md")
    check_by_the_hub(hub, folder, "model")
    assert not (folder / ".eval_results").exists()  # the data is not on the Hub


def test_an_image_to_text_card(hub, folder):
    results = json.loads((folder / "all_results.json").read_text())
    results |= {"test_character_error_rate": 0.0191, "test_pointing": 0.996, "test_pointing_by_chance": 0.125}
    (folder / "all_results.json").write_text(json.dumps(results))
    encoder = CompactVitModel(CompactVitConfig.from_preset("cct_2_3x2"))
    options = {"is_decoder": True, "add_cross_attention": True, "cross_attention_hidden_size": 128}
    decoder = BahdanauForCausalLM(BahdanauConfig.from_preset("tiny", vocab_size=40, **options))
    write_model_card(
        str(folder),
        VisionEncoderDecoderModel(encoder=encoder, decoder=decoder),
        ImageTextTrainingArguments(output_dir=str(folder), learning_rate=1e-3),
        ImageTextCardFacts(
            readings=[Reading(Image.new("L", (40, 8)), "12", ["1", "2", "</s>"], np.ones((3, 2, 10)))],
            data_name="lines",
            data_description="train 10, test 5 images.",
            test_size=5,
            num_beams=5,
        ),
    )
    compare(folder, "image_text_card.md")
    check_by_the_hub(hub, folder, "model")
    assert (folder / "assets" / "reading.png").is_file()


def test_a_question_card(hub, folder):
    results = json.loads((folder / "all_results.json").read_text())
    for name in ("bleu", "chrf", "exact_match", "alignment_error"):
        del results[f"test_{name}"]
    results |= {"test_accuracy_non_relational": 0.99, "test_accuracy_relational": 0.51, "test_pointing": 0.575}
    results |= {"test_pointing_by_chance": 0.0625, "test_pointing_1": 0.25, "test_pointing_2": 0.575}
    (folder / "all_results.json").write_text(json.dumps(results))
    write_model_card(
        str(folder),
        StackedAttentionForVisualQuestionAnswering(StackedAttentionConfig(num_labels=10, num_glimpses=2)),
        QuestionArguments(output_dir=str(folder), learning_rate=1e-3),
        QuestionCardFacts(
            example="빨간색 물체는 무슨 모양입니까?",
            language="ko",
            readings=[
                Reading(Image.new("RGB", (8, 8)), "Is it red? no (correct: yes)", ["1", "2"], np.ones((2, 2, 2)))
            ],
            data_name="Shapes",
            data_description="train 10, test 5 images.",
            test_size=100,
            limits="It knows shapes.",
        ),
    )
    compare(folder, "visual_question_answering_card.md")
    check_by_the_hub(hub, folder, "model")
    assert (folder / "assets" / "glimpses-0.png").is_file()


def test_the_card_of_the_dates(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("hf_attention.hub.dataset.babel_version", "2.18.0")
    row = {"source": "4. März 2005", "target": "2005-03-04", "locale": "de_DE", "alignment": [[0, 4, 8, 12]]}
    data = DatasetDict({split: Dataset.from_list([row] * size) for split, size in (("train", 1200), ("test", 2))})
    write_dates_dataset(str(tmp_path), "user/dates", data)
    compare(tmp_path, "dates_dataset_card.md")
    check_by_the_hub(hub, tmp_path, "dataset")


def test_the_loopback_hub_refuses_invalid_metadata(hub, folder):
    (folder / "README.md").write_text("---\nlanguage: German\n---\n\n# Mine\n")
    content = {"repoType": "model", "content": (folder / "README.md").read_text()}
    assert get_session().post(f"{hub.url}/api/validate-yaml", json=content).status_code == 400
