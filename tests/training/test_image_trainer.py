# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from transformers import TrainerCallback, TrainerState, TrainingArguments, ViTConfig, ViTForImageClassification

from hf_attention import (
    AttentionCnnConfig,
    AttentionCnnForImageClassification,
    CompactVitConfig,
    CompactVitForImageClassification,
    RecurrentAttentionConfig,
    RecurrentAttentionForImageClassification,
)
from hf_attention.data.augmentation import ImageAugmentation
from hf_attention.training.image_trainer import EMA_FILE, ImageClassificationTrainer, classification_loss


def make_model(**options):
    torch.manual_seed(0)
    sizes = {"image_size": 8, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "num_labels": 3}
    still = {"attention_probs_dropout_prob": 0.0, "drop_path_rate": 0.0, "intermediate_size": 8}
    return CompactVitForImageClassification(CompactVitConfig(**{**sizes, **still, **options}))


def make_rows(count=12):
    torch.manual_seed(1)
    return [{"pixel_values": torch.rand(3, 8, 8), "labels": index % 3} for index in range(count)]


def make_trainer(tmp_path, model=None, **kwargs):
    names = ("augmentation", "mix_epochs", "ema_decay", "eval_dataset", "compute_metrics")
    own = {name: kwargs.pop(name) for name in names if name in kwargs}
    options = {"max_steps": 4, "per_device_train_batch_size": 4, "report_to": "none", "disable_tqdm": True}
    options |= {"use_cpu": True, "remove_unused_columns": False, "save_steps": 2, "learning_rate": 0.01}
    arguments = TrainingArguments(output_dir=str(tmp_path / "run"), **{**options, **kwargs})
    return ImageClassificationTrainer(model or make_model(), arguments, train_dataset=make_rows(), **own)


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


def make_cnn():
    """With batch norms, whose statistics belong to the weights."""
    torch.manual_seed(0)
    config = AttentionCnnConfig(image_size=8, hidden_sizes=[4], depths=[1], num_labels=3)
    return AttentionCnnForImageClassification(config)


class Recorder(TrainerCallback):
    """Keeps the weights after each step, and at the end the averaged ones and those around them."""

    def __init__(self, trainer):
        self.trainer, self.steps = trainer, []

    def weights(self):
        state = self.trainer.model.state_dict()
        return {name: value.clone() for name, value in state.items() if value.is_floating_point()}

    def on_step_end(self, args, state, control, **kwargs):
        self.steps.append(self.weights())

    def on_train_end(self, args, state, control, **kwargs):
        with self.trainer.averaged_weights():
            self.averaged = self.weights()
        self.restored = self.weights()


@pytest.mark.parametrize("make", [make_model, make_cnn])
def test_the_average_follows_its_recursion(make, tmp_path):
    trainer = make_trainer(tmp_path, make(), ema_decay=0.7, max_steps=5)
    recorder = Recorder(trainer)
    trainer.add_callback(recorder)
    trainer.train()
    expected = recorder.steps[0]
    for weights in recorder.steps[1:]:
        expected = {name: 0.7 * value + 0.3 * weights[name] for name, value in expected.items()}
    torch.testing.assert_close(recorder.averaged, expected)
    torch.testing.assert_close(recorder.restored, recorder.steps[-1], rtol=0, atol=0)
    torch.testing.assert_close(recorder.weights(), expected)  # what training leaves in the model


def test_a_resumed_average_equals_an_uninterrupted_one(tmp_path):
    uninterrupted = make_trainer(tmp_path / "one", ema_decay=0.7, max_steps=4, lr_scheduler_type="constant")
    uninterrupted.train()
    make_trainer(tmp_path / "two", ema_decay=0.7, max_steps=2, lr_scheduler_type="constant").train()
    checkpoint = str(tmp_path / "two" / "run" / "checkpoint-2")
    resumed = make_trainer(tmp_path / "two", ema_decay=0.7, max_steps=4, lr_scheduler_type="constant")
    resumed.train(resume_from_checkpoint=checkpoint)
    torch.testing.assert_close(uninterrupted.model.state_dict(), resumed.model.state_dict())


