# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
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
