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
"""The size of a model's images; it needs no extra, so that an export needs none for data."""

from transformers import BaseImageProcessor


def processed_size(image_processor: BaseImageProcessor) -> dict[str, int]:
    """What a processor brings images to: `height` and `width`, or `shortest_edge`; its crop, where it makes one."""
    is_cropped = getattr(image_processor, "do_center_crop", None)
    return dict(image_processor.crop_size if is_cropped else image_processor.size)
