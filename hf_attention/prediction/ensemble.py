# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Several sequence-to-sequence models that translate as one: `generate` averages their log-probabilities."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn
from transformers import Cache, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, ModelOutput, Seq2SeqLMOutput

from ..models.bahdanau.cache_bahdanau import CACHE_NAME


class EnsembleCache(Cache):
    """The caches of the members, reordered together by beam search."""

    def __init__(self, caches: list[Cache]) -> None:
        super().__init__(layers=[])
        self.caches = caches

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.caches[0].get_seq_length()

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        for cache in self.caches:
            cache.reorder_cache(beam_idx)


class EnsembleEncoder(nn.Module):
    """The members' encoders; `generate` calls it once and repeats each of its outputs for the beams."""

    models: nn.ModuleList

    def __init__(self, models: nn.ModuleList) -> None:
        super().__init__()
        self.models = models

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        feature_ids: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> ModelOutput:
        outputs = ModelOutput()
        features = {} if feature_ids is None else {"feature_ids": feature_ids}
        for index, model in enumerate(self.models):
            assert isinstance(model, PreTrainedModel)  # which a ModuleList does not say
            encoder = model.get_encoder()
            states = encoder(input_ids=input_ids, attention_mask=attention_mask, return_dict=True, **features)
            outputs[f"member_{index}"] = states.last_hidden_state
            if getattr(states, "last_states", None) is not None:
                outputs[f"last_states_{index}"] = states.last_states
        outputs["input_ids"] = input_ids  # which a model with a copy mechanism reads at each step
        return outputs


class EnsembleForSeq2SeqLM(PreTrainedModel, GenerationMixin):
    """
    An ensemble of encoder-decoders with the same vocabulary. Its logits are the mean of the members'
    log-probabilities, (B, T, V), so `generate` searches in their normalized geometric mean, with greedy search, beams
    or sampling. It is not saved as one model: its members are.

    Args:
        models (`list[PreTrainedModel]`): two or more, of any architecture of transformers.

    Raises:
        `ValueError`: for fewer than two models, or models whose vocabularies or special tokens differ.
    """

    def __init__(self, models: list[PreTrainedModel]) -> None:
        if len(models) < 2:
            raise ValueError(f"An ensemble needs at least two models, got {len(models)}.")
        first = models[0]
        for name in ("vocab_size", "pad_token_id", "eos_token_id", "decoder_start_token_id", "feature_values"):
            values = [getattr(model.config, name, None) for model in models]
            if any(value != values[0] for value in values):
                raise ValueError(f"The models of an ensemble need the same `{name}`, got {values}.")
        config = copy.deepcopy(first.config)
        config._attn_implementation = "eager"  # the ensemble has no attention of its own
        super().__init__(config)
        self.models = nn.ModuleList(models)
        self.ensemble_encoder = EnsembleEncoder(self.models)
        self.generation_config = copy.deepcopy(first.generation_config)

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def encode_features(self, rows: Sequence[Mapping[str, object]]) -> torch.Tensor:
        """The `feature_ids` of sources, (B, F), which are the same for all members."""
        return cast(Any, self.models[0]).encode_features(rows)

    @property
    def feature_names(self) -> list[str]:
        """The name of each feature id."""
        return cast(Any, self.models[0]).feature_names

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        return self.ensemble_encoder

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        encoder_outputs: ModelOutput | None = None,
        past_key_values: EnsembleCache | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        cache: EnsembleCache | None = None,
        feature_ids: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput:
        """
        Averages the members' log-probabilities.

        Args:
            input_ids, attention_mask (`torch.Tensor` of shape `(B, S)`): the source.
            decoder_input_ids (`torch.Tensor` of shape `(B, T)`): the target so far.
            encoder_outputs (`ModelOutput`, *optional*): of `get_encoder()`.
            feature_ids (`torch.Tensor` of shape `(B, F)`, *optional*): the features of the sources.
            cache (`EnsembleCache`, *optional*): `past_key_values` is its name before transformers 5.24.

        Returns:
            `Seq2SeqLMOutput`: with `logits`, (B, T, V), and `cross_attentions`, one tensor (B, 1, T, S): the mean of
            the members' last layers and heads.
        """
        cache = past_key_values if cache is None else cache
        if encoder_outputs is None:
            encoder_outputs = self.ensemble_encoder(
                input_ids=input_ids, attention_mask=attention_mask, feature_ids=feature_ids
            )
        log_probs, weights, caches = [], [], []
        for index, model in enumerate(self.models):
            copies = getattr(model.config, "copy_mechanism", False)
            source = BaseModelOutput(last_hidden_state=encoder_outputs[f"member_{index}"])
            if f"last_states_{index}" in encoder_outputs:
                source["last_states"] = encoder_outputs[f"last_states_{index}"]
            outputs = model(
                attention_mask=attention_mask,
                decoder_input_ids=decoder_input_ids,
                encoder_outputs=source,
                use_cache=use_cache,
                output_attentions=output_attentions,
                return_dict=True,
                **({"encoder_input_ids": encoder_outputs["input_ids"]} if copies else {}),
                **({} if feature_ids is None else {"feature_ids": feature_ids}),
                **{CACHE_NAME: None if cache is None else cache.caches[index]},
            )
            log_probs.append(outputs.logits.float().log_softmax(dim=-1))
            caches.append(getattr(outputs, CACHE_NAME, None))
            if output_attentions:
                weights.append(outputs.cross_attentions[-1].mean(dim=1, keepdim=True))
        output = Seq2SeqLMOutput(
            logits=torch.stack(log_probs).mean(dim=0),
            cross_attentions=(torch.stack(weights).mean(dim=0),) if weights else None,
        )
        if all(item is not None for item in caches):
            output[CACHE_NAME] = EnsembleCache(caches)
        return output


__all__ = ["EnsembleForSeq2SeqLM"]
