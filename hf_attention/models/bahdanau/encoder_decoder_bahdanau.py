# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The two sides of the Bahdanau model: the encoder reads the source, the decoder walks the target and attends to it.

Symbols and shapes are those of `layers_bahdanau`.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from transformers import Cache
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPastAndCrossAttentions
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .base_bahdanau import BahdanauPreTrainedModel, check_ids, check_mask
from .cache_bahdanau import BahdanauCache
from .configuration_bahdanau import BahdanauConfig
from .layers_bahdanau import (
    BahdanauAttention,
    BahdanauAttentiveLayer,
    BahdanauEncoderLayer,
    BahdanauReadout,
    BahdanauRecurrence,
)
from .padding_bahdanau import reading_orders, unpack, worthwhile_lengths


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
            check_ids("input_ids", input_ids, self.config.encoder_vocab_size or self.config.vocab_size)
            inputs_embeds = self.embed_tokens(input_ids)
        if inputs_embeds.shape[1] == 0:
            raise ValueError("The source is empty: `input_ids` must hold at least one token a row.")
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        check_mask("attention_mask", attention_mask, inputs_embeds)
        orders = lengths = None
        if attention_mask is not None:
            orders, lengths = reading_orders(attention_mask), worthwhile_lengths(attention_mask)

        hidden_states = self.dropout(inputs_embeds)  # (B, S, E)
        all_hidden_states = (hidden_states,)
        for layer in self.layers:
            hidden_states = layer(hidden_states, orders, lengths)  # (B, S, D)
            if attention_mask is not None:
                hidden_states = hidden_states * attention_mask.unsqueeze(-1).to(hidden_states.dtype)
            hidden_states = self.dropout(hidden_states)
            all_hidden_states += (hidden_states,)
        return BaseModelOutput(
            last_hidden_state=hidden_states, hidden_states=all_hidden_states if output_hidden_states else None
        )


