# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the `Trainer` lacks for images: augmentation on the device, soft labels for any model, averaged weights."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import Trainer, TrainerCallback
from transformers.modeling_outputs import ImageClassifierOutput

from ..data.augmentation import ImageAugmentation
from .resuming import ResumingMixin


AVERAGE_NAME = "averaged_weights.pt"
UNDECAYED = ("position_embedding", "cls_token", "mask_token", "distillation_token", "register_tokens")


def classification_loss(
    outputs: ImageClassifierOutput | tuple, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
) -> torch.Tensor:
    """
    Cross-entropy with classes (B,) or their probabilities (B, num_labels), averaged over the images of a batch, or of
    all batches that gradients are accumulated over (`num_items_in_batch`).
    """
    logits = outputs["logits"].float()
    if num_items_in_batch is None:
        return nn.functional.cross_entropy(logits, labels)
    return nn.functional.cross_entropy(logits, labels, reduction="sum") / num_items_in_batch


class ImageClassificationTrainer(ResumingMixin, Trainer):
    """
    A `Trainer` for any image classifier whose output has `logits`. The loss is [`classification_loss`], or, where a
    model has `makes_own_loss`, as one that learns by reinforcement, what its `forward` returns.

    Args:
        augmentation (`ImageAugmentation`, *optional*): of training batches, whose pixels come from 0 to 1.
        mix_epochs (`float`, *optional*): epochs after which mixup and cutmix stop.
        ema_decay (`float`, *optional*):
            Decay a step of an exponential moving average of the weights (Polyak and Juditsky 1992), which is what is
            evaluated and, at the end, saved. Checkpoints hold it beside the weights themselves.
        kwargs: of `Trainer`.
    """

    def __init__(
        self,
        *args,
        augmentation: ImageAugmentation | None = None,
        mix_epochs: float | None = None,
        ema_decay: float | None = None,
        **kwargs,
    ):
        if ema_decay is not None and not 0 < ema_decay < 1:
            raise ValueError(f"`ema_decay` must lie between 0 and 1, got {ema_decay}.")
        super().__init__(*args, **kwargs)
        if not getattr(self.model, "makes_own_loss", False):
            self.compute_loss_func = classification_loss
        self.augmentation = augmentation.to(self.args.device) if augmentation is not None else None
        self.mix_epochs = mix_epochs
        self.average = None
        if ema_decay is not None:
            self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(ema_decay), use_buffers=True)
            self.add_callback(KeepAverage(self))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        if self.augmentation is not None and model.training:
            self.augmentation.mix = self.mix_epochs is None or self.state.epoch < self.mix_epochs
            with torch.autocast(self.args.device.type, enabled=False):
                pixel_values, labels = self.augmentation(inputs["pixel_values"], inputs["labels"])
            inputs = {**inputs, "pixel_values": pixel_values, "labels": labels}
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """All but biases, norms, positions and learned tokens."""
        shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        return [
            name
            for name in super().get_decay_parameter_names(model)
            if len(shapes.get(name, ())) > 1 and not any(part in name for part in UNDECAYED)
        ]

    def evaluation_loop(self, *args, **kwargs):
        with self.averaged_weights():
            return super().evaluation_loop(*args, **kwargs)

    @contextmanager
    def averaged_weights(self):
        """Puts the averaged weights, where there are any yet, into the model for the time."""
        if self.average is None or self.average.n_averaged == 0:
            yield
            return
        own = [value.detach().clone() for value in weights_of(self.model)]
        copy_weights(weights_of(self.average.module), self.model)
        try:
            yield
        finally:
            copy_weights(own, self.model)

    def load_average(self, checkpoint: str):
        """Raises `ValueError` where the checkpoint holds no averaged weights, as one of a run without `ema_decay`."""
        file = os.path.join(checkpoint, AVERAGE_NAME)
        if not os.path.isfile(file):
            raise ValueError(f"`ema_decay` is set, but {checkpoint} has no {AVERAGE_NAME}. Resume without it.")
        self.average.load_state_dict(torch.load(file, map_location=self.args.device, weights_only=True))

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False):
        """With the average, so that no checkpoint is whole without it: the Trainer writes its state last."""
        super().save_model(output_dir, _internal_call)
        if self.average is not None and self.args.should_save:
            folder = output_dir or self.args.output_dir
            scratch = os.path.join(folder, f".{AVERAGE_NAME}")
            torch.save(self.average.state_dict(), scratch)
            os.replace(scratch, os.path.join(folder, AVERAGE_NAME))

    def settle_on_average(self):
        """Makes the averaged weights, those of the best checkpoint where that is wanted, the model's own."""
        if self.average is None:
            return
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint is not None:
            self.load_average(self.state.best_model_checkpoint)
        copy_weights(weights_of(self.average.module), self.model)
        self.average = None


class KeepAverage(TrainerCallback):
    """Updates the average after each step."""

    def __init__(self, trainer: ImageClassificationTrainer):
        self.trainer = trainer

    def on_step_end(self, args, state, control, **kwargs):
        if self.trainer.average is not None:
            self.trainer.average.update_parameters(self.trainer.model)


def weights_of(model: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters and buffers: with averaged weights belong averaged statistics of batch norms."""
    return chain(model.parameters(), model.buffers())


@torch.no_grad()
def copy_weights(source: Iterable[torch.Tensor], model: nn.Module):
    for own, value in zip(weights_of(model), source):
        own.copy_(value)
