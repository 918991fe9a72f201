# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Agreement of maps with what is known: the tokens that a target comes from, the box of an object."""

import numpy as np

from .images import ImageExample
from .text import TextExample


def alignment_error(example: TextExample, weights: np.ndarray) -> float | None:
    """
    Computes the share of the target's tokens whose largest weight is outside of the tokens that they are known to come
    from: 1 - precision, the alignment error rate without sure links (Och & Ney 2003, equation 36).

    Args:
        weights (`np.ndarray` of shape `(T, S)`).

    Returns:
        `float`, 0 to 1; `None` where nothing is known.
    """
    known = [(row, places) for row, places in enumerate(example.possible or []) if places]
    wrong = [int(weights[row].argmax()) not in places for row, places in known]
    return float(np.mean(wrong)) if wrong else None


def pointing(example: ImageExample, weights: np.ndarray) -> float | None:
    """
    Returns 1 if the map's maximum is inside of the object's box, else 0 (pointing game; Zhang et al. 2016, arXiv
    1608.00507, without a tolerance); of several maxima, the share that is inside.

    Args:
        weights (`np.ndarray` of shape `(height, width)`).
    """
    inside = box_mask(example)
    return None if inside is None else float(inside[weights == weights.max()].mean())


def coverage(example: ImageExample, weights: np.ndarray) -> float | None:
    """
    Computes the share of the positive weights that is inside of the object's box (Wang et al. 2020, arXiv
    1910.01279); 0 without positive weights.

    Args:
        weights (`np.ndarray` of shape `(height, width)`).
    """
    inside, positive = box_mask(example), weights.clip(min=0)
    if inside is None:
        return None
    return float(positive[inside].sum() / positive.sum()) if positive.any() else 0.0


def box_mask(example: ImageExample) -> np.ndarray | None:
    """Which pixels of the model's input have their center in the object's box: (height, width)."""
    if example.box is None:
        return None
    left, top, right, bottom = example.box
    rows, columns = ((np.arange(side) + 0.5) / side for side in example.size)
    return ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))


__all__ = []
