# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from datasets import Dataset
from small_images import make_cnn, make_model, make_rows, make_trainer
from transformers import CLIPConfig, CLIPForImageClassification, ViTConfig, ViTForImageClassification

from hf_attention import (
    RecurrentAttentionConfig,
    RecurrentAttentionForImageClassification,
)
from hf_attention.data.augmentation import ImageAugmentation
from hf_attention.training.image_trainer import balanced_weights, classification_loss


def test_the_loss_takes_classes_and_probabilities():
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.3, 0.1]])
    log_probs = logits - logits.exp().sum(dim=1, keepdim=True).log()
    hard = -(log_probs[0, 2] + log_probs[1, 0])
    outputs = {"logits": logits}
    assert classification_loss(outputs, torch.tensor([2, 0])) == pytest.approx(float(hard / 2))
    assert classification_loss(outputs, torch.tensor([2, 0]), torch.tensor(5)) == pytest.approx(float(hard / 5))
    soft = torch.tensor([[0.5, 0.2, 0.3], [0.0, 1.0, 0.0]])
    assert classification_loss(outputs, soft) == pytest.approx(float(-(soft * log_probs).sum() / 2))


@pytest.mark.parametrize("augmented", [False, True])
def test_accumulated_gradients_are_those_of_one_large_batch(tmp_path, augmented):
    states = []
    for batch_size, accumulation in ((12, 1), (4, 3)):
        augmentation = ImageAugmentation(8, 3, [0.5] * 3, [0.5] * 3, label_smoothing=0.1) if augmented else None
        trainer = make_trainer(
            tmp_path,
            per_device_train_batch_size=batch_size,
            gradient_accumulation_steps=accumulation,
            max_steps=2,
            optim="sgd",
            augmentation=augmentation,
        )
        trainer.train()
        states.append(trainer.model.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], atol=1e-6, rtol=1e-5)


def test_augmentation_is_for_training_alone(tmp_path):
    seen = []

    class Watch(ImageAugmentation):
        def forward(self, pixel_values, labels):
            seen.append((len(labels), self.mix))
            return super().forward(pixel_values, labels)

    augmentation = Watch(8, 3, [0.5] * 3, [0.5] * 3, mixup_alpha=0.8)
    trainer = make_trainer(tmp_path, augmentation=augmentation, mix_epochs=1.0, max_steps=6)  # two epochs of three
    trainer.train()
    assert seen == [(4, True)] * 3 + [(4, False)] * 3
    seen.clear()
    trainer.evaluate(make_rows())
    assert not seen


@pytest.mark.parametrize("make", [make_model, make_cnn])
def test_first_epochs_may_have_small_images(tmp_path, make):
    model, sizes = make(), []
    augmentation = ImageAugmentation(8, 3, [0.5] * 3, [0.5] * 3)
    options = {"small_image_size": 6, "small_epochs": 1.0, "max_steps": 6}  # two epochs of three steps
    trainer = make_trainer(tmp_path, model, augmentation=augmentation, **options)
    model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append((module.training, *kwargs["pixel_values"].shape[2:])),
        with_kwargs=True,
    )
    trainer.train()
    trainer.evaluate(make_rows(4))
    assert sizes == [(True, 6, 6)] * 3 + [(True, 8, 8)] * 3 + [(False, 8, 8)]


def make_clip():
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    return CLIPForImageClassification(CLIPConfig(vision_config={**sizes, "image_size": 8, "patch_size": 2}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_model(tokenizer_type="patch"), "2 x 2 pixels is smaller than a patch"),
        (make_clip, "doesn't match model"),
    ],
)
def test_a_model_that_cannot_take_small_images_is_refused_before_training(tmp_path, make, message):
    with pytest.raises(ValueError, match=rf"`small_image_size` = 2, but .* cannot take such images: .*{message}"):
        make_trainer(tmp_path, make(), small_image_size=2, small_epochs=1.0)


def test_only_the_augmentation_smooths_labels(tmp_path):
    augmentation = ImageAugmentation(8, 3, [0.5] * 3, [0.5] * 3, label_smoothing=0.1)
    trainer = make_trainer(tmp_path, augmentation=augmentation, label_smoothing_factor=0.1)
    assert trainer.label_smoother is None
    assert trainer.args.label_smoothing_factor == 0.1
    assert make_trainer(tmp_path, label_smoothing_factor=0.1).label_smoother is not None


