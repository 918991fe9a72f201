# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Sharing: cards filled from real runs, publishing, export, and what is created to be published."""

from typing import TYPE_CHECKING

from .._extras import lazy_getattr


if TYPE_CHECKING:
    from .card import *
    from .dataset import *
    from .export import *
    from .image_card import *
    from .image_text_card import *
    from .onnx_translator import *
    from .publish import *
    from .question_card import *
    from .space import *
    from .translation_card import *

# module -> the names exported from it, imported when first used: each module needs other extras
EXPORTS = {
    "card": ["CardFacts", "write_model_card"],
    "dataset": ["write_dates_dataset"],
    "export": ["export_onnx"],
    "image_card": ["ImageCardFacts"],
    "image_text_card": ["ImageTextCardFacts"],
    "onnx_translator": ["OnnxTranslator"],
    "publish": ["Published", "publish_folder", "publish_model"],
    "question_card": ["QuestionCardFacts"],
    "space": ["write_space"],
    "translation_card": ["TranslationCardFacts"],
}

__all__ = [name for names in EXPORTS.values() for name in names]

__getattr__ = lazy_getattr(__name__, EXPORTS)
