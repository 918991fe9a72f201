# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Compact vision transformers. Importing it registers its classes with the Auto classes."""

from transformers import (
    AutoBackbone,
    AutoConfig,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForMaskedImageModeling,
)
from transformers.utils import is_vision_available

from .configuration_compact_vit import CompactVitConfig
from .modeling_compact_vit import (
    CompactVitBackbone,
    CompactVitForImageClassification,
    CompactVitForMaskedImageModeling,
    CompactVitModel,
    CompactVitPreTrainedModel,
)


AutoConfig.register("compact_vit", CompactVitConfig, exist_ok=True)
AutoModel.register(CompactVitConfig, CompactVitModel, exist_ok=True)
AutoBackbone.register(CompactVitConfig, CompactVitBackbone, exist_ok=True)
AutoModelForImageClassification.register(CompactVitConfig, CompactVitForImageClassification, exist_ok=True)
AutoModelForMaskedImageModeling.register(CompactVitConfig, CompactVitForMaskedImageModeling, exist_ok=True)

__all__ = [
    "CompactVitBackbone",
    "CompactVitConfig",
    "CompactVitForImageClassification",
    "CompactVitForMaskedImageModeling",
    "CompactVitModel",
    "CompactVitPreTrainedModel",
]

if is_vision_available():  # Pillow is optional
    # not from `transformers`, which asks for torchvision before 5.23
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    from .image_processing_pil_compact_vit import CompactVitImageProcessorPil

    AutoImageProcessor.register(
        CompactVitConfig, image_processor_classes={"pil": CompactVitImageProcessorPil}, exist_ok=True
    )
    __all__ += ["CompactVitImageProcessorPil"]
