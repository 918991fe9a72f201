# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Attention CNN model configuration"""

import difflib
import os
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig
from transformers.utils import logging


logger = logging.get_logger(__name__)

MAX_SIZE = 2**31 - 1
MAX_LAYERS = 10_000  # more would not fail, but keep Python busy for hours
MAX_LABELS = 1_000_000  # each has a name in the config


@strict
class AttentionCnnConfig(PreTrainedConfig):
    r"""
    The configuration of a compact residual network (He et al. 2015, arXiv 1512.03385) for small images with optional
    attention: squeeze-and-excitation (Hu et al. 2017, arXiv 1709.01507), non-local blocks (Wang et al. 2017, arXiv
    1711.07971), and a spatial transformer in front of the network (Jaderberg et al. 2015, arXiv 1506.02025). An
    invalid combination of options raises an error; unknown options are kept, with a warning.

    Args:
        image_size (`int` or `tuple[int, int]`, *optional*, defaults to 32):
            Size of the training images, in pixels: one number, or height and width. Images of any size are accepted.
        num_channels (`int`, *optional*, defaults to 3):
            Number of channels of the images.
        embedding_stride (`int`, *optional*, defaults to 1):
            Stride of the first convolution; 2 reduces the cost of larger images.
        hidden_sizes (`list[int]`, *optional*, defaults to `[16, 32, 64]`):
            Number of channels of each stage; every stage but the first halves height and width.
        depths (`list[int]`, *optional*, defaults to `[2, 2, 2]`):
            Number of residual blocks of each stage, with two 3 x 3 convolutions each.
        attention_type (`str`, *optional*, defaults to `"none"`):
            `"se"`: every block of `attention_stages` weights its channels; `"non_local"`: each of `attention_stages`
            ends with a block in which all positions attend to each other; `"none"`.
        attention_stages (`list[int]`, *optional*):
            The stages with attention, counted from 1; by default all for `"se"`, the last for `"non_local"`.
        reduction_ratio (`int`, *optional*, defaults to 16):
            Ratio of channels to hidden units of squeeze-and-excitation, r in the paper; narrow networks need a lower
            one.
        pairwise_function (`str`, *optional*, defaults to `"embedded_gaussian"`):
            f of the non-local block (section 3.2): `"embedded_gaussian"`, `"gaussian"`, `"dot_product"` or
            `"concatenation"`.
        spatial_transformer (`str`, *optional*, defaults to `"none"`):
            `"affine"`: all six entries of theta are predicted; `"attention"`: scale and translation only (equation 2);
            `"none"`.
        warped_size (`int`, *optional*):
            Height and width of the spatial transformer's output, in pixels; by default those of the image.
        localization_sizes (`list[int]`, *optional*, defaults to `[8, 16]`):
            Number of channels of the localization network's 5 x 5 convolutions, each of which halves height and width.
        localization_hidden_size (`int`, *optional*, defaults to 32):
            Width of the localization network's hidden layer, whose input is a grid of 7 x 7 positions.
        pooled_size (`int`, *optional*, defaults to 1):
            Height and width, in positions, of the last feature map after pooling, which is the classifier's input. 1
            averages all positions, which discards their places; larger sizes keep them.
        hidden_dropout_prob (`float`, *optional*, defaults to 0.0):
            Dropout before the classifier.

    Examples:

    ```python
    >>> from hf_attention import AttentionCnnConfig, AttentionCnnForImageClassification

    >>> configuration = AttentionCnnConfig(attention_type="se", reduction_ratio=4, num_labels=10)
    >>> AttentionCnnForImageClassification(configuration).num_parameters()
    180914

    ```"""

    model_type = "attention_cnn"
    _auto_class = "AutoConfig"
    keys_to_ignore_at_inference = ["gates", "attentions", "theta", "warped_pixel_values"]

    image_size: int | list[int] | tuple[int, ...] = 32
    num_channels: int = 3
    embedding_stride: int = 1
    hidden_sizes: list[int] | tuple[int, ...] = (16, 32, 64)
    depths: list[int] | tuple[int, ...] = (2, 2, 2)
    attention_type: Literal["none", "se", "non_local"] = "none"
    attention_stages: list[int] | tuple[int, ...] | None = None
    reduction_ratio: int = 16
    pairwise_function: Literal["embedded_gaussian", "gaussian", "dot_product", "concatenation"] = "embedded_gaussian"
    spatial_transformer: Literal["none", "affine", "attention"] = "none"
    warped_size: int | None = None
    localization_sizes: list[int] | tuple[int, ...] = (8, 16)
    localization_hidden_size: int = 32
    pooled_size: int = 1
    hidden_dropout_prob: float | int = 0.0

    def __post_init__(self, **kwargs) -> None:
        check_inherited_options(self, kwargs)
        if isinstance(self.image_size, list):  # as JSON has it
            self.image_size = tuple(self.image_size)
        self.hidden_sizes, self.depths = list(self.hidden_sizes), list(self.depths)
        self.localization_sizes = list(self.localization_sizes)
        super().__post_init__(**kwargs)
        warn_of_unknown_options(self, kwargs)

    def validate_architecture(self) -> None:
        """Called by the validation of `@strict`. Raises `ValueError` for invalid combinations of options."""
        counts = ("image_size", "num_channels", "embedding_stride", "reduction_ratio", "localization_hidden_size")
        check_range(self, (*counts, "pooled_size", "warped_size", "hidden_sizes", "localization_sizes"), 1, MAX_SIZE)
        check_range(self, ("depths",), 1, MAX_LAYERS)
        if not isinstance(self.image_size, int) and len(self.image_size) != 2:
            raise ValueError(f"`image_size` must be a number, or (height, width), got {self.image_size}.")
        for name in ("hidden_sizes", "depths", "localization_sizes"):
            if not getattr(self, name):
                raise ValueError(f"`{name}` must be a list of numbers of at least 1, got {getattr(self, name)}.")
        if len(self.depths) != len(self.hidden_sizes):
            raise ValueError(
                f"`depths` ({self.depths}) must have the same length as `hidden_sizes` ({self.hidden_sizes})."
            )
        if not 0 <= self.hidden_dropout_prob <= 1:
            raise ValueError(
                f"`hidden_dropout_prob` must be a probability between 0 and 1, got {self.hidden_dropout_prob}."
            )
        stages = range(1, len(self.hidden_sizes) + 1)
        if invalid := [stage for stage in self.resolved_attention_stages if stage not in stages]:
            raise ValueError(f"`attention_stages` has {invalid[0]}, but `hidden_sizes` has stages 1 to {stages[-1]}.")
        if not self.resolved_attention_stages:
            raise ValueError("`attention_stages` is empty. To disable attention, set `attention_type='none'`.")
        if self.pooled_size > (positions := self.grid_size(min(self.image_height_width), stages[-1])):
            raise ValueError(
                f"`pooled_size` ({self.pooled_size}) is larger than the {positions} positions per side of the last "
                f"stage, for images of {self.image_size} pixels."
            )
        for stage in self.resolved_attention_stages:
            width = self.hidden_sizes[stage - 1]
            if self.attention_type == "se" and width < self.reduction_ratio:
                raise ValueError(
                    f"`reduction_ratio` ({self.reduction_ratio}) is larger than the {width} channels of stage "
                    f"{stage}. Reduce it, or remove the stage from `attention_stages`."
                )
            if self.attention_type == "non_local" and width < 2:
                raise ValueError(f"A non-local block halves the channels, but stage {stage} has {width}.")

    @property
    def resolved_attention_stages(self) -> list[int]:
        """The stages that have attention if `attention_type` is not "none": `attention_stages` or its default."""
        if self.attention_stages is not None:
            return list(self.attention_stages)
        last = len(self.hidden_sizes)
        return [last] if self.attention_type == "non_local" else list(range(1, last + 1))

    attended_stages = resolved_attention_stages  # old name, kept until 0.2

    @property
    def image_height_width(self) -> tuple[int, int]:
        """Height and width of the images, in pixels: `image_size`, which is one number for square images."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    def grid_size(self, size: int, stage: int | None = None) -> int:
        """
        Returns the number of positions along a side of a stage (default: the last one with attention), for images of
        `size` pixels.
        """
        size = self.warped_size or size if self.spatial_transformer != "none" else size
        size = (size - 1) // self.embedding_stride + 1
        for _ in range((max(self.resolved_attention_stages) if stage is None else stage) - 1):
            size = (size - 1) // 2 + 1
        return size

    def grid_extent(self, size: int) -> tuple[float, float]:
        """
        Returns where the grid of the last stage with attention begins and ends along a side of `size` pixels: each
        position is in the middle of one of the equal cells between them. Convolutions with padding are centered on the
        first pixel, so the grid begins outside the image.
        """
        step = self.embedding_stride * 2 ** (max(self.resolved_attention_stages) - 1)
        return 0.5 - step / 2, 0.5 + step * (self.grid_size(size) - 0.5)

    def save_pretrained(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs) -> None:
        # transformers writes only the entry of the saved class; with all of them, any Auto class can load the folder
        self.auto_map = {
            "AutoConfig": "configuration_attention_cnn.AttentionCnnConfig",
            "AutoModel": "modeling_attention_cnn.AttentionCnnModel",
            "AutoModelForImageClassification": "modeling_attention_cnn.AttentionCnnForImageClassification",
        }
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)


# The functions below are the same in the configs of all families, because a family's files do not import another's.
def check_inherited_options(config: PreTrainedConfig, kwargs: dict[str, Any]) -> None:
    """Raises `ValueError` for values that [`PreTrainedConfig`] does not check."""
    for dtype in (config.dtype, kwargs.get("torch_dtype")):
        known = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
        if dtype is not None and not isinstance(known, torch.dtype):
            raise ValueError(f"`dtype` must be the name of a torch dtype, such as 'float32', got {dtype!r}.")
    types = (None, "regression", "single_label_classification", "multi_label_classification")
    if config.problem_type not in types:
        raise ValueError(f"`problem_type` must be one of {types}, got {config.problem_type!r}.")
    num_labels = kwargs.get("num_labels", 2)
    if type(num_labels) is not int or not 0 <= num_labels <= MAX_LABELS:
        raise ValueError(f"`num_labels` must be an integer from 0 to {MAX_LABELS}, got {num_labels!r}.")


def warn_of_unknown_options(config: PreTrainedConfig, kwargs: dict[str, Any]) -> None:
    """Warns of attributes that are not options. They are kept, as by any [`PreTrainedConfig`]."""
    known = {field.name for field in fields(config)} | set(config.attribute_map) | {"num_labels"}
    others = ("auto_map", "custom_pipelines", "quantization_config", "stage_names", "source_lang", "target_lang")
    others += ("bos_token_id", "eos_token_id")  # the Trainer takes them from a tokenizer
    for name in kwargs:
        if (
            name in vars(config)
            and not hasattr(type(config), name)
            and not name.startswith("_")
            and name not in others
        ):
            matches = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"; did you mean `{matches[0]}`?" if matches else "."
            logger.warning_once(f"`{name}` is not an option of {type(config).__name__} and has no effect{hint}")


def check_range(config: PreTrainedConfig, names: Iterable[str], low: float, high: float) -> None:
    """Raises `ValueError` for an option, or an item of a list, outside the range. NaN is outside any range."""
    for name in names:
        value = getattr(config, name)
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is not None and not low <= item <= high:
                bound = f"at most {high}" if item > high else f"at least {low}"
                raise ValueError(f"`{name}` must be {bound}, got {value}.")


__all__ = ["AttentionCnnConfig"]
