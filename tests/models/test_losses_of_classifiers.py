# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The losses of all image classifiers, compared with those of transformers' own ViT."""

import inspect
import sys

import pytest
import torch
from small_classifiers import CLASSIFIERS, make_classifier
from transformers import ViTConfig, ViTForImageClassification

from hf_attention import RecurrentAttentionConfig


FLOATS = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
PROBABILITIES = torch.tensor([[0.3, 0.7, 0.0], [0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])


def vit_loss(logits, labels, problem_type):
    model = ViTForImageClassification(ViTConfig(num_labels=logits.shape[1], problem_type=problem_type))
    return model.loss_function(labels, logits, model.config)


@pytest.mark.parametrize("name", ["compact_vit", "attention_cnn"])
@pytest.mark.parametrize(
    "num_labels, labels, problem_type",
    [
        (3, torch.tensor([0, 2, 1]), None),
        (3, FLOATS, None),
        (3, PROBABILITIES, None),
        (1, torch.tensor([0.5, -2.0, 1.0]), None),
        (3, FLOATS, "regression"),
        (3, FLOATS, "multi_label_classification"),
    ],
)
def test_loss_is_that_of_any_transformers_classifier(name, num_labels, labels, problem_type):
    model, images = make_classifier(name, num_labels=num_labels, problem_type=problem_type)
    outputs = model(images, labels=labels)
    torch.testing.assert_close(outputs.loss, vit_loss(outputs.logits, labels, problem_type))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_floats_are_class_probabilities_if_the_config_asks_for_it(name):
    model, images = make_classifier(name, problem_type="single_label_classification")
    outputs = model(images, labels=PROBABILITIES)
    expected = -(PROBABILITIES * outputs.logits.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(outputs.loss, expected)
    for labels in (FLOATS, -PROBABILITIES, PROBABILITIES * torch.nan):
        with pytest.raises(ValueError, match="negative or a row does not sum to 1"):
            model(images, labels=labels)


@pytest.mark.parametrize("problem_type", ["regression", "multi_label_classification"])
def test_recurrent_attention_refuses_what_its_reward_does_not_know(tmp_path, problem_type):
    message = f"`problem_type` must be 'single_label_classification', got '{problem_type}'"
    with pytest.raises(Exception, match=message):
        RecurrentAttentionConfig(problem_type=problem_type)
    model, _ = make_classifier("recurrent_attention")
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=message):
        type(model).from_pretrained(tmp_path, problem_type=problem_type)


def test_labels_of_recurrent_attention_have_one_class_per_image():
    model, images = make_classifier("recurrent_attention")
    with pytest.raises(ValueError, match=r"class indices of shape \(3,\), or their probabilities of shape \(3, 3\)"):
        model(images, labels=torch.tensor([0.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match=r"got torch.int64 of shape \(3, 3\)"):
        model(images, labels=FLOATS.long())


def test_families_have_the_same_check_of_probabilities():
    models = [make_classifier(name)[0] for name in CLASSIFIERS]
    assert len({inspect.getsource(sys.modules[type(model).__module__].check_probabilities) for model in models}) == 1


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_config_may_ask_for_tuples(name):
    model, images = make_classifier(name)
    labels = torch.tensor([0, 2, 1])
    expected = model(images, labels=labels).to_tuple()
    model.config.return_dict = False
    outputs = model(images, labels=labels)
    assert type(outputs) is tuple
    assert torch.equal(outputs[0], expected[0])
    assert torch.equal(outputs[1], expected[1])
