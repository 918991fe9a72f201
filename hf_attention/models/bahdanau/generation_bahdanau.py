# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Greedy and beam search, equivalent to those of transformers' `generate`, but faster: targets share their source's
annotations and keys, finished sentences leave the batch, and a step of the default decoder is fused.

Shapes: n sources still being translated, k targets of each, S source length, L longest target, V vocabulary; others
are those of `layers_bahdanau`.
"""

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn
from transformers import GenerationConfig, GenerationMixin, LogitsProcessorList, StoppingCriteriaList
from transformers.generation import EosTokenCriteria, MaxLengthCriteria
from transformers.generation.logits_process import MinLengthLogitsProcessor, MinNewTokensLengthLogitsProcessor

from .copy_bahdanau import find_copied_ids, mix_log_probs
from .fused_bahdanau import MAX_EXPONENT, active_dtype, has_hooks_or_patched_forward, is_plain, is_unmodified_linear
from .hard_bahdanau import first_joint, marginalize
from .layers_bahdanau import BahdanauDecoderLayer, EncoderMemory
from .onednn_bahdanau import linear, pack


if TYPE_CHECKING:
    from transformers.generation.streamers import BaseStreamer

    from .modeling_bahdanau import BahdanauForConditionalGeneration


NEG_INF = -1e9  # added to a score to exclude it, as `generate` does


class Step(Protocol):
    """One decoding step of a search, with the sources it reads."""

    def initial_state(self) -> torch.Tensor:
        """The state before the first token, (n * k, state)."""
        ...

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens, (n * k), and the state before them, to logits, (n * k, V), and the state after."""
        ...

    def keep(self, sources: torch.Tensor, targets: torch.Tensor) -> None:
        """Keeps these of the n sources and of the n * k targets."""
        ...


def greedy_search(
    step: Step,
    ids: torch.Tensor,
    max_length: int,
    eos: torch.Tensor | None,
    pad: int,
    processors: LogitsProcessorList | list,
) -> torch.Tensor:
    """Prompts, (B, prompt), to targets, (B, L), padded after their end."""
    batch, length = ids.shape
    ids = ids.long()
    outputs = ids.new_full((batch, max_length), pad)
    outputs[:, :length] = ids
    rows = torch.arange(batch, device=ids.device)  # the targets still in the batch
    state = step.initial_state()
    for position in range(length - 1):
        _, state = step(ids[:, position], state)
    tokens, is_active = ids[:, -1], torch.ones_like(rows, dtype=torch.bool)
    while length < max_length:
        logits, state = step(tokens, state)
        suppress_eos(logits, processors, length)
        tokens = logits.float().argmax(dim=-1)  # slow in bfloat16 on a CPU
        outputs[rows, length] = torch.where(is_active, tokens, pad)
        length += 1
        if eos is None:
            continue
        is_active = is_active & ~torch.isin(tokens, eos)
        left = int(is_active.sum())
        if not left:
            break
        if left <= 0.75 * len(rows):
            kept = is_active.nonzero()[:, 0]
            step.keep(kept, kept)
            rows, tokens, state, is_active = rows[kept], tokens[kept], state[kept], is_active[kept]
    return outputs[:, :length]


