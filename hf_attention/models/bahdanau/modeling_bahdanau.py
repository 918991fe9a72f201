# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
PyTorch Bahdanau model: a recurrent encoder-decoder that learns to align and translate.

Symbols and shapes are those of `layers_bahdanau`.
"""

import torch
from torch import nn
from transformers import Cache
from transformers.modeling_outputs import BaseModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .base_bahdanau import BahdanauPreTrainedModel, check_ids
from .cache_bahdanau import CACHE_NAME, BahdanauCache
from .causal_bahdanau import BahdanauForCausalLM
from .configuration_bahdanau import BahdanauConfig
from .copy_bahdanau import (
    BahdanauDecoderOutput,
    BahdanauModelOutput,
    BahdanauSeq2SeqLMOutput,
    find_copied_ids,
    mix_log_probs,
)
from .decoder_bahdanau import BahdanauDecoder
from .encoder_bahdanau import BahdanauEncoder
from .features_bahdanau import check_features
from .generation_bahdanau import BahdanauGenerationMixin
from .hard_bahdanau import first_joint, marginalize
from .loss_bahdanau import can_fuse_loss, fused_loss, smoothed_loss, target_lengths
from .shortlist_bahdanau import BahdanauShortlist


def check_has_encoder(config: BahdanauConfig) -> None:
    """Raises `ValueError` for the config of a decoder alone."""
    if not config.is_encoder_decoder:
        raise ValueError(
            "The config is that of a decoder alone (`is_decoder=True`). Load it with `AutoModelForCausalLM`, or "
            "create a config with an encoder."
        )


class BahdanauModel(BahdanauPreTrainedModel):
    _auto_class = "AutoModel"

    def __init__(self, config: BahdanauConfig):
        check_has_encoder(config)
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
            The annotations h_j, `(batch_size, source_length, config.encoder_width)`, first.
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
            encoder_last_states=getattr(encoder_outputs, "last_states", None),
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
        self.shortlist = None if config.shortlist_size is None else BahdanauShortlist(config)
        self._tied_weights_keys = {}
        if config.share_encoder_decoder_embeddings:
            self._tied_weights_keys["model.decoder.embed_tokens.weight"] = "model.encoder.embed_tokens.weight"
        if config.ties_lm_head:
            owner = "encoder" if config.share_encoder_decoder_embeddings else "decoder"
            self._tied_weights_keys["lm_head.weight"] = f"model.{owner}.embed_tokens.weight"
        self.post_init()

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
                decoder_input_ids, encoder_outputs, attention_mask, encoder_input_ids, feature_ids
            )

        if skip_logits is None:
            skip_logits = self.training
        fuses_loss = labels is not None and skip_logits and can_fuse_loss(self)
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

    @torch.no_grad()
    def sample_decoder_inputs(
        self,
        decoder_input_ids: torch.Tensor,
        encoder_outputs: tuple[torch.Tensor] | BaseModelOutput,
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
                encoder_hidden_states=encoder_outputs[0],
                encoder_attention_mask=attention_mask,
                cache=cache,
                use_cache=True,
                output_attentions=self.config.copy_mechanism,
                feature_ids=feature_ids,
                encoder_last_states=getattr(encoder_outputs, "last_states", None),
                return_dict=True,
            )
            cache = getattr(outputs, CACHE_NAME)
            logits = self.compute_logits(outputs, encoder_input_ids, encoder_outputs[0].shape[1])
            predicted = logits[:, -1].argmax(dim=-1)
            is_replaced = torch.rand(predicted.shape, device=predicted.device)
            is_replaced = is_replaced < self.config.scheduled_sampling_probability
            mixed.append(torch.where(is_replaced, predicted, decoder_input_ids[:, step]))
        return torch.stack(mixed, dim=1)


__all__ = [
    "BahdanauCache",
    "BahdanauForCausalLM",
    "BahdanauForConditionalGeneration",
    "BahdanauModel",
    "BahdanauPreTrainedModel",
]
