# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The copy mechanism: the pointer-generator of See et al. 2017 (arXiv 1704.04368, section 2.2).

A target token is generated from the vocabulary with probability p_gen, and otherwise copied from the source position
that the attention points to. Source tokens outside the target's vocabulary cannot be copied: the paper's extended
vocabulary is left out, since characters and subwords leave few words out. Symbols and shapes are those of
`layers_bahdanau`.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers.modeling_outputs import (
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)

from .configuration_bahdanau import BahdanauConfig


@dataclass
class BahdanauDecoderOutput(BaseModelOutputWithPastAndCrossAttentions):
    """The decoder's output; `generation_logits`, (B, T), is the logit of p_gen if the model copies."""

    generation_logits: torch.Tensor | None = None


@dataclass
class BahdanauModelOutput(Seq2SeqModelOutput):
    """A `Seq2SeqModelOutput`; `generation_logits`, (B, T), is the logit of p_gen if the model copies."""

    generation_logits: torch.Tensor | None = None


@dataclass
class BahdanauSeq2SeqLMOutput(Seq2SeqLMOutput):
    """A `Seq2SeqLMOutput`; `generation_probs`, (B, T), is p_gen if the model copies."""

    generation_probs: torch.Tensor | None = None


class BahdanauCopyGate(nn.Module):
    """p_gen = sigmoid(w_h^T c_i + w_s^T s + w_x^T E y_{i-1} + b) (equation 8), from what the readout reads."""

    def __init__(self, config: BahdanauConfig):
        super().__init__()
        size = config.encoder_output_size + config.hidden_size + config.embedding_size
        self.proj = nn.Linear(size, 1, bias=config.use_bias)

    def forward(self, states: torch.Tensor, inputs: torch.Tensor, contexts: torch.Tensor) -> torch.Tensor:
        """(B, T, H), (B, T, E) and (B, T, D) to the logits of p_gen, (B, T)."""
        return self.proj(torch.cat([contexts, states, inputs], dim=-1)).squeeze(-1)


def find_copied_ids(config: BahdanauConfig, input_ids: torch.Tensor | None, source_length: int) -> torch.Tensor:
    """
    The target id of each source token, -1 for one without: (B, S) to (B, S).

    Raises `ValueError` if there are no source ids, or ids of another length than the annotations.
    """
    if input_ids is None:
        raise ValueError(
            "`copy_mechanism=True` copies the source's ids: pass `input_ids` or, next to `encoder_outputs` or "
            "`inputs_embeds`, `encoder_input_ids`."
        )
    if input_ids.shape[1] != source_length:
        raise ValueError(
            f"`encoder_input_ids` of shape {tuple(input_ids.shape)} do not fit a source of {source_length} positions."
        )
    if config.source_to_target_ids is None:
        return input_ids
    missing = config.source_vocab_size - len(config.source_to_target_ids)
    return torch.tensor([*config.source_to_target_ids, *[-1] * missing], device=input_ids.device)[input_ids]


def mix_log_probs(
    logits: torch.Tensor, generation_logits: torch.Tensor, weights: torch.Tensor, copied_ids: torch.Tensor
) -> torch.Tensor:
    """
    log P(w), where P(w) = p_gen P_vocab(w) + (1 - p_gen) sum of alpha_ij over the positions j of w (equation 9).

    Positions without a target id are not copied, and P is divided by its sum, which is then less than 1.

    Args:
        logits (`torch.Tensor` of shape `(B, T, vocab)`): of P_vocab.
        generation_logits (`torch.Tensor` of shape `(B, T)`): of p_gen.
        weights (`torch.Tensor` of shape `(B, T, S)`): alpha_ij. Those of features, after the source, do not count.
        copied_ids (`torch.Tensor` of shape `(n, S)`): see [`find_copied_ids`]; B is a multiple of n.

    Returns:
        `torch.Tensor` of shape `(B, T, vocab)`, in float32 at least.
    """
    precision = torch.promote_types(logits.dtype, torch.float32)
    weights = weights[..., : copied_ids.shape[1]].to(precision)
    ids = copied_ids.repeat_interleave(logits.shape[0] // copied_ids.shape[0], dim=0).unsqueeze(1).expand_as(weights)
    weights = weights.masked_fill(ids < 0, 0)
    copied = torch.zeros_like(logits, dtype=precision).scatter_add(-1, ids.clamp_min(0).long(), weights)
    gate = generation_logits.to(precision).unsqueeze(-1)
    generate, copy = nn.functional.logsigmoid(gate), nn.functional.logsigmoid(-gate)
    smallest = torch.finfo(precision).tiny  # keeps the gradient of tokens that are not in the source finite
    copied = torch.where(copied > 0, copied.clamp_min(smallest).log() + copy, -torch.inf)
    return torch.logaddexp(logits.to(precision).log_softmax(dim=-1) + generate, copied).log_softmax(dim=-1)


__all__ = ["BahdanauSeq2SeqLMOutput"]
