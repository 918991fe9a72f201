# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Classical saliency of pixels, without any model: edges, and contrast with the background."""

import numpy as np
import torch
from kornia.color import rgb_to_lab
from kornia.filters import gaussian_blur2d, sobel
from PIL import Image

from ..data.image_utils import convert_mode
from .image_attention import apply_exif_orientation


PIXEL_METHODS = ("change", "background", "both")
MAX_LIGHTNESS = 100.0  # of Lab's L


def pixel_saliency(images: list[Image.Image], method: str = "both", sigma: float = 1.0) -> list[np.ndarray]:
    """
    Computes the saliency of each pixel from the image alone.

    Args:
        images (`list[PIL.Image.Image]`): of any size.
        method (`str`, *optional*, defaults to `"both"`):
            `"change"`: magnitude of the lightness gradient (Sobel); `"background"`: distance of the color to the
            image's mean color in Lab (Achanta et al. 2009, Frequency-tuned Salient Region Detection, equation 4);
            `"both"`: the mean of the two, each scaled to a maximum of 1.
        sigma (`float`, *optional*, defaults to 1.0): standard deviation, in pixels, of the Gaussian that smooths the
            image first.

    Returns:
        `list[np.ndarray]`: one map (height, width) per image, from 0 (not salient) to 1.

    Raises:
        `ValueError`: for an unknown method, a `sigma` that is not above 0, or if `images` is not a list of PIL
        images.
    """
    if method not in PIXEL_METHODS:
        raise ValueError(f"`method` must be one of {', '.join(PIXEL_METHODS)}, got {method!r}.")
    if sigma <= 0:
        raise ValueError(f"`sigma` must be above 0, got {sigma}.")
    maps = []
    for image in apply_exif_orientation(images):
        pixels = torch.from_numpy(np.array(convert_mode(image, "RGB"))).permute(2, 0, 1).float()[None] / 255
        colors = rgb_to_lab(pixels)  # (1, 3, height, width)
        size = 2 * int(np.ceil(3 * sigma)) + 1
        smooth = gaussian_blur2d(colors, (size, size), (sigma, sigma), border_type="replicate")
        maps_of_image = []
        if method != "background":
            maps_of_image.append(sobel(smooth[:, :1] / MAX_LIGHTNESS, eps=1e-12)[0, 0])
        if method != "change":
            maps_of_image.append((smooth - colors.mean(dim=(2, 3), keepdim=True))[0].norm(dim=0))
        # a uniform image has nothing but rounding errors
        scaled = [
            values / values.max() if values.max() > 1e-3 else torch.zeros_like(values) for values in maps_of_image
        ]
        maps.append(torch.stack(scaled).mean(dim=0).numpy())
    return maps


__all__ = ["pixel_saliency"]
