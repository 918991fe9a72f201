# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Bahdanau's decoder recurrence as one autograd function: the values and gradients of the plain loop, sooner and smaller.

Symbols and shapes are those of `layers_bahdanau`. What depends on s_{i-1} in a step, the gates' share and the query,
is one product. And with a = exp(2 W_a s), made once a step, and b = exp(2 U_a h), made once a source,
tanh(W_a s + U_a h) = 1 - 2 u, where u = 1 / (1 + a b): a multiplication and a division in place of tanh. Nothing of
size (B, S, A) is kept for each step: the backward pass makes u again, and the derivative of tanh is 4 u (1 - u).
"""

from contextlib import nullcontext
from functools import cache

import torch
from torch.autograd.function import once_differentiable

from .products_bahdanau import linear


def without_autocast(function):
    """Everything has one type here, and `out=` arguments know no autocast."""

    def run(ctx, first, *others):
        with torch.autocast(first.device.type, enabled=False):
            return function(ctx, first, *others)

    return run


LIMIT = 40.0  # of |W_a s| and of |U_a h|, far beyond any that are trained, so that exp(2 x) is finite


class AttentiveGru(torch.autograd.Function):
    """
    The GRU of PyTorch and cuDNN under additive attention, over whole targets.

    Targets of several lengths come packed, as in `torch.nn.utils.rnn.PackedSequence`: the longest first, step after
    step, N tokens in all, so that a target that has ended costs nothing.
    """

    @staticmethod
    @without_autocast
    def forward(
        ctx, gates, state, keys, values, mask, batch_sizes, state_weight, state_bias, context_weight, score, compiled
    ):
        """
        Args:
            gates (`(N, 3 * H)`): W E y_{i-1}, biases included.
            state (`(B, H)`): s_0.
            keys (`(B, S, A)`): U_a h_j.
            values (`(B, S, D)`): h_j.
            mask (`(B, S)`, *optional*): `True` at padding.
            batch_sizes (`list[int]`): how many targets have each step: B, then never more.
            state_weight (`(3 * H + A, H)`), state_bias (`(3 * H + A)`): U of the gates above W_a.
            context_weight (`(3 * H, D)`): C.
            score (`(A)`): v_a.
            compiled (`bool`): whether PyTorch's compiler makes the steps.

        Returns:
            states (`(N, H)`), contexts (`(N, D)`), weights (`(N, S)`).
        """
        batch, hidden = state.shape
        states = state.new_empty(batch + len(gates), hidden)
        contexts = values.new_empty(len(gates), values.shape[2])
        weights = values.new_empty(len(gates), keys.shape[1])
        kept = gates.new_empty(len(gates), 4 * hidden)  # r, z, n and U s of the candidate
        states[:batch] = state
        # the alignment is in float32 at least: no slower than bfloat16 on a processor
        wide = torch.promote_types(keys.dtype, torch.float32)
        exp_keys = torch.exp(keys.to(wide).clamp(-LIMIT, LIMIT).mul_(2))
        queries = exp_keys.new_empty(len(gates), keys.shape[2])
        score = score.to(wide)
        parameters = (state_weight, state_bias, context_weight, score, score.sum(), score.new_ones(()))
        step, scratch = (compiled_steps()[0], None) if compiled else (step_forward, torch.empty_like(exp_keys))
        with limits(compiled):
            for now, before, rows in steps_of(batch_sizes):
                source = (of_rows(given, rows) for given in (exp_keys, values, mask, scratch))
                found = (contexts[now], weights[now], queries[now], kept[now])
                after = slice(now.start + batch, now.stop + batch)
                states[after] = step(gates[now], states[before], *source, *parameters, *found)
        ctx.batch_sizes, ctx.compiled = batch_sizes, compiled
        ctx.save_for_backward(
            mask, states, contexts, weights, kept, queries, exp_keys, values, state_weight, context_weight, score
        )
        return states[batch:], contexts, weights

    @staticmethod
    @once_differentiable
    @without_autocast
    def backward(ctx, d_states, d_contexts, d_weights):
        mask, states, contexts, weights, kept, queries, exp_keys, values, *parameters = ctx.saved_tensors
        state_weight, context_weight, score = parameters
        batch, _, size = exp_keys.shape
        hidden = states.shape[1]
        d_gates = kept.new_empty(len(kept), 3 * hidden)
        d_shares = kept.new_empty(len(kept), 3 * hidden + size)
        d_all_contexts = torch.empty_like(contexts)
        d_keys, d_score = torch.zeros_like(exp_keys), torch.zeros_like(score)
        d_all_states = torch.zeros_like(states[:batch])  # of the targets that have begun, from the end
        compiled, steps, one = ctx.compiled, steps_of(ctx.batch_sizes), score.new_ones(())
        step, scratch = (compiled_steps()[1], None) if compiled else (step_backward, torch.empty_like(exp_keys))
        with limits(compiled):
            for now, before, rows in reversed(steps):
                arrived = (d_states[now], d_contexts[now], d_weights[now])
                step_kept = (states[before], weights[now], queries[now], kept[now])
                source = (of_rows(given, rows) for given in (exp_keys, values, mask, scratch))
                sums = (d_all_states[:rows], d_keys[:rows], d_score)
                found = (d_gates[now], d_shares[now], d_all_contexts[now])
                step(*arrived, *step_kept, *source, *parameters, one, *sums, *found)
        d_keys = (4 * score * d_keys).to(values.dtype)
        d_values = torch.bmm(by_target(weights, steps, batch).transpose(1, 2), by_target(d_all_contexts, steps, batch))
        d_state_weight = d_shares.t() @ torch.cat([states[before] for _, before, _ in steps])
        d_context_weight = d_gates.t() @ contexts
        d_state_bias = d_shares.sum(dim=0)
        gradients = (d_gates, d_all_states, d_keys, d_values, None, None)
        return *gradients, d_state_weight, d_state_bias, d_context_weight, d_score.to(values.dtype), None


def step_forward(
    gates,
    state,
    exp_keys,
    values,
    mask,
    scratch,
    state_weight,
    state_bias,
    context_weight,
    score,
    total,
    one,
    context,
    weight,
    query,
    kept,
):
    """A step, of the targets that have it: returns s_i, and writes c_i, alpha_i, exp(2 W_a s) and the gates."""
    (rows, source_length, size), hidden = exp_keys.shape, state.shape[1]
    shares = linear(state, state_weight, state_bias)  # (rows, 3 * H + A)
    query.copy_(shares[:, 3 * hidden :]).clamp_(-LIMIT, LIMIT).mul_(2).exp_()
    hidden_layer = inverses(one, exp_keys, query, scratch).view(-1, size)
    scores = torch.addmv(total, hidden_layer, score, alpha=-2).view(rows, source_length)
    if mask is not None:
        scores.masked_fill_(mask, torch.finfo(scores.dtype).min)
    weight.copy_(torch.softmax(scores, dim=-1))
    torch.bmm(weight.unsqueeze(1), values, out=context.unsqueeze(1))
    inputs = linear(context, context_weight).add_(gates)
    reset_update = torch.sigmoid(inputs[:, : 2 * hidden] + shares[:, : 2 * hidden])
    recurrent = shares[:, 2 * hidden : 3 * hidden]
    candidate = torch.tanh(torch.addcmul(inputs[:, 2 * hidden :], reset_update[:, :hidden], recurrent))
    torch.cat([reset_update, candidate, recurrent], dim=-1, out=kept)
    return torch.lerp(candidate, state, reset_update[:, hidden:])


def step_backward(
    d_state_after,
    d_context,
    d_weight,
    state,
    weight,
    query,
    kept,
    exp_keys,
    values,
    mask,
    scratch,
    state_weight,
    context_weight,
    score,
    one,
    d_state,
    d_keys,
    d_score,
    d_gates,
    d_shares,
    d_whole_context,
):
    """A step back: adds to the gradients of the states, keys and score (those two but for what all steps share)."""
    size = exp_keys.shape[2]
    reset, update, candidate, recurrent = kept.chunk(4, dim=-1)
    d_state.add_(d_state_after)
    d_candidate = torch.ops.aten.tanh_backward(torch.addcmul(d_state, d_state, update, value=-1), candidate)
    d_update = torch.ops.aten.sigmoid_backward(d_state * (state - candidate), update)
    d_reset = torch.ops.aten.sigmoid_backward(d_candidate * recurrent, reset)
    torch.cat([d_reset, d_update, d_candidate], dim=-1, out=d_gates)
    torch.add(d_context, linear(d_gates, context_weight.t()), out=d_whole_context)
    d_weight = d_weight + torch.bmm(d_whole_context.unsqueeze(1), values.transpose(1, 2)).squeeze(1)
    d_weight, weight = d_weight.to(exp_keys.dtype), weight.to(exp_keys.dtype)
    d_scores = weight * (d_weight - (weight * d_weight).sum(dim=-1, keepdim=True))  # (rows, S)
    if mask is not None:  # a row of padding alone has weights that no score changes
        d_scores.masked_fill_(mask, 0)
    slopes = inverses(one, exp_keys, query, scratch)
    d_score.addmv_(slopes.view(-1, size).t(), d_scores.view(-1), alpha=-2)
    slopes = torch.addcmul(slopes, slopes, slopes, value=-1, out=scratch)  # of tanh, but for a factor of 4
    d_query = torch.bmm(d_scores.unsqueeze(1), slopes).squeeze(1)
    d_keys.addcmul_(slopes, d_scores.unsqueeze(-1))
    d_query = (4 * score * d_query).to(d_gates.dtype)
    torch.cat([d_reset, d_update, d_candidate * reset, d_query], dim=-1, out=d_shares)
    d_state.mul_(update).add_(linear(d_shares, state_weight.t()))


def inverses(one, exp_keys, query, scratch):
    """u = 1 / (1 + a b), (rows, S, A), in the scratch where there is one: the compiler needs none."""
    if scratch is None:
        return 1 / (1 + exp_keys * query.unsqueeze(1))
    return torch.addcmul(one, exp_keys, query.unsqueeze(1), out=scratch).reciprocal_()


@cache
def compiled_steps():
    return torch.compile(step_forward), torch.compile(step_backward)


def limits(compiled: bool):
    """Sizes, types and masks are of more kinds than the compiler's limit of eight."""
    return torch._dynamo.config.patch(recompile_limit=64) if compiled else nullcontext()


