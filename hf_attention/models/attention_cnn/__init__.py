# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Convolutional networks with attention. Importing it registers its classes with the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForImageClassification
from transformers.utils import is_vision_available

from .configuration_attention_cnn import AttentionCnnConfig
from .modeling_attention_cnn import AttentionCnnForImageClassification, AttentionCnnModel, AttentionCnnPreTrainedModel


AutoConfig.register("attention_cnn", AttentionCnnConfig, exist_ok=True)
AutoModel.register(AttentionCnnConfig, AttentionCnnModel, exist_ok=True)
AutoModelForImageClassification.register(AttentionCnnConfig, AttentionCnnForImageClassification, exist_ok=True)

if is_vision_available():  # Pillow is optional
    # not from `transformers`, which asks for torchvision before 5.23
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    from ..compact_vit import CompactVitImageProcessorPil

    AutoImageProcessor.register(
        AttentionCnnConfig, image_processor_classes={"pil": CompactVitImageProcessorPil}, exist_ok=True
    )

__all__ = [
    "AttentionCnnConfig",
    "AttentionCnnForImageClassification",
    "AttentionCnnModel",
    "AttentionCnnPreTrainedModel",
]
