# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from transformers import MarianConfig, MarianMTModel

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.data.tokenizer import train_tokenizer


SOURCES = ["ein kleiner Hund", "Katze", "zwei Hunde und eine Katze laufen", "Hunde", "laufen zwei"]


@pytest.fixture(scope="session")
def sources():
    return SOURCES


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer(SOURCES, 60, "char")


@pytest.fixture
def make_model(tokenizer):
    """Makes a random model whose outputs depend on its input."""

    def make(kind="bahdanau", seed=0, **options):
        torch.manual_seed(seed)
        if kind == "marian":
            config = MarianConfig(
                vocab_size=len(tokenizer), decoder_vocab_size=len(tokenizer), d_model=16, init_std=0.5,
                encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
                encoder_ffn_dim=16, decoder_ffn_dim=16, pad_token_id=0, eos_token_id=2, decoder_start_token_id=1,
                forced_eos_token_id=None, **options,
            )  # fmt: skip
            model = MarianMTModel(config).eval()
        else:
            sizes = {"embedding_size": 8, "hidden_size": 8, "attention_size": 8, "maxout_size": 8}
            config = BahdanauConfig(**{"vocab_size": len(tokenizer), **sizes, "initializer_range": 1.0, **options})
            model = BahdanauForConditionalGeneration(config).eval()
        model.generation_config.update(max_length=12, num_beams=1)
        return model

    return make
