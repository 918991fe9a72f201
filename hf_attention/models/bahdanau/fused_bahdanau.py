# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""
Bahdanau's decoder recurrence as one autograd function: the values and gradients of the plain loop, sooner and smaller.

Symbols and shapes are those of `layers_bahdanau`. What depends on s_{i-1} in a step, the gates' share and the query,
is one product. And with a = exp(2 W_a s), made once a step, and b = exp(2 U_a h), made once a source,
tanh(W_a s + U_a h) = 1 - 2 u, where u = 1 / (1 + a b): a multiplication and a division in place of tanh. Nothing of
size (B, S, A) is kept for each step: the backward pass makes u again, and the derivative of tanh is 4 u (1 - u).
"""

import torch
from torch.autograd.function import once_differentiable


def without_autocast(function):
    """Everything has one type here, and `out=` arguments know no autocast."""

    def run(ctx, first, *others):
        with torch.autocast(first.device.type, enabled=False):
            return function(ctx, first, *others)

    return run


LIMIT = 40.0  # of |W_a s| and |U_a h|: beyond it tanh has long been flat, and exp(2 x) is not yet infinite


class AttentiveGru(torch.autograd.Function):
    """The GRU of PyTorch and cuDNN under additive attention, over a whole target."""

    @staticmethod
    @without_autocast
    def forward(ctx, gates, state, keys, values, mask, state_weight, state_bias, context_weight, score):
        """
        Args:
            gates (`(B, T, 3 * H)`): W E y_{i-1}, biases included.
            state (`(B, H)`): s_0.
            keys (`(B, S, A)`): U_a h_j.
            values (`(B, S, D)`): h_j.
            mask (`(B, S)`, *optional*): `True` at padding.
            state_weight (`(3 * H + A, H)`), state_bias (`(3 * H + A)`): U of the gates above W_a.
            context_weight (`(3 * H, D)`): C.
            score (`(A)`): v_a.

        Returns:
            states (`(B, T, H)`), contexts (`(B, T, D)`), weights (`(B, T, S)`).
        """
        batch, length, hidden = gates.shape[0], gates.shape[1], state.shape[1]
        source_length, size = keys.shape[1], keys.shape[2]
        # time first, so that what a step writes lies in one piece
        gates = gates.transpose(0, 1)
        states = state.new_empty(length + 1, batch, hidden)
        contexts = values.new_empty(length, batch, values.shape[2])
        weights = values.new_empty(length, batch, source_length)
        kept = gates.new_empty(length, batch, 4 * hidden)  # r, z, n and U s of the candidate
        queries = keys.new_empty(length, batch, size)
        states[0] = state
        exp_keys = torch.exp(keys.clamp(-LIMIT, LIMIT).mul_(2))
        scratch = torch.empty_like(keys)
        total = score.sum()
        for step in range(length):
            shares = torch.addmm(state_bias, states[step], state_weight.t())  # (B, 3 * H + A)
            query = torch.exp(shares[:, 3 * hidden :].clamp(-LIMIT, LIMIT).mul_(2), out=queries[step])
            torch.mul(exp_keys, query.unsqueeze(1), out=scratch).add_(1).reciprocal_()
            scores = total - 2 * (scratch.view(-1, size) @ score).view(batch, source_length)
            if mask is not None:
                scores.masked_fill_(mask, torch.finfo(scores.dtype).min)
            weights[step] = torch.softmax(scores, dim=-1)
            torch.bmm(weights[step].unsqueeze(1), values, out=contexts[step].unsqueeze(1))
            inputs = torch.addmm(gates[step], contexts[step], context_weight.t())
            reset, update, candidate, recurrent = kept[step].split(hidden, dim=-1)
            torch.sigmoid(inputs[:, :hidden] + shares[:, :hidden], out=reset)
            torch.sigmoid(inputs[:, hidden : 2 * hidden] + shares[:, hidden : 2 * hidden], out=update)
            recurrent.copy_(shares[:, 2 * hidden : 3 * hidden])
            torch.tanh(torch.addcmul(inputs[:, 2 * hidden :], reset, recurrent), out=candidate)
            torch.lerp(candidate, states[step], update, out=states[step + 1])
        ctx.save_for_backward(
            mask, states, contexts, weights, kept, queries, exp_keys, values, state_weight, context_weight, score
        )
        return states[1:].transpose(0, 1), contexts.transpose(0, 1), weights.transpose(0, 1)

    @staticmethod
    @once_differentiable
    @without_autocast
    def backward(ctx, d_states, d_contexts, d_weights):
        mask, states, contexts, weights, kept, queries, exp_keys, values, *parameters = ctx.saved_tensors
        state_weight, context_weight, score = parameters
        length, batch, hidden = states.shape[0] - 1, states.shape[1], states.shape[2]
        size = exp_keys.shape[2]
        d_states, d_contexts = d_states.transpose(0, 1), d_contexts.transpose(0, 1)
        d_weights = None if d_weights is None else d_weights.transpose(0, 1)
        d_gates = kept.new_empty(length, batch, 3 * hidden)
        d_shares = kept.new_empty(length, batch, 3 * hidden + size)
        d_all_contexts = torch.empty_like(contexts)
        d_keys, d_score = torch.zeros_like(exp_keys), torch.zeros_like(score)
        d_state = torch.zeros_like(states[0])
        slope, transposed = torch.empty_like(exp_keys), values.transpose(1, 2)
        for step in reversed(range(length)):
            reset, update, candidate, recurrent = kept[step].split(hidden, dim=-1)
            d_state = d_state + d_states[step]
            d_candidate = d_state * (1 - update) * (1 - candidate * candidate)
            d_update = d_state * (states[step] - candidate) * update * (1 - update)
            d_reset = d_candidate * recurrent * reset * (1 - reset)
            torch.cat([d_reset, d_update, d_candidate], dim=-1, out=d_gates[step])
            d_context = torch.addmm(d_contexts[step], d_gates[step], context_weight, out=d_all_contexts[step])
            d_weight = torch.bmm(d_context.unsqueeze(1), transposed).squeeze(1)
            if d_weights is not None:
                d_weight = d_weight + d_weights[step]
            weight = weights[step]
            d_scores = weight * (d_weight - (weight * d_weight).sum(dim=-1, keepdim=True))  # (B, S)
            if mask is not None:  # a row of padding alone has weights that no score changes
                d_scores.masked_fill_(mask, 0)
            # u, and with it the slope of tanh, but for its 4
            torch.mul(exp_keys, queries[step].unsqueeze(1), out=slope).add_(1).reciprocal_()
            d_score.addmv_(slope.view(-1, size).t(), d_scores.reshape(-1), alpha=-2)
            torch.addcmul(slope, slope, slope, value=-1, out=slope)
            d_query = torch.bmm(d_scores.unsqueeze(1), slope).squeeze(1)
            d_keys.addcmul_(slope, d_scores.unsqueeze(-1))
            torch.cat([d_reset, d_update, d_candidate * reset, 4 * score * d_query], dim=-1, out=d_shares[step])
            d_state = torch.addmm(d_state * update, d_shares[step], state_weight)
        d_keys *= 4 * score
        d_values = torch.bmm(weights.permute(1, 2, 0), d_all_contexts.transpose(0, 1))
        flat = d_shares.view(-1, d_shares.shape[-1])
        d_state_weight = flat.t() @ states[:-1].view(-1, hidden)
        d_context_weight = d_gates.view(-1, 3 * hidden).t() @ contexts.view(-1, contexts.shape[-1])
        d_gates = d_gates.transpose(0, 1)
        return d_gates, d_state, d_keys, d_values, None, d_state_weight, flat.sum(dim=0), d_context_weight, d_score
