# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The recurrent decoder's cache, which transformers' `generate` carries and reorders."""

import torch
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin
from transformers.modeling_outputs import Seq2SeqLMOutput


# the cache's name in model outputs, which transformers 5.24 changed
CACHE_NAME = "cache" if "cache" in Seq2SeqLMOutput.__dataclass_fields__ else "past_key_values"


class BahdanauCacheLayer(CacheLayerMixin):
    """
    What one step passes to the next: the decoder's state, (B, 1, 1, state), as `keys`, and the source's keys U_a h_j,
    (B, 1, S, A), which are computed once, as `values`. Nothing grows with the number of tokens. Where several targets
    share one source, each has a state, and all have one set of keys.
    """

    is_compileable = False

    def __init__(self):
        super().__init__()
        self.cumulative_length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args, num_tokens: int = 1, **kwargs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states, value_states
        self.cumulative_length += num_tokens
        return key_states, value_states

    def reset(self) -> None:
        self.keys = self.values = None
        self.is_initialized = False
        self.cumulative_length = 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.cumulative_length + query_length, 0

    def get_seq_length(self) -> int:
        return self.cumulative_length

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        if self.keys is None or self.values is None:
            return
        is_shared = self.values.shape[0] != self.keys.shape[0]  # by all beams of a source
        self.keys = self.keys.index_select(0, beam_idx.to(self.keys.device))
        if not is_shared:
            self.values = self.values.index_select(0, beam_idx.to(self.values.device))

    def get_max_length(self) -> int:
        return -1


class BahdanauCache(Cache):
    """The recurrent decoder's cache: one [`BahdanauCacheLayer`], reordered by beam search like any other."""

    layers: list[BahdanauCacheLayer]

    def __init__(self):
        super().__init__(layers=[BahdanauCacheLayer()])

    @property
    def joint(self) -> torch.Tensor | None:
        """With hard attention, log p(a_i = j, y_i = v | y_<i) of the last step, (B, S, vocab)."""
        return self.layers[1].keys[:, 0] if len(self.layers) > 1 and self.layers[1].keys is not None else None

    @joint.setter
    def joint(self, joint: torch.Tensor) -> None:
        if len(self.layers) == 1:
            self.layers.append(BahdanauCacheLayer())
        self.layers[1].update(joint.unsqueeze(1), joint[:, None, :0])

    def read(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The decoder's state, (B, state), and the source's keys U_a h_j, (B, S, A). `ValueError` if it is empty."""
        state, keys = self.layers[0].keys, self.layers[0].values
        if state is None or keys is None:
            raise ValueError("The cache is empty.")
        return state[:, 0, 0], keys[:, 0]
