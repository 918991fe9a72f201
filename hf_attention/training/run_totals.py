# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Time and loss of a run in all its parts: a checkpoint has those of the steps before it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from transformers import TrainerCallback, TrainerState
from transformers.trainer_utils import TrainOutput


if TYPE_CHECKING:
    from .recipe_trainer import RecipeTrainer


KEY = "run_totals"  # in a trainer state
PARTIAL = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss")


class RunTotals(TrainerCallback):
    """
    Adds up the training time, the loss and the wait for data of a run that resumes. Work that was lost, since it came
    after the last checkpoint, does not count.
    """

    def __init__(self, trainer: RecipeTrainer) -> None:
        self.trainer = trainer
        self.earlier: dict[str, float] = {}  # sums over the parts before this one
        self.begin = 0.0

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.earlier = self.read(state)
        self.begin = time.perf_counter()
        data_wait = self.trainer.data_wait
        data_wait.waited, data_wait.worked = self.earlier.get("waited", 0.0), self.earlier.get("worked", 0.0)

    @staticmethod
    def read(state: TrainerState) -> dict[str, float]:
        """Returns the sums of a checkpoint with this state."""
        saved: dict = state.stateful_callbacks or {}  # ty: ignore[invalid-assignment]  # a list only when it is made
        return dict(saved.get(KEY, {}))

    @property
    def runtime(self) -> float:
        """Seconds of training, up to now."""
        return self.earlier.get("runtime", 0.0) + time.perf_counter() - self.begin

    def store(self) -> None:
        """Puts the sums up to now into the trainer's state, which is about to be saved."""
        trainer = self.trainer
        if trainer.first_step and not self.earlier:  # of a checkpoint without sums: they stay unknown
            return
        sums = {
            "runtime": self.runtime,
            "loss": self.earlier.get("loss", 0.0) + trainer._total_loss_scalar + trainer._tr_loss.item(),
            "waited": trainer.data_wait.waited,
            "worked": trainer.data_wait.worked,
        }
        state: dict = trainer.state.stateful_callbacks  # ty: ignore[invalid-assignment]  # it is one when training begins
        state[KEY] = sums

    def complete(self, output: TrainOutput) -> TrainOutput:
        """
        Returns the output of a resumed training with the metrics of all its parts; without time, speed and loss if the
        checkpoint has no sums.
        """
        first_step, steps = self.trainer.first_step, output.global_step
        if first_step == 0:
            return output
        part = {name: value for name, value in output.metrics.items() if name in PARTIAL}
        metrics = {name: value for name, value in output.metrics.items() if name not in PARTIAL}
        loss = output.training_loss
        if self.earlier and steps:
            runtime = self.earlier["runtime"] + (part["train_runtime"] if steps > first_step else 0)
            loss = (self.earlier["loss"] + self.trainer._total_loss_scalar) / steps
            metrics |= {"train_runtime": round(runtime, 4), "train_loss": loss}
            metrics["train_steps_per_second"] = round(steps / runtime, 3)
            if steps > first_step:
                # transformers 5.24 counts the steps of this part, 5.17 those of the run
                counted = part["train_steps_per_second"] * part["train_runtime"]
                counted = min(steps - first_step, self.trainer.state.max_steps, key=lambda count: abs(count - counted))
                samples = part["train_samples_per_second"] * part["train_runtime"] / counted
                metrics["train_samples_per_second"] = round(samples * steps / runtime, 3)
        history = self.trainer.state.log_history
        if history and "train_runtime" in history[-1]:
            kept = {name: value for name, value in history[-1].items() if name not in PARTIAL}
            history[-1] = kept | {name: metrics[name] for name in PARTIAL if name in metrics}
        return TrainOutput(steps, loss, metrics)


__all__ = ["RunTotals"]
