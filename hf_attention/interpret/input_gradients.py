# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Which pixels a classifier's answer hangs on, by its gradients (through captum)."""

import numpy as np
import torch
from captum.attr import IntegratedGradients, Saliency
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedModel

from .alignments import evaluation
from .attention_maps import upright


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
    How much each pixel matters for a class.

    Args:
        images (`list[PIL.Image.Image]`): of any size; the maps are of the size that the model sees.
        targets (`list[int]`, *optional*): a class for each image; without them the one that the model finds.
        method (`str`, *optional*, defaults to `"gradient"`):
            `"gradient"`: the size of the logit's gradient (Simonyan et al. 2013, arXiv 1312.6034, section 3), the
            largest of the channels; `"integrated_gradients"`: its integral along the way from a mid-grey image
            (Sundararajan et al. 2017, arXiv 1703.01365, equation 1), the channels summed, signs kept; the pixels of an
            image then sum to what its logit gained.
        steps (`int`, *optional*, defaults to 32): of the integral.

    Returns:
        `list[np.ndarray]`: one map (height, width) an image, of what the processor shows the model ([`as_seen`]).

    Raises:
        `ValueError`: for an unknown method, an image in place of a list, targets that are not as many as images or not
        among the model's classes, or a model without a head.
    """
    images = upright(images)
    targets = None if targets is None else [int(target) for target in targets]
    if steps < 1:
        raise ValueError(f"`steps` must be at least 1, got {steps}.")
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}, got {method!r}.")
    if targets is not None and len(targets) != len(images):
        raise ValueError(f"`targets` ({len(targets)}) must be as many as `images` ({len(images)}).")
    if wrong := [target for target in targets or [] if not 0 <= target < model.config.num_labels]:
        raise ValueError(f"`targets` has {wrong[0]}, but the model's classes are 0 to {model.config.num_labels - 1}.")

    def logits(pixel_values):
        outputs = model(pixel_values=pixel_values.to(model.dtype))
        if outputs.get("logits") is None:
            raise ValueError(f"{type(model).__name__} returned no `logits`: saliency is of a class that was found.")
        return outputs["logits"].float()

    maps = []
    with evaluation(model):
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
