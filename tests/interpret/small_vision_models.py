# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Small vision models with random weights, and their image processors."""

from typing import Any

import torch

from hf_attention import (
    AttentionCnnConfig,
    AttentionCnnForImageClassification,
    CompactVitConfig,
    CompactVitForImageClassification,
    CompactVitImageProcessorPil,
    RecurrentAttentionConfig,
    RecurrentAttentionForImageClassification,
)


def make_vit(**options: Any) -> tuple[CompactVitForImageClassification, CompactVitImageProcessorPil]:
    """A CCT of 3 layers with 2 heads for color images of 16 x 16 pixels, whose attention is far from uniform."""
    torch.manual_seed(0)
    sizes = {"image_size": 16, "hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "num_labels": 3}
    model = CompactVitForImageClassification(CompactVitConfig(**{**sizes, "intermediate_size": 8, **options}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model, CompactVitImageProcessorPil(size={"height": 16, "width": 16})


def make_gray_processor() -> CompactVitImageProcessorPil:
    """The image processor of the two models below: grayscale, 20 x 20 pixels."""
    size = {"height": 20, "width": 20}
    return CompactVitImageProcessorPil(num_channels=1, size=size, image_mean=[0.4], image_std=[0.2])


def make_cnn(**options: Any) -> AttentionCnnForImageClassification:
    torch.manual_seed(0)
    sizes = {"image_size": 20, "num_channels": 1, "hidden_sizes": [4, 6], "depths": [1, 1], "num_labels": 3}
    return AttentionCnnForImageClassification(AttentionCnnConfig(**{**sizes, **options}))


def make_recurrent(**options: Any) -> RecurrentAttentionForImageClassification:
    torch.manual_seed(0)
    sizes = {"image_size": 20, "num_glimpses": 3, "glimpse_size": 4, "num_scales": 2, "num_labels": 3}
    return RecurrentAttentionForImageClassification(RecurrentAttentionConfig(**{**sizes, **options}))
