# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The fast path of the decoder's recurrence: the plain loop's values and gradients, faster and with less memory.

[`BahdanauFusedDecoderLayer`] takes it where `config.fused` is set and [`supports`] allows it. Symbols and shapes are
those of `layers_bahdanau`. What depends on s_{i-1} in a step, the recurrent part of the gates and the query, is one
product. With a = exp(2 W_a s), computed once a step, and b = exp(2 U_a h), computed once a source,
tanh(W_a s + U_a h) = 1 - 2 u, where u = 1 / (1 + a b): a multiplication and a division instead of tanh. Nothing of
size (B, S, A) is kept for a step: the backward pass recomputes u, and the derivative of tanh is 4 u (1 - u).
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .attention_bahdanau import BahdanauLinear
from .configuration_bahdanau import BahdanauConfig
from .layers_bahdanau import BahdanauDecoderLayer


MAX_EXPONENT = 40.0  # of |W_a s| and |U_a h|, far beyond trained values, so that exp(2 x) is finite


class BahdanauFusedDecoderLayer(BahdanauDecoderLayer):
    """[`BahdanauDecoderLayer`], by the fast path where it applies."""

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.config = config

    def forward(
        self,
        inputs: torch.Tensor,
        state: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        lengths: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """See [`BahdanauDecoderLayer`]."""
        if self.config.fused and supports(self, inputs, mask):
            return run(self, inputs, state, keys, values, encoder_attention_mask, lengths)
        return super().forward(inputs, state, keys, values, encoder_attention_mask, mask, lengths)


def supports(layer: BahdanauDecoderLayer, inputs: torch.Tensor, mask: torch.Tensor | None) -> bool:
    """
    Whether [`run`] computes what the layer's plain loop does: a cuDNN-style GRU under additive attention with softmax
    over more than one step, without a mask of the target, its parts unmodified (no LoRA, no hooks, no quantized
    weights), and not while a graph is exported.
    """
    if mask is not None or (layer.attention.attention_type, layer.attention.attention_function) != (
        "additive",
        "softmax",
    ):
        return False
    if layer.cell.cell_type != "gru" or layer.cell.reset_before:
        return False
    if inputs.shape[1] == 1 or active_dtype(inputs) == torch.float16 or is_exporting() or is_transforming():
        return False
    if has_hooks_or_patched_forward(layer.attention) or has_hooks_or_patched_forward(layer.cell):
        return False
    parts = (layer.cell.recurrent, layer.context_proj, layer.attention.query_proj, layer.attention.score)
    return all(map(is_unmodified_linear, parts))


@torch.compiler.disable  # traced, the loop would be unrolled again for every target length
def run(
    layer: BahdanauDecoderLayer,
    inputs: torch.Tensor,
    state: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    encoder_attention_mask: torch.Tensor | None = None,
    lengths: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Computes what [`BahdanauDecoderLayer`] does, but steps after `lengths` are left out, and zero."""
    batch_size, length = inputs.shape[:2]
    num_targets = batch_size // len(keys)  # per source
    if layer.attention.num_heads > 1:
        values = layer.attention.value_proj(values)  # whose parts the heads read
    mask = None if encoder_attention_mask is None else encoder_attention_mask == 0
    if num_targets > 1:
        keys, values = keys.repeat_interleave(num_targets, dim=0), values.repeat_interleave(num_targets, dim=0)
        mask = None if mask is None else mask.repeat_interleave(num_targets, dim=0)
    if lengths is None:
        packed = pack_padded_sequence(inputs, torch.full((batch_size,), length), batch_first=True)
        lengths = packed.batch_sizes.new_full((batch_size,), length)
    else:
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        order = packed.sorted_indices  # longest first
        state, keys, values = state[order], keys[order], values[order]
        mask = None if mask is None else mask[order]
    gates = layer.input_proj(packed.data)  # (N, 3 * H)
    dtype = gates.dtype
    parts = (layer.cell.recurrent, layer.attention.query_proj)
    biases: list[torch.Tensor] = [
        gates.new_zeros(part.out_features) if part.bias is None else part.bias for part in parts
    ]
    outputs = AttentiveGru.apply(
        gates,
        state.to(dtype),
        keys.to(dtype),
        values.to(dtype),
        mask,
        packed.batch_sizes.tolist(),
        torch.cat((parts[0].weight, parts[1].weight)).to(dtype),
        torch.cat(biases).to(dtype),
        layer.context_proj.weight.to(dtype),
        torch.block_diag(*layer.attention.score.weight.unsqueeze(-1)).to(dtype),
    )
    states, contexts, weights = (unpack(output, packed, length) for output in outputs)
    last = states[torch.arange(batch_size, device=states.device), (lengths - 1).to(states.device)]
    return states, last, contexts, weights


def without_padding(function: Callable, lengths: torch.Tensor, *sequences: torch.Tensor) -> torch.Tensor:
    """A function of single steps on (B, T, size) up to each row's length, (B) on the CPU; zeros after it."""
    packed = [pack_padded_sequence(given, lengths, batch_first=True, enforce_sorted=False) for given in sequences]
    return unpack(function(*(steps.data for steps in packed)), packed[0], sequences[0].shape[1])


def unpack(data: torch.Tensor, like: PackedSequence, length: int) -> torch.Tensor:
    """(N, ...) to (B, T, ...), zero where a target has ended."""
    return pad_packed_sequence(like._replace(data=data), batch_first=True, total_length=length)[0]


def without_autocast(function: Callable) -> Callable:
    """Decorates a method of an autograd function: all its tensors have one type, and `out=` does not know autocast."""

    def run_without_autocast(ctx, first: torch.Tensor, *others):
        with torch.autocast(first.device.type, enabled=False):
            return function(ctx, first, *others)

    return run_without_autocast


def first_derivatives_only(backward: Callable) -> Callable:
    """
    Decorates the backward method of an autograd function without second derivatives. torch's `once_differentiable`
    would leave them out, silently, where the function's output is itself what is differentiated.
    """

    def run_once(ctx, *gradients):
        if torch.is_grad_enabled():  # so it is with `create_graph=True`
            raise RuntimeError(
                "The fast path has no second derivatives (`create_graph=True`). Set `model.config.fused = False` "
                "before the forward pass."
            )
        return backward(ctx, *gradients)

    return run_once


class AttentiveGru(torch.autograd.Function):
    """
    The GRU of PyTorch and cuDNN under additive attention, over complete targets.

    Targets of several lengths are packed as in `torch.nn.utils.rnn.PackedSequence`: longest first, step after step, N
    tokens in all, so that a target that has ended costs nothing.
    """

    @staticmethod
    @without_autocast
    def forward(ctx, gates, state, keys, values, mask, batch_sizes, state_weight, state_bias, context_weight, score):
        """
        Args:
            gates (`(N, 3 * H)`): W E y_{i-1}, biases included.
            state (`(B, H)`): s_0.
            keys (`(B, S, A)`): U_a h_j.
            values (`(B, S, D)`): h_j.
            mask (`(B, S)`, *optional*): `True` at padding.
            batch_sizes (`list[int]`): the number of targets that have each step: B, then never more.
            state_weight (`(3 * H + A, H)`), state_bias (`(3 * H + A)`): U of the gates above W_a.
            context_weight (`(3 * H, D)`): C.
            score (`(A, heads)`): v_a of each head, 0 for the units of the others.

        Returns:
            states (`(N, H)`), contexts (`(N, D)`), weights (`(N, heads, S)`).
        """
        batch, hidden = state.shape
        states = state.new_empty(batch + len(gates), hidden)
        contexts = values.new_empty(len(gates), values.shape[2])
        weights = values.new_empty(len(gates), score.shape[1], keys.shape[1])
        saved_gates = gates.new_empty(len(gates), 4 * hidden)  # r, z, n and U s of the candidate
        states[:batch] = state
        # the alignment is in float32 at least: on a CPU no slower than bfloat16
        wide = torch.promote_types(keys.dtype, torch.float32)
        exp_keys = torch.exp(keys.to(wide).clamp(-MAX_EXPONENT, MAX_EXPONENT).mul_(2))
        queries = exp_keys.new_empty(len(gates), keys.shape[2])
        score = score.to(wide)
        total, one, scratch = score.sum(dim=0), score.new_ones(()), torch.empty_like(exp_keys)
        for now, before, rows in step_slices(batch_sizes):
            shares = nn.functional.linear(states[before], state_weight, state_bias)  # (rows, 3 * H + A)
            query = queries[now].copy_(shares[:, 3 * hidden :])
            query.clamp_(-MAX_EXPONENT, MAX_EXPONENT).mul_(2).exp_()  # exp(2 W_a s)
            u = torch.addcmul(one, exp_keys[:rows], query.unsqueeze(1), out=scratch[:rows]).reciprocal_()
            scores = torch.addmm(total, u.view(-1, u.shape[2]), score, alpha=-2)
            scores = scores.view(rows, -1, len(total)).transpose(1, 2)  # (rows, heads, S)
            if mask is not None:
                scores = scores.masked_fill(mask[:rows].unsqueeze(1), torch.finfo(scores.dtype).min)
            weights[now] = torch.softmax(scores, dim=-1)
            contexts[now] = gather_heads(torch.bmm(weights[now], values[:rows]))
            inputs = nn.functional.linear(contexts[now], context_weight).add_(gates[now])  # (rows, 3 * H)
            reset_update = torch.sigmoid(inputs[:, : 2 * hidden] + shares[:, : 2 * hidden])
            recurrent = shares[:, 2 * hidden : 3 * hidden]
            candidate = torch.tanh(torch.addcmul(inputs[:, 2 * hidden :], reset_update[:, :hidden], recurrent))
            torch.cat([reset_update, candidate, recurrent], dim=-1, out=saved_gates[now])
            after = slice(now.start + batch, now.stop + batch)
            states[after] = torch.lerp(candidate, states[before], reset_update[:, hidden:])
        ctx.batch_sizes = batch_sizes
        ctx.save_for_backward(
            mask,
            states,
            contexts,
            weights,
            saved_gates,
            queries,
            exp_keys,
            values,
            state_weight,
            context_weight,
            score,
        )
        return states[batch:], contexts, weights

    @staticmethod
    @first_derivatives_only
    @without_autocast
    def backward(ctx, d_states, d_contexts, d_weights):
        mask, states, contexts, weights, saved_gates, queries, exp_keys, values, *parameters = ctx.saved_tensors
        state_weight, context_weight, score = parameters
        batch, _, size = exp_keys.shape
        hidden, heads, unit_score = states.shape[1], score.shape[1], score.sum(dim=1)
        d_gates = saved_gates.new_empty(len(saved_gates), 3 * hidden)
        d_shares = saved_gates.new_empty(len(saved_gates), 3 * hidden + size)
        d_all_contexts = torch.empty_like(contexts)
        d_keys, d_score = torch.zeros_like(exp_keys), torch.zeros_like(score)
        d_last = torch.zeros_like(states[:batch])  # of the states after the step, for targets that have it
        steps, one, scratch = step_slices(ctx.batch_sizes), score.new_ones(()), torch.empty_like(exp_keys)
        for now, before, rows in reversed(steps):
            reset, update, candidate, recurrent = saved_gates[now].chunk(4, dim=-1)
            d_state = d_last[:rows].add_(d_states[now])
            d_candidate = torch.addcmul(d_state, d_state, update, value=-1)
            d_candidate = torch.ops.aten.tanh_backward(d_candidate, candidate)
            d_update = torch.ops.aten.sigmoid_backward(d_state * (states[before] - candidate), update)
            d_reset = torch.ops.aten.sigmoid_backward(d_candidate * recurrent, reset)
            torch.cat([d_reset, d_update, d_candidate], dim=-1, out=d_gates[now])
            d_context = d_all_contexts[now]
            torch.add(d_contexts[now], nn.functional.linear(d_gates[now], context_weight.t()), out=d_context)
            d_weight = torch.bmm(spread_heads(d_context, heads), values[:rows].transpose(1, 2))
            d_weight = (d_weights[now] + d_weight).to(exp_keys.dtype)  # (rows, heads, S)
            weight = weights[now].to(exp_keys.dtype)
            d_scores = weight * (d_weight - (weight * d_weight).sum(dim=-1, keepdim=True))
            if mask is not None:  # the weights of a row that holds only padding do not depend on its scores
                d_scores.masked_fill_(mask[:rows].unsqueeze(1), 0)
            query, free = queries[now].unsqueeze(1), scratch[:rows]
            u = torch.addcmul(one, exp_keys[:rows], query, out=free).reciprocal_()
            d_of_keys = d_scores.transpose(1, 2)  # (rows, S, heads)
            d_score.addmm_(u.view(-1, size).t(), d_of_keys.reshape(-1, heads), alpha=-2)
            slopes = torch.addcmul(u, u, u, value=-1, out=free)  # u (1 - u): the factor 4 score comes last
            d_query = gather_heads(torch.bmm(d_scores, slopes))
            of_heads = (rows, -1, heads, size // heads)
            d_keys[:rows].view(of_heads).addcmul_(slopes.view(of_heads), d_of_keys.unsqueeze(-1))
            d_query = (4 * unit_score * d_query).to(d_gates.dtype)
            torch.cat([d_reset, d_update, d_candidate * reset, d_query], dim=-1, out=d_shares[now])
            d_state.mul_(update).add_(nn.functional.linear(d_shares[now], state_weight.t()))
        d_keys = (4 * unit_score * d_keys).to(values.dtype)
        d_padded = pad_steps(d_all_contexts, steps, batch).unflatten(-1, (heads, -1)).transpose(1, 2)
        d_values = pad_steps(weights, steps, batch).permute(0, 2, 3, 1) @ d_padded  # (B, heads, S, D / heads)
        d_values = d_values.transpose(1, 2).flatten(2)
        d_state_weight = d_shares.t() @ torch.cat([states[before] for _, before, _ in steps])
        d_context_weight = d_gates.t() @ contexts
        gradients = (d_gates, d_last, d_keys, d_values, None, None)
        return *gradients, d_state_weight, d_shares.sum(dim=0), d_context_weight, d_score.to(values.dtype)


def step_slices(batch_sizes: list[int]) -> list[tuple[slice, slice, int]]:
    """Of each step: its tokens, the states before it (among the B first states and those of all tokens), its rows."""
    slices, start, before = [], 0, 0
    for rows in batch_sizes:
        slices.append((slice(start, start + rows), slice(before, before + rows), rows))
        before = batch_sizes[0] + start
        start += rows
    return slices


def pad_steps(packed: torch.Tensor, steps: list[tuple[slice, slice, int]], batch: int) -> torch.Tensor:
    """(N, ...) to (B, T, ...), zero where a target has ended."""
    padded = packed.new_zeros(batch, len(steps), *packed.shape[1:])
    for index, (now, _, rows) in enumerate(steps):
        padded[:rows, index] = packed[now]
    return padded


def spread_heads(vectors: torch.Tensor, heads: int) -> torch.Tensor:
    """Each head's part of (rows, D) in a row of its own, 0 elsewhere: (rows, heads, D)."""
    if heads == 1:
        return vectors.unsqueeze(1)
    parts = vectors.unflatten(-1, (heads, -1)).transpose(1, 2)
    return torch.diag_embed(parts, dim1=1, dim2=2).flatten(2)


def gather_heads(vectors: torch.Tensor) -> torch.Tensor:
    """Of each head's row its own part: (rows, heads, D) to (rows, D)."""
    heads = vectors.shape[1]
    if heads == 1:
        return vectors.squeeze(1)
    return vectors.unflatten(-1, (heads, -1)).diagonal(dim1=1, dim2=2).transpose(1, 2).flatten(1)


def is_unmodified_linear(linear: nn.Module) -> bool:
    """Whether a linear map is no more than its weight and bias, which fused code may then use (no LoRA, no hooks)."""
    if type(linear) not in (nn.Linear, BahdanauLinear) or has_hooks_or_patched_forward(linear):
        return False
    return is_plain(linear.weight)


def is_plain(weight: torch.Tensor | nn.Module) -> bool:
    """Whether any operation may read a weight, unlike one of a sub-class (quantized, distributed) or a sparse one."""
    if not isinstance(weight, torch.Tensor) or type(weight) not in (nn.Parameter, torch.Tensor):
        return False
    return weight.layout == torch.strided


def has_hooks_or_patched_forward(module: nn.Module) -> bool:
    """Whether a module has hooks, or a replaced `forward`, as accelerate does to load weights late."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks) or "forward" in vars(module)


def active_dtype(tensor: torch.Tensor) -> torch.dtype:
    """The type that linear layers compute in: autocast's, if it is on."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype


def is_transforming() -> bool:
    """Whether `torch.func` transforms the model (`vmap`, `grad`, `jvp`, ...), for which only plain operations work."""
    return torch._C._are_functorch_transforms_active()


def is_exporting() -> bool:
    """Whether one graph of the model is exported. torch 2.11 also says so of everything that Dynamo traces."""
    return torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling()
