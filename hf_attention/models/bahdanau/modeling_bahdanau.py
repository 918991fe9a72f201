# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
PyTorch Bahdanau model: a recurrent encoder-decoder that learns to align and translate.

Symbols and shapes are those of `layers_bahdanau`.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import nn
from transformers import Cache, PreTrainedModel
from transformers import initialization as init
from transformers.loss.loss_utils import ForCausalLMLoss
from transformers.modeling_outputs import BaseModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .attention_bahdanau import BahdanauAttention, BahdanauLinear
from .cache_bahdanau import CACHE_NAME, BahdanauCache
from .configuration_bahdanau import BahdanauConfig
from .copy_bahdanau import (
    BahdanauCopyGate,
    BahdanauDecoderOutput,
    BahdanauModelOutput,
    BahdanauSeq2SeqLMOutput,
    find_copied_ids,
    mix_log_probs,
)
from .features_bahdanau import BahdanauAttendedFeatures, check_features, feature_ids, feature_names, pad_features
from .fused_bahdanau import (
    BahdanauFusedDecoderLayer,
    is_exporting,
    is_transforming,
    is_unmodified_linear,
    without_padding,
)
from .generation_bahdanau import BahdanauGenerationMixin
from .hard_bahdanau import BahdanauHardAttention, BahdanauJumpAttention, first_joint, marginalize
from .layers_bahdanau import (
    BahdanauDecoderLayer,
    BahdanauEncoderLayer,
    BahdanauReadout,
    BahdanauRNN,
    EncoderMemory,
    padding_last_orders,
)
from .local_bahdanau import BahdanauLocalAttention, count_steps
from .loss_bahdanau import fused_loss, smoothed_loss, target_lengths


class BahdanauPreTrainedModel(PreTrainedModel):
    config: BahdanauConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _is_stateful = True
    _no_split_modules = ["BahdanauEncoderLayer", "BahdanauFusedDecoderLayer", "BahdanauKeyProjection", "BahdanauRNN"]

    def __init__(self, config: BahdanauConfig, *inputs, **kwargs):
        config.validate_architecture()  # `from_pretrained` changes options after the config is created
        super().__init__(config, *inputs, **kwargs)

    def post_init(self):
        super().post_init()
        # accelerate's FSDP requires each of them to be in the model
        names = {type(module).__name__ for module in self.modules()}
        self._no_split_modules = names.intersection(self._no_split_modules or ())

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
            if module.init_role == "recurrent":
                self._init_recurrent(module.weight)
            elif module.init_role == "alignment":
                init.normal_(module.weight, std=self.config.attention_initializer_range)
            elif module.init_role == "score":
                init.zeros_(module.weight)
            elif module.bias is not None:
                self._init_gate_bias(module.bias, forget_bias=1.0)

    @property
    def vocab_size(self) -> int:
        """Number of target tokens, which are the classes of the logits."""
        return self.config.vocab_size

    def encode_features(self, rows: Sequence[Mapping[str, object]]) -> torch.Tensor:
        """
        The `feature_ids` of sources, `(batch_size, features)`, on the model's device.

        Args:
            rows (`Sequence[Mapping]`):
                For each source, the columns of `config.feature_values`: a text, in which `config.feature_separator`
                separates the values, or a list of values. Values that are not known are left out, with a warning.

        Raises:
            `ValueError`: for a row without one of the columns, or one that does not hold text.
        """
        values, separator = self.config.feature_values or {}, self.config.feature_separator
        return pad_features(feature_ids(values, rows, separator)).to(self.device)

    @property
    def feature_names(self) -> list[str]:
        """The name `column=value` of each feature id; that of 0, the padding, is empty."""
        return feature_names(self.config)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """
        Resizes the vocabulary: both embedding tables and the output projection or, if source and target have separate
        vocabularies (`config.encoder_vocab_size`), the source's table alone; see `resize_decoder_token_embeddings` for
        the target's.
        """
        embeddings = self.get_input_embeddings()
        assert isinstance(embeddings, nn.Embedding)
        if new_num_tokens is None and pad_to_multiple_of is None:
            return embeddings
        name = "vocab_size" if self.config.encoder_vocab_size is None else "encoder_vocab_size"
        self._check_new_vocab_size(name, new_num_tokens)
        encoder = self._get_resized_embeddings(embeddings, new_num_tokens, pad_to_multiple_of, mean_resizing)
        self.set_input_embeddings(encoder)
        if name == "encoder_vocab_size":
            self.config.encoder_vocab_size = encoder.num_embeddings
        else:
            self.resize_decoder_token_embeddings(encoder.num_embeddings, mean_resizing=mean_resizing)
        return encoder

    def resize_decoder_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """Resizes the target's embedding table and the output projection, if there is one."""
        decoder = self.get_decoder()
        if new_num_tokens is None and pad_to_multiple_of is None:
            return decoder.embed_tokens
        self._check_new_vocab_size("vocab_size", new_num_tokens)
        if decoder.embed_tokens is not self.get_input_embeddings():
            decoder.embed_tokens = self._get_resized_embeddings(
                decoder.embed_tokens, new_num_tokens, pad_to_multiple_of, mean_resizing
            )
        size = decoder.embed_tokens.num_embeddings
        if (head := self.get_output_embeddings()) is not None:
            self.set_output_embeddings(self._get_resized_lm_head(head, size, mean_resizing=mean_resizing))
        self.config.vocab_size = size
        self.tie_weights()
        return decoder.embed_tokens

    def _check_new_vocab_size(self, name: str, size: int | None) -> None:
        if size is not None:  # a model with an invalid config could not be loaded again
            config = copy.copy(self.config)
            setattr(config, name, size)
            config.validate_architecture()

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


