# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import shutil
from pathlib import Path

import pytest
import torch

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.data.tokenizer import train_tokenizer


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    tokenizer = train_tokenizer(["a dog", "the cat"], 60, "char")
    ids = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    sizes = {"embedding_size": 8, "hidden_size": 8, "attention_size": 8, "maxout_size": 8}
    torch.manual_seed(0)
    model = BahdanauForConditionalGeneration(
        BahdanauConfig(vocab_size=len(tokenizer), decoder_start_token_id=tokenizer.bos_token_id, **ids, **sizes)
    )
    model.generation_config.max_length = 6
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved_model, tmp_path) -> Path:
    """A copy of the model's folder that a test may damage."""
    return shutil.copytree(saved_model, tmp_path / "model")
