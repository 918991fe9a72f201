# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What a recurrent decoder's step hands to the next, as transformers' `generate` carries and reorders it."""

import torch
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin


class BahdanauCacheLayer(CacheLayerMixin):
    """
    What one step hands to the next: the decoder's state, (B, 1, 1, state), as `keys`, and the source's keys U_a h_j,
    (B, 1, S, A), which are made once, as `values`. Nothing grows with the number of tokens. Where several targets read
    one source, there are as many states and one set of keys.
    """

    is_compileable = False

    def __init__(self):
        super().__init__()
        self.cumulative_length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True

    def update(self, key_states, value_states, *args, num_tokens: int = 1, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states, value_states
        self.cumulative_length += num_tokens
        return self.keys, self.values

    def reset(self) -> None:
        self.keys = self.values = None
        self.is_initialized = False
        self.cumulative_length = 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.cumulative_length + query_length, 0

    def get_seq_length(self) -> int:
        return self.cumulative_length

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        shared = self.values.shape[0] != self.keys.shape[0]  # by the beams of a source, which stay together
        self.keys = self.keys.index_select(0, beam_idx.to(self.keys.device))
        if not shared:
            self.values = self.values.index_select(0, beam_idx.to(self.values.device))

    def get_max_length(self) -> int:
        return -1


class BahdanauCache(Cache):
    """The recurrent decoder's cache: one [`BahdanauCacheLayer`], reordered by beam search like any other."""

    def __init__(self):
        super().__init__(layers=[BahdanauCacheLayer()])
