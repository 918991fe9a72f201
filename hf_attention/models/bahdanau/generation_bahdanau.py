# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Greedy and beam search as transformers' `generate` runs them, sooner: targets share their source's annotations and
keys, sentences that have ended are left out, and their step is one of `steps_bahdanau`. With a `compile_config` it is
compiled, and sentences that have ended stay, so that its shapes do.

Shapes: n sources still being translated, k targets of each, S source length, L longest target, V vocabulary.
"""

import torch
from torch import nn
from transformers import GenerationMixin
from transformers.generation import EosTokenCriteria, MaxLengthCriteria
from transformers.generation.logits_process import MinLengthLogitsProcessor, MinNewTokensLengthLogitsProcessor

from .base_bahdanau import check_ids, check_mask
from .layers_bahdanau import is_changed
from .steps_bahdanau import BahdanauStep, CompiledStep, FusedStep, can_fuse


NEVER = -1e9  # added to a score to exclude it, as `generate` does
BLOCK = 64


def forbid(scores: torch.Tensor, processors, length: int):
    """Excludes the end of the sentence, in place, while a target of `length` tokens is too short."""
    for processor in processors:
        shortest = getattr(processor, "min_length", None)
        if shortest is None:
            shortest = processor.prompt_length_to_skip + processor.min_new_tokens
        if length < shortest:
            scores[:, processor.eos_token_id] = -torch.inf


def argmax(scores: torch.Tensor) -> torch.Tensor:
    """`argmax` over the last dimension, (rows, V) to (rows): the best block's best, which is sooner on CPU."""
    rows, size = scores.shape
    if scores.device.type != "cpu" or rows < 8 or size < 4 * BLOCK:
        return scores.argmax(dim=-1)
    scores = in_blocks(scores)
    chosen = scores.amax(dim=-1).argmax(dim=-1)  # of equal ones the first, as in the block
    return chosen * BLOCK + scores[torch.arange(rows), chosen].argmax(dim=-1)


def in_blocks(scores: torch.Tensor) -> torch.Tensor:
    """(rows, V) to (rows, blocks, BLOCK), the last padded."""
    if missing := -scores.shape[1] % BLOCK:
        scores = nn.functional.pad(scores, (0, missing), value=-torch.inf)
    return scores.view(len(scores), -1, BLOCK)