def test_soft_labels_train_any_classifier(tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    vit = ViTForImageClassification(ViTConfig(image_size=8, patch_size=4, num_labels=3, **sizes))
    augmentation = ImageAugmentation(8, 3, [0.5] * 3, [0.5] * 3, cutmix_alpha=1.0)
    trainer = make_trainer(tmp_path, vit, augmentation=augmentation, max_steps=30, learning_rate=0.01)
    loss = trainer.train().training_loss
    assert 0.9 < loss < 1.3  # cross-entropy of three classes; summed binary losses would be about two


@pytest.mark.parametrize("pooling_type", ["sequence", "cls"])
def test_biases_norms_positions_and_learned_tokens_are_not_decayed(tmp_path, pooling_type):
    trainer = make_trainer(tmp_path, make_model(pooling_type=pooling_type))
    decayed = set(trainer.get_decay_parameter_names(trainer.model))
    kept = {name for name, _ in trainer.model.named_parameters()} - decayed
    assert "model.embeddings.position_embeddings" in kept
    assert "classifier.weight" in decayed
    assert ("model.embeddings.cls_token" in kept) == (pooling_type == "cls")
    for name in kept:
        assert "bias" in name or "layernorm" in name or "embeddings.position" in name or "cls_token" in name
    for name in decayed:
        assert name.endswith("weight")
        assert "layernorm" not in name


def test_a_model_may_compute_its_own_loss(tmp_path):
    config = RecurrentAttentionConfig(image_size=8, num_channels=3, glimpse_size=3, num_scales=2, num_labels=3)
    model = RecurrentAttentionForImageClassification(config)
    trainer = make_trainer(tmp_path, model)
    batch = {"pixel_values": torch.rand(4, 3, 8, 8), "labels": torch.tensor([0, 1, 2, 0])}
    model.train()
    torch.manual_seed(0)
    expected = model(**batch).loss
    torch.manual_seed(0)
    loss = trainer.compute_loss(model, dict(batch))
    torch.testing.assert_close(loss, expected)
    assert abs(float(loss - classification_loss(model.eval()(**batch), batch["labels"]))) > 1e-3
    before = model.model.locator.mean.weight.clone()
    trainer.train()
    assert not torch.equal(model.model.locator.mean.weight, before)


def test_a_parameter_that_is_none_is_ignored(tmp_path):
    model = make_model()
    model.pool = torch.nn.MultiheadAttention(8, 2)  # it has `q_proj_weight`, which is None
    assert "pool.in_proj_weight" in make_trainer(tmp_path, model).get_decay_parameter_names(model)


def uneven_rows():
    """Six images of class 0, two of class 1, one of class 2."""
    labels = [0] * 6 + [1] * 2 + [2]
    torch.manual_seed(1)
    return Dataset.from_dict({"pixel_values": torch.rand(9, 3, 8, 8).tolist(), "label": labels}).with_format("torch")


def test_balanced_weights_are_those_of_scikit_learn():
    weights = balanced_weights(np.array([0] * 6 + [1] * 2 + [3]), 4)
    assert weights.tolist() == pytest.approx([9 / (3 * 6), 9 / (3 * 2), 1, 9 / (3 * 1)])


def test_class_weights_multiply_the_terms_of_the_classes():
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 1, 2])
    weights = torch.tensor([0.5, 1.0, 3.0])
    terms = [-weights[label] * logits[row].log_softmax(-1)[label] for row, label in enumerate(labels)]
    expected = torch.stack(terms).mean()
    torch.testing.assert_close(classification_loss({"logits": logits}, labels, class_weights=weights), expected)
    soft = torch.nn.functional.one_hot(labels, 3).float()
    torch.testing.assert_close(classification_loss({"logits": logits}, soft, class_weights=weights), expected)
    items = torch.tensor(8)
    halved = classification_loss({"logits": logits}, soft, num_items_in_batch=items, class_weights=weights)
    torch.testing.assert_close(halved, expected / 2)


def test_class_weights_are_of_training_only(tmp_path):
    trainer = make_trainer(tmp_path, train_dataset=uneven_rows(), class_weights="balanced")
    batch = {"pixel_values": torch.rand(3, 3, 8, 8), "labels": torch.tensor([0, 1, 2])}
    losses = {}
    for is_training in (True, False):
        trainer.model.train(is_training)
        losses[is_training] = float(trainer.compute_loss(trainer.model, dict(batch)))
    logits = trainer.model.eval()(batch["pixel_values"]).logits
    terms = -logits.log_softmax(-1)[range(3), range(3)]
    assert losses[False] == pytest.approx(float(terms.mean()), rel=1e-5)
    assert losses[True] == pytest.approx(float((terms * torch.tensor([0.5, 1.5, 3.0])).mean()), rel=1e-5)


def test_balanced_sampling_draws_all_classes_equally_often(tmp_path):
    trainer = make_trainer(tmp_path, train_dataset=uneven_rows(), balanced_sampling=True)
    sampler = trainer._get_train_sampler()
    labels = uneven_rows()["label"]
    counts = torch.zeros(3)
    orders = []
    for epoch in range(200):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
        for index in orders[-1]:
            counts[labels[index]] += 1
    assert (counts / counts.sum()).tolist() == pytest.approx([1 / 3] * 3, abs=0.04)
    sampler.set_epoch(7)
    assert list(sampler) == orders[7]


def test_evaluation_averages_an_image_and_its_mirror_image(tmp_path):
    trainer = make_trainer(tmp_path, mirrors=True)
    batch = {"pixel_values": torch.rand(2, 3, 8, 8), "labels": torch.tensor([0, 1])}
    _, logits, _ = trainer.prediction_step(trainer.model, batch, prediction_loss_only=False)
    model = trainer.model.eval()
    with torch.no_grad():
        expected = [model(batch["pixel_values"].flip(-1) if flip else batch["pixel_values"]).logits for flip in (0, 1)]
    torch.testing.assert_close(logits, sum(expected) / 2)
    assert not torch.allclose(expected[0], expected[1])


def test_only_the_head_of_a_frozen_model_changes(tmp_path):
    model = make_cnn()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    make_trainer(tmp_path, model, freezes=True).train()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_a_model_with_its_own_loss_has_no_class_weights(tmp_path):
    model = make_model()
    model.makes_own_loss = True
    with pytest.raises(ValueError, match="computes its own loss, without `class_weights`"):
        make_trainer(tmp_path, model, train_dataset=uneven_rows(), class_weights="balanced")