class BahdanauEncoder(BahdanauPreTrainedModel):
    """Bidirectional recurrent encoder (section 3.2): tokens to annotations h_j."""

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.source_vocab_size, config.embedding_size, config.pad_token_id)
        self.feature_embedding = None
        if config.feature_vocab_size is not None and config.feature_mode == "add":
            self.feature_embedding = nn.Embedding(config.feature_vocab_size, config.embedding_size, padding_idx=0)
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
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        feature_ids: torch.Tensor | None = None,
        **kwargs: object,
    ) -> BaseModelOutput:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of `input_ids` or `inputs_embeds`.")
        if inputs_embeds is None:
            check_ids("input_ids", input_ids, self.config.source_vocab_size)
            inputs_embeds = self.embed_tokens(input_ids)
        if inputs_embeds.dim() != 3 or inputs_embeds.shape[2] != self.config.embedding_size:
            raise ValueError(
                f"`inputs_embeds` must be of shape (batch, length, {self.config.embedding_size}), got "
                f"{tuple(inputs_embeds.shape)}."
            )
        if inputs_embeds.shape[1] == 0:
            raise ValueError("The source is empty: `input_ids` must hold at least one token a row.")
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        check_mask("attention_mask", attention_mask, inputs_embeds)
        if self.feature_embedding is not None:
            check_features(self.config, feature_ids, len(inputs_embeds))
            check_ids("feature_ids", feature_ids, self.feature_embedding.num_embeddings)
            inputs_embeds = inputs_embeds + self.feature_embedding(feature_ids).sum(dim=1, keepdim=True)
        orders = None if attention_mask is None else padding_last_orders(attention_mask)

        hidden_states = self.dropout(inputs_embeds)  # (B, S, E)
        all_hidden_states = (hidden_states,)
        for layer in self.layers:
            hidden_states = layer(hidden_states, orders)  # (B, S, D)
            if attention_mask is not None:
                hidden_states = hidden_states * (attention_mask != 0).unsqueeze(-1).to(hidden_states.dtype)
            hidden_states = self.dropout(hidden_states)
            all_hidden_states += (hidden_states,)
        return BaseModelOutput(
            last_hidden_state=hidden_states, hidden_states=all_hidden_states if output_hidden_states else None
        )


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
        self.has_attention = config.attention_type != "none"
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
        final_size = config.encoder_output_size if config.initial_state_type == "both" else config.encoder_state_size
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
        check_ids("decoder_input_ids", input_ids, self.config.vocab_size)
        if annotations.dim() != 3 or annotations.shape[2] != self.config.encoder_output_size:
            raise ValueError(
                "`encoder_outputs` must hold annotations of shape (batch, length, "
                f"{self.config.encoder_output_size}), got {tuple(annotations.shape)}."
            )
        check_mask("attention_mask", attention_mask, annotations)

    def final_states(
        self, annotations: torch.Tensor, attention_mask: torch.Tensor | None = None, num_targets: int = 1
    ) -> torch.Tensor:
        """The final state of each direction of the encoder: [fwd_S; bwd_1]. (B, S, D) to (B * num_targets, D)."""
        batch_size, length, _ = annotations.shape
        if attention_mask is None:
            first = annotations.new_zeros(batch_size, dtype=torch.long)
            last = first + length - 1
        else:
            tokens = (attention_mask != 0).long()
            first, last = tokens.argmax(dim=1), length - 1 - tokens.flip(1).argmax(dim=1)
        rows = torch.arange(batch_size, device=annotations.device)
        size = self.config.encoder_state_size
        states = torch.cat([annotations[rows, last, :size], annotations[rows, first, size:]], dim=-1)
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
        **kwargs: object,
    ) -> BahdanauDecoderOutput:
        r"""
        cache (`BahdanauCache`, *optional*):
            The state after the previous tokens; `past_key_values` is its name before transformers 5.24.
        lengths (`torch.Tensor` of shape `(batch_size,)`, on the CPU, *optional*):
            The number of tokens of each row whose outputs are needed, at least 1. The fast path leaves out what
            follows.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of `decoder_input_ids` or `decoder_inputs_embeds`.")
        if encoder_hidden_states is None:
            raise ValueError("The decoder needs a source: pass `encoder_hidden_states`.")
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
            final_states = self.final_states(annotations, encoder_attention_mask, num_targets)
        annotations, mask = self.append_features(annotations, encoder_attention_mask, feature_ids)
        if is_first:
            keys, states = self.project_keys(annotations), self.initial_states(final_states)
        else:
            state, keys = cache.read()
            states = state.split(self.state_sizes, dim=-1)
        memory = EncoderMemory(annotations, mask, keys, final_states)

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
        s_0 = tanh(W_s bwd_1), or of fwd_S for one direction, or of both, of each layer; the first step is fed zeros.
        """
        final_state = final_states[:, -self.initial_state.in_features :]
        states = torch.tanh(self.initial_state(final_state)).split(
            self.state_sizes[: self.config.decoder_layers], dim=-1
        )
        if self.counts_steps:
            states = (*states, final_state.new_zeros(final_state.shape[0], 2))
        if self.config.input_feeding:
            states = (*states, final_state.new_zeros(final_state.shape[0], self.config.readout_size))
        return states

    def append_features(
        self, annotations: torch.Tensor, mask: torch.Tensor | None, feature_ids: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The annotations and their mask, followed by those of attended features: (B, S, D) to (B, S + F, D)."""
        if self.features is None:
            return annotations, mask
        check_features(self.config, feature_ids, len(annotations))
        assert feature_ids is not None  # as checked
        check_ids("feature_ids", feature_ids, self.features.num_embeddings)
        return self.features.append_to(annotations, mask, feature_ids, self.dropout)

    def remember(
        self,
        annotations: torch.Tensor,
        mask: torch.Tensor | None,
        num_targets: int,
        feature_ids: torch.Tensor | None = None,
    ) -> EncoderMemory:
        """What all steps read of sources with `num_targets` targets each."""
        final_states = self.final_states(annotations, mask, num_targets)
        annotations, mask = self.append_features(annotations, mask, feature_ids)
        return EncoderMemory(annotations, mask, self.project_keys(annotations), final_states)

    def project_keys(self, annotations: torch.Tensor) -> torch.Tensor:
        """U_a h_j, (B, S, A), once for all steps; (B, 0, D) without attention."""
        if not self.has_attention:
            return annotations[:, :0]
        first = self.layers[0]
        attention = first.attention if isinstance(first, BahdanauDecoderLayer) else self.attention
        return attention.project_keys(annotations)

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
        contexts = memory.final_states.unsqueeze(1).expand(-1, embeds.shape[1], -1)  # (B, T, D), without attention
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
        context, weights = None if self.has_attention else memory.final_states.unsqueeze(1), None
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


class BahdanauModel(BahdanauPreTrainedModel):
    _auto_class = "AutoModel"

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
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: tuple[torch.Tensor] | BaseModelOutput | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        decoder_inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        cache: Cache | None = None,
        decoder_lengths: torch.Tensor | None = None,
        feature_ids: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BahdanauModelOutput:
        r"""
        decoder_input_ids (`torch.LongTensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            y_{i-1}: the target shifted right, `decoder_start_token_id` first.
        decoder_attention_mask (`torch.Tensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            0 where the decoder's state skips a padding token. Padding on the right needs no mask.
        encoder_outputs (`tuple` or `BaseModelOutput`, *optional*):
            The annotations h_j, `(batch_size, source_length, encoder_output_size)`, first.
        cache (`BahdanauCache`, *optional*):
            The state after the previous tokens; `past_key_values` is its name before transformers 5.24.
        decoder_lengths (`torch.Tensor` of shape `(batch_size,)`, on the CPU, *optional*):
            The number of tokens of each target whose outputs are needed, at least 1.
        feature_ids (`torch.LongTensor` of shape `(batch_size, features)`, *optional*):
            The features of each source if the model has them (`config.feature_vocab_size`), 0 as padding; see
            `encode_features`.

        Returns a `Seq2SeqModelOutput` whose `last_hidden_state` is the readout t_i, `(batch_size, target_length,
        readout_size)`, and whose `cross_attentions` hold alpha_ij, `(batch_size, num_attention_heads, target_length,
        source_length)`, for the one attention of the model. Attended features (`config.feature_mode="attend"`) are
        further columns. With `config.hard_attention` the readout is that of each source position, `(batch_size,
        target_length, source_length, readout_size)`, and the `cross_attentions` are p(a_i = j | a_{i-1}), with one
        "head" for each position of a_{i-1} if `"monotonic"`.
        """
        use_cache = use_cache if use_cache is not None else self.config.use_cache
        if self.config.feature_vocab_size is None and feature_ids is not None:
            check_features(self.config, feature_ids, len(feature_ids))
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids=input_ids,
                attention_mask=attention_mask,
                inputs_embeds=inputs_embeds,
                feature_ids=feature_ids,
                return_dict=True,
                **kwargs,
            )
        elif not isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs[:2])
        decoder_outputs = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=encoder_outputs.last_hidden_state,
            encoder_attention_mask=attention_mask,
            cache=past_key_values if cache is None else cache,
            inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            lengths=decoder_lengths,
            feature_ids=feature_ids,
            return_dict=True,
            **kwargs,
        )
        return BahdanauModelOutput(
            last_hidden_state=decoder_outputs.last_hidden_state,
            **{CACHE_NAME: getattr(decoder_outputs, CACHE_NAME)},
            decoder_hidden_states=decoder_outputs.hidden_states,
            cross_attentions=decoder_outputs.cross_attentions,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
            generation_logits=decoder_outputs.generation_logits,
        )


class BahdanauForConditionalGeneration(BahdanauPreTrainedModel, BahdanauGenerationMixin):
    """
    The encoder-decoder with its output projection, and the loss.

    `config.fused` (default `True`) is the switch of the fast path: the decoder's recurrence, the training loss and the
    searches of `generate` are then computed by equivalent code of their own where it applies. With
    `model.config.fused = False` the equations run as `layers_bahdanau` has them, `generate` is transformers' own, the
    logits are always computed, and second derivatives exist.
    """

    _auto_class = "AutoModelForSeq2SeqLM"
    accepts_smoothing = True  # `smoothing` is an argument of `forward`, which the translation trainer uses

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.model = BahdanauModel(config)
        self.lm_head = nn.Linear(config.readout_size, config.vocab_size, bias=config.use_bias)
        self._tied_weights_keys = {}
        if config.share_encoder_decoder_embeddings:
            self._tied_weights_keys["model.decoder.embed_tokens.weight"] = "model.encoder.embed_tokens.weight"
        if config.ties_lm_head:
            owner = "encoder" if config.share_encoder_decoder_embeddings else "decoder"
            self._tied_weights_keys["lm_head.weight"] = f"model.{owner}.embed_tokens.weight"
        self.post_init()

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """The labels shifted right behind `decoder_start_token_id`, -100 as padding. (B, T) to (B, T)."""
        if self.config.pad_token_id is None:
            raise ValueError(
                "`pad_token_id` is None, but decoder inputs computed from `labels` need it instead of -100. Set "
                "`model.config.pad_token_id`, or pass `decoder_input_ids`."
            )
        if labels.dim() != 2:
            raise ValueError(f"`labels` must be of shape (batch, length), got {tuple(labels.shape)}.")
        start = labels.new_full((labels.shape[0], 1), self.config.decoder_start_token_id)
        shifted = torch.cat([start, labels[:, :-1]], dim=1)
        return shifted.masked_fill(shifted == -100, self.config.pad_token_id)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: tuple[torch.Tensor] | BaseModelOutput | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        decoder_inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        skip_logits: bool | None = None,
        cache: Cache | None = None,
        smoothing: float = 0.0,
        encoder_input_ids: torch.Tensor | None = None,
        feature_ids: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BahdanauSeq2SeqLMOutput:
        r"""
        decoder_input_ids (`torch.LongTensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            y_{i-1}. Computed from `labels` if not given.
        decoder_attention_mask (`torch.Tensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            0 where the decoder's state skips a padding token. Padding on the right needs no mask.
        labels (`torch.Tensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            The target, -100 where there is no loss. The mean cross-entropy is returned as `loss`.
        skip_logits (`bool`, *optional*):
            With `labels`, whether `logits` may be `None`: computed in chunks and without padding, the loss is the
            same, faster and in less memory. By default `True` in training mode and `False` in evaluation. Without
            effect where the fast path is off or does not apply.
        cache (`BahdanauCache`, *optional*):
            The state after the previous tokens; `past_key_values` is its name before transformers 5.24.
        smoothing (`float`, *optional*, defaults to 0.0):
            Label smoothing: the share of each target that is spread evenly over the vocabulary (Szegedy et al. 2016,
            section 7). Its name does not begin with `label`, since the Trainer takes such arguments for labels.
        encoder_input_ids (`torch.LongTensor` of shape `(batch_size, source_length)`, *optional*):
            For `config.copy_mechanism`: the source's ids, where `encoder_outputs` or `inputs_embeds` are given instead
            of `input_ids`.
        feature_ids (`torch.LongTensor` of shape `(batch_size, features)`, *optional*):
            The features of each source if the model has them; see [`BahdanauModel`].

        With `config.copy_mechanism`, `logits` are log-probabilities, and `generation_probs` are p_gen,
        `(batch_size, target_length)`, the probability that a token is generated rather than copied. With
        `config.hard_attention`, `logits` are log p(y_i | y_<i), summed over all alignments, and `cross_attentions`
        hold p(a_i = j | y_<i), the alignment's distribution before y_i is known.

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
        cache = past_key_values if cache is None else cache
        smoothing = kwargs.pop("label_smoothing", smoothing)  # ty: ignore[invalid-typed-dict-key] (old name, until 0.2)
        if labels is not None:
            use_cache = False
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
            self._check_labels(labels, decoder_input_ids, decoder_inputs_embeds)
        elif skip_logits:
            raise ValueError("`skip_logits=True` returns only the loss, which needs `labels`.")
        shows_attention = kwargs.get("output_attentions")
        shows_attention = self.config.output_attentions if shows_attention is None else shows_attention
        if self.config.hard_attention:
            kwargs["output_attentions"] = True
            if decoder_input_ids is None and self.config.hard_attention == "monotonic":
                raise ValueError(
                    "`hard_attention='monotonic'` observes the target so far: pass `decoder_input_ids` (or `labels`) "
                    "instead of `decoder_inputs_embeds`."
                )
        if self.config.copy_mechanism:
            kwargs["output_attentions"] = True
            check_ids("encoder_input_ids", encoder_input_ids, self.config.source_vocab_size)
            encoder_input_ids = input_ids if encoder_input_ids is None else encoder_input_ids
        if self.training and self.config.scheduled_sampling_probability > 0 and decoder_input_ids is not None:
            if encoder_outputs is None:
                encoder_outputs = self.model.encoder(
                    input_ids=input_ids,
                    attention_mask=attention_mask,
                    inputs_embeds=inputs_embeds,
                    feature_ids=feature_ids,
                    return_dict=True,
                    **kwargs,
                )
            decoder_input_ids = self.sample_decoder_inputs(
                decoder_input_ids, encoder_outputs[0], attention_mask, encoder_input_ids, feature_ids
            )

        if skip_logits is None:
            skip_logits = self.training
        fuses_loss = labels is not None and skip_logits and self._can_fuse_loss()
        decoder_lengths = None
        if labels is not None and fuses_loss and decoder_attention_mask is None:
            flags = ("output_attentions", "output_hidden_states")
            if not any(kwargs.get(flag, getattr(self.config, flag)) for flag in flags):
                decoder_lengths = target_lengths(labels)
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            encoder_outputs=encoder_outputs,
            inputs_embeds=inputs_embeds,
            decoder_inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            cache=cache,
            decoder_lengths=decoder_lengths,
            feature_ids=feature_ids,
            return_dict=True,
            **kwargs,
        )
        if labels is not None and labels.shape[0] != outputs.encoder_last_hidden_state.shape[0]:
            raise ValueError(
                f"`labels` have {labels.shape[0]} rows, but there are {outputs.encoder_last_hidden_state.shape[0]} "
                "sources: give each source one target."
            )
        readout, logits, loss = outputs.last_hidden_state, None, None
        cross_attentions = outputs.cross_attentions
        num_items_in_batch = kwargs.get("num_items_in_batch")
        if labels is not None and fuses_loss:
            loss = fused_loss(self.lm_head, readout, labels, smoothing, num_items_in_batch)
        else:
            if self.config.hard_attention:
                steps = (decoder_input_ids, attention_mask, decoder_attention_mask)
                logits, priors = self.sum_over_alignments(outputs, *steps)
                cross_attentions = (priors,)
            else:
                length = outputs.encoder_last_hidden_state.shape[1]
                logits = self.compute_logits(outputs, encoder_input_ids, length)  # (B, T, vocab)
            if labels is not None and smoothing:
                loss = smoothed_loss(logits, labels, smoothing, num_items_in_batch)
            elif labels is not None:
                loss = self.loss_function(
                    logits=logits, labels=None, shift_labels=labels, vocab_size=self.config.vocab_size, **kwargs
                )
        return BahdanauSeq2SeqLMOutput(
            loss=loss,
            logits=logits,
            **{CACHE_NAME: getattr(outputs, CACHE_NAME)},
            decoder_hidden_states=outputs.decoder_hidden_states,
            cross_attentions=cross_attentions if shows_attention else None,
            encoder_last_hidden_state=outputs.encoder_last_hidden_state,
            encoder_hidden_states=outputs.encoder_hidden_states,
            generation_probs=None if outputs.generation_logits is None else outputs.generation_logits.sigmoid(),
        )

    def compute_logits(
        self,
        outputs: BahdanauDecoderOutput | BahdanauModelOutput,
        encoder_input_ids: torch.Tensor | None,
        source_length: int,
    ) -> torch.Tensor:
        """The logits of a readout or, with `config.copy_mechanism`, the log-probabilities. To (B, T, vocab)."""
        logits = self.lm_head(outputs.last_hidden_state)
        if outputs.generation_logits is None or outputs.cross_attentions is None:
            return logits
        weights = outputs.cross_attentions[0].mean(dim=1)  # (B, T, S)
        ids = find_copied_ids(self.config, encoder_input_ids, source_length)
        return mix_log_probs(logits, outputs.generation_logits, weights, ids)

    def sum_over_alignments(
        self,
        outputs: BahdanauModelOutput,
        decoder_input_ids: torch.Tensor | None,
        attention_mask: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        With `config.hard_attention`, log p(y_i | y_<i), (B, T, vocab), and p(a_i = j | y_<i), (B, 1, T, S), of a base
        model's outputs, whose cache it updates.
        """
        assert outputs.cross_attentions is not None and outputs.encoder_last_hidden_state is not None
        logits, annotations = self.lm_head(outputs.last_hidden_state), outputs.encoder_last_hidden_state
        cache = getattr(outputs, CACHE_NAME)
        joint = None if cache is None else cache.joint
        if joint is None:
            joint = first_joint(annotations, attention_mask, logits.shape[0] // annotations.shape[0])
        tokens = (
            logits.new_zeros(logits.shape[:2], dtype=torch.long) if decoder_input_ids is None else decoder_input_ids
        )
        mask = None if decoder_attention_mask is None else decoder_attention_mask[:, -logits.shape[1] :]
        log_probs, priors, joint = marginalize(logits, outputs.cross_attentions[0], tokens, joint, mask)
        if cache is not None and self.config.hard_attention == "monotonic":
            cache.joint = joint
        return log_probs, priors

    def _check_labels(
        self, labels: torch.Tensor, input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None
    ) -> None:
        known = labels.masked_fill(labels == -100, 0) if labels.device.type == "cpu" else labels
        check_ids("labels", known, self.config.vocab_size)
        if labels.shape[1] == 0:
            raise ValueError("The target is empty: `labels` must hold at least one token a row.")
        targets = inputs_embeds if input_ids is None else input_ids
        if targets is not None and labels.shape != targets.shape[:2]:
            raise ValueError(
                f"`labels` of shape {tuple(labels.shape)} do not fit decoder inputs of shape "
                f"{tuple(targets.shape[:2])}: give a label, or -100, for every decoder input."
            )

    def _can_fuse_loss(self) -> bool:
        if not self.config.fused or self.config.copy_mechanism or self.config.hard_attention:
            return False
        if is_exporting() or is_transforming():
            return False
        return self.loss_function is ForCausalLMLoss and is_unmodified_linear(self.lm_head)

    @torch.no_grad()
    def sample_decoder_inputs(
        self,
        decoder_input_ids: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_input_ids: torch.Tensor | None = None,
        feature_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Scheduled sampling (Bengio et al. 2015, section 2.4): decodes the target step by step and, with
        `config.scheduled_sampling_probability`, replaces the reference token by the model's most probable one. That
        choice is discrete and carries no gradient, so the loss is then computed from the mixed inputs as usual.

        (B, T) to (B, T); the first token stays.
        """
        mixed, cache = [decoder_input_ids[:, 0]], None
        for step in range(1, decoder_input_ids.shape[1]):
            outputs = self.model.decoder(
                input_ids=mixed[-1].unsqueeze(1),
                encoder_hidden_states=encoder_hidden_states,
                encoder_attention_mask=attention_mask,
                cache=cache,
                use_cache=True,
                output_attentions=self.config.copy_mechanism,
                feature_ids=feature_ids,
                return_dict=True,
            )
            cache = getattr(outputs, CACHE_NAME)
            logits = self.compute_logits(outputs, encoder_input_ids, encoder_hidden_states.shape[1])
            predicted = logits[:, -1].argmax(dim=-1)
            is_replaced = torch.rand(predicted.shape, device=predicted.device)
            is_replaced = is_replaced < self.config.scheduled_sampling_probability
            mixed.append(torch.where(is_replaced, predicted, decoder_input_ids[:, step]))
        return torch.stack(mixed, dim=1)


def check_ids(name: str, ids: torch.Tensor | None, vocab_size: int):
    """Raises `ValueError` for ids outside the vocabulary, on CPU, where reading them costs no synchronisation."""
    if ids is not None and ids.dim() != 2:
        raise ValueError(f"`{name}` must be of shape (batch, length), got {tuple(ids.shape)}.")
    if ids is not None and ids.dtype not in (torch.long, torch.int):
        raise ValueError(f"`{name}` must be of type torch.long or torch.int, got {ids.dtype}.")
    if ids is None or ids.numel() == 0 or ids.device.type != "cpu":
        return
    if torch.compiler.is_compiling() or is_transforming():  # where values are not known
        return
    low, high = torch.aminmax(ids)
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"`{name}` holds id {int(low) if low < 0 else int(high)}, but the model's vocabulary has {vocab_size} "
            "tokens (0 to vocab_size - 1). Use the tokenizer the model was trained with, or call "
            "`resize_token_embeddings`."
        )


def check_mask(name: str, mask: torch.Tensor | None, states: torch.Tensor, exactly: bool = True):
    """Raises `ValueError` for a mask that is not of the states' `(batch, length)` or, not exactly, shorter."""
    if mask is None:
        return
    batch_size, length = states.shape[:2]
    fits = mask.dim() == 2 and mask.shape[0] == batch_size
    if not fits or (mask.shape[1] != length if exactly else mask.shape[1] < length):
        raise ValueError(f"`{name}` must be of shape {(batch_size, length)} (batch, length), got {tuple(mask.shape)}.")
    if mask.device.type != "cpu" or torch.compiler.is_compiling() or is_transforming():
        return
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError(f"`{name}` must be 1 for tokens and 0 for padding, got other values.")


__all__ = ["BahdanauCache", "BahdanauForConditionalGeneration", "BahdanauModel", "BahdanauPreTrainedModel"]
