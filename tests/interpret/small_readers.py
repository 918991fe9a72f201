# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Small untrained vision encoder-decoders."""

import torch
from transformers import TrOCRConfig, TrOCRForCausalLM, VisionEncoderDecoderModel, ViTConfig, ViTModel
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from hf_attention import (
    BahdanauConfig,
    BahdanauForCausalLM,
    CompactVitConfig,
    CompactVitImageProcessorPil,
    CompactVitModel,
)
from hf_attention.data.tokenizer import train_tokenizer


TOKENIZER = train_tokenizer(["0123456789"], model_type="char")
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}


def make_reader(kind):
    """A reader of images of 8 x 24 pixels, with an image processor and its encoder's grid."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    options = {"vocab_size": len(TOKENIZER), **IDS, "is_decoder": True, "add_cross_attention": True}
    if kind == "compact_vit":
        encoder = CompactVitModel(
            CompactVitConfig(image_size=(8, 24), num_channels=1, num_conv_layers=1, pooling_type="mean", **sizes)
        )
        decoder = BahdanauForCausalLM(BahdanauConfig.from_preset("tiny", cross_attention_hidden_size=16, **options))
        processor = CompactVitImageProcessorPil(size={"height": 8, "width": 24}, num_channels=1)
    else:
        encoder = ViTModel(ViTConfig(image_size=(8, 24), patch_size=4, num_channels=3, **sizes))
        layers = {"d_model": 16, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}
        decoder = TrOCRForCausalLM(TrOCRConfig(**layers, **options))
        processor = ViTImageProcessorPil(size={"height": 8, "width": 24})
    model = VisionEncoderDecoderModel(encoder=encoder, decoder=decoder).eval()
    model.config.update(IDS)
    model.generation_config.update(**IDS, max_length=6, num_beams=1)
    return model, processor
