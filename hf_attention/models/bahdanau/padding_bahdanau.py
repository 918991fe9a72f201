# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Padding that no state passes through: rows in the order in which a recurrence reads them, and packed without it.

Symbols and shapes are those of `layers_bahdanau`.
"""

import torch
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence


def take(sequence: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Rows of (B, S, D) in the order (B, S)."""
    first = torch.arange(order.shape[0], device=order.device).unsqueeze(1) * order.shape[1]
    return sequence.flatten(0, 1).index_select(0, (order + first).flatten()).view_as(sequence)


def invert(order: torch.Tensor) -> torch.Tensor:
    """Rows of permutations undone, without sorting. (B, S) to (B, S)."""
    positions = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.zeros_like(order).scatter(1, order, positions)


def reading_orders(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Positions in which each direction reads rows padded on any side: tokens first, from the left or from the right,
    padding last, where it cannot touch a token's state. (B, S) to two (B, S).
    """
    tokens = (mask != 0).long()
    length = tokens.sum(dim=1, keepdim=True)
    forward = invert(torch.where(tokens > 0, tokens.cumsum(dim=1) - 1, length + (1 - tokens).cumsum(dim=1) - 1))
    positions = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    mirrored = length - 1 - positions
    return forward, forward.gather(1, torch.where(mirrored >= 0, mirrored, positions))


def worthwhile_lengths(mask: torch.Tensor) -> torch.Tensor | None:
    """
    How many tokens the rows have, at least 1, where leaving padding out is worth its while: on CPU, and where a fifth
    is padding. (B, S) to (B).
    """
    if mask.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    lengths = (mask != 0).sum(dim=1).clamp_min(1)
    return lengths if lengths.sum() < 0.8 * mask.numel() else None


def unpack(data: torch.Tensor, like: PackedSequence, length: int) -> torch.Tensor:
    """(N, size) to (B, T, size), zero where a target has ended."""
    return pad_packed_sequence(like._replace(data=data), batch_first=True, total_length=length)[0]
