# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import math
import time

import pytest
import torch
from small_images import make_rows, make_trainer
from transformers import TrainerCallback

from hf_attention.training import run_totals
from hf_attention.training.time_limit import TimeLimit


class Clock(TrainerCallback):
    """A clock that each step moves on by a second, and that records the learning rates of the steps."""

    def __init__(self, monkeypatch):
        self.now, self.rates = 0.0, []
        monkeypatch.setattr(run_totals.time, "perf_counter", lambda: self.now)

    def on_step_begin(self, args, state, control, **kwargs):
        self.rates.append(kwargs["optimizer"].param_groups[0]["lr"])
        self.now += 1

    def on_evaluate(self, args, state, control, **kwargs):
        self.now += 2


def test_the_schedule_runs_down_within_the_limit(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    trainer = make_trainer(
        tmp_path, max_steps=1000, time_limit=10, lr_scheduler_type="cosine", save_strategy="no", callbacks=[clock]
    )
    output = trainer.train()
    assert output.global_step == 10
    expected = [0.005 * (1 + math.cos(math.pi * second / 10)) for second in range(10)]
    assert clock.rates == pytest.approx(expected, rel=0.01)


def test_steps_run_the_schedule_down_if_they_are_faster_than_the_clock(tmp_path):
    trainer = make_trainer(tmp_path, max_steps=4, time_limit=1000, save_strategy="no")
    scheduler = make_trainer(tmp_path, max_steps=4, save_strategy="no")
    assert trainer.train().global_step == 4
    scheduler.train()
    assert trainer.lr_scheduler.get_last_lr() == scheduler.lr_scheduler.get_last_lr() == [0.0, 0.0]
    torch.testing.assert_close(trainer.model.state_dict(), scheduler.model.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("strategy", ["steps", "epoch"])
def test_the_last_model_is_evaluated_once_and_saved(tmp_path, monkeypatch, strategy):
    clock = Clock(monkeypatch)
    options = {"eval_strategy": strategy, "save_strategy": strategy, "eval_steps": 3, "save_steps": 3}
    trainer = make_trainer(
        tmp_path, max_steps=1000, time_limit=7, eval_dataset=make_rows(), callbacks=[clock], **options
    )
    trainer.train()
    # a step takes one second, an evaluation two; an epoch has three steps
    evaluated = [entry["step"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert evaluated == [3, 5]
    assert trainer.state.global_step == 5
    assert (tmp_path / "run" / "checkpoint-5").is_dir()


def test_a_resumed_run_has_the_rest_of_the_time(tmp_path, monkeypatch):
    first = make_trainer(tmp_path, max_steps=6, save_steps=6, callbacks=[Clock(monkeypatch)])
    first.train()
    checkpoint = str(tmp_path / "run" / "checkpoint-6")
    resumed = make_trainer(tmp_path, max_steps=1000, time_limit=10, save_steps=500, callbacks=[Clock(monkeypatch)])
    assert resumed.train(checkpoint).global_step == 10
    finished = make_trainer(tmp_path, max_steps=1000, time_limit=6, callbacks=[Clock(monkeypatch)])
    assert finished.train(checkpoint).global_step == 6  # nothing is left


def test_a_schedule_that_follows_a_metric_ends_too(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    options = {"lr_scheduler_type": "reduce_lr_on_plateau", "eval_strategy": "steps", "eval_steps": 2}
    trainer = make_trainer(
        tmp_path,
        max_steps=100,
        time_limit=4,
        eval_dataset=make_rows(),
        callbacks=[clock],
        save_strategy="no",
        **options,
    )
    assert trainer.train().global_step < 5


def test_real_time_ends_training(tmp_path):
    begin = time.perf_counter()
    trainer = make_trainer(tmp_path, max_steps=10**9, time_limit=0.2, save_strategy="no")
    trainer.train()
    assert time.perf_counter() > begin + 0.2
    assert trainer.lr_scheduler.get_last_lr()[0] < 0.01


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_a_limit_that_is_not_positive_is_an_error(tmp_path, seconds):
    with pytest.raises(ValueError, match="`time_limit` must be a positive number of seconds"):
        TimeLimit(make_trainer(tmp_path), seconds)
