# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What both recipes add to the `Trainer`: resuming a finished run, and the share of time spent waiting for data."""

import os
import time

from transformers import Trainer, TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import TrainOutput


class DataWaitCallback(TrainerCallback):
    """
    Measures the share of training time that any `Trainer` spends waiting for its next batch.

    The wait lasts from the end of a step (or of the logging, evaluation and saving after it) to the start of the next.
    Without workers it is the data loader's work; with workers it includes their start. On a GPU, which continues
    working during the wait, it is an upper bound.
    """

    def __init__(self) -> None:
        self.waited = self.worked = 0.0
        self.mark = 0.0

    @property
    def share(self) -> float:
        """The wait divided by the sum of wait and steps, from 0 to 1; 0 before the first step."""
        total = self.waited + self.worked
        return self.waited / total if total else 0.0

    def start_waiting(self, args, state, control, **kwargs) -> None:
        self.mark = time.perf_counter()

    on_epoch_begin = on_log = on_evaluate = on_save = start_waiting

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        now = time.perf_counter()
        self.waited += now - self.mark
        self.mark = now

    def on_step_end(self, args, state, control, **kwargs) -> None:
        now = time.perf_counter()
        self.worked += now - self.mark
        self.mark = now


class RecipeTrainer(Trainer):
    """
    A `Trainer` that trains no further when it resumes from the last checkpoint of a finished run. transformers' does
    one more step, and would replace the run's metrics by that step's.
    """

    first_step = 0  # the global step of the checkpoint that training resumes from

    def __init__(self, *args, callbacks: list[TrainerCallback] | None = None, **kwargs) -> None:
        self.data_wait = DataWaitCallback()
        super().__init__(*args, callbacks=[self.data_wait, *(callbacks or [])], **kwargs)

    def train(self, resume_from_checkpoint: str | bool | None = None, *args, **kwargs) -> TrainOutput:
        if isinstance(resume_from_checkpoint, str):
            self.first_step = read_step(resume_from_checkpoint)
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def set_initial_training_values(self, args, dataloader):
        epochs, steps_per_epoch, *others, max_steps = super().set_initial_training_values(args, dataloader)
        if self.first_step >= max_steps:
            epochs = self.first_step // steps_per_epoch
        return epochs, steps_per_epoch, *others, max_steps

    def save_train_metrics(self, output: TrainOutput) -> None:
        """Saves the metrics of training as `train_*`. If the run had already finished, its own metrics stay."""
        if output.global_step > self.first_step:
            share = {"train_loader_share": round(self.data_wait.share, 4)}
            self.save_metrics("train", {**output.metrics, **share})
        elif not os.path.isfile(os.path.join(str(self.args.output_dir), "all_results.json")):
            self.save_metrics("train", {"epoch": self.state.epoch})

    def report_metrics(self, split: str, metrics: dict) -> None:
        """Logs the metrics of `split` and saves them in the output folder."""
        self.log_metrics(split, metrics)
        self.save_metrics(split, metrics)


def read_step(checkpoint: str) -> int:
    """Returns the checkpoint's global step."""
    return TrainerState.load_from_json(os.path.join(checkpoint, TRAINER_STATE_NAME)).global_step


__all__ = ["DataWaitCallback", "RecipeTrainer"]
