# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch

from hf_attention import BahdanauConfig
from hf_attention.models.bahdanau.attention_bahdanau import BahdanauAttention
from hf_attention.models.bahdanau.sparse_bahdanau import entmax15, sparsemax


FUNCTIONS = {"sparsemax": (sparsemax, 2.0), "entmax15": (entmax15, 1.5)}
LOWEST = torch.finfo(torch.double).min  # as padding is marked


def make_scores() -> torch.Tensor:
    """Ordinary, equal, tied, almost one-hot, masked, entirely masked, huge and tiny scores."""
    torch.manual_seed(0)
    scores = torch.randn(12, 9, dtype=torch.double) * torch.logspace(-2, 2, 12, dtype=torch.double)[:, None]
    scores[0] = 3.0
    scores[1, :4] = scores[1].max()
    scores[2, 5] += 50
    scores[3, 4:] = scores[4, :5] = scores[5] = LOWEST
    return scores


@pytest.mark.parametrize("name", FUNCTIONS)
def test_weights_are_those_of_bisection(name):
    """Of alpha-entmax (Peters et al. 2019, equation 8): p = [(alpha - 1) z - tau]_+^(1 / (alpha - 1))."""
    function, alpha = FUNCTIONS[name]
    scores = make_scores()
    z = (scores - scores.amax(dim=-1, keepdim=True)) * (alpha - 1)
    low, high = torch.full((12, 1), -1.0, dtype=torch.double), torch.zeros(12, 1, dtype=torch.double)
    for _ in range(200):
        tau = (low + high) / 2
        is_low = (z - tau).clamp(min=0).pow(1 / (alpha - 1)).sum(dim=-1, keepdim=True) > 1
        low, high = torch.where(is_low, tau, low), torch.where(is_low, high, tau)
    expected = (z - tau).clamp(min=0).pow(1 / (alpha - 1))
    torch.testing.assert_close(function(scores), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.double])
def test_weights_sum_to_1_and_padding_has_exactly_none(name, dtype):
    scores = make_scores().to(dtype).clamp(min=torch.finfo(dtype).min)
    weights = FUNCTIONS[name][0](scores)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(12, dtype=dtype))
    assert (weights >= 0).all()
    assert weights[3, 4:].eq(0).all() and weights[4, :5].eq(0).all()
    torch.testing.assert_close(weights[[0, 5]], torch.full((2, 9), 1 / 9, dtype=dtype))
    assert weights[2].tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert (weights == 0).any(dim=-1)[6:].all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_the_papers_and_those_by_differences(name):
    """The Jacobian is diag(s) - s s^T / sum(s) with s = p^(2 - alpha) on the support (proposition 2)."""
    function, alpha = FUNCTIONS[name]
    scores = make_scores()[6:].requires_grad_()
    for row in scores:
        weights = function(row)
        s = torch.where(weights > 0, weights.clamp(min=1e-300).pow(2 - alpha), 0)
        expected = torch.diag(s) - torch.outer(s, s) / s.sum()
        torch.testing.assert_close(torch.autograd.functional.jacobian(function, row), expected)
    assert torch.autograd.gradcheck(function, scores)
    assert torch.autograd.gradgradcheck(function, scores)
    torch.testing.assert_close(torch.func.vmap(function)(scores), function(scores))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_annotation_of_zero_weight_has_no_influence(name):
    """
    Neither the gradient nor any change of its value reaches the context. Its key, from which the weight comes, has a
    gradient of exactly zero too, but a large enough change of it gives the annotation weight.
    """
    torch.manual_seed(0)
    config = BahdanauConfig(hidden_size=6, attention_size=5, encoder_hidden_size=4, attention_function=name)
    attention = BahdanauAttention(config).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=2.0)
    query = torch.randn(1, 3, 6, dtype=torch.double)
    values = torch.randn(1, 8, 8, dtype=torch.double, requires_grad=True)
    keys = attention.project_keys(values).detach().requires_grad_()
    contexts, weights = attention(query, keys, values)
    for step in range(3):
        gradients = torch.autograd.grad(contexts[0, step].sum(), [keys, values], retain_graph=True)
        unread = weights[0, step, 0] == 0
        assert unread.any() and not unread.all()
        for gradient in gradients:
            assert gradient[0, unread].eq(0).all()
        assert gradients[1][0, ~unread].ne(0).all()
        changed = torch.where(unread[None, :, None], 1e6 * torch.randn_like(values), values)
        assert torch.equal(attention(query, keys, changed)[0][0, step], contexts[0, step])
        best = keys[:, weights[0, step, 0].argmax()].unsqueeze(1)
        moved = torch.where(unread[None, :, None], best, keys)
        assert attention(query, moved, values)[1][0, step, 0, unread].gt(0).all()
