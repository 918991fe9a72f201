# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A `Trainer` for image classifiers: augmentation on the device, and soft labels for any model."""

import torch
from torch import nn
from transformers import BaseImageProcessor
from transformers.modeling_outputs import ImageClassifierOutput

from ..data.augmentation import ImageAugmentation
from .recipe_trainer import RecipeTrainer


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
        kwargs: of [`RecipeTrainer`].
    """

    processing_class: BaseImageProcessor

    def __init__(
        self,
        *args,
        augmentation: ImageAugmentation | None = None,
        mix_epochs: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        problem_type = getattr(getattr(self.model, "config", None), "problem_type", None)
        if problem_type not in (None, "single_label_classification"):
            raise ValueError(
                f"`config.problem_type` is {problem_type!r}, but this trainer computes the cross-entropy of one class "
                "per image. Use transformers' `Trainer`."
            )
        if not getattr(self.model, "makes_own_loss", False):
            self.compute_loss_func = classification_loss
        self.augmentation = augmentation
        if augmentation is not None:
            augmentation.to(self.args.device)
            self.label_smoother = None
        self.mix_epochs = mix_epochs

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        if self.augmentation is not None and model.training:
            self.augmentation.mix = self.mix_epochs is None or self.state.epoch < self.mix_epochs
            with torch.autocast(self.args.device.type, enabled=False):
                aspect_ratios = inputs.pop("aspect_ratios", None)
                pixel_values, labels = self.augmentation(inputs["pixel_values"], inputs["labels"], aspect_ratios)
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
