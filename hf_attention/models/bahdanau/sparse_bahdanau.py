# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Sparse distributions over the source instead of softmax, exact and by sorting.

Both project scores z onto the probability simplex, p = [(alpha - 1) z - tau]_+^(1 / (alpha - 1)), where tau is such
that p sums to 1. Given which weights are above zero, tau has a closed form, so plain operations have the exact
gradients of all orders.
"""

import torch


def sparsemax(scores: torch.Tensor) -> torch.Tensor:
    """
    The Euclidean projection onto the simplex (Martins & Astudillo 2016, arXiv 1602.02068, algorithm 1; alpha = 2).

    Args:
        scores (`torch.Tensor` of shape `(..., S)`)

    Returns:
        `torch.Tensor` of shape `(..., S)`: weights that sum to 1, many of them exactly 0.
    """
    scores = scores - scores.detach().amax(dim=-1, keepdim=True)
    scores = scores.clamp(min=-2)  # all scores that are 1 below the largest have weight 0
    ordered = scores.detach().sort(dim=-1, descending=True).values
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    size = (1 + counts * ordered > ordered.cumsum(dim=-1)).sum(dim=-1, keepdim=True)  # of the support
    is_kept = scores >= ordered.gather(-1, size - 1)
    tau = (scores.masked_fill(~is_kept, 0).sum(dim=-1, keepdim=True) - 1) / is_kept.sum(dim=-1, keepdim=True)
    return (scores - tau).masked_fill(~is_kept, 0)


def entmax15(scores: torch.Tensor) -> torch.Tensor:
    """
    The 1.5-entmax (Peters et al. 2019, arXiv 1905.05702, algorithm 2), between softmax and [`sparsemax`].

    Args:
        scores (`torch.Tensor` of shape `(..., S)`)

    Returns:
        `torch.Tensor` of shape `(..., S)`: weights that sum to 1, some of them exactly 0.
    """
    scores = (scores - scores.detach().amax(dim=-1, keepdim=True)) / 2
    scores = scores.clamp(min=-2)  # all scores that are 1 below the largest have weight 0
    ordered = scores.detach().sort(dim=-1, descending=True).values
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    means = ordered.cumsum(dim=-1) / counts
    squares = ordered.square().cumsum(dim=-1) - counts * means.square()
    taus = means - ((1 - squares) / counts).clamp(min=0).sqrt()
    size = (taus < ordered).sum(dim=-1, keepdim=True)  # of the support
    is_kept = scores >= ordered.gather(-1, size - 1)
    count = is_kept.sum(dim=-1, keepdim=True)
    mean = scores.masked_fill(~is_kept, 0).sum(dim=-1, keepdim=True) / count
    squares = (scores - mean).masked_fill(~is_kept, 0).square().sum(dim=-1, keepdim=True)
    tau = mean - ((1 - squares) / count).sqrt()
    return (scores - tau).masked_fill(~is_kept, 0).square()


__all__ = ["entmax15", "sparsemax"]
