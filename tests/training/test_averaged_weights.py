# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from small_images import make_cnn, make_model, make_rows, make_trainer
from transformers import TrainerCallback, TrainerState, TrainingArguments

from hf_attention.training.averaged_weights import EMA_FILE
from hf_attention.training.image_trainer import ImageClassificationTrainer


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
        with self.trainer.average.applied():
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