class BahdanauSource(NamedTuple):
    """What the decoder reads of its source."""

    annotations: torch.Tensor  # h_j, (B, S, D)
    mask: torch.Tensor | None  # (B, S)
    keys: torch.Tensor  # U_a h_j, (B, S, A)
    ends: torch.Tensor | None  # `read_ends` for each target; without attention every step reads it, else the first


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
        if config.input_feeding:
            self.state_sizes.append(config.readout_size)
        self.dropout = nn.Dropout(config.dropout)
        self.gradient_checkpointing = False
        self.post_init()

    def read_ends(self, annotations: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """The source in one vector, where each direction has read it all: [fwd_S; bwd_1]. (B, S, D) to (B, D)."""
        batch_size, length, _ = annotations.shape
        if attention_mask is None:
            first = annotations.new_zeros(batch_size, dtype=torch.long)
            last = first + length - 1
        else:
            tokens = (attention_mask != 0).long()
            first, last = tokens.argmax(dim=1), length - 1 - tokens.flip(1).argmax(dim=1)
        rows = torch.arange(batch_size, device=annotations.device)
        size = self.config.encoder_hidden_size
        return torch.cat([annotations[rows, last, :size], annotations[rows, first, size:]], dim=-1)

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
        lengths: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        r"""
        lengths (`torch.LongTensor` of shape `(batch_size,)`, on the CPU, *optional*):
            How many tokens of each row are wanted, at least 1. What comes after may be left out of the computation,
            and is then zero.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of `decoder_input_ids` or `decoder_inputs_embeds`.")
        if encoder_hidden_states is None:
            raise ValueError("The decoder reads a source: `encoder_hidden_states` must be given.")
        if inputs_embeds is None:
            check_ids("decoder_input_ids", input_ids, self.config.vocab_size)
            inputs_embeds = self.embed_tokens(input_ids)
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        check_mask("attention_mask", encoder_attention_mask, encoder_hidden_states)
        check_mask("decoder_attention_mask", attention_mask, inputs_embeds, exactly=False)
        if attention_mask is not None:  # generate() gives that of all tokens so far
            attention_mask = attention_mask[:, -inputs_embeds.shape[1] :]
        if past_key_values is not None and not isinstance(past_key_values, BahdanauCache):
            raise ValueError(f"`past_key_values` must be a BahdanauCache, got {type(past_key_values).__name__}.")

        annotations = encoder_hidden_states
        if not torch.compiler.is_compiling() and (not len(annotations) or len(inputs_embeds) % len(annotations)):
            raise ValueError(
                f"{len(inputs_embeds)} targets (`decoder_input_ids`) do not fit {len(annotations)} sources: give each "
                "source as many targets, or one."
            )
        is_first = past_key_values is None or past_key_values.get_seq_length() == 0
        ends = None
        if is_first or not self.has_attention:
            ends = self.read_ends(annotations, encoder_attention_mask)
            # several targets may read one source: those of `num_beams` or `num_return_sequences`
            ends = ends.repeat_interleave(inputs_embeds.shape[0] // ends.shape[0], dim=0)
        if is_first:
            states, keys = self.start(ends), self.project_keys(annotations)
        else:
            cached = past_key_values.layers[0]
            states, keys = cached.keys[:, 0, 0].split(self.state_sizes, dim=-1), cached.values[:, 0]

        embeds = self.dropout(inputs_embeds)  # (B, T, E)
        source = BahdanauSource(annotations, encoder_attention_mask, keys, ends)
        run = self.run_steps if self.config.input_feeding else self.run_layers
        hidden_states, states, weights, readout = run(embeds, list(states), source, attention_mask, lengths)

        if use_cache:
            if past_key_values is None:
                past_key_values = BahdanauCache()
            state = torch.cat(states, dim=-1)
            past_key_values.update(state[:, None, None], keys[:, None], 0, num_tokens=embeds.shape[1])
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=readout,
            past_key_values=past_key_values if use_cache else None,
            hidden_states=(embeds, *hidden_states) if output_hidden_states else None,
            cross_attentions=(weights.unsqueeze(1),) if output_attentions and weights is not None else None,
        )

    def start(self, ends: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """s_0 = tanh(W_s bwd_1), or of fwd_S where there is one direction; nothing is fed to the first step."""
        end = ends[:, -self.config.encoder_hidden_size :]
        states = torch.tanh(self.initial_state(end)).split(self.state_sizes[: self.config.decoder_layers], dim=-1)
        if self.config.input_feeding:
            states = (*states, end.new_zeros(end.shape[0], self.config.readout_size))
        return states

    def project_keys(self, annotations: torch.Tensor) -> torch.Tensor:
        """U_a h_j, (B, S, A), once for all steps; (B, 0, D) without attention."""
        if not self.has_attention:
            return annotations[:, :0]
        attention = self.layers[0].attention if self.attends_first else self.attention
        return attention.project_keys(annotations)

    def run_layers(self, embeds, states, source: BahdanauSource, mask, lengths):
        """
        Layer by layer, each over the whole target.

        Returns each layer's hidden states, `(B, T, H)`; each layer's last state; the weights, `(B, T, S)`, if any; and
        the readout, `(B, T, R)`. [`~BahdanauDecoder.run_steps`] does the same.
        """
        first_query = states[-1][:, None, : self.config.hidden_size]
        contexts, weights, all_hidden_states = None, None, []
        hidden_states = embeds
        if not self.has_attention:
            contexts = source.ends.unsqueeze(1).expand(-1, embeds.shape[1], -1)  # (B, T, D)
            if self.config.attention_query == "previous":
                hidden_states = torch.cat([embeds, contexts], dim=-1)
        for index, layer in enumerate(self.layers):
            if index:
                hidden_states = self.dropout(hidden_states)
            if isinstance(layer, BahdanauAttentiveLayer):
                hidden_states, states[index], contexts, weights = layer(
                    hidden_states, states[index], source.keys, source.annotations, source.mask, mask, lengths
                )
            else:
                hidden_states, states[index] = layer(hidden_states, states[index], mask)
            all_hidden_states.append(hidden_states)  # (B, T, H)
        if self.has_attention and not self.attends_first:
            contexts, weights = self.attention(hidden_states, source.keys, source.annotations, source.mask)
        if self.config.attention_query == "previous" and self.config.readout_type == "maxout":
            # the paper's readout reads s_{i-1}
            hidden_states = torch.cat([first_query, hidden_states[:, :-1]], dim=1)
        if lengths is None:
            readout = self.readout(hidden_states, embeds, contexts)  # (B, T, R)
        else:
            packed = [
                pack_padded_sequence(given, lengths, batch_first=True, enforce_sorted=False)
                for given in (hidden_states, embeds, contexts)
            ]
            readout = unpack(self.readout(*(given.data for given in packed)), packed[0], embeds.shape[1])
        readout = self.dropout(readout)
        return all_hidden_states, states, weights, readout

    def run_steps(self, embeds, states, source: BahdanauSource, mask, lengths):
        """Step by step, each input beside the last step's readout (Luong et al. 2015, section 3.3)."""
        steps = []
        context, weights = None if self.has_attention else source.ends.unsqueeze(1), None
        states, feed = list(states[:-1]), states[-1]
        for step in range(embeds.shape[1]):
            embed = embeds[:, step : step + 1]
            step_mask = None if mask is None else mask[:, step : step + 1]
            hidden_states, layer_outputs = torch.cat([embed, feed.unsqueeze(1)], dim=-1), []
            for index, layer in enumerate(self.layers):
                if index:
                    hidden_states = self.dropout(hidden_states)
                hidden_states, states[index] = layer(hidden_states, states[index], step_mask)
                layer_outputs.append(hidden_states)
            if self.has_attention:
                context, weights = self.attention(hidden_states, source.keys, source.annotations, source.mask)
            readout = self.dropout(self.readout(hidden_states, embed, context))
            feed = readout[:, 0] if mask is None else torch.where(step_mask > 0, readout[:, 0], feed)
            steps.append((*layer_outputs, readout, weights))
        *all_hidden_states, readout, weights = zip(*steps)
        all_hidden_states = [torch.cat(hidden_states, dim=1) for hidden_states in all_hidden_states]
        weights = torch.cat(weights, dim=1) if self.has_attention else None
        return all_hidden_states, [*states, feed], weights, torch.cat(readout, dim=1)
