# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Saliency of pixels from the gradients of a classifier, computed by captum."""

import numpy as np
import torch
from captum.attr import IntegratedGradients, Saliency
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedModel

from ..data.image_utils import class_names
from .image_attention import apply_exif_orientation
from .model_modes import eval_mode


METHODS = ("gradient", "integrated_gradients")


def saliency(
    model: PreTrainedModel,
    image_processor: BaseImageProcessor,
    images: list[Image.Image],
    targets: list[int] | None = None,
    method: str = "gradient",
    steps: int = 32,
    batch_size: int = 32,
) -> list[np.ndarray]:
    """
    Computes how much each pixel contributes to the logit of a class.

    Args:
        images (`list[PIL.Image.Image]`): of any size; the maps have the size of the model's input.
        targets (`list[int]`, *optional*): the class of each image; by default the predicted one.
        method (`str`, *optional*, defaults to `"gradient"`):
            `"gradient"`: absolute gradient of the logit, maximum over the channels (Simonyan et al. 2013, arXiv
            1312.6034, section 3); `"integrated_gradients"`: integral of the gradient from a mid-gray image to the
            image, summed over the channels, with its sign (Sundararajan et al. 2017, arXiv 1703.01365, equation 1).
            The pixels of an image sum to the difference of the logits of the image and the mid-gray image.
        steps (`int`, *optional*, defaults to 32): number of points of the integral.
        batch_size (`int`, *optional*, defaults to 32): images per forward pass.

    Returns:
        `list[np.ndarray]`: one map (height, width) per image, over the crop that [`crop_like_processor`] returns.

    Raises:
        `ValueError`: for an unknown method, if `images` is not a list of PIL images, for a number of targets that
        differs from the number of images, a target that is not one of the model's classes, or a model without a head.
    """
    images = apply_exif_orientation(images)
    targets = None if targets is None else [int(target) for target in targets]
    if steps < 1:
        raise ValueError(f"`steps` must be at least 1, got {steps}.")
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}, got {method!r}.")
    if targets is not None and len(targets) != len(images):
        raise ValueError(f"`targets` ({len(targets)}) must have the same length as `images` ({len(images)}).")
    num_labels = len(class_names(model.config))
    if wrong := [target for target in targets or [] if not 0 <= target < num_labels]:
        raise ValueError(f"`targets` has {wrong[0]}, but the model's classes are 0 to {num_labels - 1}.")

    def logits(pixel_values: torch.Tensor) -> torch.Tensor:
        outputs = model(pixel_values=pixel_values.to(model.dtype))
        if outputs.get("logits") is None:
            raise ValueError(f"{type(model).__name__} returned no `logits`, which saliency needs.")
        return outputs["logits"].float()

    maps = []
    with eval_mode(model):
        for start in range(0, len(images), batch_size):
            chunk = images[start : start + batch_size]
            pixel_values = image_processor(chunk, return_tensors="pt")["pixel_values"].to(model.device)
            if targets is None:
                with torch.no_grad():
                    classes = logits(pixel_values).argmax(dim=-1)
            else:
                classes = torch.tensor(targets[start : start + batch_size], device=model.device)
            if method == "gradient":
                values = Saliency(logits).attribute(pixel_values.requires_grad_(), target=classes).amax(dim=1)
            else:
                attribution = IntegratedGradients(logits).attribute(
                    pixel_values, torch.zeros_like(pixel_values), classes, n_steps=steps, internal_batch_size=256
                )
                values = attribution.sum(dim=1)
            maps.extend(values.detach().float().cpu().numpy())
    return maps


__all__ = ["saliency"]
