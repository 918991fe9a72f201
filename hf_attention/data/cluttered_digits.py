# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Digits in clutter: scikit-learn's digits, rotated, scaled and placed at random on a canvas among pieces of others.

A classical benchmark of visual attention (with MNIST: Mnih et al. 2014, arXiv 1406.6247, section 4.1, and Jaderberg et
al. 2015, arXiv 1506.02025, section 4.1). The position of the digit is known, so where a model looks can be scored.
"""

import math

import numpy as np
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
from PIL import Image as PILImage
from torch import nn

from .images import split_digits


CHUNK_SIZE = 512  # canvases that are drawn at once
PIECE_SIZE = 3  # rows and columns of a piece of clutter; a digit has 8


def load_cluttered_digits(
    sizes: dict[str, int] | None = None,
    canvas_size: int = 60,
    digit_size: float = 20.0,
    scale: tuple[float, float] = (0.8, 1.2),
    rotation: float = 30.0,
    clutter: int = 6,
    seed: int = 0,
) -> DatasetDict:
    """
    Generates canvases with one digit each, deterministically. Corners of a rotated digit may be outside the canvas.

    The digits and the clutter of a split come from the same split of [`~hf_attention.data.images.load_digits`], so
    splits share no source digits.

    Args:
        sizes (`dict[str, int]`, *optional*):
            Number of canvases per split; by default 20,000 for train, 1,000 for validation and 3,000 for test.
        canvas_size (`int`, *optional*, defaults to 60): height and width in pixels.
        digit_size (`float`, *optional*, defaults to 20.0): size on the canvas of a digit's 8 x 8 pixels, in
            pixels.
        scale (`tuple[float, float]`, *optional*, defaults to (0.8, 1.2)): range of a random factor of the
            digit's size.
        rotation (`float`, *optional*, defaults to 30.0): maximum rotation in either direction, in degrees.
        clutter (`int`, *optional*, defaults to 6): number of pieces of other digits, 3 x 3 source pixels each.

    Returns:
        `DatasetDict` with `image` (grayscale, encoded), `label`, and `box`, the bounding box of the digit in pixels:
        left, top, right, bottom, the last two exclusive.

    Raises:
        `ValueError`: for a digit that does not fit on the canvas, and for arguments that are out of range.
    """
    sizes = {"train": 20_000, "validation": 1_000, "test": 3_000} if sizes is None else sizes
    if not 0 < scale[0] <= scale[1]:
        raise ValueError(f"`scale` must be two factors, 0 < low <= high, got {scale}.")
    for name, value in (("canvas_size", canvas_size), ("digit_size", digit_size), *sizes.items()):
        if value <= 0:
            raise ValueError(f"`{'sizes' if name in sizes else name}` must be above 0, got {value}.")
    if clutter < 0:
        raise ValueError(f"`clutter` must not be negative, got {clutter}.")
    if not 0 <= rotation <= 180:
        raise ValueError(f"`rotation` must be from 0 to 180 degrees, got {rotation}.")
    if digit_size * scale[1] > canvas_size:
        raise ValueError(
            f"`digit_size` ({digit_size}) times the largest `scale` ({scale[1]}) is more than `canvas_size` "
            f"({canvas_size}). Enlarge the canvas or reduce the size of the digits."
        )
    sources = split_digits()
    if unknown := set(sizes) - set(sources):
        raise ValueError(f"`sizes` has {', '.join(sorted(unknown))}; the splits are {', '.join(sources)}.")
    features = Features(
        {
            "image": Image(decode=False),
            "label": ClassLabel(names=[str(digit) for digit in range(10)]),
            "box": List(Value("int32"), length=4),
        }
    )
    splits = DatasetDict()
    for number, (split, (digits, labels)) in enumerate(sources.items()):
        if split not in sizes:
            continue
        generator = torch.Generator().manual_seed(seed * len(sources) + number)
        rows: dict[str, list] = {"image": [], "label": [], "box": []}
        for start in range(0, sizes[split], CHUNK_SIZE):
            count = min(CHUNK_SIZE, sizes[split] - start)
            chosen = torch.randint(len(digits), (count,), generator=generator)
            placed = place(digits[chosen], canvas_size, digit_size, scale, rotation, generator)  # (count, size, size)
            canvas = placed
            for _ in range(clutter):
                pieces = cut_pieces(digits[torch.randint(len(digits), (count,), generator=generator)], generator)
                size = digit_size * PIECE_SIZE / digits.shape[-1]
                canvas = canvas.maximum(place(pieces, canvas_size, size, scale, rotation, generator))
            pixels = (canvas * 255).round().byte().numpy()
            rows["image"] += [PILImage.fromarray(image) for image in pixels]
            rows["label"] += labels[chosen].tolist()
            rows["box"] += [find_box(digit) for digit in placed.numpy()]
        splits[split] = Dataset.from_dict(rows, features=features)
    return splits


def place(
    digits: torch.Tensor,
    canvas_size: int,
    digit_size: float,
    scale: tuple[float, float],
    rotation: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draws digits (B, 8, 8), or pieces, on empty canvases (B, size, size), randomly scaled, rotated and placed."""
    count = len(digits)
    size, angle, column, row = (
        torch.rand(count, 1, generator=generator) * (high - low) + low
        for low, high in (scale, (-rotation, rotation), (-1, 1), (-1, 1))
    )
    size, angle = size * digit_size, angle * math.pi / 180
    # only a tile around the digit is sampled; the canvas has a margin for tiles that reach beyond it
    side = math.ceil(digit_size * scale[1] * math.sqrt(2)) + 2
    centers = [(canvas_size + place * (canvas_size - size)) / 2 for place in (column, row)]  # (B, 1), in pixels
    lefts, tops = ((center - side / 2).floor() for center in centers)
    offsets = torch.arange(side)
    x = (lefts + offsets + 0.5 - centers[0]).unsqueeze(1)  # (B, 1, side)
    y = (tops + offsets + 0.5 - centers[1]).unsqueeze(2)  # (B, side, 1)
    cos, sin = torch.cos(angle).unsqueeze(2), torch.sin(angle).unsqueeze(2)
    grid = torch.stack([cos * x + sin * y, cos * y - sin * x], dim=-1) * (2 / size).view(count, 1, 1, 1)
    tiles = nn.functional.grid_sample(digits.unsqueeze(1), grid, align_corners=False).squeeze(1)
    canvas = torch.zeros(count, canvas_size + 2 * side, canvas_size + 2 * side)
    rows, columns = (tops.long() + side + offsets).unsqueeze(2), (lefts.long() + side + offsets).unsqueeze(1)
    canvas[torch.arange(count).view(-1, 1, 1), rows, columns] = tiles
    return canvas[:, side:-side, side:-side]


def cut_pieces(digits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Cuts a random piece (B, 3, 3) from each digit (B, 8, 8), outside its empty outermost columns."""
    rows, columns = torch.randint(1, digits.shape[-1] - PIECE_SIZE, (2, len(digits), 1), generator=generator)
    offsets, each = torch.arange(PIECE_SIZE), torch.arange(len(digits)).view(-1, 1, 1)
    return digits[each, (rows + offsets).unsqueeze(2), (columns + offsets).unsqueeze(1)]


def find_box(digit: np.ndarray, threshold: float = 0.1) -> list[int]:
    """The bounding box (left, top, right, bottom) of the pixels above `threshold` times the maximum."""
    rows, columns = np.nonzero(digit > threshold * digit.max())
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
