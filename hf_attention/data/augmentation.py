# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Augmentation of batches of images by kornia, on the batch's device."""

from collections.abc import Sequence

import kornia.augmentation as K
import torch
from kornia.augmentation.auto import RandAugment
from kornia.augmentation.auto.rand_augment.rand_augment import default_policy
from kornia.augmentation.random_generator import MixupGenerator
from torch import nn

from .random_views import RandomView


# kornia samples RandAugment's operations once per call, so each chunk of a batch is a call of its own
CHUNK_SIZE = 16


class BetaMixupGenerator(MixupGenerator):
    """Samples mixing weights from Beta(alpha, alpha), as in mixup (Zhang et al. 2017, arXiv 1710.09412)."""

    def __init__(self, alpha: float):
        super().__init__()
        self.alpha = alpha

    def make_samplers(self, device: torch.device, dtype: torch.dtype) -> None:
        super().make_samplers(device, dtype)
        alpha = torch.tensor(self.alpha, device=device, dtype=dtype)
        self.lambda_sampler = torch.distributions.Beta(alpha, alpha, validate_args=False)


class ImageAugmentation(nn.Module):
    """
    Applies crop and rotation, flip, RandAugment, normalization, erasing, then mixup or cutmix; each only if its option
    is set.

    Args:
        image_size (`int`): size of the result, in pixels.
        num_labels (`int`): number of classes.
        image_mean, image_std (`list[float]`): of each channel, for pixels from 0 to 1.
        crop_scale (`Sequence[float]`, *optional*):
            Range of the share of the image's area that a crop covers before it is resized to `image_size`; see
            [`~hf_attention.data.random_views.RandomView`].
        rotation_degrees (`float`, *optional*, defaults to 0.0): greatest angle of a random rotation.
        crop_padding (`int`, *optional*, defaults to 0):
            Zero pixels added to each side of the image before a crop of `image_size` is cut.
        horizontal_flip (`float`, *optional*, defaults to 0.0): probability.
        randaugment_ops (`int`, *optional*, defaults to 0):
            Number of operations per image (Cubuk et al. 2019, arXiv 1909.13719).
        randaugment_magnitude, randaugment_std (`float`, *optional*, defaults to 9.0 and 0.5):
            Mean and standard deviation of their strength, on a scale to 10.
        random_erasing (`float`, *optional*, defaults to 0.0): probability (Zhong et al. 2017, arXiv 1708.04896).
        mixup_alpha, cutmix_alpha (`float`, *optional*, defaults to 0.0):
            Parameters of the Beta distributions of mixup and cutmix (Yun et al. 2019, arXiv 1905.04899); 0 disables.
        cutmix_probability (`float`, *optional*, defaults to 0.5): probability of cutmix instead of mixup,
            if both are set.
        label_smoothing (`float`, *optional*, defaults to 0.0): probability that is distributed over all classes.

    Raises:
        `ValueError`: for a value that is out of range.
    """

    def __init__(
        self,
        image_size: int,
        num_labels: int,
        image_mean: list[float],
        image_std: list[float],
        crop_scale: Sequence[float] | None = None,
        rotation_degrees: float = 0.0,
        crop_padding: int = 0,
        horizontal_flip: float = 0.0,
        randaugment_ops: int = 0,
        randaugment_magnitude: float = 9.0,
        randaugment_std: float = 0.5,
        random_erasing: float = 0.0,
        mixup_alpha: float = 0.0,
        cutmix_alpha: float = 0.0,
        cutmix_probability: float = 0.5,
        label_smoothing: float = 0.0,
    ):
        super().__init__()
        for name, value in (
            ("horizontal_flip", horizontal_flip),
            ("random_erasing", random_erasing),
            ("cutmix_probability", cutmix_probability),
            ("label_smoothing", label_smoothing),
        ):
            if not 0 <= value <= 1:
                raise ValueError(f"`{name}` must be a probability between 0 and 1, got {value}.")
        for name, value in (
            ("crop_padding", crop_padding),
            ("randaugment_ops", randaugment_ops),
            ("mixup_alpha", mixup_alpha),
            ("cutmix_alpha", cutmix_alpha),
        ):
            if not 0 <= value < float("inf"):
                raise ValueError(f"`{name}` must not be negative, NaN or infinite, got {value}.")
        if not 0 <= randaugment_std < float("inf"):
            raise ValueError(f"`randaugment_std` must not be negative, NaN or infinite, got {randaugment_std}.")
        if not 0 < randaugment_magnitude < 10:
            raise ValueError(f"`randaugment_magnitude` must be between 0 and 10, got {randaugment_magnitude}.")
        if crop_scale is not None and not (len(crop_scale) == 2 and 0 < crop_scale[0] <= crop_scale[1] <= 1):
            raise ValueError(f"`crop_scale` must be two shares of the area, 0 < low <= high <= 1, got {crop_scale}.")
        if not 0 <= rotation_degrees <= 180:
            raise ValueError(f"`rotation_degrees` must be from 0 to 180, got {rotation_degrees}.")
        self.num_labels = num_labels
        self.label_smoothing = label_smoothing
        self.cutmix_probability = cutmix_probability
        self.magnitude, self.magnitude_std = randaugment_magnitude, randaugment_std
        self.mix = True  # the trainer turns mixup and cutmix off for the last epochs

        size = (image_size, image_size)
        before: list[nn.Module] = []
        after: list[nn.Module] = [K.Normalize(image_mean, image_std)]
        self.view = None
        if crop_scale is not None:
            self.view = RandomView(image_size, crop_scale, degrees=rotation_degrees)
        elif rotation_degrees:
            self.view = RandomView(image_size, ratio=None, degrees=rotation_degrees)
        if crop_padding:
            before.append(K.RandomCrop(size, padding=crop_padding))
        if horizontal_flip:
            before.append(K.RandomHorizontalFlip(p=horizontal_flip))
        if random_erasing:
            after.append(K.RandomErasing(p=random_erasing))
        self.before, self.after = nn.Sequential(*before), nn.Sequential(*after)
        self.randaugment = None
        if randaugment_ops:
            # kornia's saturation and contrast need color images
            policy = [ops for ops in default_policy if len(image_mean) == 3 or ops[0][0] not in ("color", "contrast")]
            self.randaugment = RandAugment(randaugment_ops, 15, policy)
        self.mixup = self.cutmix = None
        if mixup_alpha:
            self.mixup = K.RandomMixUpV2(data_keys=["input", "class"])
            self.mixup._param_generator = BetaMixupGenerator(mixup_alpha)
        if cutmix_alpha:
            self.cutmix = K.RandomCutMixV2(beta=cutmix_alpha, data_keys=["input", "class"], use_correct_lambda=True)

    @torch.no_grad()
    def forward(
        self, pixel_values: torch.Tensor, labels: torch.Tensor, aspect_ratios: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`): from 0 to 1.
            labels (`torch.LongTensor` of shape `(batch_size,)`): classes.
            aspect_ratios (`torch.FloatTensor` of shape `(batch_size,)`, *optional*):
                Of the images before they were squeezed to `pixel_values`.

        Returns:
            `tuple`: normalized pixel values, and the labels: unchanged, or, if they were mixed or smoothed, as
            probabilities of shape `(batch_size, num_labels)`.
        """
        pixel_values = pixel_values.float()
        if self.view is not None:
            pixel_values = self.view(pixel_values, aspect_ratios)
        pixel_values = self.before(pixel_values)
        if self.randaugment is not None:
            parts = []
            for part in pixel_values.split(CHUNK_SIZE):
                noise = float(torch.randn(())) * self.magnitude_std
                magnitude = min(max(self.magnitude + noise, 0.1), 9.99) * 3  # kornia's scale ends at 30
                self.randaugment.m = magnitude  # ty: ignore[invalid-assignment]  # kornia takes fractions too
                parts.append(self.randaugment(part.contiguous()).clamp(0, 1))
            pixel_values = torch.cat(parts)
        pixel_values = self.after(pixel_values)
        mixes = [mix for mix in (self.mixup, self.cutmix) if mix is not None] if self.mix else []
        if not mixes or len(labels) < 2:
            return pixel_values, self.smooth(labels) if self.label_smoothing else labels
        mix = mixes[int(float(torch.rand(())) < self.cutmix_probability)] if len(mixes) == 2 else mixes[0]
        pixel_values, pairs = mix(pixel_values, labels)
        first, second, weight = pairs.reshape(-1, 3).unbind(dim=1)
        weight = weight.unsqueeze(1) if mix is self.mixup else 1 - weight.unsqueeze(1)  # of the second label
        return pixel_values, (1 - weight) * self.smooth(first.long()) + weight * self.smooth(second.long())

    def smooth(self, labels: torch.Tensor) -> torch.Tensor:
        """Smooths labels to (batch_size, num_labels) (Szegedy et al. 2015, arXiv 1512.00567, section 7)."""
        probabilities = nn.functional.one_hot(labels, self.num_labels).float()
        return probabilities * (1 - self.label_smoothing) + self.label_smoothing / self.num_labels
