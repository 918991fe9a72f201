# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The recurrent attention model. Importing it registers its classes with the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForImageClassification
from transformers.utils import is_vision_available

from .configuration_recurrent_attention import RecurrentAttentionConfig
from .modeling_recurrent_attention import (
    RecurrentAttentionForImageClassification,
    RecurrentAttentionModel,
    RecurrentAttentionPreTrainedModel,
)


AutoConfig.register("recurrent_attention", RecurrentAttentionConfig, exist_ok=True)
AutoModel.register(RecurrentAttentionConfig, RecurrentAttentionModel, exist_ok=True)
AutoModelForImageClassification.register(
    RecurrentAttentionConfig, RecurrentAttentionForImageClassification, exist_ok=True
)

if is_vision_available():  # Pillow is optional
    # not from `transformers`, which asks for torchvision before 5.23
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    from ..compact_vit import CompactVitImageProcessorPil

    AutoImageProcessor.register(
        RecurrentAttentionConfig, image_processor_classes={"pil": CompactVitImageProcessorPil}, exist_ok=True
    )

__all__ = [
    "RecurrentAttentionConfig",
    "RecurrentAttentionForImageClassification",
    "RecurrentAttentionModel",
    "RecurrentAttentionPreTrainedModel",
]
