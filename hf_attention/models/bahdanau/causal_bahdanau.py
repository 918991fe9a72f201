# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The decoder alone: over the states of any encoder, or, without cross attention, a recurrent language model.

Symbols and shapes are those of `layers_bahdanau`.
"""

import copy
from typing import Any

import torch
from torch import nn
from transformers import Cache, GenerationConfig
from transformers.modeling_outputs import CausalLMOutputWithCrossAttentions
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .base_bahdanau import BahdanauPreTrainedModel, check_ids
from .cache_bahdanau import CACHE_NAME
from .configuration_bahdanau import BahdanauConfig
from .decoder_bahdanau import BahdanauDecoder
from .fused_bahdanau import is_transforming
from .generation_bahdanau import BahdanauGenerationMixin
from .loss_bahdanau import can_fuse_loss, fused_loss, target_lengths


class BahdanauDecoderWrapper(BahdanauPreTrainedModel):
    """Gives the decoder's weights the names that they have in an encoder-decoder."""

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.decoder = BahdanauDecoder(config)
        self.post_init()

    def forward(self, *args, **kwargs):
        return self.decoder(*args, **kwargs)


class BahdanauForCausalLM(BahdanauPreTrainedModel, BahdanauGenerationMixin):
    """
    The decoder with its output projection. It is a decoder for transformers' `VisionEncoderDecoderModel`,
    `EncoderDecoderModel` and `SpeechEncoderDecoderModel`.

    The config of an encoder-decoder makes its decoder, which loads the weights of that model.
    """

    _auto_class = "AutoModelForCausalLM"
    _keys_to_ignore_on_load_unexpected = [r"^model\.encoder\.", r"^shortlist\."]
    source_names = ("encoder_hidden_states", "encoder_attention_mask")

    def __init__(self, config: BahdanauConfig):
        super().__init__(as_decoder(config))
        self.model = BahdanauDecoderWrapper(self.config)
        self.lm_head = nn.Linear(self.config.readout_size, self.config.vocab_size, bias=self.config.use_bias)
        self._tied_weights_keys = {}
        if self.config.ties_lm_head:
            self._tied_weights_keys["lm_head.weight"] = "model.decoder.embed_tokens.weight"
        self.post_init()

    def get_input_embeddings(self):
        return self.model.decoder.embed_tokens

    def set_input_embeddings(self, value):
        self.model.decoder.embed_tokens = value

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        skip_logits: bool | None = None,
        cache: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> CausalLMOutputWithCrossAttentions:
        r"""
        attention_mask (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*):
            0 where the state skips a padding token. Padding on the right needs no mask.
        encoder_hidden_states (`torch.Tensor` of shape `(batch_size, source_length, encoder_output_size)`, *optional*):
            The annotations h_j. Several targets may share a source: the batch is then a multiple of theirs.
        encoder_attention_mask (`torch.Tensor` of shape `(batch_size, source_length)`, *optional*):
            1 for the states to attend to, 0 for padding.
        labels (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*):
            The `input_ids`, -100 where there is no loss. As in any causal model of transformers, they are shifted: the
            token at i + 1 is predicted from those up to i.
        skip_logits (`bool`, *optional*):
            With `labels`, whether `logits` may be `None`; see [`BahdanauForConditionalGeneration`].
        cache (`BahdanauCache`, *optional*):
            The state after the previous tokens; `past_key_values` is its name before transformers 5.24.

        Returns a `CausalLMOutputWithCrossAttentions`, whose `cross_attentions` hold alpha_ij, `(batch_size,
        num_attention_heads, sequence_length, source_length)`, for the one attention of the model.

        Raises `ValueError` for ids and labels outside the vocabulary (checked on CPU), and for a source that is
        missing, or that the model cannot attend to.

        Example:

        ```python
        >>> import torch
        >>> from hf_attention import BahdanauConfig, BahdanauForCausalLM

        >>> options = {"is_decoder": True, "add_cross_attention": True, "cross_attention_hidden_size": 48}
        >>> model = BahdanauForCausalLM(BahdanauConfig.from_preset("tiny", vocab_size=32, **options))
        >>> states = torch.randn(1, 5, 48)  # of any encoder
        >>> outputs = model(torch.tensor([[1, 7, 2]]), encoder_hidden_states=states, output_attentions=True)
        >>> outputs.cross_attentions[0].shape  # batch, heads, target, source
        torch.Size([1, 1, 3, 5])

        ```"""
        if encoder_hidden_states is not None and not self.config.encoder_output_size:
            raise ValueError(
                "`encoder_hidden_states` are given, but this model has no cross attention. Create it with "
                "`add_cross_attention=True`."
            )
        targets, lengths, fuses_loss = None, None, False
        if labels is not None:
            known = labels.masked_fill(labels == -100, 0) if labels.device.type == "cpu" else labels
            check_ids("labels", known, self.config.vocab_size)
            use_cache = False
            targets = nn.functional.pad(labels[:, 1:], (0, 1), value=-100)  # of each step; the last has none
            fuses_loss = (self.training if skip_logits is None else skip_logits) and can_fuse_loss(self)
        # the states of tokens do not depend on the padding after them, which collators mask nevertheless
        if (labels is not None or self.training) and attention_mask is not None and is_after_tokens(attention_mask):
            attention_mask = None
        if targets is not None and fuses_loss and attention_mask is None and self.config.encoder_output_size:
            flags = ("output_attentions", "output_hidden_states")
            if not any(kwargs.get(flag, getattr(self.config, flag)) for flag in flags):
                lengths = target_lengths(targets)
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            cache=past_key_values if cache is None else cache,
            inputs_embeds=inputs_embeds,
            use_cache=self.config.use_cache if use_cache is None else use_cache,
            lengths=lengths,
            return_dict=True,
            **kwargs,
        )
        readout, logits, loss = outputs.last_hidden_state, None, None
        if labels is not None and labels.shape != readout.shape[:2]:
            raise ValueError(
                f"`labels` of shape {tuple(labels.shape)} do not fit inputs of shape {tuple(readout.shape[:2])}: give "
                "a label, or -100, for every token."
            )
        if targets is not None and fuses_loss:
            loss = fused_loss(self.lm_head, readout, targets, num_items_in_batch=kwargs.get("num_items_in_batch"))
        else:
            logits = self.lm_head(readout)  # (B, T, vocab)
            if labels is not None:
                loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutputWithCrossAttentions(
            loss=loss,
            logits=logits,
            **{CACHE_NAME: getattr(outputs, CACHE_NAME)},
            hidden_states=outputs.hidden_states,
            cross_attentions=outputs.cross_attentions,
        )

    def read_source(self, kwargs: dict[str, Any], num_rows: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        states = kwargs.get("encoder_hidden_states")
        if states is None:
            states = self.model.decoder.without_source(num_rows)
        return states, kwargs.get("encoder_attention_mask")

    def can_search(
        self,
        input_ids: torch.Tensor,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: GenerationConfig,
        kwargs: dict[str, Any],
    ) -> bool:
        mask = kwargs.get("attention_mask")
        if kwargs.get("inputs_embeds") is not None or (mask is not None and not mask.all()):
            return False  # the searches read a prompt of tokens without padding
        call = (input_ids, logits_processor, stopping_criteria, generation_config)
        return super().can_search(*call, kwargs)  # ty: ignore[invalid-argument-type] (its `self`)


def is_after_tokens(mask: torch.Tensor) -> bool:
    """Whether the padding of all rows is on the right; (B, T)."""
    if torch.compiler.is_compiling() or is_transforming() or mask.dim() != 2:
        return False
    return bool((mask[:, 1:] <= mask[:, :-1]).all())


def as_decoder(config: BahdanauConfig) -> BahdanauConfig:
    """The config itself, or that of the decoder of an encoder-decoder, whose weights fit it."""
    if not config.is_encoder_decoder:
        return config
    decoder = copy.copy(config)
    decoder.initial_state_type, decoder.shortlist_size = config.first_state_type, None
    decoder.cross_attention_hidden_size = config.encoder_output_size
    decoder.is_decoder, decoder.is_encoder_decoder, decoder.add_cross_attention = True, False, True
    return decoder


__all__ = ["BahdanauForCausalLM"]
