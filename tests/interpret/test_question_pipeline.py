# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from PIL import Image
from small_question_models import QUESTIONS, save_question_model
from transformers import pipeline

from hf_attention.interpret import VisualQuestionAnsweringWithAttentionPipeline


TASK = "visual-question-answering-with-attention"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_question_model(tmp_path_factory.mktemp("questions"))


@pytest.fixture(scope="module")
def ask(folder):
    return pipeline(TASK, model=str(folder))


def make_image(shade):
    return Image.linear_gradient("L").resize((30, 20)).convert("RGB").point(lambda value: value * shade)


def answer_alone(ask, image, question):
    """Probabilities of the answers and attention, from the parts of the pipeline."""
    pixels = ask.image_processor(image, return_tensors="pt")["pixel_values"]
    ids = ask.tokenizer(question, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        outputs = ask.model(pixels, ids, output_attentions=True)
    return outputs.logits[0].softmax(-1), outputs.attentions[0].view(2, 3, 4)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_answers_scores_and_attention_are_those_of_the_model(ask, batch_size):
    assert type(ask) is VisualQuestionAnsweringWithAttentionPipeline
    pairs = [(make_image(shade), question) for shade, question in zip((1, 0.3), QUESTIONS)]
    inputs = [{"image": image, "question": question} for image, question in pairs]
    for results, (image, question) in zip(ask(inputs, batch_size=batch_size, top_k=5), pairs, strict=True):
        scores, attention = answer_alone(ask, image, question)
        order = scores.argsort(descending=True).tolist()
        assert [result["answer"] for result in results] == [["yes", "no", "circle"][index] for index in order]
        assert [result["score"] for result in results] == pytest.approx(scores[order].tolist(), abs=1e-5)
        torch.testing.assert_close(torch.tensor(results[-1]["attention"]), attention)


def test_an_image_and_a_question_may_be_two_arguments_and_the_image_a_path(ask, tmp_path):
    image = make_image(0.7)
    image.save(tmp_path / "image.png")
    (result,) = ask(str(tmp_path / "image.png"), QUESTIONS[0], return_attention=False)
    assert set(result) == {"answer", "score"}
    assert result["score"] == pytest.approx(float(answer_alone(ask, image, QUESTIONS[0])[0].max()), abs=1e-5)
    assert ask([]) == []


@pytest.mark.parametrize(
    "inputs, options, message",
    [
        ((make_image(1),), {}, "A question must be a string that is not empty, got None"),
        ((make_image(1), " "), {}, "A question must be a string that is not empty, got ' '"),
        (([{"image": make_image(1), "question": 3}],), {}, "got 3 at position 0"),
        (
            ({"image": make_image(1)},),
            {},
            "Pass an image and a question, or dicts of `image` and `question`, got {'im",
        ),
        ((3, "red?"), {}, "Pass an image and a question, or dicts of `image` and `question`, got 3"),
        ((make_image(1), QUESTIONS[0]), {"top_k": 0}, "`top_k` must be a number of answers of 1 or more, got 0"),
        ((make_image(1), QUESTIONS[0]), {"topk": 2}, "The pipeline has no option 'topk'"),
    ],
)
def test_bad_input_is_named_in_the_error(ask, inputs, options, message):
    with pytest.raises(ValueError, match=message):
        ask(*inputs, **options)
