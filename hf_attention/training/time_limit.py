# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A training that ends at a wall time, with its learning rate run down by then (`time_limit`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from accelerate.utils import broadcast
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from transformers import TrainerCallback
from transformers.trainer_utils import IntervalStrategy, SaveStrategy


if TYPE_CHECKING:
    from .recipe_trainer import RecipeTrainer


class TimeLimit(TrainerCallback):
    """
    Ends training after a number of seconds, including those of evaluations and of the parts before a resumption. What
    is due at the end (an evaluation, a checkpoint) is still done.

    The schedule of the learning rate follows the clock wherever it is ahead of the steps: after half of the time it is
    where it would be after half of all steps, or further. So warmup takes a smaller number of steps, and the learning
    rate ends where the schedule does. (Schedules that follow a metric only end.)

    Args:
        trainer (`RecipeTrainer`): the trainer.
        seconds (`float`): the limit.

    Raises:
        `ValueError`: if the limit is not positive.
    """

    def __init__(self, trainer: RecipeTrainer, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"`time_limit` must be a positive number of seconds, got {seconds}.")
        self.trainer, self.seconds = trainer, seconds
        self.share = 0.0  # of the time that is used up: the same on all processes

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.measure()

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        self.measure()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if self.share < 1 or control.should_training_stop:
            return
        control.should_training_stop = True
        # an evaluation or checkpoint at the end of the epoch comes anyway
        control.should_evaluate |= args.eval_strategy == IntervalStrategy.STEPS
        control.should_save |= args.save_strategy == SaveStrategy.STEPS

    def measure(self) -> None:
        share = torch.tensor(self.trainer.totals.runtime / self.seconds, device=self.trainer.args.device)
        self.share = float(broadcast(share)) if self.trainer.args.world_size > 1 else float(share)

    def limit_schedule(self, scheduler: LRScheduler, num_training_steps: int) -> None:
        """Makes a schedule of `num_training_steps` follow the clock."""
        if not isinstance(scheduler, LambdaLR):
            return

        def follow(schedule):
            return lambda step: schedule(max(step, min(round(self.share * num_training_steps), num_training_steps)))

        scheduler.lr_lambdas = [follow(schedule) for schedule in scheduler.lr_lambdas]


__all__ = ["TimeLimit"]
