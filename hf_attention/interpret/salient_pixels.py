# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Which pixels stand out by themselves, before any model: sharp changes, and what is apart from its background."""

import numpy as np
import torch
from kornia.color import rgb_to_lab
from kornia.filters import gaussian_blur2d, sobel
from PIL import Image

from ..models.compact_vit.image_processing_pil_compact_vit import convert_mode
from .attention_maps import upright


PIXEL_METHODS = ("change", "background", "both")
LIGHTEST = 100.0  # of Lab's L


def pixel_saliency(images: list[Image.Image], method: str = "both", sigma: float = 1.0) -> list[np.ndarray]:
    """
    How much each pixel stands out, from the pixels alone.

    Args:
        images (`list[PIL.Image.Image]`): of any sizes.
        method (`str`, *optional*, defaults to `"both"`):
            `"change"`: how sharply lightness changes there, the size of Sobel's gradient; `"background"`: how far the
            colour is from the image's mean colour, in Lab (Achanta et al. 2009, Frequency-tuned Salient Region
            Detection, equation 4); `"both"`: their mean, each brought to a highest value of 1.
        sigma (`float`, *optional*, defaults to 1.0): of the Gaussian that smooths the image first, in pixels.

    Returns:
        `list[np.ndarray]`: one map (height, width) an image, from 0, where nothing stands out, to 1.

    Raises:
        `ValueError`: for an unknown method, a sigma that is not positive, or an image in place of a list.
    """
    if method not in PIXEL_METHODS:
        raise ValueError(f"`method` must be one of {', '.join(PIXEL_METHODS)}, got {method!r}.")
    if sigma <= 0:
        raise ValueError(f"`sigma` must be more than 0, got {sigma}.")
    maps = []
    for image in upright(images):
        pixels = torch.from_numpy(np.array(convert_mode(image, "RGB"))).permute(2, 0, 1).float()[None] / 255
        colours = rgb_to_lab(pixels)  # (1, 3, height, width)
        size = 2 * int(np.ceil(3 * sigma)) + 1
        smooth = gaussian_blur2d(colours, (size, size), (sigma, sigma), border_type="replicate")
        found = []
        if method != "background":
            found.append(sobel(smooth[:, :1] / LIGHTEST, eps=1e-12)[0, 0])
        if method != "change":
            found.append((smooth - colours.mean(dim=(2, 3), keepdim=True))[0].norm(dim=0))
        # an even image has rounding errors and nothing else
        scaled = [values / values.max() if values.max() > 1e-3 else torch.zeros_like(values) for values in found]
        maps.append(torch.stack(scaled).mean(dim=0).numpy())
    return maps


__all__ = ["pixel_saliency"]
