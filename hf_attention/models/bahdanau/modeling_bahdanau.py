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
PyTorch Bahdanau model: a recurrent encoder-decoder that learns to align and translate.

Equation numbers and symbols are those of Bahdanau et al. 2014 (arXiv 1409.0473), appendix A, unless another paper is
named. Shapes: B batch, S source length, T target length, E embedding, H decoder state, A alignment layer, D annotation
(the encoder's states of all directions), R readout.
"""

import math

import torch
from torch import nn
from transformers import Cache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import CacheLayerMixin
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)
from transformers.models.bart.modeling_bart import shift_tokens_right
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .configuration_bahdanau import BahdanauConfig


class BahdanauCacheLayer(CacheLayerMixin):
    """
    What one step hands to the next: the decoder's state, (B, 1, 1, state), as `keys`, and the source's keys U_a h_j,
    (B, 1, S, A), which are made once, as `values`. Nothing grows with the number of tokens.
    """

    is_compileable = False

    def __init__(self):
        super().__init__()
        self.cumulative_length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True

    def update(self, key_states, value_states, *args, num_tokens: int = 1, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states, value_states
        self.cumulative_length += num_tokens
        return self.keys, self.values

    def reset(self) -> None:
        self.keys = self.values = None
        self.is_initialized = False
        self.cumulative_length = 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.cumulative_length + query_length, 0

    def get_seq_length(self) -> int:
        return self.cumulative_length

    def get_max_length(self) -> int:
        return -1


class BahdanauCache(Cache):
    """The recurrent decoder's cache: one [`BahdanauCacheLayer`], reordered by beam search like any other."""

    def __init__(self):
        super().__init__(layers=[BahdanauCacheLayer()])


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

        Returns:
            the contexts c_i, `(B, T, D)`, and the weights alpha_ij, `(B, T, S)`.
        """
        if self.attention_type == "additive":
            hidden = torch.tanh(self.query_proj(query).unsqueeze(2) + keys.unsqueeze(1))  # (B, T, S, A)
            scores = self.score(hidden).squeeze(-1)  # (B, T, S)
        else:
            scores = query @ keys.transpose(1, 2)  # (B, T, S)
            if self.attention_type == "scaled_dot":
                scores = scores / math.sqrt(query.shape[-1])
        if attention_mask is not None:
            scores = scores.masked_fill(attention_mask[:, None] == 0, torch.finfo(scores.dtype).min)
        precision = torch.promote_types(scores.dtype, torch.float32)
        weights = nn.functional.softmax(scores, dim=-1, dtype=precision).to(values.dtype)
        return weights @ values, weights


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
        self, hidden_states: torch.Tensor, orders: tuple[torch.Tensor, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """(B, S, E or D) to (B, S, D); `orders` are those of `reading_orders`, `None` for full rows."""
        if orders is None:
            states, _ = self.forward_rnn(hidden_states)
            if not hasattr(self, "backward_rnn"):
                return states
            backward_states, _ = self.backward_rnn(hidden_states.flip(1))
            return torch.cat([states, backward_states.flip(1)], dim=-1)
        units = [self.forward_rnn, self.backward_rnn] if hasattr(self, "backward_rnn") else [self.forward_rnn]
        directions = []
        for unit, order in zip(units, orders):
            states, _ = unit(take(hidden_states, order))
            directions.append(take(states, order.argsort(dim=1)))
        return torch.cat(directions, dim=-1)


def take(sequence: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Rows of (B, S, D) in the order (B, S)."""
    return sequence.gather(1, order.unsqueeze(-1).expand(-1, -1, sequence.shape[-1]))


def reading_orders(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Positions in which each direction reads rows padded on any side: tokens first, from the left or from the right,
    padding last, where it cannot touch a token's state. (B, S) to two (B, S).
    """
    forward = torch.argsort((mask == 0).long(), dim=1, stable=True)
    positions = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    mirrored = (mask != 0).sum(dim=1, keepdim=True) - 1 - positions
    return forward, forward.gather(1, torch.where(mirrored >= 0, mirrored, positions))


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
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """
        Returns:
            the states s_i, `(B, T, H)`; the last state, `(B, state_size)`; the contexts c_i, `(B, T, D)`; and the
            weights alpha_ij, `(B, T, S)`.
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


class BahdanauPreTrainedModel(PreTrainedModel):
    config: BahdanauConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _is_stateful = True
    _no_split_modules = ["BahdanauEncoderLayer", "BahdanauAttentiveLayer", "BahdanauRecurrence"]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, nn.RNNBase):
            for name, parameter in module.named_parameters(recurse=False):
                if name.startswith("weight_ih"):
                    init.normal_(parameter, std=self.config.initializer_range)
                elif name.startswith("weight_hh"):
                    self._init_recurrent(parameter)
                else:
                    self._init_gate_bias(parameter, forget_bias=1.0 if name.startswith("bias_ih") else 0.0)
        elif isinstance(module, BahdanauLinear):
            if module.part == "recurrent":
                self._init_recurrent(module.weight)
            elif module.part == "alignment":
                init.normal_(module.weight, std=self.config.attention_initializer_range)
            elif module.part == "score":
                init.zeros_(module.weight)
            elif module.bias is not None:
                self._init_gate_bias(module.bias, forget_bias=1.0)

    def get_expanded_tied_weights_keys(self, all_submodels: bool = False) -> dict:
        # sharing the tables and tying the output are two options; transformers ties only with `tie_word_embeddings`
        return dict(self._tied_weights_keys or {})

    def _init_recurrent(self, weight: torch.Tensor):
        # orthogonal gate by gate
        gates = weight.shape[0] // weight.shape[1]
        blocks = [nn.init.orthogonal_(torch.empty_like(weight[: weight.shape[1]])) for _ in range(gates)]
        init.copy_(weight, torch.cat(blocks))

    def _init_gate_bias(self, bias: torch.Tensor, forget_bias: float):
        value = torch.zeros_like(bias)
        if self.config.cell_type == "lstm":
            value.view(4, -1)[1] = forget_bias
        init.copy_(bias, value)


def check_ids(name: str, ids: torch.Tensor | None, vocab_size: int):
    """Raises `ValueError` for ids no embedding has, on CPU, where looking does not cost a synchronisation."""
    if ids is None or ids.numel() == 0 or ids.device.type != "cpu" or torch.compiler.is_compiling():
        return
    low, high = torch.aminmax(ids)
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"`{name}` holds id {int(low) if low < 0 else int(high)}, but the model's vocabulary has {vocab_size} "
            "tokens (0 to vocab_size - 1). Use the tokenizer the model was trained with, or call "
            "`resize_token_embeddings`."
        )


