# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The stacked attention network. Importing it registers its classes with the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForVisualQuestionAnswering
from transformers.utils import is_vision_available

from .configuration_stacked_attention import StackedAttentionConfig
from .modeling_stacked_attention import (
    StackedAttentionForVisualQuestionAnswering,
    StackedAttentionModel,
    StackedAttentionPreTrainedModel,
)


AutoConfig.register("stacked_attention", StackedAttentionConfig, exist_ok=True)
AutoModel.register(StackedAttentionConfig, StackedAttentionModel, exist_ok=True)
AutoModelForVisualQuestionAnswering.register(
    StackedAttentionConfig, StackedAttentionForVisualQuestionAnswering, exist_ok=True
)

if is_vision_available():  # Pillow is optional
    # not from `transformers`, which asks for torchvision before 5.23
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    from ..compact_vit import CompactVitImageProcessorPil

    AutoImageProcessor.register(
        StackedAttentionConfig, image_processor_classes={"pil": CompactVitImageProcessorPil}, exist_ok=True
    )

__all__ = [
    "StackedAttentionConfig",
    "StackedAttentionForVisualQuestionAnswering",
    "StackedAttentionModel",
    "StackedAttentionPreTrainedModel",
]
