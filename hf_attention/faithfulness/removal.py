# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measures that remove parts of the input and observe the output: curves, AOPC, SaCo, polarity.

They know nothing of texts and images. An input has U units (tokens, or pixels), which belong to C cells (each token
its own, or the patches of an image), and O outputs are explained (target tokens, or one class).
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np


FRACTIONS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # of the units, points of the curves
AOPC_FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)  # DeYoung et al. 2020
NUM_GROUPS = 10  # of SaCo

# from which units of an input are kept, (n, U), to the probabilities of its outputs, (n, O)
Predict = Callable[[np.ndarray], np.ndarray]


class Explained(Protocol):
    """
    One input and its outputs.

    Attributes:
        cells (`np.ndarray` of shape `(U,)`): the cell of each unit, 0 to C - 1.
        num_outputs (`int`): O.
    """

    cells: np.ndarray
    num_outputs: int

    def predict(self, keep: np.ndarray, baseline: str) -> np.ndarray:
        """The probabilities (n, O) of the outputs where a baseline replaces the units that are not kept, (n, U)."""
        ...


def rank_units(weights: np.ndarray, seed: int = 0) -> np.ndarray:
    """The rank of each unit, 0 for the largest weight, equal ones in random order: (O, U) to (O, U)."""
    noise = np.random.default_rng(seed).random(weights.shape)
    order = np.lexsort((noise, -weights), axis=-1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
    return ranks


def removal_curves(predict: Predict, weights: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """
    Computes the probability of each output as the units with the largest weights are removed (deletion), and as they
    alone are kept (insertion); Petsiuk et al. 2018, arXiv 1806.07421.

    Args:
        weights (`np.ndarray` of shape `(O, U)`): of each output's units; with a sign, negative ones come last.

    Returns:
        two `np.ndarray` of shape `(O, len(FRACTIONS))`: deletion and insertion, at each fraction of the units.
    """
    num_outputs, num_units = weights.shape
    ranks = rank_units(weights, seed)
    counts, places = np.unique(np.ceil(np.array(FRACTIONS) * num_units).astype(int), return_inverse=True)
    removed = ranks[:, None] < counts[None, :, None]  # (O, counts, U)
    keep = np.stack([~removed, removed])  # (2, O, counts, U)
    probabilities = predict(keep.reshape(-1, num_units)).reshape(*keep.shape[:-1], num_outputs)
    own = np.stack([probabilities[:, output, :, output] for output in range(num_outputs)], axis=1)
    deletion, insertion = own[..., places]
    return deletion, insertion


def comprehensiveness(deletion: np.ndarray) -> np.ndarray:
    """
    Computes the mean drop of the probability without the units that matter most, (O, fractions) to (O,): high for
    weights that name what the output needs (DeYoung et al. 2020, arXiv 1911.03429, equations 1 and 3).
    """
    return deletion[:, :1].mean(axis=1) - deletion[:, aopc_places()].mean(axis=1)


def sufficiency(insertion: np.ndarray) -> np.ndarray:
    """
    Computes the mean drop of the probability with nothing but the units that matter most, (O, fractions) to (O,): low
    for weights that name what suffices (DeYoung et al. 2020, equations 2 and 3).
    """
    return insertion[:, -1] - insertion[:, aopc_places()].mean(axis=1)


def aopc_places() -> list[int]:
    return [FRACTIONS.index(fraction) for fraction in AOPC_FRACTIONS]


def area(curve: np.ndarray) -> np.ndarray:
    """Computes the area under curves over FRACTIONS by the trapezoidal rule: (O, fractions) to (O,)."""
    return np.trapezoid(curve, FRACTIONS, axis=1)


def salience_coefficient(predict: Predict, weights: np.ndarray, seed: int = 0) -> np.ndarray:
    """
    Computes SaCo (Wu et al. 2024, arXiv 2404.01415, algorithm 1): whether a group of units with larger weights also
    has the larger effect if it is removed alone. From -1 to 1; about 0 for random weights.

    Args:
        weights (`np.ndarray` of shape `(O, U)`).

    Returns:
        `np.ndarray` of shape `(O,)`; 0 where all groups have equal weights.
    """
    num_outputs, num_units = weights.shape
    num_groups = min(NUM_GROUPS, num_units)
    groups = rank_units(weights, seed) * num_groups // num_units  # (O, U)
    in_group = groups[:, None] == np.arange(num_groups)[None, :, None]  # (O, groups, U)
    keep = np.concatenate([np.ones((1, num_units), dtype=bool), ~in_group.reshape(-1, num_units)])
    probabilities = predict(keep)
    full, rest = probabilities[0], probabilities[1:].reshape(num_outputs, num_groups, num_outputs)
    coefficients = np.zeros(num_outputs)
    for output in range(num_outputs):
        salience = (in_group[output] * weights[output]).sum(axis=1)
        effects = full[output] - rest[output, :, output]
        larger, smaller = np.triu_indices(num_groups, k=1)
        gaps = salience[larger] - salience[smaller]
        signed = np.where(effects[larger] >= effects[smaller], gaps, -gaps)
        total = np.abs(gaps).sum()
        coefficients[output] = signed.sum() / total if total > 0 else 0.0
    return coefficients


def leave_one_out(explained: Explained, baseline: str) -> np.ndarray:
    """
    Computes the drop of each output's probability without one cell of the input, for each cell: (O, C). This is the
    effect that other weights are compared with; of images it is called occlusion (Zeiler & Fergus 2014).
    """
    num_cells = int(explained.cells.max()) + 1
    keep = explained.cells[None] != np.arange(-1, num_cells)[:, None]  # nothing is in cell -1
    probabilities = explained.predict(keep, baseline)
    return (probabilities[0] - probabilities[1:]).T


def sum_cells(weights: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Sums the weights of each cell: (O, U) to (O, C)."""
    return np.stack([np.bincount(cells, row) for row in weights])


def violations(cell_weights: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """
    Returns whether the cell with the largest absolute weight has an effect of the opposite sign: the faithfulness
    violation test (Liu et al. 2022, arXiv 2201.12114).

    Args:
        cell_weights, effects (`np.ndarray` of shape `(O, C)`): the effects are those of [`leave_one_out`].

    Returns:
        `np.ndarray` of shape `(O,)`: 1 for a violation, else 0.
    """
    top = np.abs(cell_weights).argmax(axis=1)[:, None]
    products = np.take_along_axis(cell_weights, top, 1) * np.take_along_axis(effects, top, 1)
    return (products[:, 0] < 0).astype(float)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """
    Computes Spearman's rank correlation of each row, (O, C) and (O, C) to (O,); 0 for a row without any difference.
    """
    correlations = []
    for left, right in zip(first, second):
        ranks = [mean_ranks(values) for values in (left, right)]
        centered = [values - values.mean() for values in ranks]
        norm = np.sqrt((centered[0] ** 2).sum() * (centered[1] ** 2).sum())
        correlations.append((centered[0] * centered[1]).sum() / norm if norm > 0 else 0.0)
    return np.array(correlations)


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return ((last - counts + last - 1) / 2)[inverse]


__all__ = []
