# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""An exponential moving average of the weights, which both recipes can evaluate and save (`ema_decay`)."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import TrainerCallback


if TYPE_CHECKING:
    from .recipe_trainer import RecipeTrainer


EMA_FILE = "averaged_weights.pt"


class AveragedWeights(TrainerCallback):
    """
    An exponential moving average of the weights of a `Trainer`'s model (Polyak and Juditsky 1992), started with each
    training and updated after each step.

    Args:
        trainer (`RecipeTrainer`): the trainer.
        decay (`float`): share of the average that a step leaves, between 0 and 1.

    Raises:
        `ValueError`: for a decay outside 0 to 1, and for sharded weights.
    """

    def __init__(self, trainer: RecipeTrainer, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"`ema_decay` must lie between 0 and 1, got {decay}.")
        if trainer.is_fsdp_enabled:
            raise ValueError("`ema_decay` averages complete weights, but `fsdp` shards them. Leave one of them out.")
        self.trainer, self.decay = trainer, decay
        self.average: AveragedModel | None = None  # of the training that runs

    @property
    def net(self) -> nn.Module:
        assert self.trainer.model is not None  # only a Trainer with `model_init` has none
        return self.trainer.model

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        averaging = get_ema_multi_avg_fn(self.decay)
        self.average = AveragedModel(self.net, multi_avg_fn=averaging, use_buffers=True)
        if self.trainer.checkpoint is not None:
            self.load(self.trainer.checkpoint)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if self.average is not None:
            self.average.update_parameters(self.net)

    @contextmanager
    def applied(self) -> Generator[None]:
        """Temporarily puts the averaged weights, if there are any yet, into the model."""
        if self.average is None or self.average.n_averaged == 0:
            yield
            return
        own = [value.detach().clone() for value in parameters_and_buffers(self.net)]
        copy_weights(parameters_and_buffers(self.average.module), self.net)
        try:
            yield
        finally:
            copy_weights(own, self.net)

    def load(self, checkpoint: str) -> None:
        """Raises `ValueError` if the checkpoint holds no averaged weights, as one of a run without `ema_decay`."""
        file = os.path.join(checkpoint, EMA_FILE)
        if not os.path.isfile(file):
            raise ValueError(f"`ema_decay` is set, but {checkpoint} has no {EMA_FILE}. Resume without it.")
        if self.average is not None:
            device = self.trainer.args.device
            self.average.load_state_dict(torch.load(file, map_location=device, weights_only=True))

    def save(self, folder: str) -> None:
        """Saves the average of the training that runs."""
        if self.average is not None:
            scratch = os.path.join(folder, f".{EMA_FILE}")
            torch.save(self.average.state_dict(), scratch)
            os.replace(scratch, os.path.join(folder, EMA_FILE))

    def finish(self) -> None:
        """Puts the average into the model: the last one, or the best checkpoint's (`load_best_model_at_end`)."""
        if self.average is None:
            return
        best = self.trainer.state.best_model_checkpoint
        if self.trainer.args.load_best_model_at_end and best is not None:
            self.load(best)
        copy_weights(parameters_and_buffers(self.average.module), self.net)
        self.average = None


def parameters_and_buffers(model: nn.Module) -> Iterator[torch.Tensor]:
    """Returns parameters and buffers: averaged weights need averaged batch norm statistics."""
    return chain(model.parameters(), model.buffers())


@torch.no_grad()
def copy_weights(source: Iterable[torch.Tensor], model: nn.Module) -> None:
    for own, value in zip(parameters_and_buffers(model), source):
        own.copy_(value)


__all__ = ["EMA_FILE", "AveragedWeights"]
