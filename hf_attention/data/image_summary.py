# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What a set of labeled images looks like: how many, of which sizes, in color or gray, with even edges or not."""

import statistics
from collections import Counter
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from PIL import Image

from .images import label_names, open_image


SAMPLE = 256  # images that are looked at
SIDE = 32  # of their smaller copies, in pixels
NEAR = 10 / 255  # the difference of two shades that count as the same


@dataclass(frozen=True)
class ImageSummary:
    """
    Attributes:
        count (`int`): the number of images.
        classes (`dict[str, int]`): the number of images of each class.
        width, height (`int`): the medians, in pixels.
        shapes (`int`): the number of different proportions.
        is_gray (`bool`): whether no image has colors.
        has_even_edges (`bool`):
            Whether in most images more than half of the pixels at the edges have the same shade, as in drawings,
            letters, or pictures of products.
        mean, std (`tuple[float, ...]`): of the channels (one if gray, else three), for pixels from 0 to 1.
    """

    count: int
    classes: dict[str, int]
    width: int
    height: int
    shapes: int
    is_gray: bool
    has_even_edges: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def describe(self, kind: str = "classes") -> str:
        """
        Returns it in words: `570 images of 14 classes (5 to 75 each), in color, 196 x 180 pixels, ...`.

        Args:
            kind (`str`, *optional*): what the images have: `classes`, `labels` or `numbers`.
        """
        few, most = min(self.classes.values()), max(self.classes.values())
        size = f"{self.width} x {self.height} pixels"
        each = few if few == most else f"{few} to {most}"
        parts = [
            f"{self.count:,} images of {len(self.classes)} {kind}{'' if kind == 'numbers' else f' ({each} each)'}",
            "gray" if self.is_gray else "in color",
            f"{size} (median), of {self.shapes} proportions" if self.shapes > 1 else size,
        ]
        return ", ".join(parts + (["with even edges"] if self.has_even_edges else []))


def summarize_images(rows: Dataset, is_gray: bool | None = None) -> ImageSummary:
    """
    Looks at up to 256 images, always the same ones, with columns `image` (encoded) and `label`.

    Args:
        rows (`Dataset`): the images.
        is_gray (`bool`, *optional*): whether to take the images for gray; by default if none has colors.

    Raises:
        `ValueError`: if none of them can be read.
    """
    names = label_names(rows)
    counts = Counter()
    for label in rows["label"]:  # with several labels, each counts
        counts.update([names.index(name) for name in label if label[name]] if isinstance(label, dict) else [label])
    sizes, copies = [], []
    error: ValueError | None = None
    for cell in rows.shuffle(seed=0).take(SAMPLE)["image"]:
        try:
            image = open_image(cell, mode="RGB")
        except ValueError as unread:  # the check of all images reports it
            error = unread
            continue
        sizes.append(image.size)
        copies.append(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255)
    if not copies:
        raise error or ValueError("There are no images.")
    pixels = np.stack(copies)  # (images, SIDE, SIDE, 3)
    if is_gray is None:
        is_gray = bool((np.ptp(pixels, axis=-1) < 8 / 255).all())
    shades = pixels.mean(axis=-1)
    edges = np.concatenate([shades[:, 0], shades[:, -1], shades[:, :, 0], shades[:, :, -1]], axis=1)
    is_even = np.abs(edges - np.median(edges, axis=1, keepdims=True)) < NEAR
    channels = shades[..., None] if is_gray else pixels
    return ImageSummary(
        count=len(rows),
        classes={name: counts[index] for index, name in enumerate(names)},
        width=round(statistics.median(width for width, _ in sizes)),
        height=round(statistics.median(height for _, height in sizes)),
        shapes=len({round(width / height, 2) for width, height in sizes}),
        is_gray=is_gray,
        has_even_edges=bool(np.median(is_even.mean(axis=1)) > 0.5),
        mean=tuple(round(float(value), 3) for value in channels.mean(axis=(0, 1, 2))),
        std=tuple(max(round(float(value), 3), 0.01) for value in channels.std(axis=(0, 1, 2))),
    )


__all__ = ["ImageSummary", "summarize_images"]
