# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A `Trainer` for image classifiers: augmentation on the device, soft labels for any model, and uneven classes."""

from inspect import signature

import numpy as np
import torch
from datasets import Dataset
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.utils.data import WeightedRandomSampler
from transformers import BaseImageProcessor, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

from ..data.augmentation import ImageAugmentation
from ..data.image_targets import PROBLEM_TYPES
from ..interpret.model_modes import eval_mode
from .muon import MuonWithAdamW, split_parameters
from .recipe_trainer import RecipeTrainer


UNDECAYED = ("position_embedding", "cls_token", "mask_token", "distillation_token", "register_tokens")


def classification_loss(
    outputs: ImageClassifierOutput,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | None = None,
    class_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    Returns the cross-entropy with classes (B,) or their probabilities (B, num_labels), averaged over the images of a
    batch, or of all batches that gradients are accumulated over (`num_items_in_batch`). `class_weights` (num_labels,)
    multiply the terms of the classes.
    """
    logits = outputs["logits"].float()
    if num_items_in_batch is None and class_weights is None:
        return nn.functional.cross_entropy(logits, labels)
    # not torch's mean, which is of the weights' sum for classes, and of the images for probabilities
    total = nn.functional.cross_entropy(logits, labels, weight=class_weights, reduction="sum")
    return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)


def balanced_weights(labels: np.ndarray, num_labels: int) -> np.ndarray:
    """
    Returns images / (classes x images of the class) for each class (num_labels,), and 1 for a class without images.
    `labels` (images,) are the classes of the images.
    """
    weights = np.ones(num_labels)
    present = np.unique(labels)
    weights[present] = compute_class_weight("balanced", classes=present, y=labels)
    return weights


def check_loss(model: PreTrainedModel, class_weights: str) -> None:
    """Raises `ValueError` for class weights of a model that computes its own loss."""
    if class_weights != "none" and getattr(model, "makes_own_loss", False):
        name = type(model).__name__
        raise ValueError(f"{name} computes its own loss, without `class_weights`. Use `balanced_sampling` instead.")


class ImageClassificationTrainer(RecipeTrainer):
    """
    A `Trainer` for any image classifier whose output has `logits`. The loss is [`classification_loss`]. For a model
    with `makes_own_loss`, such as one that learns by reinforcement, or with another `problem_type` than one class per
    image, it is what `forward` returns.

    Args:
        augmentation (`ImageAugmentation`, *optional*):
            Augments training batches, whose pixels are from 0 to 1. It smooths the labels too, so
            `label_smoothing_factor` has no effect of its own.
        mix_epochs (`float`, *optional*): epochs after which mixup and cutmix stop.
        small_image_size (`int`, *optional*):
            Height and width to which augmented images are resized in the first `small_epochs` epochs, for speed.
        small_epochs (`float`): epochs; see `small_image_size`.
        class_weights (`str`): "balanced" weighs the training loss by [`balanced_weights`]; "none".
        balanced_sampling (`bool`): whether to draw training images of all classes equally often, with repetition.
        mirrors (`bool`): whether evaluation averages the logits of each image and its mirror image.
        freezes (`bool`): whether to train only what is not in the model's `base_model`.
        muon_learning_rate (`float`, *optional*):
            Trains matrices and kernels of the `base_model` by Muon, with this learning rate, and the rest by AdamW.
        kwargs: of [`RecipeTrainer`].
    """

    processing_class: BaseImageProcessor

    def __init__(
        self,
        *args,
        augmentation: ImageAugmentation | None = None,
        mix_epochs: float | None = None,
        small_image_size: int | None = None,
        small_epochs: float = 0.0,
        class_weights: str = "none",
        balanced_sampling: bool = False,
        mirrors: bool = False,
        freezes: bool = False,
        muon_learning_rate: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.balanced_sampling, self.mirrors, self.freezes = balanced_sampling, mirrors, freezes
        self.muon_learning_rate = muon_learning_rate
        if muon_learning_rate is not None and self.is_fsdp_enabled:
            raise ValueError("`muon_learning_rate` needs complete matrices, but `fsdp` shards them. Leave one out.")
        if muon_learning_rate is not None and freezes:
            raise ValueError("`muon_learning_rate` is for what is below the head, which `freeze` keeps: leave one.")
        self.class_weights: torch.Tensor | None = None
        problem_type = getattr(getattr(self.model, "config", None), "problem_type", None)
        has_targets = problem_type in PROBLEM_TYPES
        makes_own_loss = getattr(self.model, "makes_own_loss", False)
        if class_weights == "balanced":
            check_loss(self.pretrained_model, class_weights)
            weights = balanced_weights(self.train_labels(), self.pretrained_model.config.num_labels or 0)
            self.class_weights = torch.tensor(weights, dtype=torch.float32, device=self.args.device)
        if freezes:
            backbone = self.pretrained_model.base_model
            if backbone is self.model:
                raise ValueError(f"`freeze`: {type(self.model).__name__} has no `base_model` below its head.")
            backbone.requires_grad_(False)
        if has_targets:
            self.label_smoother = None  # of classes
        elif not makes_own_loss:
            self.compute_loss_func = self.weighted_loss
        self.augmentation = augmentation
        if augmentation is not None:
            augmentation.to(self.args.device)
            self.label_smoother = None
        self.mix_epochs = mix_epochs
        self.small_image_size, self.small_epochs = small_image_size, small_epochs
        if small_image_size is not None:
            self.check_small_images(small_image_size)

    @property
    def pretrained_model(self) -> PreTrainedModel:
        return self.accelerator.unwrap_model(self.model)

    def train_labels(self) -> np.ndarray:
        """Returns the classes of the training images (images,)."""
        if not isinstance(self.train_dataset, Dataset):
            raise ValueError(
                "`class_weights` and `balanced_sampling` count the classes, which a stream does not allow."
            )
        return np.asarray(self.train_dataset.with_format(None)["label"])

    def weighted_loss(self, outputs, labels, num_items_in_batch=None) -> torch.Tensor:
        weights = self.class_weights if self.pretrained_model.training else None
        return classification_loss(outputs, labels, num_items_in_batch, weights)

    def _get_train_sampler(self, *args, **kwargs):
        if not self.balanced_sampling:
            return super()._get_train_sampler(*args, **kwargs)
        labels = self.train_labels()
        weights = balanced_weights(labels, labels.max() + 1)[labels]
        return self.make_epoch_sampler(WeightedRandomSampler(weights.tolist(), len(labels)))

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        if self.mirrors and logits is not None:
            mirrored = {**inputs, "pixel_values": inputs["pixel_values"].flip(-1)}
            _, others, _ = super().prediction_step(model, mirrored, prediction_loss_only, ignore_keys)
            first, second = (part[0] if isinstance(part, tuple) else part for part in (logits, others))
            logits = (first + second) / 2
        return loss, logits, labels

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        if self.freezes:  # without dropout, and with the statistics of its batch norms
            self.pretrained_model.base_model.eval()
        if self.augmentation is not None and model.training:
            self.augmentation.mix = self.mix_epochs is None or self.state.epoch < self.mix_epochs
            with torch.autocast(self.args.device.type, enabled=False):
                pixel_values, labels = self.augmentation(**inputs)
            inputs = {"pixel_values": pixel_values, "labels": labels}
            if self.small_image_size is not None and self.state.epoch < self.small_epochs:
                inputs |= self.shrink(pixel_values, self.small_image_size)
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def check_small_images(self, size: int) -> None:
        """Raises `ValueError` if the model cannot take images of `size` x `size`."""
        model = self.pretrained_model
        if model.device.type == "meta":  # of a process whose weights come from another
            return
        pixel_values = torch.zeros(2, getattr(model.config, "num_channels", 3), size, size, device=model.device)
        try:
            with eval_mode(model), torch.no_grad():
                model(**self.shrink(pixel_values.to(model.dtype), size))
        except (RuntimeError, ValueError) as error:
            name = type(model).__name__
            raise ValueError(f"`small_image_size` = {size}, but {name} cannot take such images: {error}") from error

    def shrink(self, pixel_values: torch.Tensor, size: int) -> dict:
        """Returns the inputs of a model for images (B, C, height, width) that are resized to `size` x `size`."""
        small = nn.functional.interpolate(pixel_values.float(), (size, size), mode="bilinear", antialias=True)
        has_positions = "interpolate_pos_encoding" in signature(self.pretrained_model.forward).parameters
        return {"pixel_values": small, **({"interpolate_pos_encoding": True} if has_positions else {})}

    def create_optimizer(self, *args, **kwargs) -> torch.optim.Optimizer:
        if self.muon_learning_rate is not None and self.optimizer is None:
            model, options = self.pretrained_model, self.args
            base = {id(parameter) for parameter in model.base_model.parameters()}
            head = {name for name, parameter in model.named_parameters() if id(parameter) not in base}
            if not head:  # of a model without a `base_model` below it, such as CLIP's
                linear = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
                labels = model.config.num_labels
                head = {f"{name}.weight" for name, part in linear.items() if part.out_features == labels}
            groups = split_parameters(model, self.get_decay_parameter_names(model), head, options.weight_decay)
            for group in groups:
                group["lr"] = self.muon_learning_rate if "momentum" in group else options.learning_rate
            betas = (options.adam_beta1, options.adam_beta2)
            # some schedules read the rate of the optimizer instead of those of its groups
            lr = options.learning_rate
            self.optimizer = MuonWithAdamW(groups, lr=lr, betas=betas, eps=options.adam_epsilon)
        return super().create_optimizer(*args, **kwargs)

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Returns all but biases, norms, positions and learned tokens."""
        shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        return [
            name
            for name in super().get_decay_parameter_names(model)
            if len(shapes.get(name, ())) > 1 and not any(part in name for part in UNDECAYED)
        ]
