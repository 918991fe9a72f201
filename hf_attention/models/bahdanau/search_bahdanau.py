# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Greedy and beam search, equivalent to those of transformers' `generate`, but faster: finished sentences leave the
batch.

Shapes: n sources still being translated, k targets of each, L longest target, V vocabulary.
"""

from typing import Protocol

import torch
from transformers import GenerationConfig, LogitsProcessorList


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


__all__ = ["Step", "beam_search", "greedy_search"]
