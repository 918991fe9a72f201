# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""One map over an image for any image classifier, in units of an even map."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedModel

from .color_scale import ColorScale
from .image_attention import apply_exif_orientation, attention_maps, crop_like_processor
from .input_gradients import saliency
from .overlays import overlay
from .token_grid import WHOLE_IMAGE, Box


SCALE = ColorScale(0.0, 4.0, 1.0, is_cut=True)  # of all overlays, of any model
ROLLOUT, GRADIENTS = "attention (rollout through all layers)", "size of the gradient of the predicted class"


@dataclass
class ImageMap:
    """
    A map over an image.

    Attributes:
        image (`PIL.Image.Image`): the part of the image that the model saw.
        values (`np.ndarray` of shape `(rows, columns)`): as multiples of an even map's value, so 1 is even.
        what (`str`): what the values are, in words.
        grid_box (`tuple[float, float, float, float]`): where the values lie in the image; see [`ImageAttention`].
    """

    image: Image.Image
    values: np.ndarray
    what: str
    grid_box: Box = WHOLE_IMAGE

    def overlay(self) -> Image.Image:
        """The map over the image. All overlays have the same colors, from 0 (dark) to 4 times an even map (bright)."""
        return overlay(self, self.values, scale=SCALE)


def image_maps(
    model: PreTrainedModel, image_processor: BaseImageProcessor, images: list[Image.Image], batch_size: int = 8
) -> list[ImageMap]:
    """
    Computes one map per image: attention rollout (see [`ImageAttention.rollout`]), or, for a model whose attention
    does not reach the classifier on one grid, the size of the gradient at each pixel (see [`saliency`]).

    Raises:
        `ValueError`: if `images` is not a list of PIL images, or for a model without logits.
    """
    images = apply_exif_orientation(images)
    maps = []
    for start in range(0, len(images), batch_size):  # attention takes much memory
        chunk = images[start : start + batch_size]
        items = []
        if getattr(model.config, "attention_type", None) != "non_local":  # whose blocks are not all on one grid
            with suppress(ValueError):  # the model has no attention maps
                items = attention_maps(model, image_processor, chunk, batch_size)
        maps += [ImageMap(item.image, item.rollout() * item.num_tokens, ROLLOUT, item.grid_box) for item in items]
        if not items:
            gradients = saliency(model, image_processor, chunk, batch_size=batch_size)
            maps += [
                ImageMap(crop_like_processor(image, image_processor), values / (values.mean() or 1.0), GRADIENTS)
                for image, values in zip(chunk, gradients)
            ]
    return maps


__all__ = ["ImageMap", "image_maps"]
