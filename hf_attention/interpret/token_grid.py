# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Where the tokens of a vision model are in an image."""

from typing import Protocol

import numpy as np
from PIL import Image
from transformers import PreTrainedConfig


Box = tuple[float, float, float, float]
WHOLE_IMAGE: Box = (0.0, 0.0, 1.0, 1.0)


class Tokenized(Protocol):
    """An image, and left, top, right and bottom of the grid of its tokens, in sides of the image."""

    image: Image.Image
    grid_box: Box


def split_image(image: Image.Image | Tokenized) -> tuple[Image.Image, Box]:
    """
    Returns the image, and the box of the grid that a map of it covers.

    Raises `ValueError` for anything but a PIL image or an item with one.
    """
    if not isinstance(getattr(image, "image", image), Image.Image):
        raise ValueError(
            f"`image` must be a PIL image, or an item such as an `ImageAttention`, got {type(image).__name__}. Open "
            "files with `PIL.Image.open`, and convert arrays with `PIL.Image.fromarray`."
        )
    return (image, WHOLE_IMAGE) if isinstance(image, Image.Image) else (image.image, image.grid_box)


def find_grid(config: PreTrainedConfig, size: tuple[int, int], length: int) -> tuple[int, int]:
    """
    Rows and columns of the token grid for an image of `size` (height, width) and `length` tokens in total.

    Raises `ValueError` if the config describes no grid, or one of another length.
    """
    config = getattr(config, "vision_config", config)
    if hasattr(config, "grid_size"):
        rows, columns = (config.grid_size(side) for side in size)
    elif isinstance(getattr(config, "patch_size", None), int):
        rows, columns = (side // config.patch_size for side in size)
    else:
        raise ValueError(f"{type(config).__name__} has no `patch_size`, so the grid of its tokens is unknown.")
    if not 0 <= length - rows * columns <= 16:
        raise ValueError(f"{length} tokens do not fit the grid of {rows} x {columns} that the config describes.")
    return rows, columns


def find_grid_box(config: PreTrainedConfig, size: tuple[int, int]) -> Box:
    """
    Left, top, right and bottom of the token grid of an image of `size` (height, width), in sides of the image: each
    token is in the middle of one of the equal cells of this box.

    A convolution or pooling with padding is centered on the first pixel, so the grid of a convolutional network begins
    left of and above the image. Patches may leave pixels over on the right and below.
    """
    config = getattr(config, "vision_config", config)
    if hasattr(config, "grid_extent"):
        (top, bottom), (left, right) = (config.grid_extent(side) for side in size)
    elif not hasattr(config, "grid_size") and isinstance(getattr(config, "patch_size", None), int):
        (left, top), (bottom, right) = (0, 0), (side // config.patch_size * config.patch_size for side in size)
    else:
        return WHOLE_IMAGE
    height, width = size
    return left / width, top / height, right / width, bottom / height


def resize_map(values: np.ndarray, size: tuple[int, int], box: Box = WHOLE_IMAGE) -> np.ndarray:
    """
    Interpolates a map of tokens to the pixels of an image (bilinear): (rows, columns) to (height, width).

    Args:
        size (`tuple[int, int]`): width and height of the image.
        box (`tuple[float, float, float, float]`): left, top, right and bottom of the grid, in sides of the image.
    """
    left, top, right, bottom = box
    rows, columns = values.shape
    # the image in units of cells, in a map that repeats its edges as far as the image reaches beyond the grid
    part = np.array([-left, -top, 1 - left, 1 - top]) / (2 * [right - left, bottom - top]) * (2 * [columns, rows])
    margin = int(np.ceil(max(0, -part.min(), *(part[2:] - [columns, rows]))))
    padded = Image.fromarray(np.pad(np.asarray(values, dtype=np.float32), margin, mode="edge"))
    part = np.clip(part + margin, 0, 2 * padded.size)
    return np.asarray(padded.resize(size, Image.Resampling.BILINEAR, box=tuple(part.tolist())))


__all__ = []