def test_a_checkpoint_without_an_average_is_an_error(tmp_path):
    make_trainer(tmp_path, max_steps=2).train()
    checkpoint = str(tmp_path / "run" / "checkpoint-2")
    with pytest.raises(ValueError, match="`ema_decay` is set, but .* has no averaged_weights.pt"):
        make_trainer(tmp_path, ema_decay=0.7).train(resume_from_checkpoint=checkpoint)


def test_no_checkpoint_is_complete_without_its_average(tmp_path, monkeypatch):
    """The state, which a complete checkpoint has, is written after the average."""
    trainer = make_trainer(tmp_path, ema_decay=0.7, max_steps=2)

    def stop(self, file):
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainerState, "save_to_json", stop)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    (checkpoint,) = (tmp_path / "run").glob("checkpoint-*")
    assert (checkpoint / EMA_FILE).is_file()
    assert not (checkpoint / "trainer_state.json").exists()


def test_the_average_of_the_best_checkpoint_is_loaded(tmp_path):
    scores = [0.9, 0.1]
    trainer = make_trainer(
        tmp_path,
        ema_decay=0.7,
        eval_strategy="steps",
        eval_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="score",
        eval_dataset=make_rows(),
        compute_metrics=lambda prediction: {"score": scores.pop(0)},
    )
    trainer.train()
    best, last = (torch.load(tmp_path / "run" / f"checkpoint-{step}" / EMA_FILE, weights_only=True) for step in (2, 4))
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, best[f"module.{name}"])
    assert not torch.equal(last["module.classifier.weight"], best["module.classifier.weight"])


def test_an_ema_decay_outside_0_to_1_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="`ema_decay` must lie between 0 and 1, got 1.5"):
        make_trainer(tmp_path, ema_decay=1.5)


@pytest.mark.parametrize("bf16", [False, True])
def test_every_training_with_a_new_model_has_its_own_average(tmp_path, bf16):
    """As in a hyperparameter search, whose models may differ in size."""
    sizes = iter([8, 8, 16, 8])  # the trainer makes one when it is created

    def model_init():
        return make_model(hidden_size=next(sizes))

    options = {"max_steps": 3, "per_device_train_batch_size": 4, "report_to": "none", "disable_tqdm": True}
    options |= {"use_cpu": True, "bf16": bf16, "remove_unused_columns": False, "save_strategy": "no"}
    arguments = TrainingArguments(output_dir=str(tmp_path), **options)
    trainer = ImageClassificationTrainer(
        args=arguments, model_init=model_init, train_dataset=make_rows(), ema_decay=0.7
    )
    states = []
    for _ in range(3):
        trainer.train()
        states.append({name: value.clone() for name, value in trainer.model.state_dict().items()})
    assert states[1]["classifier.weight"].shape == (3, 16)
    torch.testing.assert_close(states[2], states[0], rtol=0, atol=0)


def test_a_training_after_a_resumed_one_starts_anew(tmp_path):
    trainer = make_trainer(tmp_path, ema_decay=0.7, max_steps=4)
    trainer.train()
    trainer.train(resume_from_checkpoint=True)  # the last checkpoint, with its average
    assert trainer.first_step == 4
    output = trainer.train()
    assert trainer.first_step == 0
    assert output.global_step == 4
    assert trainer.state.epoch == pytest.approx(4 / 3)


def test_a_model_of_another_problem_type_is_refused(tmp_path):
    config = AttentionCnnConfig(image_size=8, hidden_sizes=[4], depths=[1], problem_type="multi_label_classification")
    with pytest.raises(ValueError, match="`config.problem_type` is 'multi_label_classification', but this trainer"):
        ImageClassificationTrainer(AttentionCnnForImageClassification(config), TrainingArguments(str(tmp_path)))
