# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from hf_attention.training import recipe_trainer
from hf_attention.training.recipe_trainer import DataWaitCallback


class Clock:
    """Time passes only where the test spends it, so that shares are exact on any machine."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Data(torch.utils.data.Dataset):
    def __init__(self, clock: Clock):
        self.clock = clock

    def __len__(self):
        return 12

    def __getitem__(self, index):
        self.clock.now += 1
        return {"x": torch.ones(2)}


class Model(nn.Module):
    def __init__(self, clock: Clock):
        super().__init__()
        self.clock = clock
        self.map = nn.Linear(2, 1)

    def forward(self, x):
        self.clock.now += 3
        return {"loss": self.map(x).mean()}


class SlowSaving(TrainerCallback):
    def __init__(self, clock: Clock):
        self.clock = clock

    def on_save(self, args, state, control, **kwargs):
        self.clock.now += 100


@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("saves", ["no", "steps"])
def test_only_waiting_for_data_counts_as_waiting(tmp_path, monkeypatch, saves, accumulation):
    clock, data_wait = Clock(), DataWaitCallback()
    monkeypatch.setattr(recipe_trainer, "time", clock)
    args = TrainingArguments(
        tmp_path,
        num_train_epochs=2,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=accumulation,
        save_strategy=saves,
        save_steps=1,
        logging_steps=1,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    callbacks = [SlowSaving(clock), data_wait]
    Trainer(Model(clock), args, train_dataset=Data(clock), callbacks=callbacks).train()
    assert (data_wait.waited, data_wait.worked) == (2 * 12 * 1, 2 * 6 * 3)
    assert data_wait.share == pytest.approx(24 / 60)


def test_before_the_first_step_nothing_was_waited_for():
    assert DataWaitCallback().share == 0  # NaN is not valid JSON
