# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch

from hf_attention.models.bahdanau import products_bahdanau
from hf_attention.models.bahdanau.products_bahdanau import linear, pack


pytestmark = pytest.mark.usefixtures("small_products_by_onednn")


def make(rows, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(*size, generator=generator, dtype=torch.float64).to(dtype) for size in ((rows, 7), (5, 7), (5,))
    )


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("rows", [0, 1, 9, 200])
@torch.no_grad()
def test_products(rows, dtype, tolerance):
    """By the plain weight and the packed one, with and without bias, against products in float64."""
    given, weight, bias = make(rows, dtype)
    expected = given.double() @ weight.double().T
    for used in (weight, pack(weight, rows)):
        for found, wanted in (
            (linear(given, used), expected),
            (linear(given, used, bias), expected + bias.double()),
        ):
            assert found.dtype == dtype
            torch.testing.assert_close(found.double(), wanted, rtol=tolerance, atol=tolerance * 3)


@torch.no_grad()
def test_products_of_views():
    """Transposed weights, as the backward passes have them, and rows that are parts of others."""
    given, weight, _ = make(12)
    expected = given.double() @ weight.double().T
    torch.testing.assert_close(linear(given, weight.T.contiguous().T).double(), expected, rtol=1e-5, atol=1e-5)
    wide = torch.cat([given, given + 1], dim=1)
    torch.testing.assert_close(linear(wide[:, :7], weight).double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(linear(given[3:5], weight).double(), expected[3:5], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_what_onednn_is_asked_for(monkeypatch):
    asked = []

    class Asked:
        def __getattr__(self, name):
            asked.append(name)
            return getattr(original, name)

    original = torch.ops.mkldnn
    monkeypatch.setattr(torch.ops, "mkldnn", Asked())
    has_it = products_bahdanau.HAS_ONEDNN
    given, weight, bias = make(9)
    linear(given, weight, bias), linear(given, pack(weight, rows=9), bias)
    wanted = ["_linear_pointwise", "_reorder_linear_weight", "_linear_pointwise"] if has_it else []
    assert asked == wanted
    assert pack(weight, rows=1) is weight  # as soon without
    del asked[:]
    with torch.backends.mkldnn.flags(enabled=False):
        linear(given, pack(weight, rows=9), bias)
    with monkeypatch.context() as context:
        context.setattr(products_bahdanau, "LARGE", 36)
        linear(given, pack(weight, rows=9), bias)
    monkeypatch.setattr(products_bahdanau, "HAS_ONEDNN", False)
    linear(given, pack(weight, rows=9), bias)
    linear(given.double(), weight.double())
    assert not asked
