# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A transform whose results stay in memory, so that an image is decoded and resized once for all epochs."""

from collections.abc import Callable

import torch


ROW = "row"  # the column with the number of a row


class CachedTransform:
    """
    A transform of `dataset.with_transform` that keeps what it computes, with pixels in 8 bits.

    Args:
        transform (`Callable`):
            Converts rows to a dictionary of tensors with one entry per row; those in `pixel_values` must be multiples
            of 1/255 from 0 to 1, such as those of an image processor that does not normalize.
        limit (`int`): bytes of pixels, beyond which results are computed again each time.
    """

    def __init__(self, transform: Callable[[dict], dict], limit: int = 2**30) -> None:
        self.transform, self.limit, self.used = transform, limit, 0
        self.cache: dict[int, dict[str, torch.Tensor]] = {}

    def __getstate__(self) -> dict:
        # workers, and the hash that `datasets` makes of a transform, begin without results
        return {**vars(self), "used": 0, "cache": {}}

    def __call__(self, rows: dict) -> dict:
        """Transforms rows with a column `row`, their number in the data set."""
        numbers = rows[ROW]
        results = {number: self.cache[number] for number in numbers if number in self.cache}
        missing = [place for place, number in enumerate(numbers) if number not in results]
        if missing:
            columns = self.transform(
                {name: [values[place] for place in missing] for name, values in rows.items() if name != ROW}
            )
            columns["pixel_values"] = (columns["pixel_values"] * 255).round().byte()
            for index, place in enumerate(missing):
                result = {name: values[index].clone() for name, values in columns.items()}
                results[numbers[place]] = result
                if self.used + result["pixel_values"].nbytes <= self.limit:
                    self.used += result["pixel_values"].nbytes
                    self.cache[numbers[place]] = result
        columns = {name: torch.stack([results[number][name] for number in numbers]) for name in results[numbers[0]]}
        columns["pixel_values"] = columns["pixel_values"].float() / 255
        return columns


__all__ = ["CachedTransform"]
