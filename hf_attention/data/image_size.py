# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The size of a model's images; it needs no extra, so that an export needs none for data."""

from transformers import BaseImageProcessor


def processed_size(image_processor: BaseImageProcessor) -> dict[str, int]:
    """What a processor brings images to: `height` and `width`, or `shortest_edge`; its crop, where it makes one."""
    is_cropped = getattr(image_processor, "do_center_crop", None)
    return dict(image_processor.crop_size if is_cropped else image_processor.size)
