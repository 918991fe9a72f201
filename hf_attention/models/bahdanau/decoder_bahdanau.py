# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The decoder of the Bahdanau model: from the annotations and the target so far to the readout.

Symbols and shapes are those of `layers_bahdanau`.
"""

from typing import NamedTuple

import torch
from torch import nn
from transformers import Cache, EncoderDecoderCache
from transformers.utils import can_return_tuple

from .attention_bahdanau import BahdanauAttention
from .base_bahdanau import BahdanauPreTrainedModel, check_ids, check_mask
from .cache_bahdanau import CACHE_NAME, BahdanauCache
from .configuration_bahdanau import BahdanauConfig
from .copy_bahdanau import BahdanauCopyGate, BahdanauDecoderOutput
from .features_bahdanau import BahdanauAttendedFeatures, check_features
from .fused_bahdanau import BahdanauFusedDecoderLayer, without_padding
from .hard_bahdanau import BahdanauHardAttention, BahdanauJumpAttention
from .layers_bahdanau import BahdanauDecoderLayer, BahdanauReadout, BahdanauRNN, EncoderMemory
from .local_bahdanau import BahdanauLocalAttention, count_steps


class DecoderStates(NamedTuple):
    """The decoder's recurrence over a target."""

    hidden_states: list[torch.Tensor]  # of each layer, (B, T, H)
    last_states: list[torch.Tensor]  # of each layer, (B, state), of the step counter, and the last readout that is fed
    weights: torch.Tensor | None  # alpha_ij, (B, T, heads, S)
    readout: torch.Tensor  # t_i, (B, T, R)
    generation_logits: torch.Tensor | None  # of p_gen, (B, T), if the model copies


def make_attention(config: BahdanauConfig) -> BahdanauAttention:
    """The attention of `attention_query="current"`."""
    if config.local_attention is not None:
        return BahdanauLocalAttention(config)
    if config.hard_attention is None:
        return BahdanauAttention(config)
    return BahdanauHardAttention(config) if config.max_jump is None else BahdanauJumpAttention(config)


