# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The layers of the Bahdanau model: recurrent units, readout, and the order of padding.

Equation numbers and symbols are those of Bahdanau et al. 2014 (arXiv 1409.0473), appendix A, unless another paper is
named. Shapes: B batch, S source length, T target length, E embedding, H decoder state, A alignment layer, D annotation
(the encoder's states of all directions), R readout.
"""

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers.modeling_layers import GradientCheckpointingLayer

from .attention_bahdanau import BahdanauAttention, BahdanauLinear
from .configuration_bahdanau import BahdanauConfig


class BahdanauCell(nn.Module):
    """
    One step of a recurrent unit, given the gates' inputs W x.

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
        # cuDNN's candidate needs a bias inside the reset gate's product; elsewhere the input's bias is enough
        use_bias = config.use_bias and config.cell_type == "gru" and config.reset_after
        self.recurrent = BahdanauLinear(hidden_size, num_gates * hidden_size, use_bias, "recurrent")
        if self.reset_before:
            self.candidate = BahdanauLinear(hidden_size, hidden_size, False, "recurrent")

    def forward(self, inputs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """
        Args:
            inputs (`torch.Tensor` of shape `(B, gates * H)`): W x, biases included.
            state (`torch.Tensor` of shape `(B, H)`): s_{i-1}; for `lstm` `(B, 2 * H)`, followed by its memory.

        Returns:
            `torch.Tensor` of the state's shape: s_i.
        """
        state = state.to(inputs.dtype)  # under autocast the first state may have another type than the gates
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


class BahdanauMinGRU(nn.Module):
    """
    minGRU (Feng et al. 2024, arXiv 2410.01201, section 3.1): h_t = (1 - z_t) h_{t-1} + z_t W_h x_t with
    z_t = sigmoid(W_z x_t). Its products do not read the state, so all steps share them; called as `nn.GRU`.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool):
        super().__init__()
        self.input_proj = nn.Linear(input_size, 2 * hidden_size, bias=bias)  # W_z above W_h

    def forward(self, inputs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`(B, T, input_size)` and `(1, B, H)` to the states, `(B, T, H)`, and the last one, `(1, B, H)`."""
        gates = self.input_proj(inputs)
        wide = torch.promote_types(gates.dtype, torch.float32)  # many small updates are summed up
        update, candidate = gates.to(wide).chunk(2, dim=-1)
        states = [state[0].to(wide)]
        for weight, new in zip(update.sigmoid().unbind(dim=1), candidate.unbind(dim=1)):
            states.append(torch.lerp(states[-1], new, weight))
        return torch.stack(states[1:], dim=1).to(gates.dtype), states[-1].unsqueeze(0).to(gates.dtype)


class BahdanauRNN(nn.Module):
    """One recurrent layer in one direction over a sequence: PyTorch's own unit, or the 2014 cell in a loop."""

    def __init__(self, config: BahdanauConfig, input_size: int, hidden_size: int):
        super().__init__()
        self.config, self.hidden_size = config, hidden_size
        self.state_size = hidden_size * (2 if config.cell_type == "lstm" else 1)
        self.reset_before = config.cell_type == "gru" and not config.reset_after
        if self.reset_before:
            self.input_proj = nn.Linear(input_size, 3 * hidden_size, bias=config.use_bias)
            self.cell = BahdanauCell(config, hidden_size)
        elif config.cell_type == "mingru":
            self.unit = BahdanauMinGRU(input_size, hidden_size, config.use_bias)
        else:
            unit = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[config.cell_type]
            self.unit = unit(input_size, hidden_size, bias=config.use_bias, batch_first=True)

    def forward(
        self, inputs: torch.Tensor, state: torch.Tensor | None = None, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            inputs (`torch.Tensor` of shape `(B, T, input_size)`)
            state (`torch.Tensor` of shape `(B, state_size)`, *optional*): the state before the first step; zeros.
            mask (`torch.Tensor` of shape `(B, T)`, *optional*): steps whose mask is 0 leave the state as it is.

        Returns:
            The hidden states, `(B, T, H)`, and the last state, `(B, state_size)`.
        """
        if state is None:
            state = inputs.new_zeros(inputs.shape[0], self.state_size)
        if mask is None and not self.reset_before:
            return self._run_unit(inputs, state)
        if self.reset_before:
            inputs = self.input_proj(inputs)
        outputs = []
        for step in range(inputs.shape[1]):
            if self.reset_before:
                new_state = self.cell(inputs[:, step], state)
            else:
                _, new_state = self._run_unit(inputs[:, step : step + 1], state)
            state = new_state if mask is None else torch.where(mask[:, step, None] > 0, new_state, state)
            outputs.append(state[:, : self.hidden_size])
        return torch.stack(outputs, dim=1), state

    def run_rows(self, inputs: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Rows of any length, padded on the right, (B, T, input_size) and (B) to the hidden states, (B, T, H), and each
        row's state after its last step, (B, state_size).
        """
        lengths = lengths.clamp_min(1)
        if self.config.cell_type != "lstm":
            outputs, _ = self(inputs)
            return outputs, outputs[torch.arange(len(outputs), device=outputs.device), lengths - 1]
        # the memory of a step is not among the outputs
        rows = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, state = self.unit(rows)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])
        return outputs, torch.cat(state, dim=-1).squeeze(0)

    def _run_unit(self, inputs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state = state.to(inputs.dtype).unsqueeze(0)
        # cuDNN's units have no second derivatives
        uses_cudnn = self.config.fused or inputs.device.type != "cuda"
        with nullcontext() if uses_cudnn else torch.backends.cudnn.flags(enabled=False):
            if self.config.cell_type == "lstm":  # a quantized unit is no longer an `nn.LSTM`
                hidden, memory = state.chunk(2, dim=-1)
                outputs, state = self.unit(inputs, (hidden.contiguous(), memory.contiguous()))
                return outputs, torch.cat(state, dim=-1).squeeze(0)
            outputs, state = self.unit(inputs, state.contiguous())
            return outputs, state.squeeze(0)


class BahdanauReadout(nn.Module):
    """
    The input of the output projection.

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
            if config.encoder_output_size:
                self.context_proj = nn.Linear(config.encoder_output_size, size, bias=False)
        elif config.readout_type == "tanh":
            sources = config.hidden_size + config.encoder_output_size
            self.state_proj = nn.Linear(sources, config.hidden_size, bias=config.use_bias)

    def forward(self, states: torch.Tensor, inputs: torch.Tensor, contexts: torch.Tensor) -> torch.Tensor:
        """
        (B, T, H), (B, T, E) and (B, T, D) to (B, T, R); with hard attention the contexts are all annotations, (B, 1,
        S, D), and the result is of (B, T, S, R).
        """
        if self.readout_type == "linear":
            return states
        if contexts.dim() == 4:
            states, inputs = states.unsqueeze(2), inputs.unsqueeze(2)
        if self.readout_type == "tanh":
            shape = torch.broadcast_shapes(states.shape[:-1], contexts.shape[:-1])
            parts = [part.expand(*shape, -1) for part in (contexts, states)]
            return torch.tanh(self.state_proj(torch.cat(parts, dim=-1)))
        pairs = self.state_proj(states) + self.input_proj(inputs)
        if contexts.shape[-1]:
            pairs = pairs + self.context_proj(contexts)
        return pairs.unflatten(-1, (-1, 2)).amax(dim=-1)


class BahdanauEncoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: BahdanauConfig, input_size: int):
        super().__init__()
        self.forward_rnn = BahdanauRNN(config, input_size, config.encoder_state_size)
        if config.bidirectional:
            self.backward_rnn = BahdanauRNN(config, input_size, config.encoder_state_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        orders: tuple[torch.Tensor, torch.Tensor] | None = None,
        lengths: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        (B, S, E or D) to the states, (B, S, D), and the last state of both directions, (B, D), followed by an LSTM's
        memories. `orders` are from [`padding_last_orders`], `None` for rows without padding. With padding the last
        state needs `lengths`, (B).
        """
        rnns = [self.forward_rnn, self.backward_rnn] if hasattr(self, "backward_rnn") else [self.forward_rnn]
        directions, last_states = [], []
        for index, rnn in enumerate(rnns):
            if orders is None:
                states, last = rnn(hidden_states.flip(1) if index else hidden_states)
                states = states.flip(1) if index else states
            else:
                inputs = reorder(hidden_states, orders[index])
                states, last = rnn(inputs) if lengths is None else rnn.run_rows(inputs, lengths)
                states = reorder(states, invert_permutation(orders[index]))
            directions.append(states)
            last_states.append(last.unflatten(-1, (-1, rnn.hidden_size)))
        return torch.cat(directions, dim=-1), torch.cat(last_states, dim=-1).flatten(1)


class BahdanauDecoderLayer(GradientCheckpointingLayer):
    """
    Bahdanau's decoder recurrence: attend with s_{i-1}, then step (appendix A.1.1 and A.1.2).

    W E y_{i-1} is one product for all steps, and the keys U_a h_j are computed once per source.
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
            mask (`torch.Tensor` of shape `(B, T)`, *optional*): steps whose mask is 0 leave the state as it is.
            lengths (`torch.Tensor` of shape `(B)`, on the CPU, *optional*):
                Where each target ends. An implementation may leave out what follows, and return zeros for it.

        Returns:
            The states s_i, `(B, T, H)`; the last state, `(B, state_size)`; the contexts c_i, `(B, T, D)`; and the
            weights alpha_ij of each head, `(B, T, heads, S)`.
        """
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


class EncoderMemory(NamedTuple):
    """The decoder's view of its source."""

    annotations: torch.Tensor  # h_j, (B, S, D)
    mask: torch.Tensor | None  # (B, S)
    keys: torch.Tensor  # U_a h_j, (B, S, A)
    final_states: torch.Tensor  # for each target; without attention every step reads them, else the first

    def fixed_context(self) -> torch.Tensor:
        """The context of every step without attention, (B * num_targets, 1, D)."""
        return self.final_states[:, None, : self.annotations.shape[2]]


def padding_last_orders(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """
    The order in which each direction reads rows that are padded on any side: tokens first, from the left or from the
    right, padding last, where it cannot reach a token's state. (B, S) to two (B, S).
    """
    tokens = (mask != 0).long()
    length = tokens.sum(dim=1, keepdim=True)
    ranks = torch.where(tokens > 0, tokens.cumsum(dim=1) - 1, length + (1 - tokens).cumsum(dim=1) - 1)
    forward = invert_permutation(ranks)
    positions = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    mirrored = length - 1 - positions
    return forward, forward.gather(1, torch.where(mirrored >= 0, mirrored, positions))


def reorder(sequence: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """The positions of each row of (B, S, D) in the order (B, S)."""
    first = torch.arange(order.shape[0], device=order.device).unsqueeze(1) * order.shape[1]
    return sequence.flatten(0, 1).index_select(0, (order + first).flatten()).view_as(sequence)


def invert_permutation(order: torch.Tensor) -> torch.Tensor:
    """The inverse of each row's permutation, without sorting. (B, S) to (B, S)."""
    positions = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.zeros_like(order).scatter(1, order, positions)


__all__ = ["BahdanauDecoderLayer", "BahdanauEncoderLayer", "BahdanauReadout"]
