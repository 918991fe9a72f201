# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The encoder of the Bahdanau model: from tokens to annotations.

Symbols and shapes are those of `layers_bahdanau`.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import can_return_tuple

from .base_bahdanau import BahdanauPreTrainedModel, check_ids, check_mask
from .configuration_bahdanau import BahdanauConfig
from .features_bahdanau import check_features
from .layers_bahdanau import BahdanauEncoderLayer, padding_last_orders
from .window_bahdanau import BahdanauWindowEncoderLayer


@dataclass
class BahdanauEncoderOutput(BaseModelOutput):
    """
    The annotations, and what the decoder's first state is a copy of.

    Args:
        last_states (`torch.FloatTensor` of shape `(batch_size, size of the decoder's state)`, *optional*):
            For `config.initial_state_type="copy"`: the last state of each layer.
    """

    last_states: torch.Tensor | None = None


class BahdanauEncoder(BahdanauPreTrainedModel):
    """Bidirectional recurrent encoder (section 3.2), or a convolution: tokens to annotations h_j."""

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.source_vocab_size, config.embedding_size, config.pad_token_id)
        self.feature_embedding = None
        if config.feature_vocab_size is not None and config.feature_mode == "add":
            self.feature_embedding = nn.Embedding(config.feature_vocab_size, config.embedding_size, padding_idx=0)
        layer_class = BahdanauEncoderLayer if config.annotation_window is None else BahdanauWindowEncoderLayer
        self.layers = nn.ModuleList(
            layer_class(config, config.encoder_output_size if layer else config.embedding_size)
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
    ) -> BahdanauEncoderOutput:
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
            check_features(self.config, feature_ids, inputs_embeds.shape[0])
            check_ids("feature_ids", feature_ids, self.feature_embedding.num_embeddings)
            inputs_embeds = inputs_embeds + self.feature_embedding(feature_ids).sum(dim=1, keepdim=True)
        orders = lengths = None
        if attention_mask is not None:
            orders = padding_last_orders(attention_mask)
            lengths = (attention_mask != 0).sum(dim=1) if self.config.first_state_type == "copy" else None

        hidden_states = self.dropout(inputs_embeds)  # (B, S, E)
        if attention_mask is not None and self.config.annotation_window is not None:
            hidden_states = hidden_states * (attention_mask != 0).unsqueeze(-1).to(hidden_states.dtype)
        all_hidden_states, last_states = (hidden_states,), ()
        for layer in self.layers:
            hidden_states, last = layer(hidden_states, orders, lengths)  # (B, S, D)
            last_states += (last,)
            if attention_mask is not None:
                hidden_states = hidden_states * (attention_mask != 0).unsqueeze(-1).to(hidden_states.dtype)
            hidden_states = self.dropout(hidden_states)
            all_hidden_states += (hidden_states,)
        return BahdanauEncoderOutput(
            last_hidden_state=hidden_states,
            hidden_states=all_hidden_states if output_hidden_states else None,
            last_states=torch.cat(last_states, dim=-1) if self.config.first_state_type == "copy" else None,
        )


__all__ = ["BahdanauEncoder", "BahdanauEncoderOutput"]