def beam_search(
    step: Step,
    ids: torch.Tensor,
    config: GenerationConfig,
    eos: torch.Tensor | None,
    pad: int,
    processors: LogitsProcessorList | list,
) -> torch.Tensor:
    """
    Prompts, (B * k, prompt), to the best targets, (B * num_return_sequences, L), padded after their end. Scores,
    heuristics and stopping are those of `GenerationMixin._beam_search`, but finished sources leave the batch.
    """
    k, max_length = config.num_beams, config.max_length
    ids, prompt, batch = ids.long(), ids.shape[1], len(ids) // k
    count = max(2, 1 + (0 if eos is None else len(eos))) * k
    running = ids.new_full((batch, k, max_length), pad)
    running[:, :, :prompt] = ids.view(batch, k, prompt)
    running_scores = torch.zeros(batch, k, device=ids.device)
    running_scores[:, 1:] = NEG_INF
    best, best_scores = running.clone(), torch.full_like(running_scores, NEG_INF)
    best_lengths = torch.zeros_like(running_scores, dtype=torch.long)
    is_finished = torch.zeros_like(running_scores, dtype=torch.bool)
    rows = torch.arange(batch, device=ids.device)  # the sources still in the batch
    is_active = torch.ones_like(rows, dtype=torch.bool)  # those whose best targets may still change
    all_best, all_lengths = best.clone(), best_lengths.clone()
    state = step.initial_state()
    for position in range(prompt - 1):
        _, state = step(ids[:, position], state)
    tokens, length = ids[:, -1], prompt
    ranks = torch.arange(count, device=ids.device)
    while True:
        logits, state = step(tokens, state)
        log_probs = logits.float().log_softmax(dim=-1)
        suppress_eos(log_probs, processors, length)
        vocab_size = log_probs.shape[-1]
        log_probs = log_probs.view(-1, k, vocab_size).add_(running_scores.unsqueeze(-1))
        scores, indices = log_probs.view(len(rows), -1).topk(count)  # (n, count)
        beams, tokens = indices // vocab_size, indices % vocab_size
        ends = torch.full_like(tokens, length + 1 >= max_length, dtype=torch.bool)
        if eos is not None:
            ends |= torch.isin(tokens, eos)
        candidates = gather_beams(running, beams)
        candidates[:, :, length] = tokens
        # the best candidates that continue
        running_scores, chosen = (scores + ends * NEG_INF).topk(k)
        running, beams = gather_beams(candidates, chosen), beams.gather(1, chosen)
        # the best candidates that have ended
        new_scores = scores / (length + 1 - prompt) ** config.length_penalty
        new_scores += ~(ends & (ranks < k)) * NEG_INF
        new_scores += ~is_active.unsqueeze(-1) * NEG_INF
        best_scores, chosen = torch.cat([best_scores, new_scores], dim=1).topk(k)
        best = gather_beams(torch.cat([best, candidates], dim=1), chosen)
        new_lengths = torch.full_like(tokens, length + 1)
        best_lengths = torch.cat([best_lengths, new_lengths], dim=1).gather(1, chosen)
        is_finished = torch.cat([is_finished, ends & (ranks < k)], dim=1).gather(1, chosen)
        length += 1

        final_length = max_length if config.early_stopping == "never" and config.length_penalty > 0 else length
        best_possible = running_scores[:, :1] / (final_length - prompt) ** config.length_penalty
        worst_finished = torch.where(is_finished, best_scores.amin(dim=1, keepdim=True), NEG_INF)
        is_active &= (best_possible > worst_finished).any(dim=1)
        if config.early_stopping is True:
            is_active &= ~is_finished.all(dim=1)
        is_active &= ~ends.all(dim=1)
        left = int(is_active.sum())
        should_compact = left <= 0.75 * len(rows)
        if should_compact:
            all_best[rows], all_lengths[rows] = best, best_lengths
        if not left:
            break
        targets = (torch.arange(len(rows), device=ids.device).unsqueeze(1) * k + beams).flatten()
        tokens = running[:, :, length - 1].flatten()
        if should_compact:
            kept = is_active.nonzero()[:, 0]
            kept_targets = (kept.unsqueeze(1) * k + torch.arange(k, device=ids.device)).flatten()
            step.keep(kept, kept_targets)
            rows, is_active, is_finished = rows[kept], is_active[kept], is_finished[kept]
            best, best_scores, best_lengths = best[kept], best_scores[kept], best_lengths[kept]
            running, running_scores = running[kept], running_scores[kept]
            targets, tokens = targets[kept_targets], tokens[kept_targets]
        state = state[targets]
    num_returned = config.num_return_sequences
    all_best, all_lengths = all_best[:, :num_returned].flatten(0, 1), all_lengths[:, :num_returned]
    return all_best[:, : all_lengths.max()]


