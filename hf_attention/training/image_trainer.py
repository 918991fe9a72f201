# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A `Trainer` for image classifiers: augmentation on the device, soft labels for any model, averaged weights (EMA)."""

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import BaseImageProcessor, TrainerCallback
from transformers.modeling_outputs import ImageClassifierOutput
from transformers.trainer_utils import TrainOutput

from ..data.augmentation import ImageAugmentation
from .recipe_trainer import RecipeTrainer


EMA_FILE = "averaged_weights.pt"
UNDECAYED = ("position_embedding", "cls_token", "mask_token", "distillation_token", "register_tokens")


def classification_loss(
    outputs: ImageClassifierOutput, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
) -> torch.Tensor:
    """
    Returns the cross-entropy with classes (B,) or their probabilities (B, num_labels), averaged over the images of a
    batch, or of all batches that gradients are accumulated over (`num_items_in_batch`).
    """
    logits = outputs["logits"].float()
    if num_items_in_batch is None:
        return nn.functional.cross_entropy(logits, labels)
    return nn.functional.cross_entropy(logits, labels, reduction="sum") / num_items_in_batch


class ImageClassificationTrainer(RecipeTrainer):
    """
    A `Trainer` for any image classifier whose output has `logits`. The loss is [`classification_loss`]. For a model
    with `makes_own_loss`, such as one that learns by reinforcement, it is what `forward` returns.

    Args:
        augmentation (`ImageAugmentation`, *optional*):
            Augments training batches, whose pixels are from 0 to 1. It smooths the labels too, so
            `label_smoothing_factor` has no effect of its own.
        mix_epochs (`float`, *optional*): epochs after which mixup and cutmix stop.
        ema_decay (`float`, *optional*):
            Decay per step of an exponential moving average of the weights (Polyak and Juditsky 1992). The average is
            evaluated, and it is in the model when training ends. Checkpoints hold it in addition to the weights.
        kwargs: of `Trainer`.
    """

    processing_class: BaseImageProcessor

    def __init__(
        self,
        *args,
        augmentation: ImageAugmentation | None = None,
        mix_epochs: float | None = None,
        ema_decay: float | None = None,
        **kwargs,
    ) -> None:
        if ema_decay is not None and not 0 < ema_decay < 1:
            raise ValueError(f"`ema_decay` must lie between 0 and 1, got {ema_decay}.")
        super().__init__(*args, **kwargs)
        problem_type = getattr(getattr(self.model, "config", None), "problem_type", None)
        if problem_type not in (None, "single_label_classification"):
            raise ValueError(
                f"`config.problem_type` is {problem_type!r}, but this trainer computes the cross-entropy of one class "
                "per image. Use transformers' `Trainer`."
            )
        if ema_decay is not None and self.is_fsdp_enabled:
            raise ValueError("`ema_decay` averages complete weights, but `fsdp` shards them. Leave one of them out.")
        if not getattr(self.model, "makes_own_loss", False):
            self.compute_loss_func = classification_loss
        self.augmentation = augmentation
        if augmentation is not None:
            augmentation.to(self.args.device)
            self.label_smoother = None
        self.mix_epochs = mix_epochs
        self.ema_decay = ema_decay
        self.average: AveragedModel | None = None  # of the training that runs
        if ema_decay is not None:
            self.add_callback(EmaCallback(self))

    @property
    def net(self) -> nn.Module:
        assert self.model is not None  # only a Trainer with `model_init` has none
        return self.model

    def train(self, resume_from_checkpoint: str | bool | None = None, *args, **kwargs) -> TrainOutput:
        """Trains. At the end the averaged weights are in the model, as the best ones with `load_best_model_at_end`."""
        self.average = None
        output = super().train(resume_from_checkpoint, *args, **kwargs)
        self.load_ema_weights()
        return output

    def start_average(self) -> None:
        """Starts an average of the model that this training has, or continues the checkpoint's."""
        if self.ema_decay is not None:
            averaging = get_ema_multi_avg_fn(self.ema_decay)
            self.average = AveragedModel(self.net, multi_avg_fn=averaging, use_buffers=True)
            if self.checkpoint is not None:
                self.load_average(self.checkpoint)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        if self.augmentation is not None and model.training:
            self.augmentation.mix = self.mix_epochs is None or self.state.epoch < self.mix_epochs
            with torch.autocast(self.args.device.type, enabled=False):
                pixel_values, labels = self.augmentation(inputs["pixel_values"], inputs["labels"])
            inputs = {**inputs, "pixel_values": pixel_values, "labels": labels}
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Returns all but biases, norms, positions and learned tokens."""
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
    def averaged_weights(self) -> Generator[None]:
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

    def load_average(self, checkpoint: str) -> None:
        """Raises `ValueError` if the checkpoint holds no averaged weights, as one of a run without `ema_decay`."""
        file = os.path.join(checkpoint, EMA_FILE)
        if not os.path.isfile(file):
            raise ValueError(f"`ema_decay` is set, but {checkpoint} has no {EMA_FILE}. Resume without it.")
        if self.average is not None:
            self.average.load_state_dict(torch.load(file, map_location=self.args.device, weights_only=True))

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """
        Saves the average too. A checkpoint without it has no trainer state yet, so it is not taken for a complete one.
        """
        super().save_model(output_dir, _internal_call)
        if self.average is not None and self.args.should_save:
            folder = output_dir or str(self.args.output_dir)
            scratch = os.path.join(folder, f".{EMA_FILE}")
            torch.save(self.average.state_dict(), scratch)
            os.replace(scratch, os.path.join(folder, EMA_FILE))

    def load_ema_weights(self) -> None:
        """Loads the EMA weights into the model: the last ones, or the best checkpoint's (`load_best_model_at_end`)."""
        if self.average is None:
            return
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint is not None:
            self.load_average(self.state.best_model_checkpoint)
        copy_weights(parameters_and_buffers(self.average.module), self.net)
        self.average = None


class EmaCallback(TrainerCallback):
    """Starts an exponential moving average of the weights with each training, and updates it after each step."""

    def __init__(self, trainer: ImageClassificationTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.trainer.start_average()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if self.trainer.average is not None:
            self.trainer.average.update_parameters(self.trainer.net)


def parameters_and_buffers(model: nn.Module) -> Iterator[torch.Tensor]:
    """Returns parameters and buffers: averaged weights need averaged batch norm statistics."""
    return chain(model.parameters(), model.buffers())


@torch.no_grad()
def copy_weights(source: Iterable[torch.Tensor], model: nn.Module) -> None:
    for own, value in zip(parameters_and_buffers(model), source):
        own.copy_(value)
