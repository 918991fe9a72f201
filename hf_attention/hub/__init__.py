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
"""Sharing: cards filled from real runs, publishing, and what is made to be published."""

from .dataset import write_dates_dataset
from .image_card import write_image_classification_card
from .publish import Published, publish_folder, publish_model
from .space import write_space
from .translation_card import write_translation_card


__all__ = [
    "Published",
    "publish_model",
    "publish_folder",
    "write_dates_dataset",
    "write_image_classification_card",
    "write_space",
    "write_translation_card",
]