def gather_beams(values: torch.Tensor, beams: torch.Tensor) -> torch.Tensor:
    """(n, k, L) and (n, m) to (n, m, L)."""
    return values.gather(1, beams.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def suppress_eos(scores: torch.Tensor, processors: LogitsProcessorList | list, length: int) -> None:
    """Excludes the end of the sentence, in place, while a target of `length` tokens is too short."""
    for processor in processors:
        shortest = getattr(processor, "min_length", None)
        if shortest is None:
            shortest = processor.prompt_length_to_skip + processor.min_new_tokens
        if length < shortest:
            scores[:, processor.eos_token_id] = -torch.inf


class DecodingStep:
    """A step of any decoder. `copied_ids`, (n, S), are the target ids of the sources if the model copies."""

    def __init__(
        self,
        model: "BahdanauForConditionalGeneration",
        annotations: torch.Tensor,
        mask: torch.Tensor | None,
        num_targets: int,
        copied_ids: torch.Tensor | None = None,
        feature_ids: torch.Tensor | None = None,
        last_states: torch.Tensor | None = None,
    ):
        self.copied_ids = copied_ids
        self.decoder, self.lm_head = model.model.decoder, model.lm_head
        self.memory = self.decoder.remember(annotations, mask, num_targets, feature_ids, last_states)

    def initial_state(self) -> torch.Tensor:
        return torch.cat(self.decoder.initial_states(self.memory.final_states), dim=-1)

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        decoder = self.decoder
        run = decoder.run_steps if decoder.config.input_feeding else decoder.run_layers
        embeds = decoder.embed_tokens(tokens).unsqueeze(1)
        outputs = run(embeds, list(state.split(decoder.state_sizes, dim=-1)), self.memory)
        logits, state = self.lm_head(outputs.readout[:, -1]), torch.cat(outputs.last_states, dim=-1)
        if self.copied_ids is None or outputs.generation_logits is None or outputs.weights is None:
            return logits, state
        weights = outputs.weights.mean(dim=2)  # over heads
        mixed = mix_log_probs(logits.unsqueeze(1), outputs.generation_logits, weights, self.copied_ids)
        return mixed[:, 0], state

    def keep(self, sources: torch.Tensor, targets: torch.Tensor) -> None:
        self.copied_ids = None if self.copied_ids is None else self.copied_ids[sources]
        annotations, mask, keys, final_states = self.memory
        mask = None if mask is None else mask[sources]
        self.memory = EncoderMemory(annotations[sources], mask, keys[sources], final_states[targets])


class HardDecodingStep(DecodingStep):
    """A step with hard attention: the state ends with the joint distribution of the last step, (S, vocab)."""

    def initial_state(self) -> torch.Tensor:
        state, (annotations, mask, *_) = super().initial_state(), self.memory
        joint = first_joint(annotations, mask, len(state) // len(annotations))
        return torch.cat([state, joint.expand(-1, -1, self.lm_head.out_features).flatten(1)], dim=-1)

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (self.memory.annotations.shape[1], self.lm_head.out_features)
        *states, joint = state.split([*self.decoder.state_sizes, shape[0] * shape[1]], dim=-1)
        outputs = self.decoder.run_layers(self.decoder.embed_tokens(tokens).unsqueeze(1), states, self.memory)
        assert outputs.weights is not None
        transitions, logits = outputs.weights.transpose(1, 2), self.lm_head(outputs.readout)
        log_probs, _, joint = marginalize(logits, transitions, tokens.unsqueeze(1), joint.unflatten(-1, shape))
        return log_probs[:, 0], torch.cat([*outputs.last_states, joint.flatten(1)], dim=-1)


class FusedDecodingStep:
    """
    A step of a single GRU layer under additive attention with a maxout readout. As in `fused_bahdanau`, exponentials
    replace tanh.
    """

    def __init__(
        self,
        model: "BahdanauForConditionalGeneration",
        annotations: torch.Tensor,
        mask: torch.Tensor | None,
        num_targets: int,
        copied_ids: torch.Tensor | None = None,
        feature_ids: torch.Tensor | None = None,
        last_states: torch.Tensor | None = None,
    ):
        decoder, layer, readout = model.model.decoder, model.model.decoder.layers[0], model.model.decoder.readout
        assert isinstance(layer, BahdanauDecoderLayer)  # as `can_fuse_step` checks
        dtype = active_dtype(annotations)

        def packed(part: nn.Linear) -> tuple[torch.Tensor, torch.Tensor | None]:
            bias = None if part.bias is None else part.bias.to(dtype)
            return pack(part.weight.to(dtype)), bias

        self.embedding, self.num_targets, self.dtype = decoder.embed_tokens.weight, num_targets, dtype
        self.gates, self.context_gates = packed(layer.input_proj), packed(layer.context_proj)
        self.recurrent, self.query = packed(layer.cell.recurrent), packed(layer.attention.query_proj)
        self.state_readout, self.lm_head = packed(readout.state_proj), packed(model.lm_head)
        self.input_readout, self.context_readout = packed(readout.input_proj), packed(readout.context_proj)
        self.copied_ids = copied_ids
        if decoder.copy_gate is not None:
            self.copy_gate = packed(decoder.copy_gate.proj)
        self.score = layer.attention.score.weight[0].to(torch.promote_types(dtype, torch.float32))
        sources = decoder.remember(annotations, mask, num_targets, feature_ids, last_states)
        annotations, mask, keys, final_states = sources
        keys = keys.to(self.score.dtype)
        self.exp_keys = torch.exp(keys.clamp_(-MAX_EXPONENT, MAX_EXPONENT).mul_(2)).unsqueeze(1)  # (n, 1, S, A)
        self.annotations, self.mask = annotations.to(dtype), None if mask is None else (mask == 0).unsqueeze(1)
        self.first = torch.cat(decoder.initial_states(final_states), dim=-1).to(dtype)
        self.scratch = keys.new_empty(len(annotations), num_targets, *keys.shape[1:])

    def initial_state(self) -> torch.Tensor:
        return self.first

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(state.device.type, enabled=False):  # all weights have one type already
            return self.compute(tokens, state)

    def compute(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sources, _, length, size = self.exp_keys.shape
        query = linear(state, *self.query).to(self.score.dtype).clamp_(-MAX_EXPONENT, MAX_EXPONENT)
        query = torch.exp(query.mul_(2)).view(sources, self.num_targets, 1, size)
        u = torch.addcmul(self.score.new_ones(()), self.exp_keys, query, out=self.scratch[:sources]).reciprocal_()
        # the sum of v_a, which is part of all scores, does not change the softmax
        scores = (u.view(-1, size) @ self.score).mul_(-2).view(sources, self.num_targets, length)
        if self.mask is not None:
            scores.masked_fill_(self.mask, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1)  # (n, k, S)
        contexts = torch.bmm(weights.to(self.dtype), self.annotations).flatten(0, 1)  # (n * k, D)
        embeds = nn.functional.embedding(tokens, self.embedding).to(self.dtype)
        pairs = linear(state, *self.state_readout)
        pairs = pairs.add_(linear(embeds, *self.input_readout)).add_(linear(contexts, *self.context_readout))
        gates = linear(embeds, *self.gates).add_(linear(contexts, *self.context_gates))
        recurrent, hidden = linear(state, *self.recurrent), state.shape[-1]
        reset, update = torch.sigmoid(gates[:, : 2 * hidden] + recurrent[:, : 2 * hidden]).chunk(2, dim=-1)
        candidate = torch.addcmul(gates[:, 2 * hidden :], reset, recurrent[:, 2 * hidden :]).tanh_()
        logits = linear(pairs.unflatten(-1, (-1, 2)).amax(dim=-1), *self.lm_head)
        if self.copied_ids is not None:
            gate = linear(torch.cat([contexts, state, embeds], dim=-1), *self.copy_gate)  # (n * k, 1)
            weights = weights.view(len(state), 1, length)
            logits = mix_log_probs(logits.unsqueeze(1), gate, weights, self.copied_ids)[:, 0]
        return logits, torch.lerp(candidate, state, update)

    def keep(self, sources: torch.Tensor, targets: torch.Tensor) -> None:
        self.exp_keys, self.annotations = self.exp_keys[sources], self.annotations[sources]
        self.mask = None if self.mask is None else self.mask[sources]
        self.copied_ids = None if self.copied_ids is None else self.copied_ids[sources]


def can_fuse_step(model: "BahdanauForConditionalGeneration") -> bool:
    """Whether [`FusedDecodingStep`] is this model's step: the default kind of decoder with unmodified linear maps."""
    config, decoder = model.config, model.model.decoder
    layer, readout = decoder.layers[0], decoder.readout
    if not isinstance(layer, BahdanauDecoderLayer) or config.decoder_layers > 1 or config.readout_type != "maxout":
        return False
    if config.cell_type != "gru" or not config.reset_after or not layer.attention.is_bahdanaus:
        return False
    if type(decoder.embed_tokens) is not nn.Embedding or not is_plain(decoder.embed_tokens.weight):
        return False
    attention = layer.attention
    parts = (layer.input_proj, layer.context_proj, layer.cell.recurrent, attention.query_proj, attention.score)
    parts += (readout.state_proj, readout.input_proj, readout.context_proj, model.lm_head)
    parts += () if decoder.copy_gate is None else (decoder.copy_gate.proj,)
    return all(map(is_unmodified_linear, parts))


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
        """`GenerationMixin.generate`, which would not name some invalid inputs and options in its errors."""
        if not isinstance(generation_config, GenerationConfig | None):
            raise ValueError(
                f"`generation_config` must be a GenerationConfig, got {type(generation_config).__name__}."
            )
        check_tensors(kwargs if inputs is None else {**kwargs, "input_ids": inputs})
        check_options({**vars(generation_config or self.generation_config), **kwargs}, self.config.vocab_size)
        if self.config.copy_mechanism:  # steps of `generate` have no `input_ids` of the source
            kwargs.setdefault("encoder_input_ids", kwargs.get("input_ids") if inputs is None else inputs)
        return super().generate(inputs, generation_config, *args, **kwargs)

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
            return super()._sample(*call, **others)  # ty: ignore[invalid-argument-type] (its `self`)
        pad, eos = special_tokens(generation_config)
        step = self.decoding_step(input_ids, model_kwargs)
        pad = 0 if pad is None else int(pad)
        return greedy_search(step, input_ids, generation_config.max_length, eos, pad, logits_processor)

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
            return super()._beam_search(*call, **others)  # ty: ignore[invalid-argument-type] (its `self`)
        pad, eos = special_tokens(generation_config)
        step = self.decoding_step(input_ids, model_kwargs, generation_config.num_beams)
        pad = 0 if pad is None else int(pad)
        fill = -1 if eos is None else pad or int(eos[0])  # as in `generate`
        return beam_search(step, input_ids, generation_config, eos, fill, logits_processor)

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
        self: "BahdanauForConditionalGeneration", input_ids: torch.Tensor, kwargs: dict[str, Any], num_beams: int = 1
    ) -> Step:
        annotations, mask = self.read_source(kwargs, len(input_ids) // num_beams)
        self.model.decoder.check_inputs(input_ids, mask, annotations)
        copied_ids = None
        if self.config.copy_mechanism:
            copied_ids = find_copied_ids(self.config, kwargs.get("encoder_input_ids"), annotations.shape[1])
        step_class = FusedDecodingStep if can_fuse_step(self) else DecodingStep
        step_class = HardDecodingStep if self.config.hard_attention else step_class
        num_targets, features = len(input_ids) // len(annotations), kwargs.get("feature_ids")
        last_states = getattr(kwargs.get("encoder_outputs"), "last_states", None)
        return step_class(self, annotations, mask, num_targets, copied_ids, features, last_states)


def special_tokens(generation_config: GenerationConfig) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The padding token and those that end a sentence."""
    return generation_config._pad_token_tensor, generation_config._eos_token_tensor


__all__ = ["BahdanauGenerationMixin"]
