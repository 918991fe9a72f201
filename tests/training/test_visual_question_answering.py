# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import numpy as np
import pytest
import torch
from small_runs import SMALL_QUESTIONS as SMALL
from train_visual_question_answering import train
from transformers import AutoModelForVisualQuestionAnswering, AutoTokenizer
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention import CompactVitImageProcessorPil
from hf_attention.data.images import open_image
from hf_attention.data.sort_of_clevr import list_answers, load_sort_of_clevr
from hf_attention.training.visual_question_answering import ImageQuestions, measure_pointing


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "questions"
    return folder, train(["sort-of-clevr", "--output_dir", str(folder), "--language", "ko", *SMALL])


def load_parts(folder):
    model = AutoModelForVisualQuestionAnswering.from_pretrained(folder).eval()
    return model, AutoTokenizer.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)


def test_the_metrics_are_those_of_the_saved_model_question_by_question(small_run):
    folder, results = small_run
    assert json.loads((folder / "all_results.json").read_text()) == results
    model, tokenizer, image_processor = load_parts(folder)
    assert type(image_processor) is CompactVitImageProcessorPil
    right: dict[str, list[bool]] = {"relational": [], "non-relational": []}
    inside: list[list[bool]] = []
    for row in load_sort_of_clevr({"test": 7}, language="ko")["test"]:
        image = image_processor(open_image(row["image"], mode="RGB"), return_tensors="pt")["pixel_values"]
        question = tokenizer(row["question"], return_tensors="pt", return_token_type_ids=False)
        with torch.no_grad():
            outputs = model(image, **question, output_attentions=True)
        answer = model.config.id2label[int(outputs.logits.argmax())]
        right[row["kind"]].append(answer == row["answer"])
        if row["kind"] == "non-relational":
            left, top, right_edge, bottom = row["box"]
            maps = outputs.attentions[0][0, 0].view(2, 8, 8)
            centers = [
                [sum(float(weights.sum(axis)[i]) * (8 * i + 4) for i in range(8)) for axis in (0, 1)]
                for weights in maps
            ]
            inside.append([left <= x <= right_edge and top <= y <= bottom for x, y in centers])
    assert results["test_accuracy_relational"] == pytest.approx(np.mean(right["relational"]))
    assert results["test_accuracy_non_relational"] == pytest.approx(np.mean(right["non-relational"]))
    shares = np.mean(inside, axis=0)
    assert [results["test_pointing_1"], results["test_pointing_2"]] == pytest.approx(shares)
    assert results["test_pointing"] == pytest.approx(shares.max())


def test_training_stops_without_a_better_metric(tmp_path):
    options = ["--eval_strategy", "steps", "--eval_steps", "1", "--max_steps", "9", "--early_stopping_patience", "2"]
    options += ["--learning_rate", "1e-30", "--logging_steps", "1", "--metric_for_best_model", "accuracy"]
    train(["sort-of-clevr", "--output_dir", str(tmp_path), *SMALL, *options])
    assert json.loads((tmp_path / "trainer_state.json").read_text())["global_step"] == 3


def test_pointing_is_perfect_where_attention_is_on_the_object(small_run):
    model, tokenizer, image_processor = load_parts(small_run[0])
    rows = load_sort_of_clevr({"test": 3}, language="ko")["test"]
    data = ImageQuestions(rows, list_answers("ko"), image_processor, tokenizer, 20)
    corners = data.boxes[..., None, :2]
    grid = np.stack(np.meshgrid(*[np.arange(8) * 8 + 4] * 2), axis=-1).reshape(-1, 2)
    # the token whose center is nearest to the object's; at most 4 pixels away, and the box has 10
    nearest = torch.from_numpy(np.abs(grid - corners - 5).max(axis=-1).argmin(axis=-1))

    def look(*inputs, **options):
        weights = torch.nn.functional.one_hot(nearest, 64).float()
        return type("Outputs", (), {"attentions": (weights[:, :, None, None],)})

    model.forward = look
    assert measure_pointing(model, data)["pointing"] == 1
    assert measure_pointing(model, data)["pointing_by_chance"] < 1


@pytest.mark.parametrize(
    "options, message",
    [
        (["--config_overrides", "num_labels=3"], "`num_labels` comes from the tokenizer or the data"),
        (["--config_overrides", "num_glimses=3"], "did you mean num_glimpses"),
        (["--language", "fr"], "argument --language: invalid choice: 'fr'"),
        (["--num_test_images", "0"], "`sizes` must be above 0, got 0"),
        (["--do_train", "false"], "leave out `do_train`"),
    ],
)
def test_options_that_do_not_fit_are_named(options, message, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(ValueError, match=message):
        train([*SMALL[:-2], "--output_dir", str(folder), *options])
    assert not folder.exists()


def test_a_folder_with_another_run_is_not_overwritten(small_run):
    with pytest.raises(ValueError, match="holds another run"):
        train(["sort-of-clevr", "--output_dir", str(small_run[0]), *SMALL])
