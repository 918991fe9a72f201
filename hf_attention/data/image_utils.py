# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Helpers for images that data, training and interpret share: PIL modes, sizes, class names."""

import unicodedata
from contextlib import suppress

import torch
from transformers import BaseImageProcessor, PreTrainedConfig

# they are defined in the family because the image processor travels with models as remote code
from ..models.compact_vit.image_processing_pil_compact_vit import MODES, convert_mode


with suppress(ImportError):  # PIL itself reads AVIF, but not HEIC
    from pillow_heif import register_heif_opener

    register_heif_opener()


def processed_size(image_processor: BaseImageProcessor) -> dict[str, int]:
    """
    The size of an image processor's output: its crop if it crops, what it pads to, else `height` and `width` or
    `shortest_edge`.
    """
    if getattr(image_processor, "do_center_crop", None):
        return size_option(image_processor, "crop_size")
    pads = getattr(image_processor, "do_pad", None) and getattr(image_processor, "pad_size", None)
    return size_option(image_processor, "pad_size" if pads else "size")


def size_option(image_processor: BaseImageProcessor, name: str) -> dict[str, int]:
    """
    An image processor's option `size` or `crop_size`. Raises `ValueError` for one that makes images of no fixed size.
    """
    size = getattr(image_processor, name, None)
    if size is None:
        raise ValueError(
            f"{type(image_processor).__name__} has no `{name}`: its images, or sequences of patches, have no fixed "
            "size. Use a model whose images have one, such as SigLIP instead of SigLIP 2 NaFlex."
        )
    return dict(size)


def class_names(config: PreTrainedConfig) -> list[str]:
    """The names of a classifier's classes, in the order of the logits, in NFC as those of the data are."""
    names = sorted((int(index), name) for index, name in (config.id2label or {}).items())
    return [unicodedata.normalize("NFC", name) for _, name in names]


def class_probabilities(config: PreTrainedConfig, logits: torch.Tensor) -> torch.Tensor | None:
    """
    The probabilities of the classes from logits, both (..., num_labels): those of several labels per image are
    independent of each other. `None` for a model that predicts numbers.
    """
    problem_type = getattr(config, "problem_type", None)
    if problem_type == "regression":
        return None
    return logits.sigmoid() if problem_type == "multi_label_classification" else logits.softmax(dim=-1)


__all__ = ["MODES", "class_names", "class_probabilities", "convert_mode", "processed_size", "size_option"]
