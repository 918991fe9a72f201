# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A small recurrent model to export."""

from pathlib import Path

import torch

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration


def make_recurrent_model(folder: Path, **options: object) -> BahdanauForConditionalGeneration:
    """Saves and returns a model whose weights are large enough that a wrong gate would show."""
    torch.manual_seed(0)
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    config = BahdanauConfig.from_preset("tiny", vocab_size=30, initializer_range=0.3, **ids, **options)
    model = BahdanauForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    model.generation_config.max_length = 12
    model.save_pretrained(folder)
    return model
