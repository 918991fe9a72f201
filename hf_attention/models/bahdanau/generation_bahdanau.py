# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
`generate` by the searches of `search_bahdanau`, with the steps of `steps_bahdanau`, where the options allow it, and
else by those of transformers.
"""

import copy
import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig, GenerationMixin, LogitsProcessorList, StoppingCriteriaList
from transformers.generation import EosTokenCriteria, MaxLengthCriteria
from transformers.generation.logits_process import MinLengthLogitsProcessor, MinNewTokensLengthLogitsProcessor

from .copy_bahdanau import find_copied_ids
from .fused_bahdanau import has_hooks_or_patched_forward
from .search_bahdanau import Step, beam_search, greedy_search
from .shortlist_bahdanau import find_vocabulary
from .steps_bahdanau import DecodingStep, FusedDecodingStep, HardDecodingStep, ShortlistStep, can_fuse_step


if TYPE_CHECKING:
    from transformers.generation.streamers import BaseStreamer

    from .modeling_bahdanau import BahdanauForConditionalGeneration


USE_SHORTLIST = "use_shortlist"  # an argument of `generate`


def check_tensors(inputs: dict[str, Any]) -> None:
    """Raises `ValueError` for inputs of `generate` that are not tensors of the right shape."""
    for name, dims in (("input_ids", 2), ("decoder_input_ids", 2), ("inputs_embeds", 3), ("attention_mask", None)):
        given = inputs.get(name)
        if given is None:
            continue
        if not isinstance(given, torch.Tensor):
            raise ValueError(f"`{name}` must be a tensor, got {type(given).__name__}. Use `return_tensors='pt'`.")
        if dims is not None and given.dim() != dims:
            shape = "(batch, length)" if dims == 2 else "(batch, length, embedding_size)"
            raise ValueError(f"`{name}` must be of shape {shape}, got {tuple(given.shape)}.")
        if not len(given):
            raise ValueError(f"`{name}` has no rows. Leave out empty batches.")
        if name == "decoder_input_ids" and not given.shape[1]:
            raise ValueError("`decoder_input_ids` must hold at least one token a row, `decoder_start_token_id`.")
    source, target = inputs.get("input_ids"), inputs.get("decoder_input_ids")
    if source is not None and target is not None and len(source) not in (1, len(target)):
        raise ValueError(f"`decoder_input_ids` have {len(target)} rows, but `input_ids` {len(source)}.")


def check_options(options: dict[str, Any], vocab_size: int) -> None:
    """Raises `ValueError` for options of `generate` that transformers does not check."""
    for name in ("num_beams", "num_return_sequences", "max_length", "max_new_tokens", "min_length", "min_new_tokens"):
        value = options.get(name)
        if value is not None and not isinstance(value, Integral):
            raise ValueError(f"`{name}` must be an integer, got {value!r}.")
        if value is not None and name.startswith("num_") and value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}.")
    penalty = options.get("length_penalty")
    if penalty is not None and not (isinstance(penalty, Real) and math.isfinite(penalty)):
        raise ValueError(f"`length_penalty` must be a finite number, got {penalty!r}.")
    for name in ("forced_bos_token_id", "forced_eos_token_id"):
        value = options.get(name)
        if any(not 0 <= token < vocab_size for token in (value if isinstance(value, list) else [value or 0])):
            raise ValueError(f"`{name}` is outside the vocabulary of {vocab_size} tokens, got {value}.")


class BahdanauGenerationMixin(GenerationMixin):
    """`generate` for a model whose targets share their source: by the searches above where `config.fused` allows."""

    # inputs of `forward` that all targets of a source share; the annotations and their mask come first
    source_names = ("encoder_outputs", "attention_mask", "encoder_input_ids", "feature_ids")

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def read_source(self, kwargs: dict[str, Any], num_rows: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The annotations, (n, S, D), and their mask, (n, S), among the inputs of `forward`."""
        return kwargs["encoder_outputs"][0], kwargs.get("attention_mask")

    def generate(
        self: "BahdanauForConditionalGeneration",
        inputs: torch.Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        *args,
        **kwargs,
    ) -> Any:
        """
        `GenerationMixin.generate`, which would not name some invalid inputs and options in its errors.

        use_shortlist (`bool`, *optional*, defaults to `False`):
            Whether to compute the output layer for the tokens of the model's shortlist alone, see
            [`BahdanauShortlist`]. The default is exact.
        """
        if not isinstance(generation_config, GenerationConfig | None):
            raise ValueError(
                f"`generation_config` must be a GenerationConfig, got {type(generation_config).__name__}."
            )
        check_tensors(kwargs if inputs is None else {**kwargs, "input_ids": inputs})
        check_options({**vars(generation_config or self.generation_config), **kwargs}, self.config.vocab_size)
        if not kwargs.get(USE_SHORTLIST):
            kwargs.pop(USE_SHORTLIST, None)
        needs_ids = self.config.copy_mechanism or USE_SHORTLIST in kwargs
        if needs_ids:  # steps of `generate` have no `input_ids` of the source
            kwargs.setdefault("encoder_input_ids", kwargs.get("input_ids") if inputs is None else inputs)
        return super().generate(inputs, generation_config, *args, **kwargs)

    def _validate_model_kwargs(self, model_kwargs: dict[str, Any]) -> None:
        others = {name: value for name, value in model_kwargs.items() if name != USE_SHORTLIST}
        super()._validate_model_kwargs(others)  # ty: ignore[invalid-argument-type] (its `self`)

    def _expand_inputs_for_generation(  # ty: ignore[incompatible-method-override] (transformers types `self` as a protocol)
        self: "BahdanauForConditionalGeneration",
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: torch.LongTensor | None = None,
        **model_kwargs,
    ) -> tuple[torch.LongTensor, dict[str, Any]]:
        shared = {name: model_kwargs.pop(name, None) for name in self.source_names}
        input_ids, model_kwargs = super()._expand_inputs_for_generation(  # ty: ignore[invalid-argument-type] (its `self`)
            expand_size, is_encoder_decoder=False, input_ids=input_ids, **model_kwargs
        )
        return input_ids, {**model_kwargs, **shared}

    def _sample(  # ty: ignore[incompatible-method-override] (transformers types `self` as a protocol)
        self: "BahdanauForConditionalGeneration",
        input_ids: torch.LongTensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        synced_gpus: bool = False,
        streamer: "BaseStreamer | None" = None,
        **model_kwargs,
    ) -> Any:
        call = (input_ids, logits_processor, stopping_criteria, generation_config)
        others = {"synced_gpus": synced_gpus, "streamer": streamer, **model_kwargs}
        if not self.can_search(*call, others):
            refuse_shortlist(model_kwargs)
            return super()._sample(*call, **others)  # ty: ignore[invalid-argument-type] (its `self`)
        pad, _ = special_tokens(generation_config)
        fill = 0 if pad is None else int(pad)
        limit = generation_config.max_length
        return self.search(greedy_search, limit, input_ids, generation_config, logits_processor, model_kwargs, fill)

    def _beam_search(  # ty: ignore[incompatible-method-override] (transformers types `self` as a protocol)
        self: "BahdanauForConditionalGeneration",
        input_ids: torch.LongTensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        synced_gpus: bool = False,
        **model_kwargs,
    ) -> Any:
        call = (input_ids, logits_processor, stopping_criteria, generation_config)
        others = {"synced_gpus": synced_gpus, **model_kwargs}
        if not self.can_search(*call, others):
            refuse_shortlist(model_kwargs)
            return super()._beam_search(*call, **others)  # ty: ignore[invalid-argument-type] (its `self`)
        pad, eos = special_tokens(generation_config)
        pad = 0 if pad is None else int(pad)
        fill = -1 if eos is None else pad or int(eos[0])  # as in `generate`
        options = generation_config
        return self.search(beam_search, options, input_ids, generation_config, logits_processor, model_kwargs, fill)

    def search(
        self: "BahdanauForConditionalGeneration",
        search: Callable[..., torch.Tensor],
        options: GenerationConfig | int,
        input_ids: torch.Tensor,
        generation_config: GenerationConfig,
        processors: LogitsProcessorList,
        kwargs: dict[str, Any],
        fill: int,
    ) -> torch.Tensor:
        """
        Runs a search, with the options that it takes, over all target tokens, or over those of the shortlist, whose
        positions are then its tokens.
        """
        _, eos = special_tokens(generation_config)
        num_beams = generation_config.num_beams or 1
        if not kwargs.pop(USE_SHORTLIST, False):
            step = self.decoding_step(input_ids, kwargs, num_beams)
            return search(step, input_ids, options, eos, fill, processors)
        extra = [input_ids.flatten(), input_ids.new_tensor([max(fill, 0)]), *([] if eos is None else [eos.flatten()])]
        vocabulary = find_vocabulary(self, kwargs.get("encoder_input_ids"), extra)

        def find(ids: torch.Tensor) -> torch.Tensor:
            return torch.searchsorted(vocabulary, ids.contiguous())

        processors = LogitsProcessorList(map(copy.copy, processors))
        for processor in processors:
            processor.eos_token_id = find(processor.eos_token_id)
        step = ShortlistStep(self.decoding_step(input_ids, kwargs, num_beams, vocabulary), vocabulary)
        eos, fill = None if eos is None else find(eos), int(find(extra[1]))
        return vocabulary[search(step, find(input_ids), options, eos, fill, processors)]

    def can_search(
        self: "BahdanauForConditionalGeneration",
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        kwargs: dict[str, Any],
    ) -> bool:
        """Whether the call asks for plain targets of a search that ends with the sentence or at a length."""
        if not self.config.fused:
            return False
        options = ("do_sample", "return_dict_in_generate", "is_assistant", "low_memory")
        inputs = ("streamer", "synced_gpus", "past_key_values", "cache")
        inputs += ("decoder_attention_mask", "decoder_inputs_embeds")
        if any(getattr(generation_config, name, None) for name in options) or any(
            kwargs.get(name) is not None and kwargs.get(name) is not False for name in inputs
        ):
            return False
        num_sources = len(self.read_source(kwargs, len(input_ids) // generation_config.num_beams)[0])
        if len(input_ids) != num_sources * generation_config.num_beams:
            return False
        if not all(hasattr(generation_config, name) for name in ("_pad_token_tensor", "_eos_token_tensor")):
            return False  # the names are transformers' own
        _, eos = special_tokens(generation_config)
        ends = [criteria.eos_token_id for criteria in stopping_criteria if isinstance(criteria, EosTokenCriteria)]
        if any(eos is None or not torch.equal(end.to(eos.device), eos) for end in ends):
            return False
        lengths = [criteria.max_length for criteria in stopping_criteria if isinstance(criteria, MaxLengthCriteria)]
        if any(length != generation_config.max_length for length in lengths) or not lengths:
            return False
        known = (MinLengthLogitsProcessor, MinNewTokensLengthLogitsProcessor, MaxLengthCriteria, EosTokenCriteria)
        if any(type(given) not in known for given in (*logits_processor, *stopping_criteria)):
            return False
        return kwargs.get("use_cache", True) and self.forward_is_unmodified() and not torch.is_grad_enabled()

    def forward_is_unmodified(self: "BahdanauForConditionalGeneration") -> bool:
        """Whether its parts may be called instead of `forward`: no hooks, replacements or training mode."""
        for name, owners in (
            ("forward", ("BahdanauForConditionalGeneration", "BahdanauForCausalLM")),
            ("prepare_inputs_for_generation", ("GenerationMixin",)),
        ):
            if next(cls for cls in type(self).__mro__ if name in vars(cls)).__name__ not in owners:
                return False
        if "forward" in vars(self):
            # accelerate's wrapper for mixed precision does nothing but enter autocast, which then must be on already
            original = getattr(vars(self).get("_original_forward"), "__func__", None)
            if original is not type(self).forward or not torch.is_autocast_enabled(self.device.type):
                return False
        parts = [module for module in self.modules() if module is not self]
        if self.training or any(module.training or has_hooks_or_patched_forward(module) for module in parts):
            return False
        return not (self._forward_hooks or self._forward_pre_hooks or hasattr(self, "hf_device_map"))

    def decoding_step(
        self: "BahdanauForConditionalGeneration",
        input_ids: torch.Tensor,
        kwargs: dict[str, Any],
        num_beams: int = 1,
        vocabulary: torch.Tensor | None = None,
    ) -> Step:
        annotations, mask = self.read_source(kwargs, len(input_ids) // num_beams)
        self.model.decoder.check_inputs(input_ids, mask, annotations)
        copied_ids = None
        if self.config.copy_mechanism:
            copied_ids = find_copied_ids(self.config, kwargs.get("encoder_input_ids"), annotations.shape[1])
            if vocabulary is not None:  # which has all of them
                copied_ids = torch.where(copied_ids < 0, copied_ids, torch.searchsorted(vocabulary, copied_ids))
        step_class = FusedDecodingStep if can_fuse_step(self) else DecodingStep
        step_class = HardDecodingStep if self.config.hard_attention else step_class
        num_targets, features = len(input_ids) // len(annotations), kwargs.get("feature_ids")
        last_states = getattr(kwargs.get("encoder_outputs"), "last_states", None)
        memory = self.model.decoder.remember(annotations, mask, num_targets, features, last_states)
        return step_class(self, memory, copied_ids, vocabulary)


def refuse_shortlist(kwargs: dict[str, Any]) -> None:
    """Raises `ValueError` if a search of transformers' own is to use a shortlist."""
    if USE_SHORTLIST in kwargs:
        raise ValueError(
            "`use_shortlist=True` is for plain greedy and beam search with `config.fused=True`: without sampling, "
            "`return_dict_in_generate`, a streamer, or processors of the logits other than a minimum length. Leave it "
            "out for these."
        )


def special_tokens(generation_config: GenerationConfig) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The padding token and those that end a sentence."""
    return generation_config._pad_token_tensor, generation_config._eos_token_tensor


__all__ = ["BahdanauGenerationMixin"]
