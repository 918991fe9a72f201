# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What an image passes through before it reaches a model: image processor, transform, augmentation."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from datasets import Dataset, IterableDataset
from transformers import BaseImageProcessor, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING

from ..data.augmentation import ImageAugmentation
from ..data.image_summary import summarize_images
from ..data.image_utils import processed_size
from ..data.images import make_transform
from ..interpret.model_loading import load_image_processor
from ..models.compact_vit import CompactVitForImageClassification, CompactVitImageProcessorPil
from .arguments import BaseModelArguments
from .image_arguments import ImageDataArguments
from .image_text_arguments import ImageTextDataArguments
from .splits import sample


WHITENING_IMAGES = 2_000


def make_image_processor(
    model_args: BaseModelArguments, data_args: ImageDataArguments | ImageTextDataArguments, config: PreTrainedConfig
) -> BaseImageProcessor:
    """Returns the image processor of the model to fine-tune, or one with the new model's size and channels."""
    num_channels = getattr(config, "num_channels", 3)
    stats = {"image_mean": data_args.image_mean, "image_std": data_args.image_std}
    stats: dict = {name: values for name, values in stats.items() if values is not None}
    for name, values in stats.items():
        if len(values) != num_channels:
            raise ValueError(f"`{name}` has {len(values)} values, but the model's `num_channels` is {num_channels}.")
    if model_args.model_name_or_path is not None:
        if data_args.crop_mode is not None:
            raise ValueError("`crop_mode` is for a new model; one of `model_name_or_path` has its image processor.")
        return load_image_processor(
            model_args.model_name_or_path,
            revision=model_args.model_revision,
            trust_remote_code=model_args.trust_remote_code,
            **stats,
        )
    if type(config) not in IMAGE_PROCESSOR_MAPPING:
        raise ValueError(f"transformers has no image processor for `model_type` = {config.model_type!r}.")
    processors: dict = IMAGE_PROCESSOR_MAPPING[type(config)]  # ty: ignore[invalid-assignment]  # not a tuple
    processor_class, options = processors["pil"], dict(stats)
    if hasattr(processor_class, "num_channels"):  # this package's, which converts images to any number of channels
        options["num_channels"] = num_channels
    elif not stats:
        options |= {"image_mean": [0.5] * num_channels, "image_std": [0.5] * num_channels}
    size = getattr(config, "image_size", None)
    if size is None and data_args.crop_mode is not None:
        raise ValueError(f"`crop_mode` needs an `image_size`, which {type(config).__name__} does not have.")
    if size is None:  # a convolutional network takes any size, so the image processor's default remains
        return processor_class(**options)
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    size = {"height": height, "width": width}
    if data_args.crop_mode is not None:
        return processor_class(**options, **crop_options(data_args.crop_mode, size, processor_class))
    if getattr(processor_class, "do_center_crop", None):
        options["crop_size"] = size
    elif "shortest_edge" in (getattr(processor_class, "size", None) or {}):  # ConvNeXt's accepts only this
        size = {"shortest_edge": min(height, width)}
    return processor_class(size=size, **options)


def with_statistics(data_args: ImageDataArguments, rows: Dataset, config: PreTrainedConfig) -> ImageDataArguments:
    """Returns the arguments with the mean and standard deviation of the images, unless these are set."""
    summary = summarize_images(rows, is_gray=getattr(config, "num_channels", 3) == 1)
    mean, std = data_args.image_mean or list(summary.mean), data_args.image_std or list(summary.std)
    return replace(data_args, image_mean=mean, image_std=std)


def whiten_pixels(
    model: PreTrainedModel, image_processor: BaseImageProcessor, rows: Dataset | IterableDataset
) -> None:
    """Sets the whitening of a new compact ViT with `tokenizer_type="whitened"` from rows with `image` and `label`."""
    if isinstance(model, CompactVitForImageClassification) and model.config.tokenizer_type == "whitened":
        chosen = sample(rows, WHITENING_IMAGES)
        columns = {name: [row[name] for row in chosen] for name in ("image", "label")}
        transform = make_transform(image_processor, model.config.num_channels)
        model.model.embeddings.patch_embeddings.whiten(transform(columns)["pixel_values"])