class BahdanauEncoder(BahdanauPreTrainedModel):
    """Bidirectional recurrent encoder (section 3.2): tokens to annotations h_j."""

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        vocab_size = config.encoder_vocab_size or config.vocab_size
        self.embed_tokens = nn.Embedding(vocab_size, config.embedding_size, config.pad_token_id)
        self.layers = nn.ModuleList(
            BahdanauEncoderLayer(config, config.encoder_output_size if layer else config.embedding_size)
            for layer in range(config.encoder_layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.gradient_checkpointing = False
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutput:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of `input_ids` or `inputs_embeds`.")
        if inputs_embeds is None:
            check_ids("input_ids", input_ids, self.embed_tokens.num_embeddings)
            inputs_embeds = self.embed_tokens(input_ids)
        if inputs_embeds.shape[1] == 0:
            raise ValueError("The source is empty: `input_ids` must hold at least one token a row.")
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        orders = None if attention_mask is None else reading_orders(attention_mask)

        hidden_states = self.dropout(inputs_embeds)  # (B, S, E)
        all_hidden_states = (hidden_states,)
        for layer in self.layers:
            hidden_states = layer(hidden_states, orders)  # (B, S, D)
            if attention_mask is not None:
                hidden_states = hidden_states * attention_mask.unsqueeze(-1).to(hidden_states.dtype)
            hidden_states = self.dropout(hidden_states)
            all_hidden_states += (hidden_states,)
        return BaseModelOutput(
            last_hidden_state=hidden_states, hidden_states=all_hidden_states if output_hidden_states else None
        )


class BahdanauDecoder(BahdanauPreTrainedModel):
    """Recurrent decoder: E y_{i-1}, s_{i-1} and the annotations to the readout t_i of every step."""

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.has_attention = config.attention_type != "none"
        self.attends_first = self.has_attention and config.attention_query == "previous"
        self.embed_tokens = nn.Embedding(config.vocab_size, config.embedding_size, config.pad_token_id)

        input_size = config.embedding_size
        if config.input_feeding:
            input_size += config.readout_size
        if not self.has_attention and config.attention_query == "previous":
            input_size += config.encoder_output_size  # the fixed context enters every step
        layers = [
            BahdanauRecurrence(config, config.hidden_size if layer else input_size, config.hidden_size)
            for layer in range(config.decoder_layers)
        ]
        if self.attends_first:
            layers[0] = BahdanauAttentiveLayer(config)
        elif self.has_attention:
            self.attention = BahdanauAttention(config)
        self.layers = nn.ModuleList(layers)
        self.readout = BahdanauReadout(config)

        state_size = config.hidden_size * (2 if config.cell_type == "lstm" else 1)
        self.state_sizes = [state_size] * config.decoder_layers
        self.initial_state = nn.Linear(config.encoder_hidden_size, sum(self.state_sizes), bias=config.use_bias)
        self.dropout = nn.Dropout(config.dropout)
        self.gradient_checkpointing = False
        self.post_init()

    def start(
        self, annotations: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        The states before the first step, s_0 = tanh(W_s bwd_1) for each layer (W_s fwd_S with one direction), (B,
        layers * state), and the source in one vector, [fwd_S; bwd_1], (B, D).
        """
        batch_size, length, _ = annotations.shape
        if attention_mask is None:
            first = annotations.new_zeros(batch_size, dtype=torch.long)
            last = first + length - 1
        else:
            tokens = (attention_mask != 0).long()
            first, last = tokens.argmax(dim=1), length - 1 - tokens.flip(1).argmax(dim=1)
        rows = torch.arange(batch_size, device=annotations.device)
        size = self.config.encoder_hidden_size
        ends = [annotations[rows, last, :size], annotations[rows, first, size:]]
        source = ends[1] if self.config.bidirectional else ends[0]
        return torch.tanh(self.initial_state(source)), torch.cat(ends, dim=-1)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.FloatTensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of `decoder_input_ids` or `decoder_inputs_embeds`.")
        if encoder_hidden_states is None:
            raise ValueError("The decoder reads a source: `encoder_hidden_states` must be given.")
        if inputs_embeds is None:
            check_ids("decoder_input_ids", input_ids, self.embed_tokens.num_embeddings)
            inputs_embeds = self.embed_tokens(input_ids)
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if attention_mask is not None:
            attention_mask = attention_mask[:, -inputs_embeds.shape[1] :]

        annotations = encoder_hidden_states
        state, source = self.start(annotations, encoder_attention_mask)
        feed = state.new_zeros(state.shape[0], self.config.readout_size) if self.config.input_feeding else None
        if past_key_values is not None and past_key_values.get_seq_length() > 0:
            cached = past_key_values.layers[0]
            state, keys = cached.keys[:, 0, 0], cached.values[:, 0]
            if feed is not None:
                state, feed = state.split((sum(self.state_sizes), feed.shape[-1]), dim=-1)
        elif self.has_attention:
            attention = self.layers[0].attention if self.attends_first else self.attention
            keys = attention.project_keys(annotations)
        else:
            keys = annotations[:, :0]
        layer_states = list(state.split(self.state_sizes, dim=-1))

        embeds = self.dropout(inputs_embeds)  # (B, T, E)
        step = self.feed_forward_steps if self.config.input_feeding else self.all_steps
        hidden_states, layer_states, weights, readout, feed = step(
            embeds, layer_states, keys, annotations, source, encoder_attention_mask, attention_mask, feed
        )

        if use_cache:
            if past_key_values is None:
                past_key_values = BahdanauCache()
            state = torch.cat(layer_states if feed is None else [*layer_states, feed], dim=-1)
            past_key_values.update(state[:, None, None], keys[:, None], 0, num_tokens=embeds.shape[1])
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=readout,
            past_key_values=past_key_values if use_cache else None,
            hidden_states=(embeds, *hidden_states) if output_hidden_states else None,
            cross_attentions=(weights.unsqueeze(1),) if output_attentions and weights is not None else None,
        )

    def all_steps(self, embeds, layer_states, keys, annotations, source, source_mask, mask, feed=None):
        """Layer by layer over the whole target."""
        layer_states = list(layer_states)
        contexts = source.unsqueeze(1).expand(-1, embeds.shape[1], -1)  # (B, T, D)
        weights, hidden_states = None, []
        first_query = layer_states[-1]
        states = embeds
        for index, layer in enumerate(self.layers):
            if index:
                states = self.dropout(states)
            elif not self.has_attention and self.config.attention_query == "previous":
                states = torch.cat([embeds, contexts], dim=-1)
            if isinstance(layer, BahdanauAttentiveLayer):
                states, layer_states[index], contexts, weights = layer(
                    states, layer_states[index], keys, annotations, source_mask, mask
                )
            else:
                states, layer_states[index] = layer(states, layer_states[index], mask)
            hidden_states.append(states)  # (B, T, H)
        if self.has_attention and not self.attends_first:
            contexts, weights = self.attention(states, keys, annotations, source_mask)
        if self.config.attention_query == "previous" and self.config.readout_type == "maxout":
            # the paper's readout reads s_{i-1}
            states = torch.cat([first_query[:, None, : self.config.hidden_size], states[:, :-1]], dim=1)
        readout = self.dropout(self.readout(states, embeds, contexts))  # (B, T, R)
        return hidden_states, layer_states, weights, readout, None

    def feed_forward_steps(self, embeds, layer_states, keys, annotations, source, source_mask, mask, feed):
        """Step by step, each step's input beside the last one's readout (Luong et al. 2015, section 3.3)."""
        steps = []
        context, weight = source.unsqueeze(1), None
        for step in range(embeds.shape[1]):
            embed = embeds[:, step : step + 1]
            step_mask = None if mask is None else mask[:, step : step + 1]
            states, hidden_states, new_layer_states = torch.cat([embed, feed.unsqueeze(1)], dim=-1), [], []
            for index, (layer, state) in enumerate(zip(self.layers, layer_states)):
                states, state = layer(self.dropout(states) if index else states, state, step_mask)
                hidden_states.append(states)
                new_layer_states.append(state)
            if self.has_attention:
                context, weight = self.attention(states, keys, annotations, source_mask)
            readout = self.dropout(self.readout(states, embed, context))
            layer_states = new_layer_states
            feed = readout[:, 0] if mask is None else torch.where(step_mask > 0, readout[:, 0], feed)
            steps.append((*hidden_states, readout, weight))
        *hidden_states, readout, weights = zip(*steps)
        hidden_states = [torch.cat(states, dim=1) for states in hidden_states]
        weights = torch.cat(weights, dim=1) if self.has_attention else None
        return hidden_states, layer_states, weights, torch.cat(readout, dim=1), feed


class BahdanauModel(BahdanauPreTrainedModel):
    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        if config.share_encoder_decoder_embeddings:
            self._tied_weights_keys = {"decoder.embed_tokens.weight": "encoder.embed_tokens.weight"}
        self.encoder = BahdanauEncoder(config)
        self.decoder = BahdanauDecoder(config)
        self.post_init()

    def get_input_embeddings(self):
        return self.encoder.embed_tokens

    def set_input_embeddings(self, value):
        self.encoder.embed_tokens = value
        if self.config.share_encoder_decoder_embeddings:
            self.decoder.embed_tokens = value

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.LongTensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: tuple[torch.Tensor] | BaseModelOutput | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        decoder_inputs_embeds: torch.FloatTensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqModelOutput:
        r"""
        decoder_input_ids (`torch.LongTensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            y_{i-1}: the target shifted right, `decoder_start_token_id` first.
        decoder_attention_mask (`torch.Tensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            0 where the decoder's state passes over a padding token. Padding on the right needs no mask.
        encoder_outputs (`tuple` or `BaseModelOutput`, *optional*):
            The annotations h_j, `(batch_size, source_length, encoder_output_size)`, first.

        Returns a `Seq2SeqModelOutput` whose `last_hidden_state` is the readout t_i, `(batch_size, target_length,
        readout_size)`, and whose `cross_attentions` hold alpha_ij, `(batch_size, 1, target_length, source_length)`,
        for the one attention of the model.
        """
        use_cache = use_cache if use_cache is not None else self.config.use_cache
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs
            )
        elif not isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs[:2])
        decoder_outputs = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=encoder_outputs.last_hidden_state,
            encoder_attention_mask=attention_mask,
            past_key_values=past_key_values,
            inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        return Seq2SeqModelOutput(
            last_hidden_state=decoder_outputs.last_hidden_state,
            past_key_values=decoder_outputs.past_key_values,
            decoder_hidden_states=decoder_outputs.hidden_states,
            cross_attentions=decoder_outputs.cross_attentions,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
        )


class BahdanauForConditionalGeneration(BahdanauPreTrainedModel, GenerationMixin):
    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.model = BahdanauModel(config)
        self.lm_head = nn.Linear(config.readout_size, config.vocab_size, bias=config.use_bias)
        self._tied_weights_keys = {}
        if config.share_encoder_decoder_embeddings:
            self._tied_weights_keys["model.decoder.embed_tokens.weight"] = "model.encoder.embed_tokens.weight"
        if config.tie_word_embeddings:
            side = "encoder" if config.share_encoder_decoder_embeddings else "decoder"
            self._tied_weights_keys["lm_head.weight"] = f"model.{side}.embed_tokens.weight"
        self.post_init()

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """
        Resizes the vocabulary: both embedding tables and the output projection, or, where the sides have vocabularies
        of their own (`config.encoder_vocab_size`), the source's table alone. See
        [`~BahdanauForConditionalGeneration.resize_decoder_token_embeddings`] for the target's.
        """
        if new_num_tokens is None and pad_to_multiple_of is None:
            return self.get_input_embeddings()
        encoder = self._get_resized_embeddings(
            self.model.encoder.embed_tokens, new_num_tokens, pad_to_multiple_of, mean_resizing
        )
        self.model.set_input_embeddings(encoder)
        if self.config.encoder_vocab_size is not None:
            self.config.encoder_vocab_size = encoder.num_embeddings
        else:
            self.resize_decoder_token_embeddings(encoder.num_embeddings, mean_resizing=mean_resizing)
        return encoder

    def resize_decoder_token_embeddings(self, new_num_tokens: int, mean_resizing: bool = True) -> nn.Embedding:
        """Resizes the target's embedding table and the output projection."""
        decoder = self.model.decoder
        if decoder.embed_tokens is not self.model.encoder.embed_tokens:
            decoder.embed_tokens = self._get_resized_embeddings(
                decoder.embed_tokens, new_num_tokens, mean_resizing=mean_resizing
            )
        self.lm_head = self._get_resized_lm_head(self.lm_head, new_num_tokens, mean_resizing=mean_resizing)
        self.config.vocab_size = new_num_tokens
        self.tie_weights()
        return decoder.embed_tokens

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """The labels shifted right behind `decoder_start_token_id`, -100 as padding. (B, T) to (B, T)."""
        return shift_tokens_right(labels, self.config.pad_token_id, self.config.decoder_start_token_id)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.LongTensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: tuple[torch.Tensor] | BaseModelOutput | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        decoder_inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqLMOutput:
        r"""
        decoder_input_ids (`torch.LongTensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            y_{i-1}. Made from `labels` where not given.
        decoder_attention_mask (`torch.Tensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            0 where the decoder's state passes over a padding token. Padding on the right needs no mask.
        labels (`torch.LongTensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            The target, -100 where no loss is taken. The mean cross-entropy is returned as `loss`.

        Raises `ValueError` for ids and labels outside the vocabulary (checked on CPU).

        Example:

        ```python
        >>> import torch
        >>> from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration

        >>> model = BahdanauForConditionalGeneration(BahdanauConfig.from_preset("tiny", vocab_size=32))
        >>> outputs = model(input_ids=torch.tensor([[5, 6, 2]]), labels=torch.tensor([[7, 2]]), output_attentions=True)
        >>> outputs.cross_attentions[0].shape  # batch, heads, target, source
        torch.Size([1, 1, 2, 3])
        ```"""
        if labels is not None:
            check_ids(
                "labels", labels[labels != -100] if labels.device.type == "cpu" else labels, self.config.vocab_size
            )
            use_cache = False
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        if self.training and self.config.scheduled_sampling_probability > 0 and decoder_input_ids is not None:
            if encoder_outputs is None:
                encoder_outputs = self.model.encoder(
                    input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs
                )
            decoder_input_ids = self.sample_decoder_inputs(decoder_input_ids, encoder_outputs[0], attention_mask)

        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            encoder_outputs=encoder_outputs,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            decoder_inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        logits = self.lm_head(outputs.last_hidden_state)  # (B, T, vocab)
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=None, shift_labels=labels, vocab_size=self.config.vocab_size, **kwargs
            )
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            decoder_hidden_states=outputs.decoder_hidden_states,
            cross_attentions=outputs.cross_attentions,
            encoder_last_hidden_state=outputs.encoder_last_hidden_state,
            encoder_hidden_states=outputs.encoder_hidden_states,
        )

    @torch.no_grad()
    def sample_decoder_inputs(
        self,
        decoder_input_ids: torch.LongTensor,
        encoder_hidden_states: torch.FloatTensor,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.LongTensor:
        """
        Scheduled sampling (Bengio et al. 2015, section 2.4): walks the target and, with
        `config.scheduled_sampling_probability`, puts the model's own best guess in place of the reference token. A
        guess is discrete and carries no gradient, so the loss is then taken on the mixed inputs in the usual way.

        (B, T) to (B, T); the first token stays.
        """
        mixed, past_key_values = [decoder_input_ids[:, 0]], None
        for step in range(1, decoder_input_ids.shape[1]):
            outputs = self.model.decoder(
                input_ids=mixed[-1].unsqueeze(1),
                encoder_hidden_states=encoder_hidden_states,
                encoder_attention_mask=attention_mask,
                past_key_values=past_key_values,
                use_cache=True,
            )
            past_key_values = outputs.past_key_values
            guess = self.lm_head(outputs.last_hidden_state[:, -1]).argmax(dim=-1)
            coin = torch.rand(guess.shape, device=guess.device) < self.config.scheduled_sampling_probability
            mixed.append(torch.where(coin, guess, decoder_input_ids[:, step]))
        return torch.stack(mixed, dim=1)


__all__ = ["BahdanauCache", "BahdanauForConditionalGeneration", "BahdanauModel", "BahdanauPreTrainedModel"]