class BahdanauDecoder(BahdanauPreTrainedModel):
    """Recurrent decoder: E y_{i-1}, s_{i-1} and the annotations to the readout t_i of every step."""

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.has_attention = config.attends_to_source
        self.attends_first = self.has_attention and config.attention_query == "previous"
        self.embed_tokens = nn.Embedding(config.vocab_size, config.embedding_size, config.pad_token_id)

        input_size = config.embedding_size
        if config.input_feeding:
            input_size += config.readout_size
        if not self.has_attention and config.attention_query == "previous":
            input_size += config.encoder_output_size  # the fixed context enters every step
        layers: list[nn.Module] = [
            BahdanauRNN(config, config.hidden_size if layer else input_size, config.hidden_size)
            for layer in range(config.decoder_layers)
        ]
        if self.attends_first:
            layers[0] = BahdanauFusedDecoderLayer(config)
        elif self.has_attention:
            self.attention = make_attention(config)
        self.layers = nn.ModuleList(layers)
        self.readout = BahdanauReadout(config)
        self.copy_gate = BahdanauCopyGate(config) if config.copy_mechanism else None
        self.features = BahdanauAttendedFeatures(config) if config.attends_to_features else None

        state_size = config.hidden_size * (2 if config.cell_type == "lstm" else 1)
        self.state_sizes = [state_size] * config.decoder_layers
        final_size = config.encoder_output_size
        if final_size and config.first_state_type == "backward":
            final_size = config.encoder_state_size
        self.initial_state = None  # copied, or without a source: zeros
        if final_size and config.first_state_type != "copy":
            self.initial_state = nn.Linear(final_size, sum(self.state_sizes), bias=config.use_bias)
        self.counts_steps = config.local_attention == "monotonic"
        if self.counts_steps:
            self.state_sizes.append(2)
        if config.input_feeding:
            self.state_sizes.append(config.readout_size)
        self.dropout = nn.Dropout(config.dropout)
        self.gradient_checkpointing = False
        self.post_init()

    def check_inputs(
        self, input_ids: torch.Tensor | None, attention_mask: torch.Tensor | None, annotations: torch.Tensor
    ) -> None:
        """Raises `ValueError` for ids outside the target's vocabulary and for a mask that does not fit the source."""
        names = ("decoder_input_ids", "encoder_outputs", "attention_mask")
        if not self.config.is_encoder_decoder:
            names = ("input_ids", "encoder_hidden_states", "encoder_attention_mask")
        check_ids(names[0], input_ids, self.config.vocab_size)
        if annotations.dim() != 3 or annotations.shape[2] != self.config.encoder_width:
            raise ValueError(
                f"`{names[1]}` must hold annotations of shape (batch, length, {self.config.encoder_width}), got "
                f"{tuple(annotations.shape)}."
            )
        check_mask(names[2], attention_mask, annotations)

    def final_states(
        self,
        annotations: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        num_targets: int = 1,
        last_states: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        The final state of each direction of the encoder, [fwd_S; bwd_1], or the mean of its states; zeros with
        `config.annotation_window`, so that the first state does not read the source. (B, S, D) to
        (B * num_targets, D). With `initial_state_type="copy"`, followed by the `last_states` of the encoder's layers.
        """
        batch_size, length, _ = annotations.shape
        if self.config.annotation_window is not None:
            return torch.zeros_like(self.readable(annotations)[:, 0]).repeat_interleave(num_targets, dim=0)
        if self.config.first_state_type == "mean":
            if attention_mask is None:
                return annotations.mean(dim=1).repeat_interleave(num_targets, dim=0)
            tokens = (attention_mask != 0).unsqueeze(-1).to(annotations.dtype)
            mean = (annotations * tokens).sum(dim=1) / tokens.sum(dim=1).clamp_min(1)
            return mean.repeat_interleave(num_targets, dim=0)
        if attention_mask is None:
            first = annotations.new_zeros(batch_size, dtype=torch.long)
            last = first + length - 1
        else:
            tokens = (attention_mask != 0).long()
            first, last = tokens.argmax(dim=1), length - 1 - tokens.flip(1).argmax(dim=1)
        rows = torch.arange(batch_size, device=annotations.device)
        size = self.config.encoder_state_size
        states = torch.cat([annotations[rows, last, :size], annotations[rows, first, size:]], dim=-1)
        if self.config.first_state_type == "copy":
            if last_states is None:
                raise ValueError(
                    "`initial_state_type='copy'` needs the `last_states` of the encoder: pass the encoder's complete "
                    "output as `encoder_outputs`."
                )
            states = torch.cat([states, last_states], dim=-1)
        return states.repeat_interleave(num_targets, dim=0)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        lengths: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        feature_ids: torch.Tensor | None = None,
        encoder_last_states: torch.Tensor | None = None,
        **kwargs: object,
    ) -> BahdanauDecoderOutput:
        r"""
        cache (`BahdanauCache`, *optional*):
            The state after the previous tokens; `past_key_values` is its name before transformers 5.24.
        lengths (`torch.Tensor` of shape `(batch_size,)`, on the CPU, *optional*):
            The number of tokens of each row whose outputs are needed, at least 1. The fast path leaves out what
            follows.
        encoder_last_states (`torch.Tensor`, *optional*):
            For `config.initial_state_type="copy"`: the `last_states` of the encoder's output.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of `decoder_input_ids` or `decoder_inputs_embeds`.")
        if encoder_hidden_states is None:
            encoder_hidden_states = self.without_source(1)  # which all targets share
        self.check_inputs(input_ids, encoder_attention_mask, encoder_hidden_states)
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        check_mask("decoder_attention_mask", attention_mask, inputs_embeds, exactly=False)
        if attention_mask is not None:  # `generate` passes that of all tokens so far
            attention_mask = attention_mask[:, -inputs_embeds.shape[1] :]
        cache = past_key_values if cache is None else cache
        if (
            not self.config.is_encoder_decoder
            and isinstance(cache, EncoderDecoderCache)
            and not cache.get_seq_length()
        ):
            cache = None  # what `generate` of transformers' encoder-decoders creates for any decoder
        if cache is not None and not isinstance(cache, BahdanauCache):
            raise ValueError(f"The decoder's cache must be a BahdanauCache, got {type(cache).__name__}.")

        annotations = encoder_hidden_states
        if not torch.compiler.is_compiling() and (not len(annotations) or len(inputs_embeds) % len(annotations)):
            raise ValueError(
                f"{len(inputs_embeds)} targets (`decoder_input_ids`) do not fit {len(annotations)} sources: give each "
                "source as many targets, or one."
            )
        is_first = cache is None or cache.get_seq_length() == 0
        # per source: `num_beams` or `num_return_sequences` (`len` would fix the batch size in an exported graph)
        num_targets = inputs_embeds.shape[0] // annotations.shape[0]
        final_states = annotations.new_empty(0, 1)  # later steps with attention do not read it
        if is_first or not self.has_attention:
            final_states = self.final_states(annotations, encoder_attention_mask, num_targets, encoder_last_states)
        annotations, mask = self.append_features(annotations, encoder_attention_mask, feature_ids)
        if is_first:
            keys, states = self.project_keys(annotations), self.initial_states(final_states)
        else:
            state, keys = cache.read()
            states = state.split(self.state_sizes, dim=-1)
        memory = EncoderMemory(self.readable(annotations), mask, keys, final_states)

        embeds = self.dropout(inputs_embeds)  # (B, T, E)
        run = self.run_steps if self.config.input_feeding else self.run_layers
        steps = run(embeds, list(states), memory, attention_mask, lengths)
        hidden_states, states, weights, readout, generation_logits = steps

        if use_cache:
            if cache is None:
                cache = BahdanauCache()
            state = torch.cat(states, dim=-1)
            cache.update(state[:, None, None], keys[:, None], 0, num_tokens=embeds.shape[1])
        return BahdanauDecoderOutput(
            last_hidden_state=readout,
            **{CACHE_NAME: cache if use_cache else None},  # ty: ignore[invalid-argument-type] (a name that varies)
            hidden_states=(embeds, *hidden_states) if output_hidden_states else None,
            cross_attentions=(weights.transpose(1, 2),) if output_attentions and weights is not None else None,
            generation_logits=generation_logits,
        )

    def initial_states(self, final_states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """
        s_0 = tanh(W_s bwd_1), or of fwd_S for one direction, of both, or of the mean, of each layer; or the encoder's
        states; zeros without a source. The first step is fed zeros.
        """
        sizes = self.state_sizes[: self.config.decoder_layers]
        if self.config.first_state_type == "copy":
            states = final_states[:, self.config.encoder_output_size :].split(sizes, dim=-1)
        elif self.initial_state is None:
            states = final_states.new_zeros(final_states.shape[0], sum(sizes)).split(sizes, dim=-1)
        else:
            final_state = final_states[:, -self.initial_state.in_features :]
            states = torch.tanh(self.initial_state(final_state)).split(sizes, dim=-1)
        others = self.state_sizes[len(sizes) :]  # the step counter, and what is fed to the first step
        return (*states, *(final_states.new_zeros(final_states.shape[0], size) for size in others))

    def without_source(self, num_rows: int) -> torch.Tensor:
        """The annotations of a plain language model, (rows, 1, 0). Raises `ValueError` for another model."""
        if self.config.encoder_output_size:
            raise ValueError("The decoder needs a source: pass `encoder_hidden_states`.")
        return torch.zeros(
            num_rows, 1, 0, dtype=self.embed_tokens.weight.dtype, device=self.embed_tokens.weight.device
        )

    def append_features(
        self, annotations: torch.Tensor, mask: torch.Tensor | None, feature_ids: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The annotations and their mask, followed by those of attended features: (B, S, D) to (B, S + F, D)."""
        if self.features is None:
            return annotations, mask
        check_features(self.config, feature_ids, annotations.shape[0])
        assert feature_ids is not None  # as checked
        check_ids("feature_ids", feature_ids, self.features.num_embeddings)
        return self.features.append_to(annotations, mask, feature_ids, self.dropout)

    def remember(
        self,
        annotations: torch.Tensor,
        mask: torch.Tensor | None,
        num_targets: int,
        feature_ids: torch.Tensor | None = None,
        last_states: torch.Tensor | None = None,
    ) -> EncoderMemory:
        """What all steps read of sources with `num_targets` targets each."""
        final_states = self.final_states(annotations, mask, num_targets, last_states)
        annotations, mask = self.append_features(annotations, mask, feature_ids)
        return EncoderMemory(self.readable(annotations), mask, self.project_keys(annotations), final_states)

    def readable(self, annotations: torch.Tensor) -> torch.Tensor:
        """What the decoder may read of the encoder's outputs: h_j, (B, S, D), without the states for the keys."""
        return annotations[..., : self.config.encoder_output_size]

    def project_keys(self, annotations: torch.Tensor) -> torch.Tensor:
        """
        U_a h_j, (B, S, A), or of recurrent states that follow h_j, once for all steps; (B, 0, D) without attention.
        """
        if not self.has_attention:
            return annotations[:, :0]
        first = self.layers[0]
        attention = first.attention if isinstance(first, BahdanauDecoderLayer) else self.attention
        return attention.project_keys(annotations[..., -self.config.encoder_output_size :])

    def attend(
        self, query: torch.Tensor, states: list[torch.Tensor], memory: EncoderMemory, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention with s_i, (B, T, H); counts the steps in `states` where the attention depends on them."""
        inputs = (query, memory.keys, memory.annotations, memory.mask)
        if not self.counts_steps:
            return self.attention(*inputs)
        index = self.config.decoder_layers
        steps, states[index] = count_steps(states[index], query.shape[1], mask)
        return self.attention(*inputs, steps)

    def run_layers(
        self,
        embeds: torch.Tensor,
        states: list[torch.Tensor],
        memory: EncoderMemory,
        mask: torch.Tensor | None = None,
        lengths: torch.Tensor | None = None,
    ) -> DecoderStates:
        """Layer by layer, each over the complete target."""
        first_query = states[self.config.decoder_layers - 1][:, None, : self.config.hidden_size]
        contexts = memory.fixed_context().expand(-1, embeds.shape[1], -1)  # (B, T, D), without attention
        hidden_states, weights, all_hidden_states = embeds, None, []
        if not self.has_attention and self.config.attention_query == "previous":
            hidden_states = torch.cat([embeds, contexts], dim=-1)
        for index, layer in enumerate(self.layers):
            if index:
                hidden_states = self.dropout(hidden_states)
            if isinstance(layer, BahdanauDecoderLayer):
                hidden_states, states[index], contexts, weights = layer(
                    hidden_states, states[index], memory.keys, memory.annotations, memory.mask, mask, lengths
                )
            else:
                hidden_states, states[index] = layer(hidden_states, states[index], mask)
            all_hidden_states.append(hidden_states)  # (B, T, H)
        if self.has_attention and not self.attends_first:
            contexts, weights = self.attend(hidden_states, states, memory, mask)
        if self.config.attention_query == "previous" and self.config.readout_type == "maxout":
            # the paper's readout reads s_{i-1}
            hidden_states = torch.cat([first_query, hidden_states[:, :-1]], dim=1)
        if lengths is None:
            readout = self.readout(hidden_states, embeds, contexts)  # (B, T, R)
        else:
            readout = without_padding(self.readout, lengths, hidden_states, embeds, contexts)
        readout = self.dropout(readout)
        gate = None if self.copy_gate is None else self.copy_gate(hidden_states, embeds, contexts)
        return DecoderStates(all_hidden_states, states, weights, readout, gate)

    def run_steps(
        self,
        embeds: torch.Tensor,
        states: list[torch.Tensor],
        memory: EncoderMemory,
        mask: torch.Tensor | None = None,
        lengths: torch.Tensor | None = None,
    ) -> DecoderStates:
        """Step by step, each input concatenated with the last step's readout (Luong et al. 2015, section 3.3)."""
        steps = []
        context, weights = None if self.has_attention else memory.fixed_context(), None
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
                context, weights = self.attend(hidden_states, states, memory, step_mask)
            readout = self.dropout(self.readout(hidden_states, embed, context))
            feed = readout[:, 0] if step_mask is None else torch.where(step_mask > 0, readout[:, 0], feed)
            gate = None if self.copy_gate is None else self.copy_gate(hidden_states, embed, context)
            steps.append((*layer_outputs, readout, weights, gate))
        *all_hidden_states, readout, weights, gates = zip(*steps)
        all_hidden_states = [torch.cat(hidden_states, dim=1) for hidden_states in all_hidden_states]
        weights = torch.cat(weights, dim=1) if self.has_attention else None
        gate = None if self.copy_gate is None else torch.cat(gates, dim=1)
        return DecoderStates(all_hidden_states, [*states, feed], weights, torch.cat(readout, dim=1), gate)


__all__ = ["BahdanauDecoder"]