def make_augmentation(
    data_args: ImageDataArguments, image_processor: BaseImageProcessor, num_labels: int, label_smoothing: float = 0.0
) -> ImageAugmentation:
    """Returns the augmentation of training batches, which also normalizes the pixels and smooths the labels."""
    size = processed_size(image_processor)
    crops = data_args.crop_scale is not None or data_args.crop_padding > 0 or data_args.rotation_degrees > 0
    if crops and (size.get("height") is None or size["height"] != size["width"]):
        raise ValueError(
            f"Random crops and rotations need images of one square size, but the image processor's is {size}."
        )
    small, sides = data_args.small_image_size, [side for side in size.values() if side]
    if small is not None and (len(set(sides)) != 1 or small >= sides[0]):
        raise ValueError(
            f"`small_image_size` = {small} must be less than the height and width, which are the same, of all images, "
            f"but the image processor's size is {size}."
        )
    if not getattr(image_processor, "do_rescale", False) or getattr(image_processor, "rescale_offset", False):
        raise ValueError(
            "Augmentation takes pixels from 0 to 1, but the image processor's `do_rescale` is False, or its "
            "`rescale_offset` True."
        )
    mean, std = (list(getattr(image_processor, name, None) or [0.5] * 3) for name in ("image_mean", "image_std"))
    own_std = std
    if not getattr(image_processor, "do_normalize", False):
        mean, std = [0.0] * len(mean), [1.0] * len(mean)
    if getattr(image_processor, "include_top", False):  # EfficientNet's divides once more
        std = [value * again for value, again in zip(std, own_std)]
    return ImageAugmentation(
        image_size=size.get("height") or 0,
        num_labels=num_labels,
        image_mean=mean,
        image_std=std,
        crop_scale=data_args.crop_scale,
        rotation_degrees=data_args.rotation_degrees,
        crop_padding=data_args.crop_padding,
        horizontal_flip=data_args.horizontal_flip,
        randaugment_ops=data_args.randaugment_ops,
        randaugment_magnitude=data_args.randaugment_magnitude,
        randaugment_std=data_args.randaugment_std,
        random_erasing=data_args.random_erasing,
        mixup_alpha=data_args.mixup_alpha,
        cutmix_alpha=data_args.cutmix_alpha,
        cutmix_probability=data_args.cutmix_probability,
        label_smoothing=label_smoothing,
    )


def crop_options(crop_mode: str, size: dict[str, int], processor_class: type) -> dict[str, Any]:
    """Returns the options by which an image processor crops, pads or squeezes images to `size` (height and width)."""
    edge = size["height"]
    if crop_mode == "squash":
        return {"size": size, "do_center_crop": False}
    if size["width"] != edge:
        raise ValueError(f"`crop_mode` {crop_mode} is for a square `image_size`, got {size}. Set it to squash.")
    if crop_mode == "center":
        return {"size": {"shortest_edge": edge}, "do_center_crop": True, "crop_size": size}
    if not issubclass(processor_class, CompactVitImageProcessorPil):
        raise ValueError(
            f"`crop_mode` border is for models with this package's image processor, but {processor_class.__name__} "
            "pads on one side. Set it to center or squash."
        )
    return {"size": {"max_height": edge, "max_width": edge}, "do_pad": True, "pad_size": size}


def make_train_transform(
    image_processor: BaseImageProcessor, num_channels: int, crop_scale: list[float] | None
) -> Callable[[dict], dict]:
    """
    Returns the transform of training images, which the augmentation normalizes. Before random crops an image that the
    image processor would crop is squeezed instead, so that any part of it can be taken; a part of average size has
    the model's resolution.
    """
    plain = {"do_normalize": False, **({"include_top": False} if hasattr(image_processor, "include_top") else {})}
    can_squeeze = getattr(image_processor, "do_resize", False) and not getattr(image_processor, "do_pad", False)
    if crop_scale is None or not can_squeeze:
        return make_transform(image_processor, num_channels, **plain)
    side = math.ceil(processed_size(image_processor)["height"] / math.sqrt(sum(crop_scale) / 2))
    crops = bool(getattr(image_processor, "do_center_crop", False))
    options = {"size": {"height": side, "width": side}, **({"do_center_crop": False} if crops else {})}
    return make_transform(image_processor, num_channels, crops, **plain, **options)
