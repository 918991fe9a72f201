# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Recurrent encoder-decoder with attention. Importing it registers its classes with the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from .configuration_bahdanau import BahdanauConfig
from .modeling_bahdanau import (
    BahdanauCache,
    BahdanauForCausalLM,
    BahdanauForConditionalGeneration,
    BahdanauModel,
    BahdanauPreTrainedModel,
)


AutoConfig.register("bahdanau", BahdanauConfig, exist_ok=True)
AutoModel.register(BahdanauConfig, BahdanauModel, exist_ok=True)
AutoModelForCausalLM.register(BahdanauConfig, BahdanauForCausalLM, exist_ok=True)
AutoModelForSeq2SeqLM.register(BahdanauConfig, BahdanauForConditionalGeneration, exist_ok=True)

__all__ = [
    "BahdanauCache",
    "BahdanauConfig",
    "BahdanauForCausalLM",
    "BahdanauForConditionalGeneration",
    "BahdanauModel",
    "BahdanauPreTrainedModel",
]
