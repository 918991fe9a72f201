# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Bad images, questions and folders of models that answer questions about images: each is named, with the remedy."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, pipeline

from hf_attention import (
    CompactVitImageProcessorPil,
    StackedAttentionConfig,
    StackedAttentionForVisualQuestionAnswering,
)
from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.hub import export_onnx, publish_model
from hf_attention.interpret import answer_to_reading


TASK, WEIGHTS, BIAS = "visual-question-answering-with-attention", "model.safetensors", "classifier.bias"


@pytest.fixture
def folder(tmp_path) -> Path:
    tokenizer = train_tokenizer(["Is it red?"], model_type="word")
    ids = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    sizes = {"image_size": 8, "conv_channels": [4, 4], "hidden_size": 8, "attention_size": 4}
    model = StackedAttentionForVisualQuestionAnswering(
        StackedAttentionConfig(id2label={0: "yes", 1: "no"}, **ids, **sizes)
    )
    image_processor = CompactVitImageProcessorPil(size={"height": 8, "width": 8})
    for part in (model, tokenizer, image_processor):
        part.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_images_of_any_mode_are_answered(folder, mode):
    image = Image.new("L", (9, 7), 90) if mode == "I;16" else Image.new("RGB", (9, 7)).convert(mode)
    (answer,) = pipeline(TASK, model=str(folder))(image.convert(mode), "Is it red?")
    assert answer["answer"] in ("yes", "no")


@pytest.mark.parametrize("question", ["", " ", "\u2003", None, 3, b"red?", ["red?"]], ids=repr)
def test_what_is_not_a_question_is_refused(folder, question):
    ask, image = pipeline(TASK, model=str(folder)), Image.new("RGB", (8, 8))
    with pytest.raises(ValueError, match="A question must be a string that is not empty, got .* at position 1"):
        ask([{"image": image, "question": "Is it red?"}, {"image": image, "question": question}])


def test_an_image_that_cannot_be_read_is_named(folder):
    with pytest.raises((ValueError, OSError), match="missing.png"):
        pipeline(TASK, model=str(folder))("missing.png", "Is it red?")


def test_a_token_that_the_model_does_not_have_is_named(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer is not None
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ValueError, match=r"The tokenizer makes id \d+ of '<new>', but the model has \d+ embeddings"):
        pipeline(TASK, model=str(folder))(Image.new("RGB", (8, 8)), "Is it <new>?")


def test_an_answer_without_attention_is_not_plotted(folder):
    (answer,) = pipeline(TASK, model=str(folder))(Image.new("RGB", (8, 8)), "Is it red?", return_attention=False)
    with pytest.raises(ValueError, match="has no `attention`. Call the pipeline without `return_attention=False`"):
        answer_to_reading(Image.new("RGB", (8, 8)), "Is it red?", answer)


def without_bias(weights):
    del weights[BIAS]


def with_nan(weights):
    weights[BIAS].fill_(torch.nan)


def with_another_shape(weights):
    weights[BIAS] = torch.zeros(3)


def with_extra(weights):
    weights["extra"] = torch.zeros(1)


DAMAGES = [
    (without_bias, f"{WEIGHTS} lacks {BIAS}, which Stacked"),
    (with_nan, f"not finite .*{BIAS}"),
    (with_another_shape, f"of another shape .*{BIAS}"),
    (with_extra, f"{WEIGHTS} holds extra, which Stacked"),
]
ENTRIES = {
    "publish": lambda folder: publish_model(folder, "alice/small", dry_run=True),
    "pipeline": lambda folder: pipeline(TASK, model=str(folder)),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("damage, words", DAMAGES)
def test_damaged_weights_are_refused(folder, damage, words, entry):
    weights = load_file(folder / WEIGHTS)
    damage(weights)
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    with pytest.raises(ValueError, match=words) as raised:
        ENTRIES[entry](folder)
    assert str(folder) in str(raised.value)


@pytest.mark.parametrize("name", [WEIGHTS, "preprocessor_config.json"])
def test_missing_files_are_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises((ValueError, OSError), match=str(folder)):
        pipeline(TASK, model=str(folder))(Image.new("RGB", (8, 8)), "Is it red?")


def test_export_says_which_models_it_takes(folder):
    with pytest.raises(ValueError, match="type `stacked_attention`; only `bahdanau` .* image classifiers, can be exp"):
        export_onnx(folder)
    assert not (folder / "onnx").exists()
