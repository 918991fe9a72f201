# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import benchmark_seq2seq
import pytest
import seq2seq_peers


@pytest.fixture
def small_sizes(monkeypatch):
    """Small recurrent models that decode a few steps."""
    sizes = {"embedding_size": 8, "hidden_size": 12, "encoder_hidden_size": 6, "attention_size": 10, "maxout_size": 5}
    monkeypatch.setattr(seq2seq_peers, "SIZES", sizes)
    monkeypatch.setattr(benchmark_seq2seq, "DECODING_STEPS", 3)
