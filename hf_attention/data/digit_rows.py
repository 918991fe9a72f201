# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Rows of scikit-learn's digits to be read, with the box of every digit, against which attention can be scored."""

import numpy as np
from datasets import Dataset, DatasetDict
from PIL import Image as PILImage

from .cluttered_digits import find_box
from .image_texts import READING_FEATURES
from .images import split_digits


def load_digit_rows(
    sizes: dict[str, int] | None = None,
    canvas_size: tuple[int, int] = (16, 80),
    digit_sizes: tuple[int, int] = (10, 14),
    lengths: tuple[int, int] = (2, 5),
    seed: int = 0,
) -> DatasetDict:
    """
    Generates rows of digits, deterministically: each digit has a random size and height, and random gaps around it.

    The digits of a split come from the same split of [`~hf_attention.data.images.load_digits`], so splits share no
    source digits.

    Args:
        sizes (`dict[str, int]`, *optional*):
            Number of rows per split; by default 20,000 for train, 500 for validation and 2,000 for test.
        canvas_size (`tuple[int, int]`, *optional*, defaults to (16, 80)): height and width in pixels.
        digit_sizes (`tuple[int, int]`, *optional*, defaults to (10, 14)): least and greatest size of a digit's 8 x 8
            pixels on the canvas, in pixels.
        lengths (`tuple[int, int]`, *optional*, defaults to (2, 5)): least and greatest number of digits.

    Returns:
        `DatasetDict` with `image` (grayscale, encoded), `text`, and `boxes`, the bounding box of each character in
        pixels: left, top, right, bottom, the last two exclusive.

    Raises:
        `ValueError`: for digits that do not fit on the canvas, and for arguments that are out of range.
    """
    sizes = {"train": 20_000, "validation": 500, "test": 2_000} if sizes is None else sizes
    (height, width), (least, greatest), (shortest, longest) = canvas_size, digit_sizes, lengths
    for name, low, high in (("digit_sizes", least, greatest), ("lengths", shortest, longest)):
        if not 0 < low <= high:
            raise ValueError(f"`{name}` must be two numbers, 0 < low <= high, got {(low, high)}.")
    if greatest > height or longest * greatest > width:
        raise ValueError(
            f"{longest} digits of up to {greatest} pixels do not fit on a canvas of {height} x {width} pixels. Reduce "
            "`lengths` or `digit_sizes`, or enlarge `canvas_size`."
        )
    sources = split_digits()
    if unknown := set(sizes) - set(sources):
        raise ValueError(f"`sizes` has {', '.join(sorted(unknown))}; the splits are {', '.join(sources)}.")
    splits = DatasetDict()
    for number, (split, (digits, labels)) in enumerate(sources.items()):
        if split not in sizes:
            continue
        generator = np.random.default_rng(seed * len(sources) + number)
        pixels = (digits * 255).round().byte().numpy()
        rows: dict[str, list] = {"image": [], "text": [], "boxes": []}
        for _ in range(sizes[split]):
            count = int(generator.integers(shortest, longest + 1))
            chosen = generator.integers(len(pixels), size=count)
            sides = generator.integers(least, greatest + 1, size=count)
            gaps = generator.multinomial(width - sides.sum(), np.full(count + 1, 1 / (count + 1)))
            canvas, left, found = np.zeros((height, width), dtype=np.uint8), 0, []
            for index, side, gap in zip(chosen, sides, gaps):
                top, left = int(generator.integers(height - side + 1)), left + int(gap)
                digit = np.asarray(
                    PILImage.fromarray(pixels[index]).resize((side, side), PILImage.Resampling.BILINEAR)
                )
                canvas[top : top + side, left : left + side] = digit
                found.append([edge + offset for edge, offset in zip(find_box(digit), (left, top, left, top))])
                left += int(side)
            rows["image"].append(PILImage.fromarray(canvas))
            rows["text"].append("".join(str(int(labels[index])) for index in chosen))
            rows["boxes"].append(found)
        splits[split] = Dataset.from_dict(rows, features=READING_FEATURES)
    return splits