def of_rows(given: torch.Tensor | None, rows: int) -> torch.Tensor | None:
    return None if given is None else given[:rows]


def steps_of(batch_sizes: list[int]) -> list[tuple[slice, slice, int]]:
    """A step's tokens; the states before it, among the first B states and those of all tokens; how many they are."""
    found, start, before = [], 0, 0
    for rows in batch_sizes:
        found.append((slice(start, start + rows), slice(before, before + rows), rows))
        before = batch_sizes[0] + start
        start += rows
    return found


def by_target(packed: torch.Tensor, steps: list[tuple[slice, slice, int]], batch: int) -> torch.Tensor:
    """(N, size) to (B, T, size), zero where a target has ended."""
    padded = packed.new_zeros(batch, len(steps), packed.shape[1])
    for index, (now, _, rows) in enumerate(steps):
        padded[:rows, index] = packed[now]
    return padded


class AdditiveScores(torch.autograd.Function):
    """v_a^T tanh(W_a s + U_a h). The hidden layer, (B, T, S, A), is never whole, nor kept: backward makes it again."""

    @staticmethod
    @without_autocast
    def forward(ctx, queries, keys, score):
        """
        Args:
            queries (`(B, T, A)`): W_a s.
            keys (`(B, S, A)`): U_a h_j.
            score (`(A)`): v_a.

        Returns:
            the scores, (B, T, S).
        """
        ctx.save_for_backward(queries, keys, score)
        return torch.stack([torch.tanh(query.unsqueeze(1) + keys) @ score for query in queries.unbind(1)], dim=1)

    @staticmethod
    @once_differentiable
    @without_autocast
    def backward(ctx, d_scores):
        queries, keys, score = ctx.saved_tensors
        d_queries, d_keys, d_score = torch.empty_like(queries), torch.zeros_like(keys), torch.zeros_like(score)
        for step, (query, d_step) in enumerate(zip(queries.unbind(1), d_scores.unbind(1))):
            hidden = torch.tanh(query.unsqueeze(1) + keys)  # (B, S, A)
            d_score += d_step.reshape(-1) @ hidden.flatten(0, 1)
            slopes = torch.ops.aten.tanh_backward(d_step.unsqueeze(-1) * score, hidden)
            d_queries[:, step] = slopes.sum(dim=1)
            d_keys += slopes
        return d_queries, d_keys, d_score
