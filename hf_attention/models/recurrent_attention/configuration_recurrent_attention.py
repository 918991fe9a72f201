# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Recurrent attention model configuration"""

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
class RecurrentAttentionConfig(PreTrainedConfig):
    r"""
    The configuration of a recurrent attention model (Mnih et al. 2014, arXiv 1406.6247), which sees an image in
    glimpses and learns by reinforcement where to look. An invalid combination of options raises an error; unknown
    options are kept, with a warning.

    Args:
        image_size (`int` or `tuple[int, int]`, *optional*, defaults to 60):
            Size of the training images, in pixels: one number, or height and width. Images of any size are accepted.
        num_channels (`int`, *optional*, defaults to 1):
            Number of channels of the images.
        num_glimpses (`int`, *optional*, defaults to 6):
            Number of glimpses per image, including the first.
        glimpse_size (`int`, *optional*, defaults to 12):
            Height and width of a glimpse's finest patch; every patch is resized to this size.
        glimpse_stride (`int`, *optional*, defaults to 1):
            Downsampling of the finest patch: each of its pixels is the mean of `glimpse_stride` x `glimpse_stride`
            pixels of the image.
        num_scales (`int`, *optional*, defaults to 3):
            Number of patches per glimpse, k in the paper; each covers twice the height and width of the previous one.
        glimpse_channels (`list[int]`, *optional*, defaults to `[]`):
            Number of channels of 3 x 3 convolutions applied to each patch, all but the first with stride 2. The paper
            has none, its successor (Ba et al. 2014, arXiv 1412.7755) has three.
        glimpse_hidden_size, location_hidden_size (`int`, *optional*, defaults to 128):
            Widths of h_g and h_l, the hidden layers for the glimpse and for its location.
        hidden_size (`int`, *optional*, defaults to 256):
            Width of the glimpse features g and of the core's state h.
        cell_type (`str`, *optional*, defaults to `"rnn"`):
            Cell of the core: `"rnn"`, with ReLU (as in the paper, for classification), or `"gru"`.
        detach_locator (`bool`, *optional*, defaults to `True`):
            Whether to stop REINFORCE's gradient before the core, which then learns from the classification loss only.
        initial_location (`str`, *optional*, defaults to `"random"`):
            Location of the first glimpse in training: `"random"`, uniform over the image, or `"center"`.
        location_std (`float`, *optional*, defaults to 0.05):
            Standard deviation of the sampled locations around the predicted mean; half of the image's side is 1.
        exploration (`float`, *optional*, defaults to 0.0):
            Fraction of the locations that are drawn uniformly from the image in training.
        reinforce_weight (`float`, *optional*, defaults to 1.0):
            Weight of the REINFORCE loss relative to the cross-entropy.
        num_train_copies (`int`, *optional*, defaults to 1):
            Number of Monte Carlo copies of every image in training, each with its own locations.
        num_eval_copies (`int`, *optional*, defaults to 0):
            Number of Monte Carlo copies of every image in evaluation; their probabilities are averaged. 0 disables
            sampling: the first glimpse is at the center and the others at the predicted means, so outputs are
            deterministic, which is required for publishing.

    Examples:

    ```python
    >>> from hf_attention import RecurrentAttentionConfig, RecurrentAttentionForImageClassification

    >>> configuration = RecurrentAttentionConfig(num_labels=10)
    >>> RecurrentAttentionForImageClassification(configuration).num_parameters()
    289421

    ```"""

    model_type = "recurrent_attention"
    _auto_class = "AutoConfig"
    keys_to_ignore_at_inference = ["locations", "glimpses", "hidden_states"]

    image_size: int | list[int] | tuple[int, ...] = 60
    num_channels: int = 1
    num_glimpses: int = 6
    glimpse_size: int = 12
    glimpse_stride: int = 1
    num_scales: int = 3
    glimpse_channels: list[int] | tuple[int, ...] = ()
    glimpse_hidden_size: int = 128
    location_hidden_size: int = 128
    hidden_size: int = 256
    cell_type: Literal["rnn", "gru"] = "rnn"
    detach_locator: bool = True
    initial_location: Literal["random", "center"] = "random"
    location_std: float = 0.05
    exploration: float | int = 0.0
    reinforce_weight: float | int = 1.0
    num_train_copies: int = 1
    num_eval_copies: int = 0

    def __post_init__(self, **kwargs) -> None:
        check_inherited_options(self, kwargs)
        if isinstance(self.image_size, list):  # as JSON has it
            self.image_size = tuple(self.image_size)
        self.glimpse_channels = list(self.glimpse_channels)
        self.problem_type = self.problem_type or "single_label_classification"
        super().__post_init__(**kwargs)
        warn_of_unknown_options(self, kwargs)

    def validate_architecture(self) -> None:
        """Called by the validation of `@strict`. Raises `ValueError` for invalid combinations of options."""
        sizes = ("image_size", "num_channels", "glimpse_size", "glimpse_stride", "glimpse_channels")
        check_range(self, (*sizes, "glimpse_hidden_size", "location_hidden_size", "hidden_size"), 1, MAX_SIZE)
        check_range(self, ("num_glimpses", "num_scales", "num_train_copies"), 1, MAX_LAYERS)
        check_range(self, ("num_eval_copies",), 0, MAX_LAYERS)
        check_range(self, ("reinforce_weight",), 0, MAX_SIZE)
        if not isinstance(self.image_size, int) and len(self.image_size) != 2:
            raise ValueError(f"`image_size` must be a number, or (height, width), got {self.image_size}.")
        if not 0 < self.location_std <= MAX_SIZE:
            raise ValueError(
                f"`location_std` must be above 0, got {self.location_std}: REINFORCE learns from sampled locations."
            )
        if not 0 <= self.exploration < 1:
            raise ValueError(f"`exploration` must be at least 0 and below 1, got {self.exploration}.")
        if self.problem_type != "single_label_classification" or (self.num_labels or 0) < 2:
            raise ValueError(
                "The reward is the probability of one of several classes, so `problem_type` must be "
                f"'single_label_classification', got {self.problem_type!r}, and `num_labels` at least 2, got "
                f"{self.num_labels}."
            )
        side = min(self.image_height_width)
        if self.glimpse_size * self.glimpse_stride > side:
            raise ValueError(
                f"`glimpse_size` ({self.glimpse_size}) times `glimpse_stride` ({self.glimpse_stride}) is larger than "
                f"`image_size` ({self.image_size})."
            )
        if (block := self.glimpse_stride * 2 ** (self.num_scales - 1)) > 2 * max(self.image_height_width):
            raise ValueError(
                f"`num_scales` ({self.num_scales}) is too large: a pixel of the coarsest patch covers {block} pixels "
                f"of an image of `image_size` ({self.image_size})."
            )

    @property
    def image_height_width(self) -> tuple[int, int]:
        """Height and width of the images, in pixels: `image_size`, which is one number for square images."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    def save_pretrained(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs) -> None:
        # transformers writes only the entry of the saved class; with all of them, any Auto class can load the folder
        modeling = "modeling_recurrent_attention.RecurrentAttention"
        self.auto_map = {
            "AutoConfig": "configuration_recurrent_attention.RecurrentAttentionConfig",
            "AutoModel": f"{modeling}Model",
            "AutoModelForImageClassification": f"{modeling}ForImageClassification",
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


__all__ = ["RecurrentAttentionConfig"]
