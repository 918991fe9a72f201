# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The layers of the Bahdanau model: recurrent units, attention over the annotations, and the readout.

Equation numbers and symbols are those of Bahdanau et al. 2014 (arXiv 1409.0473), appendix A, unless another paper is
named. Shapes: B batch, S source length, T target length, E embedding, H decoder state, A alignment layer, D annotation
(the encoder's states of all directions), R readout.
"""

import math

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from transformers.modeling_layers import GradientCheckpointingLayer

from .configuration_bahdanau import BahdanauConfig
from .fused_bahdanau import AdditiveScores, AttentiveGru
from .padding_bahdanau import invert, take, unpack


class BahdanauLinear(nn.Linear):
    """
    A linear map that knows its part, and with it its initial distribution: `gates` W, `recurrent` U, `alignment` W_a
    and U_a, `score` v_a. (transformers initialises custom code leaf by leaf.)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool, part: str):
        super().__init__(in_features, out_features, bias=bias)
        self.part = part


class BahdanauCell(nn.Module):
    """
    One step of a recurrent unit, given the input's share of its gates.

    `rnn`: s_i = tanh(x + U s_{i-1}). `lstm`: gates in PyTorch's order (input, forget, cell, output). `gru`: gates
    reset, update, candidate; with `reset_after` the cell of cuDNN, in which z weighs the OLD state, without it
    appendix A.1.1, in which z weighs the NEW state and r acts on s before U.
    """

    gates = {"rnn": 1, "gru": 3, "lstm": 4}

    def __init__(self, config: BahdanauConfig, hidden_size: int):
        super().__init__()
        self.cell_type, self.hidden_size = config.cell_type, hidden_size
        self.reset_before = config.cell_type == "gru" and not config.reset_after
        num_gates = 2 if self.reset_before else self.gates[config.cell_type]
        # cuDNN's candidate needs a bias inside the reset gate's product; elsewhere the input's bias says it all
        use_bias = config.use_bias and config.cell_type == "gru" and config.reset_after
        self.recurrent = BahdanauLinear(hidden_size, num_gates * hidden_size, use_bias, "recurrent")
        if self.reset_before:
            self.candidate = BahdanauLinear(hidden_size, hidden_size, False, "recurrent")

    def forward(self, inputs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """
        Args:
            inputs (`torch.Tensor` of shape `(B, gates * H)`): W x, biases included.
            state (`torch.Tensor` of shape `(B, H)`, for `lstm` `(B, 2 * H)`): s_{i-1}, for `lstm` beside its memory.

        Returns:
            `torch.Tensor` of the state's shape: s_i.
        """
        state = state.to(inputs.dtype)  # under autocast the first state may not be of the gates' type
        if self.cell_type == "rnn":
            return torch.tanh(inputs + self.recurrent(state))
        if self.cell_type == "lstm":
            hidden, memory = state.chunk(2, dim=-1)
            input_gate, forget_gate, cell, output_gate = (inputs + self.recurrent(hidden)).chunk(4, dim=-1)
            memory = forget_gate.sigmoid() * memory + input_gate.sigmoid() * cell.tanh()
            return torch.cat([output_gate.sigmoid() * memory.tanh(), memory], dim=-1)

        sizes = (2 * self.hidden_size, self.hidden_size)
        gates, candidate = inputs.split(sizes, dim=-1)
        if self.reset_before:
            reset, update = (gates + self.recurrent(state)).sigmoid().chunk(2, dim=-1)
            candidate = torch.tanh(candidate + self.candidate(reset * state))
            return torch.lerp(state, candidate, update)
        recurrent_gates, recurrent_candidate = self.recurrent(state).split(sizes, dim=-1)
        reset, update = (gates + recurrent_gates).sigmoid().chunk(2, dim=-1)
        candidate = torch.tanh(candidate + reset * recurrent_candidate)
        return torch.lerp(candidate, state, update)


class BahdanauRecurrence(nn.Module):
    """One recurrent layer in one direction over a sequence: PyTorch's fused unit, or the 2014 cell in a loop."""

    def __init__(self, config: BahdanauConfig, input_size: int, hidden_size: int):
        super().__init__()
        self.hidden_size = hidden_size
        self.state_size = hidden_size * (2 if config.cell_type == "lstm" else 1)
        self.reset_before = config.cell_type == "gru" and not config.reset_after
        if self.reset_before:
            self.input_proj = nn.Linear(input_size, 3 * hidden_size, bias=config.use_bias)
            self.cell = BahdanauCell(config, hidden_size)
        else:
            unit = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[config.cell_type]
            self.unit = unit(input_size, hidden_size, bias=config.use_bias, batch_first=True)

    def read(self, inputs: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """
        The hidden states of sequences from their beginning, (B, T, input_size) to (B, T, H). With `lengths`, `(B)` on
        the CPU, what comes after may be left out, and is then zero.
        """
        if lengths is None or self.reset_before:
            return self(inputs)[0]
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        return unpack(self.unit(packed)[0].data, packed, inputs.shape[1])

    def forward(
        self, inputs: torch.Tensor, state: torch.Tensor | None = None, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            inputs (`torch.Tensor` of shape `(B, T, input_size)`)
            state (`torch.Tensor` of shape `(B, state_size)`, *optional*): the state before the first step; zeros.
            mask (`torch.Tensor` of shape `(B, T)`, *optional*): the state passes over steps whose mask is 0.

        Returns:
            the hidden states, `(B, T, H)`, and the last state, `(B, state_size)`.
        """
        if state is None:
            state = inputs.new_zeros(inputs.shape[0], self.state_size)
        if mask is None and not self.reset_before:
            return self.run(inputs, state)
        if self.reset_before:
            inputs = self.input_proj(inputs)
        outputs = []
        for step in range(inputs.shape[1]):
            if self.reset_before:
                new_state = self.cell(inputs[:, step], state)
            else:
                _, new_state = self.run(inputs[:, step : step + 1], state)
            state = new_state if mask is None else torch.where(mask[:, step, None] > 0, new_state, state)
            outputs.append(state[:, : self.hidden_size])
        return torch.stack(outputs, dim=1), state

    def run(self, inputs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state = state.to(inputs.dtype).unsqueeze(0)
        if isinstance(self.unit, nn.LSTM):
            hidden, memory = state.chunk(2, dim=-1)
            outputs, state = self.unit(inputs, (hidden.contiguous(), memory.contiguous()))
            return outputs, torch.cat(state, dim=-1).squeeze(0)
        outputs, state = self.unit(inputs, state.contiguous())
        return outputs, state.squeeze(0)


class BahdanauAttention(nn.Module):
    """
    Attention(q, K, V) over the annotations of one source, one head.

    Scores: `additive` v_a^T tanh(W_a s + U_a h_j) (appendix A.1.2); `dot` s^T h_j and `general` s^T W_a h_j (Luong et
    al. 2015, equation 8); `scaled_dot` s^T h_j / sqrt(H) (Vaswani et al. 2017, equation 1).
    """

    def __init__(self, config: BahdanauConfig):
        super().__init__()
        self.attention_type = config.attention_type
        if config.attention_type == "additive":
            self.query_proj = BahdanauLinear(config.hidden_size, config.attention_size, config.use_bias, "alignment")
            self.key_proj = BahdanauLinear(config.encoder_output_size, config.attention_size, False, "alignment")
            self.score = BahdanauLinear(config.attention_size, 1, False, "score")
        elif config.attention_type == "general":
            self.key_proj = BahdanauLinear(config.encoder_output_size, config.hidden_size, False, "alignment")

    def project_keys(self, annotations: torch.Tensor) -> torch.Tensor:
        """The share of the score that no target step changes: `(B, S, D)` to `(B, S, A)` (or `(B, S, H)`)."""
        return self.key_proj(annotations) if self.attention_type in ("additive", "general") else annotations

    def forward(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            query (`torch.Tensor` of shape `(B, T, H)`): decoder states s.
            keys (`torch.Tensor` of shape `(B, S, A)`): from [`~BahdanauAttention.project_keys`].
            values (`torch.Tensor` of shape `(B, S, D)`): annotations h_j.
            attention_mask (`torch.Tensor` of shape `(B, S)`, *optional*):
                1 for tokens, 0 for padding. A row of padding alone is weighed evenly.

        Several targets may read one source: the queries' batch is then a multiple of the keys'.

        Returns:
            the contexts c_i, `(B, T, D)`, and the weights alpha_ij, `(B, T, S)`.
        """
        targets, length, _ = query.shape
        query = query.reshape(keys.shape[0], -1, query.shape[-1])
        if self.attention_type == "additive":
            query = self.query_proj(query)  # (B, T, A)
            if torch.is_grad_enabled() and is_plain(self.score) and not torch.compiler.is_compiling():
                dtype = query.dtype
                scores = AdditiveScores.apply(query, keys.to(dtype), self.score.weight[0].to(dtype))  # (B, T, S)
            else:
                hidden = torch.tanh(query.unsqueeze(2) + keys.unsqueeze(1))  # (B, T, S, A)
                scores = self.score(hidden).squeeze(-1)
        else:
            scores = query @ keys.transpose(1, 2)  # (B, T, S)
            if self.attention_type == "scaled_dot":
                scores = scores / math.sqrt(query.shape[-1])
        if attention_mask is not None:
            scores = scores.masked_fill(attention_mask[:, None] == 0, torch.finfo(scores.dtype).min)
        precision = torch.promote_types(scores.dtype, torch.float32)
        weights = nn.functional.softmax(scores, dim=-1, dtype=precision).to(values.dtype)
        return (weights @ values).view(targets, length, -1), weights.view(targets, length, -1)


class BahdanauReadout(nn.Module):
    """
    What the output projection reads.

    `maxout`: t_i = max over pairs of U_o s + V_o E y_{i-1} + C_o c_i (appendix A.2.2); `tanh`: tanh(W_c [c_i; s_i])
    (Luong et al. 2015, equation 5); `linear`: s_i.
    """

    def __init__(self, config: BahdanauConfig):
        super().__init__()
        self.readout_type = config.readout_type
        if config.readout_type == "maxout":
            size = 2 * config.maxout_size
            self.state_proj = nn.Linear(config.hidden_size, size, bias=config.use_bias)
            self.input_proj = nn.Linear(config.embedding_size, size, bias=False)
            self.context_proj = nn.Linear(config.encoder_output_size, size, bias=False)
        elif config.readout_type == "tanh":
            sources = config.hidden_size + config.encoder_output_size
            self.state_proj = nn.Linear(sources, config.hidden_size, bias=config.use_bias)

    def forward(self, states: torch.Tensor, inputs: torch.Tensor, contexts: torch.Tensor) -> torch.Tensor:
        """(B, T, H), (B, T, E) and (B, T, D) to (B, T, R)."""
        if self.readout_type == "linear":
            return states
        if self.readout_type == "tanh":
            return torch.tanh(self.state_proj(torch.cat([contexts, states], dim=-1)))
        pairs = self.state_proj(states) + self.input_proj(inputs) + self.context_proj(contexts)
        return pairs.unflatten(-1, (-1, 2)).amax(dim=-1)


class BahdanauEncoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: BahdanauConfig, input_size: int):
        super().__init__()
        self.forward_rnn = BahdanauRecurrence(config, input_size, config.encoder_hidden_size)
        if config.bidirectional:
            self.backward_rnn = BahdanauRecurrence(config, input_size, config.encoder_hidden_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        orders: tuple[torch.Tensor, torch.Tensor] | None = None,
        lengths: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        (B, S, E or D) to (B, S, D); `orders` are those of `reading_orders`, `None` for full rows; `lengths` those of
        `worthwhile_lengths`.
        """
        if orders is None:
            states = self.forward_rnn.read(hidden_states)
            if not hasattr(self, "backward_rnn"):
                return states
            return torch.cat([states, self.backward_rnn.read(hidden_states.flip(1)).flip(1)], dim=-1)
        units = [self.forward_rnn, self.backward_rnn] if hasattr(self, "backward_rnn") else [self.forward_rnn]
        directions = []
        for unit, order in zip(units, orders):
            states = unit.read(take(hidden_states, order), lengths)
            directions.append(take(states, invert(order)))
        return torch.cat(directions, dim=-1)


class BahdanauAttentiveLayer(GradientCheckpointingLayer):
    """
    Bahdanau's decoder recurrence: attend with s_{i-1}, then step (appendix A.1.1 and A.1.2).

    The input's share of the gates is one product for all steps, and the keys come ready made.
    """

    def __init__(self, config: BahdanauConfig):
        super().__init__()
        size = BahdanauCell.gates[config.cell_type] * config.hidden_size
        self.hidden_size = config.hidden_size
        self.attention = BahdanauAttention(config)
        self.input_proj = BahdanauLinear(config.embedding_size, size, config.use_bias, "gates")
        self.context_proj = nn.Linear(config.encoder_output_size, size, bias=False)
        self.cell = BahdanauCell(config, config.hidden_size)

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
        """
        Args:
            inputs (`torch.Tensor` of shape `(B, T, E)`), state (`(B, state_size)`), keys (`(B, S, A)`), values
            (`(B, S, D)`), encoder_attention_mask (`(B, S)`, *optional*).
            mask (`torch.Tensor` of shape `(B, T)`, *optional*): the state passes over steps whose mask is 0.
            lengths (`torch.Tensor` of shape `(B)`, on the CPU, *optional*):
                Where each target ends: what comes after may be left out, and is then zero.

        Returns:
            the states s_i, `(B, T, H)`; the last state, `(B, state_size)`; the contexts c_i, `(B, T, D)`; and the
            weights alpha_ij, `(B, T, S)`.
        """
        if mask is None and self.can_fuse(inputs):
            # on a processor the compiler's steps are no sooner, and not every machine has a compiler
            compiled = torch.compiler.is_compiling() and inputs.device.type != "cpu"
            return self.run_fused(inputs, state, keys, values, encoder_attention_mask, lengths, compiled)
        gates = self.input_proj(inputs)  # (B, T, gates * H)
        states, contexts, weights = [], [], []
        for step in range(inputs.shape[1]):
            query = state[:, None, : self.hidden_size]
            context, weight = self.attention(query, keys, values, encoder_attention_mask)
            new_state = self.cell(gates[:, step] + self.context_proj(context[:, 0]), state)
            state = new_state if mask is None else torch.where(mask[:, step, None] > 0, new_state, state)
            states.append(state[:, : self.hidden_size])
            contexts.append(context)
            weights.append(weight)
        return torch.stack(states, dim=1), state, torch.cat(contexts, dim=1), torch.cat(weights, dim=1)

    def can_fuse(self, inputs: torch.Tensor) -> bool:
        """
        Whether [`AttentiveGru`] runs this loop: its parts are as written (not LoRA's, not hooked), and nothing wants a
        graph of it.
        """
        if self.cell.cell_type != "gru" or self.cell.reset_before or self.attention.attention_type != "additive":
            return False
        if inputs.shape[1] == 1 or self.dtype_of(inputs) == torch.float16 or is_exporting():
            return False
        if is_changed(self.attention) or is_changed(self.cell):
            return False
        return all(
            map(is_plain, (self.cell.recurrent, self.context_proj, self.attention.query_proj, self.attention.score))
        )

    def dtype_of(self, inputs: torch.Tensor) -> torch.dtype:
        device = inputs.device.type
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else inputs.dtype

    @torch.compiler.disable  # traced, it would be unrolled anew for every length; its steps may be compiled
    def run_fused(self, inputs, state, keys, values, encoder_attention_mask, lengths, compiled):
        batch_size, length = inputs.shape[:2]
        share = batch_size // len(keys)
        if share > 1:
            given = (keys, values, encoder_attention_mask)
            keys, values, encoder_attention_mask = (
                None if shared is None else shared.repeat_interleave(share, dim=0) for shared in given
            )
        is_full = lengths is None
        if is_full:
            lengths = torch.full((batch_size,), length)
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=is_full)
        gates = self.input_proj(packed.data)  # (N, 3 * H)
        if not is_full:
            state, keys, values, encoder_attention_mask = (
                None if given is None else given.index_select(0, packed.sorted_indices)
                for given in (state, keys, values, encoder_attention_mask)
            )
        mask, dtype = None if encoder_attention_mask is None else encoder_attention_mask == 0, gates.dtype
        parts = (self.cell.recurrent, self.attention.query_proj)
        biases = [gates.new_zeros(part.out_features) if part.bias is None else part.bias for part in parts]
        outputs = AttentiveGru.apply(
            gates,
            state.to(dtype),
            keys.to(dtype),
            values.to(dtype),
            mask,
            packed.batch_sizes.tolist(),
            torch.cat([part.weight for part in parts]).to(dtype),
            torch.cat(biases).to(dtype),
            self.context_proj.weight.to(dtype),
            self.attention.score.weight[0].to(dtype),
            compiled,
        )
        states, contexts, weights = (unpack(output, packed, length) for output in outputs)
        last = states[torch.arange(batch_size, device=states.device), (lengths - 1).to(states.device)]
        return states, last, contexts, weights


def is_plain(linear: nn.Module) -> bool:
    """Whether a linear map is no more than its weight and bias, which a fused function may then take."""
    return type(linear) in (nn.Linear, BahdanauLinear) and not is_changed(linear)


def is_exporting() -> bool:
    """Whether one graph is to be made of it all. torch 2.11 says so of whatever Dynamo traces."""
    return torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling()


def is_changed(module: nn.Module) -> bool:
    """Whether a module is hooked, or its `forward` replaced, as accelerate does to load weights late."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks) or "forward" in vars(module)


__all__ = ["BahdanauAttention"]
