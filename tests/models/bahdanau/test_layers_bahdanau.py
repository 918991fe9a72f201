# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import torch

from hf_attention.models.bahdanau.layers_bahdanau import invert_permutation, padding_last_orders, reorder


def make_mask() -> torch.Tensor:
    """Padded on the right, twice, not at all, and on the left."""
    mask = torch.ones(4, 9, dtype=torch.long)
    mask[0, 2:] = mask[1, 5:] = mask[3, :3] = 0
    return mask


def test_each_direction_reads_tokens_first():
    mask = make_mask()
    forward, backward = padding_last_orders(mask)
    for row, tokens in enumerate(mask):
        places = tokens.nonzero()[:, 0].tolist()
        assert forward[row, : len(places)].tolist() == places
        assert backward[row, : len(places)].tolist() == places[::-1]
        assert sorted(forward[row].tolist()) == sorted(backward[row].tolist()) == list(range(9))
    sequence = torch.randn(4, 9, 3)
    for order in (forward, backward):
        assert torch.equal(reorder(reorder(sequence, order), invert_permutation(order)), sequence)
