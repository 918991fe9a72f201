# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Attention you can train, read and share: model families for transformers' Auto classes.

Importing the package registers every model and pipeline; the modules themselves are imported when first used.
"""

import importlib

from ._registration import register


__version__ = "0.1.0"

_PUBLIC = {
    "BahdanauConfig": "models.bahdanau",
    "BahdanauModel": "models.bahdanau",
    "BahdanauForConditionalGeneration": "models.bahdanau",
    "CompactVitConfig": "models.compact_vit",
    "CompactVitModel": "models.compact_vit",
    "CompactVitBackbone": "models.compact_vit",
    "CompactVitForImageClassification": "models.compact_vit",
    "CompactVitForMaskedImageModeling": "models.compact_vit",
    "CompactVitImageProcessorPil": "models.compact_vit",
    "AttentionCnnConfig": "models.attention_cnn",
    "AttentionCnnModel": "models.attention_cnn",
    "AttentionCnnForImageClassification": "models.attention_cnn",
    "RecurrentAttentionConfig": "models.recurrent_attention",
    "RecurrentAttentionModel": "models.recurrent_attention",
    "RecurrentAttentionForImageClassification": "models.recurrent_attention",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_PUBLIC[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_PUBLIC])


register()
