# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Encoder-decoders with random weights, and a tokenizer of characters."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration


SENTENCES = ["abcde", "ba", "edcab"]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token for each of the characters a to h, and the end."""
    names = ["<pad>", "<s>", "</s>", "<unk>", *"abcdefgh"]
    backend = Tokenizer(models.WordLevel({name: index for index, name in enumerate(names)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def make_bahdanau(vocab_size: int, **options) -> BahdanauForConditionalGeneration:
    """A tiny model whose attention is far from uniform."""
    sizes = {"embedding_size": 6, "hidden_size": 8, "encoder_hidden_size": 4, "attention_size": 8, "maxout_size": 6}
    model = BahdanauForConditionalGeneration(BahdanauConfig(vocab_size=vocab_size, **{**sizes, **options}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model.eval()


def make_marian(vocab_size: int) -> MarianMTModel:
    sizes = {"d_model": 8, "encoder_layers": 2, "decoder_layers": 2}
    sizes |= {f"{part}_{name}": value for part in ("encoder", "decoder") for name, value in SIZES.items()}
    config = MarianConfig(
        vocab_size=vocab_size,
        max_position_embeddings=32,
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=0,
        forced_eos_token_id=2,
        scale_embedding=True,
        **sizes,
    )
    model = MarianMTModel(config)
    for name, parameter in model.named_parameters():
        if "embed_positions" not in name and "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


SIZES = {"attention_heads": 2, "ffn_dim": 8}
