# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Lexical shortlists: a search computes the output layer for the tokens alone that are likely in translations of its
sources (Jean et al. 2015, arXiv 1412.2007, on candidate lists; L'Hostis et al. 2016, arXiv 1610.00072).
"""

from typing import TYPE_CHECKING

import torch
from torch import nn

from .configuration_bahdanau import BahdanauConfig
from .copy_bahdanau import find_copied_ids
from .fused_bahdanau import is_unmodified_linear


if TYPE_CHECKING:
    from .modeling_bahdanau import BahdanauForConditionalGeneration


class BahdanauShortlist(nn.Module):
    """
    The target tokens that may follow from each source token, `candidates` (source_vocab_size, shortlist_size), and the
    most frequent ones, `common` (shortlist_size,); -1 for none. They are saved with the weights.
    """

    candidates: torch.Tensor
    common: torch.Tensor

    def __init__(self, config: BahdanauConfig):
        super().__init__()
        assert config.shortlist_size is not None
        size = config.shortlist_size
        self.register_buffer("candidates", torch.full((config.source_vocab_size, size), -1))
        self.register_buffer("common", torch.full((size,), -1))

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Source ids of any shape to the ids of target tokens, with repetitions and -1, (n,)."""
        known = input_ids[input_ids < len(self.candidates)].unique()  # others came by resizing
        return torch.cat([self.candidates[known].flatten(), self.common])


def find_vocabulary(
    model: "BahdanauForConditionalGeneration", input_ids: torch.Tensor | None, others: list[torch.Tensor]
) -> torch.Tensor:
    """
    The target tokens of a search: those of the shortlist, what may be copied, and `others`. Source ids (n, S) to the
    sorted ids (K,).

    Raises `ValueError` for a model without a shortlist, or whose output layer is not plain, and without source ids.
    """
    shortlist = getattr(model, "shortlist", None)
    if shortlist is None or not (shortlist.common >= 0).any():
        raise ValueError(
            "`use_shortlist=True` needs a model with a shortlist, which scripts/make_shortlist.py adds. Leave it out."
        )
    if not is_unmodified_linear(model.lm_head):
        raise ValueError("`use_shortlist=True` needs an output layer whose rows can be selected, not a quantized one.")
    if input_ids is None:
        raise ValueError(
            "`use_shortlist=True` needs the ids of the source: pass `input_ids` or, next to `encoder_outputs` or "
            "`inputs_embeds`, `encoder_input_ids`."
        )
    if model.config.copy_mechanism:
        others = [*others, find_copied_ids(model.config, input_ids, input_ids.shape[1]).flatten()]
    ids = torch.cat([shortlist(input_ids), *others]).unique()
    return ids[(ids >= 0) & (ids < model.config.vocab_size)]


__all__ = ["BahdanauShortlist"]
