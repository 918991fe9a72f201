# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch

from hf_attention.models.bahdanau import onednn_bahdanau
from hf_attention.models.bahdanau.onednn_bahdanau import linear, pack


def make(rows, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    sizes = ((rows, 7), (5, 7), (5,))
    return (torch.randn(*size, generator=generator, dtype=torch.float64).to(dtype) for size in sizes)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("rows", [1, 9, 200])
@torch.no_grad()
def test_packed_and_plain_weights_give_the_products_of_float64(rows, dtype, tolerance):
    given, weight, bias = make(rows, dtype)
    expected = given.double() @ weight.double().T
    for used in (weight, pack(weight, rows)):
        for outputs, reference in (
            (linear(given, used), expected),
            (linear(given, used, bias), expected + bias.double()),
        ):
            assert outputs.dtype == dtype
            torch.testing.assert_close(outputs.double(), reference, rtol=tolerance, atol=tolerance * 3)


@torch.no_grad()
def test_a_packed_weight_serves_other_numbers_of_rows_and_views():
    given, weight, _ = make(12)
    expected = given.double() @ weight.double().T
    packed = pack(weight, 12)
    wide = torch.cat([given, given + 1], dim=1)
    torch.testing.assert_close(linear(wide[:, :7], packed).double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(linear(given[3:5], packed).double(), expected[3:5], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_weights_are_packed_only_where_that_is_faster(monkeypatch):
    _, weight, _ = make(9)
    assert pack(weight, 9).is_mkldnn == onednn_bahdanau.HAS_ONEDNN
    assert pack(weight.double(), 9).is_mkldnn is False
    assert pack(weight, 1) is weight
    with torch.backends.mkldnn.flags(enabled=False):
        assert pack(weight, 9) is weight
    monkeypatch.setattr(onednn_bahdanau, "MIN_WEIGHTS", 36)
    assert pack(weight, 9) is weight
