# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Which images to show of a classifier: of all classes, and right as well as wrong ones."""

from collections import Counter
from collections.abc import Sequence

import numpy as np


def choose_samples(references: Sequence[int], predictions: Sequence[int], count: int, seed: int = 0) -> list[int]:
    """
    Returns the positions of `count` images, or of all if there are fewer: up to half of them are mistakes, as many as
    there are, and both kinds are drawn from as many true classes as possible.

    Args:
        references, predictions (`Sequence[int]`): the true and predicted class of each image.
        seed (`int`, *optional*, defaults to 0): of the random choice among the images of a class.

    Returns:
        the positions, in the order of their classes.

    Raises:
        `ValueError`: if `references` and `predictions` have different lengths.
    """
    if len(references) != len(predictions):
        raise ValueError(
            f"`references` ({len(references)}) and `predictions` ({len(predictions)}) must have the same length."
        )
    order = np.random.default_rng(seed).permutation(len(references)).tolist()
    wrong = [index for index in order if references[index] != predictions[index]]
    right = [index for index in order if references[index] == predictions[index]]
    num_wrong = min(len(wrong), max(count // 2, count - len(right)))
    chosen: list[int] = []
    for candidates, number in ((wrong, num_wrong), (right, min(len(right), count - num_wrong))):
        used = Counter(references[index] for index in chosen)
        for _ in range(number):
            best = min(candidates, key=lambda index: used[references[index]])  # the first one of the rarest class
            candidates.remove(best)
            used[references[best]] += 1
            chosen.append(best)
    return sorted(chosen, key=lambda index: (references[index], index))


__all__ = ["choose_samples"]
