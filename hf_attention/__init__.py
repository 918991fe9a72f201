# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Small attention models for transformers, which you can train, inspect and share.

Importing the package registers every model, image processor and pipeline with transformers.
"""

from transformers.utils import is_vision_available

from .interpret.translation_pipeline import register_pipeline
from .models.attention_cnn import AttentionCnnConfig, AttentionCnnForImageClassification, AttentionCnnModel
from .models.bahdanau import (
    BahdanauConfig,
    BahdanauForCausalLM,
    BahdanauForConditionalGeneration,
    BahdanauModel,
)
from .models.compact_vit import (
    CompactVitBackbone,
    CompactVitConfig,
    CompactVitForImageClassification,
    CompactVitForMaskedImageModeling,
    CompactVitModel,
)
from .models.recurrent_attention import (
    RecurrentAttentionConfig,
    RecurrentAttentionForImageClassification,
    RecurrentAttentionModel,
)
from .models.stacked_attention import (
    StackedAttentionConfig,
    StackedAttentionForVisualQuestionAnswering,
    StackedAttentionModel,
)


__version__ = "0.1.0"

__all__ = [
    "AttentionCnnConfig",
    "AttentionCnnForImageClassification",
    "AttentionCnnModel",
    "BahdanauConfig",
    "BahdanauForCausalLM",
    "BahdanauForConditionalGeneration",
    "BahdanauModel",
    "CompactVitBackbone",
    "CompactVitConfig",
    "CompactVitForImageClassification",
    "CompactVitForMaskedImageModeling",
    "CompactVitModel",
    "RecurrentAttentionConfig",
    "RecurrentAttentionForImageClassification",
    "RecurrentAttentionModel",
    "StackedAttentionConfig",
    "StackedAttentionForVisualQuestionAnswering",
    "StackedAttentionModel",
]

if is_vision_available():  # Pillow is optional
    from .interpret.question_pipeline import register_question_pipeline
    from .models.compact_vit import CompactVitImageProcessorPil

    __all__ += ["CompactVitImageProcessorPil"]
    register_question_pipeline()

register_pipeline()