def top(scores: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`torch.topk` over the last dimension: blocks by their best, then what is in them, which is sooner on CPU."""
    blocks = -(-scores.shape[1] // BLOCK)
    if scores.device.type != "cpu" or blocks < 4 * count:
        return scores.topk(count)
    scores = in_blocks(scores)
    chosen = scores.amax(dim=-1).topk(count).indices
    values, indices = scores.gather(1, chosen.unsqueeze(-1).expand(-1, -1, BLOCK)).flatten(1).topk(count)
    return values, chosen.gather(1, indices // BLOCK) * BLOCK + indices % BLOCK


def greedy_search(
    step, ids: torch.Tensor, max_length: int, eos: torch.Tensor | None, pad: int, processors
) -> torch.Tensor:
    """Prompts, (B, prompt), to targets, (B, L), padded after their end."""
    batch, length = ids.shape
    ids = ids.long()
    found = ids.new_full((batch, max_length), pad)
    found[:, :length] = ids
    rows = torch.arange(batch, device=ids.device)  # whose targets are being made
    state = step.start()
    for position in range(length - 1):
        _, state = step(ids[:, position], state)
    tokens, is_open = ids[:, -1], torch.ones_like(rows, dtype=torch.bool)
    while length < max_length:
        logits, state = step(tokens, state)
        forbid(logits, processors, length)
        tokens = argmax(logits)
        found[rows, length] = torch.where(is_open, tokens, pad)
        length += 1
        if eos is None:
            continue
        is_open = is_open & ~torch.isin(tokens, eos)
        left = int(is_open.sum())
        if not left:
            break
        if left <= 0.75 * len(rows) and not step.is_static:
            kept = is_open.nonzero()[:, 0]
            step.select(kept, kept)
            rows, tokens, state, is_open = rows[kept], tokens[kept], state[kept], is_open[kept]
    return found[:, :length]


def beam_search(step, ids: torch.Tensor, config, eos: torch.Tensor | None, pad: int, processors) -> torch.Tensor:
    """
    Prompts, (B * k, prompt), to the best targets, (B * num_return_sequences, L), padded after their end: the search of
    `GenerationMixin._beam_search`, its scores, heuristics and stopping, with the sources left out that it would only
    carry along.
    """
    k, max_length = config.num_beams, config.max_length
    ids, prompt, batch = ids.long(), ids.shape[1], len(ids) // k
    count = max(2, 1 + (0 if eos is None else len(eos))) * k
    running = ids.new_full((batch, k, max_length), pad)
    running[:, :, :prompt] = ids.view(batch, k, prompt)
    running_scores = torch.zeros(batch, k, device=ids.device)
    running_scores[:, 1:] = NEVER
    best, best_scores = running.clone(), torch.full_like(running_scores, NEVER)
    best_lengths = torch.zeros_like(running_scores, dtype=torch.long)
    is_finished = torch.zeros_like(running_scores, dtype=torch.bool)
    rows = torch.arange(batch, device=ids.device)  # the sources being translated
    is_open = torch.ones_like(rows, dtype=torch.bool)  # those whose best may still change
    all_best, all_lengths = best.clone(), best_lengths.clone()
    state = step.start()
    for position in range(prompt - 1):
        _, state = step(ids[:, position], state)
    tokens, length = ids[:, -1], prompt
    ranks = torch.arange(count, device=ids.device)
    while True:
        logits, state = step(tokens, state)
        log_probs = logits.float().log_softmax(dim=-1)
        forbid(log_probs, processors, length)
        vocab_size = log_probs.shape[-1]
        log_probs = log_probs.view(-1, k, vocab_size).add_(running_scores.unsqueeze(-1))
        scores, indices = top(log_probs.view(len(rows), -1), count)  # (n, count)
        beams, tokens = indices // vocab_size, indices % vocab_size
        ends = torch.full_like(tokens, length + 1 >= max_length, dtype=torch.bool)
        if eos is not None:
            ends |= torch.isin(tokens, eos)
        candidates = gather(running, beams)
        candidates[:, :, length] = tokens
        # the best that go on
        running_scores, chosen = (scores + ends * NEVER).topk(k)
        running, beams = gather(candidates, chosen), beams.gather(1, chosen)
        # the best that have ended
        new_scores = scores / (length + 1 - prompt) ** config.length_penalty
        new_scores += ~(ends & (ranks < k)) * NEVER
        new_scores += ~is_open.unsqueeze(-1) * NEVER
        best_scores, chosen = torch.cat([best_scores, new_scores], dim=1).topk(k)
        best = gather(torch.cat([best, candidates], dim=1), chosen)
        new_lengths = torch.full_like(tokens, length + 1)
        best_lengths = torch.cat([best_lengths, new_lengths], dim=1).gather(1, chosen)
        is_finished = torch.cat([is_finished, ends & (ranks < k)], dim=1).gather(1, chosen)
        length += 1

        reach = max_length if config.early_stopping == "never" and config.length_penalty > 0 else length
        hope = running_scores[:, :1] / (reach - prompt) ** config.length_penalty
        worst = torch.where(is_finished, best_scores.amin(dim=1, keepdim=True), NEVER)
        is_open &= (hope > worst).any(dim=1)
        if config.early_stopping is True:
            is_open &= ~is_finished.all(dim=1)
        is_open &= ~ends.all(dim=1)
        left = int(is_open.sum())
        leaves_out = left <= 0.75 * len(rows) and not step.is_static
        if not left or leaves_out:
            all_best[rows], all_lengths[rows] = best, best_lengths
        if not left:
            break
        targets = (torch.arange(len(rows), device=ids.device).unsqueeze(1) * k + beams).flatten()
        tokens = running[:, :, length - 1].flatten()
        if leaves_out:
            kept = is_open.nonzero()[:, 0]
            kept_targets = (kept.unsqueeze(1) * k + torch.arange(k, device=ids.device)).flatten()
            step.select(kept, kept_targets)
            rows, is_open, is_finished, best, best_scores, best_lengths, running, running_scores = (
                given[kept]
                for given in (rows, is_open, is_finished, best, best_scores, best_lengths, running, running_scores)
            )
            targets, tokens = targets[kept_targets], tokens[kept_targets]
        state = state[targets]
    wanted = config.num_return_sequences
    all_best, all_lengths = all_best[:, :wanted].flatten(0, 1), all_lengths[:, :wanted]
    return all_best[:, : all_lengths.max()]


def gather(given: torch.Tensor, beams: torch.Tensor) -> torch.Tensor:
    """(n, k, L) and (n, m) to (n, m, L)."""
    return given.gather(1, beams.unsqueeze(-1).expand(-1, -1, given.shape[-1]))


class BahdanauGenerationMixin(GenerationMixin):
    """
    `generate` for a model whose targets share their source, with searches of its own where they say the same.

    `generate(..., compile_config=CompileConfig(...))` compiles their step, on any device: on a GPU, in the config's
    default mode, to CUDA graphs. The first call with sizes that are new (of batch, beams and source) takes seconds.
    Without a compiler it warns, and goes on without.
    """

    def _expand_inputs_for_generation(self, expand_size=1, is_encoder_decoder=False, input_ids=None, **model_kwargs):
        # the targets of a source read its annotations together
        shared = {name: model_kwargs.pop(name, None) for name in ("encoder_outputs", "attention_mask")}
        input_ids, model_kwargs = super()._expand_inputs_for_generation(
            expand_size=expand_size, is_encoder_decoder=False, input_ids=input_ids, **model_kwargs
        )
        return input_ids, {**model_kwargs, **shared}

    def _sample(self, input_ids, logits_processor, stopping_criteria, generation_config, **kwargs):
        if not self.can_search(input_ids, logits_processor, stopping_criteria, generation_config, kwargs):
            return super()._sample(input_ids, logits_processor, stopping_criteria, generation_config, **kwargs)
        pad, eos = special_tokens(generation_config)
        pad = 0 if pad is None else int(pad)
        step = self.make_step(input_ids, generation_config, kwargs)
        return greedy_search(step, input_ids, generation_config.max_length, eos, pad, logits_processor)

    def _beam_search(self, input_ids, logits_processor, stopping_criteria, generation_config, **kwargs):
        if not self.can_search(input_ids, logits_processor, stopping_criteria, generation_config, kwargs):
            return super()._beam_search(input_ids, logits_processor, stopping_criteria, generation_config, **kwargs)
        pad, eos = special_tokens(generation_config)
        pad = 0 if pad is None else int(pad)
        fill = -1 if eos is None else pad or int(eos[0])  # as in `generate`
        step = self.make_step(input_ids, generation_config, kwargs)
        return beam_search(step, input_ids, generation_config, eos, fill, logits_processor)

    def can_search(self, input_ids, logits_processor, stopping_criteria, generation_config, kwargs: dict) -> bool:
        """Whether nothing is asked for but the targets of a search that ends with the sentence or at a length."""
        asked = ("do_sample", "return_dict_in_generate", "is_assistant", "low_memory")
        given = ("streamer", "synced_gpus", "past_key_values", "cache")
        given += ("decoder_attention_mask", "decoder_inputs_embeds")
        if any(getattr(generation_config, name, None) for name in asked) or any(
            kwargs.get(name) is not None and kwargs.get(name) is not False for name in given
        ):
            return False
        if len(input_ids) != len(kwargs["encoder_outputs"][0]) * generation_config.num_beams:
            return False
        tokens = special_tokens(generation_config)
        if tokens is None:
            return False
        _, eos = tokens
        ends = [one.eos_token_id for one in stopping_criteria if isinstance(one, EosTokenCriteria)]
        if any(eos is None or not torch.equal(end.to(eos.device), eos) for end in ends):
            return False
        lengths = [criteria.max_length for criteria in stopping_criteria if isinstance(criteria, MaxLengthCriteria)]
        if any(length != generation_config.max_length for length in lengths) or not lengths:
            return False
        known = (MinLengthLogitsProcessor, MinNewTokensLengthLogitsProcessor, MaxLengthCriteria, EosTokenCriteria)
        if any(type(one) not in known for one in (*logits_processor, *stopping_criteria)):
            return False
        return kwargs.get("use_cache", True) and self.is_as_written() and not torch.is_grad_enabled()

    def is_as_written(self) -> bool:
        """Whether to call the parts of `forward` is to call it: nothing is hooked, replaced or in training."""
        for name, owner in (
            ("forward", "BahdanauForConditionalGeneration"),
            ("prepare_inputs_for_generation", "GenerationMixin"),
        ):
            if next(cls for cls in type(self).__mro__ if name in vars(cls)).__name__ != owner:
                return False
        changed = (module.training or is_changed(module) for module in self.modules())
        return not (any(changed) or hasattr(self, "hf_device_map"))

    def make_step(
        self, input_ids: torch.Tensor, generation_config, kwargs: dict
    ) -> BahdanauStep | FusedStep | CompiledStep:
        annotations, mask = kwargs["encoder_outputs"][0], kwargs.get("attention_mask")
        check_ids("decoder_input_ids", input_ids, self.config.vocab_size)
        check_mask("attention_mask", mask, annotations)
        share = len(input_ids) // len(annotations)
        config = None if generation_config.disable_compile else generation_config.compile_config
        if not can_fuse(self):
            step = BahdanauStep(self, annotations, mask, share)
        else:
            step = FusedStep(self, annotations, mask, share, packs=config is None)  # what is packed is not traced
        return step if config is None else CompiledStep(step, config)


def special_tokens(generation_config) -> tuple[torch.Tensor | None, torch.Tensor | None] | None:
    """The token that pads and those that end, or `None` where `generate` does not keep them under these names."""
    try:
        return generation_config._pad_token_tensor, generation_config._eos_token_tensor
    except AttributeError:  # the names are transformers' own
        return None


__all__ = ["BahdanauGenerationMixin"]
