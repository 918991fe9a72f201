# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A linear classifier of pixels, whose true explanation is known, and small vision models."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedConfig, PreTrainedModel, ViTConfig, ViTForImageClassification
from transformers.modeling_outputs import ImageClassifierOutput

from hf_attention import CompactVitConfig, CompactVitForImageClassification, CompactVitImageProcessorPil


SIZE = 16


class LinearConfig(PreTrainedConfig):
    model_type = "linear_of_pixels"


class LinearClassifier(PreTrainedModel):
    """Two classes; the logit of class 1 minus that of class 0 is a weighted sum of the pixels."""

    config_class = LinearConfig
    main_input_name = "pixel_values"

    def __init__(self, config):
        super().__init__(config)
        self.weight = torch.nn.Parameter(torch.zeros(1, SIZE, SIZE))
        self.post_init()

    def _init_weights(self, module):
        if isinstance(module, LinearClassifier):
            torch.nn.init.normal_(module.weight, std=0.1)

    def forward(self, pixel_values=None, output_attentions=None, **kwargs):
        logit = (pixel_values * self.weight).sum(dim=(1, 2, 3))
        return ImageClassifierOutput(logits=torch.stack([torch.zeros_like(logit), logit], dim=1))


def make_processor() -> CompactVitImageProcessorPil:
    size = {"height": SIZE, "width": SIZE}
    return CompactVitImageProcessorPil(num_channels=1, size=size, image_mean=[0.5], image_std=[0.25])


def make_compact(**options: Any) -> CompactVitForImageClassification:
    torch.manual_seed(0)
    sizes = {"image_size": SIZE, "num_channels": 1, "hidden_size": 8, "num_hidden_layers": 2, "num_labels": 3}
    sizes |= {"num_attention_heads": 2, "intermediate_size": 8}
    return randomize(CompactVitForImageClassification(CompactVitConfig(**{**sizes, **options})))


def make_vit(**options: Any) -> ViTForImageClassification:
    torch.manual_seed(0)
    sizes = {"image_size": SIZE, "patch_size": 4, "num_channels": 1, "hidden_size": 8, "num_hidden_layers": 2}
    config = ViTConfig(**{**sizes, **options}, num_attention_heads=2, intermediate_size=8, num_labels=3)
    return randomize(ViTForImageClassification(config))


def randomize(model):
    for name, parameter in model.named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def make_images(count: int = 3) -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]
