# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
PyTorch Bahdanau model: a recurrent encoder-decoder that learns to align and translate.

Symbols and shapes are those of `layers_bahdanau`.
"""

from functools import partial

import torch
from torch import nn
from transformers import Cache
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput, Seq2SeqModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .base_bahdanau import BahdanauPreTrainedModel, check_ids
from .cache_bahdanau import BahdanauCache
from .configuration_bahdanau import BahdanauConfig
from .encoder_decoder_bahdanau import BahdanauDecoder, BahdanauEncoder
from .generation_bahdanau import BahdanauGenerationMixin
from .loss_bahdanau import BahdanauLossMixin, BahdanauSeq2SeqLMOutput, smoothed_loss, target_lengths


RECORDS = ("attentions", "hidden_states")


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


class BahdanauForConditionalGeneration(BahdanauPreTrainedModel, BahdanauLossMixin, BahdanauGenerationMixin):
    """
    The encoder-decoder with its output projection, and the loss.

    `torch.compile` makes graphs of what stands between PyTorch's recurrent units, the default decoder's recurrence and
    the loss of training, which run as they are; on accelerators it compiles the recurrence's steps, forward and back,
    by the compiler's defaults, whatever backend and mode the model is compiled by. The steps of other decoders that
    attend before they step are unrolled, and compiled for each length of target: there it is not worth its while.
    """

    _auto_class = "AutoModelForSeq2SeqLM"
    smooths_labels = True  # `label_smoothing` is an argument of `forward`

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

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """The labels shifted right behind `decoder_start_token_id`, -100 as padding. (B, T) to (B, T)."""
        if self.config.pad_token_id is None:
            raise ValueError(
                "`pad_token_id` is None, and decoder inputs made from `labels` have it in the place of -100. Set "
                "`model.config.pad_token_id`, or pass `decoder_input_ids`."
            )
        start = labels.new_full((labels.shape[0], 1), self.config.decoder_start_token_id)
        shifted = torch.cat([start, labels[:, :-1]], dim=1)
        return shifted.masked_fill(shifted == -100, self.config.pad_token_id)

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
        skip_logits: bool | None = None,
        cache: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqLMOutput:
        r"""
        decoder_input_ids (`torch.LongTensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            y_{i-1}. Made from `labels` where not given.
        decoder_attention_mask (`torch.Tensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            0 where the decoder's state passes over a padding token. Padding on the right needs no mask.
        labels (`torch.LongTensor` of shape `(batch_size, target_sequence_length)`, *optional*):
            The target, -100 where no loss is taken. The mean cross-entropy is returned as `loss`.
        skip_logits (`bool`, *optional*):
            With `labels`, whether to leave the logits out: made a few at a time, and none for padding, the loss is the
            same, sooner and in less memory. By default in training mode, and not in evaluation. They are made after
            all if `outputs.logits` is read.
        cache (`BahdanauCache`, *optional*):
            `past_key_values` under the name that transformers gives it from 5.24 on.
        kwargs:
            `label_smoothing` (`float`) is the share of each target that is spread evenly over the vocabulary (Szegedy
            et al. 2016, section 7). It has no place in the signature, where the Trainer would take it for labels.

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
        past_key_values = past_key_values if cache is None else cache
        if labels is not None:
            known = labels.masked_fill(labels == -100, 0) if labels.device.type == "cpu" else labels
            check_ids("labels", known, self.config.vocab_size)
            if labels.shape[1] == 0:
                raise ValueError("The target is empty: `labels` must hold at least one token a row.")
            use_cache = False
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
            targets = decoder_inputs_embeds if decoder_input_ids is None else decoder_input_ids
            if labels.shape != targets.shape[:2]:
                raise ValueError(
                    f"`labels` of shape {tuple(labels.shape)} do not fit decoder inputs of shape "
                    f"{tuple(targets.shape[:2])}: give a label, or -100, for every decoder input."
                )
        elif skip_logits:
            raise ValueError("`skip_logits=True` leaves only the loss, and there are no `labels` to take it with.")
        if self.training and self.config.scheduled_sampling_probability > 0 and decoder_input_ids is not None:
            if encoder_outputs is None:
                encoder_outputs = self.model.encoder(
                    input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs
                )
            decoder_input_ids = self.sample_decoder_inputs(decoder_input_ids, encoder_outputs[0], attention_mask)

        if skip_logits is None:
            skip_logits = self.training and labels is not None
        skip_logits = skip_logits and self.can_skip_logits()
        if skip_logits and decoder_attention_mask is None:
            wanted = (kwargs.get(f"output_{name}", getattr(self.config, f"output_{name}")) for name in RECORDS)
            kwargs["lengths"] = None if any(wanted) else target_lengths(labels)
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
        if labels is not None and labels.shape[0] != outputs.encoder_last_hidden_state.shape[0]:
            raise ValueError(
                f"`labels` have {labels.shape[0]} rows, but there are {outputs.encoder_last_hidden_state.shape[0]} "
                "sources: give each source one target."
            )
        readout, logits, loss = outputs.last_hidden_state, None, None
        if skip_logits:
            loss = self.loss_without_logits(readout, labels, **kwargs)
        else:
            logits = self.lm_head(readout)  # (B, T, vocab)
            if labels is not None and kwargs.get("label_smoothing"):
                loss = smoothed_loss(logits, labels, **kwargs)
            elif labels is not None:
                loss = self.loss_function(
                    logits=logits, labels=None, shift_labels=labels, vocab_size=self.config.vocab_size, **kwargs
                )
        found = BahdanauSeq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            decoder_hidden_states=outputs.decoder_hidden_states,
            cross_attentions=outputs.cross_attentions,
            encoder_last_hidden_state=outputs.encoder_last_hidden_state,
            encoder_hidden_states=outputs.encoder_hidden_states,
        )
        if skip_logits:
            found.make_logits = partial(self.make_logits, readout, torch.is_autocast_enabled(readout.device.type))
        return found

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
