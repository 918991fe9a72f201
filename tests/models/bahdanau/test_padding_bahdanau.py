# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import torch

from hf_attention.models.bahdanau.padding_bahdanau import invert, reading_orders, take, worthwhile_lengths


def make_mask() -> torch.Tensor:
    """Padded on the right, twice, not at all, and on the left."""
    mask = torch.ones(4, 9, dtype=torch.long)
    mask[0, 2:] = mask[1, 5:] = mask[3, :3] = 0
    return mask


def test_worthwhile_lengths():
    assert worthwhile_lengths(make_mask()).tolist() == [2, 5, 9, 6]
    assert worthwhile_lengths(torch.ones(4, 9)) is None


def test_each_direction_reads_tokens_first():
    mask = make_mask()
    forward, backward = reading_orders(mask)
    for row, tokens in enumerate(mask):
        places = tokens.nonzero()[:, 0].tolist()
        assert forward[row, : len(places)].tolist() == places
        assert backward[row, : len(places)].tolist() == places[::-1]
        assert sorted(forward[row].tolist()) == sorted(backward[row].tolist()) == list(range(9))
    sequence = torch.randn(4, 9, 3)
    for order in (forward, backward):
        assert torch.equal(take(take(sequence, order), invert(order)), sequence)
