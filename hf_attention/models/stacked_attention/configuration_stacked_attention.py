# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Stacked attention model configuration"""

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
class StackedAttentionConfig(PreTrainedConfig):
    r"""
    The configuration of a stacked attention network (Yang et al. 2016, arXiv 1511.02274), which answers a question
    about an image in several glimpses. An invalid combination of options raises an error; unknown options are kept,
    with a warning. `num_labels`, or `id2label`, sets the answers.

    Args:
        vocab_size (`int`, *optional*, defaults to 100):
            Number of tokens of the questions.
        pad_token_id (`int`, *optional*, defaults to 0):
            The token that fills questions up; its embedding is zero.
        image_size (`int` or `tuple[int, int]`, *optional*, defaults to 64):
            Size of the training images, in pixels: one number, or height and width. Images of any size are accepted.
        num_channels (`int`, *optional*, defaults to 3):
            Number of channels of the images.
        conv_channels (`list[int]`, *optional*, defaults to `[32, 64, 64]`):
            Number of channels of the 4 x 4 convolutions that encode the image. Each of them halves height and width.
        hidden_size (`int`, *optional*, defaults to 128):
            Width d of the question's state u and of the image's vectors v, and of the embeddings of tokens. The last
            two elements of the image's vectors are their position.
        attention_size (`int`, *optional*, defaults to 64):
            Width k of the hidden layer that computes the weights.
        num_glimpses (`int`, *optional*, defaults to 2):
            Number K of glimpses, attention layers in the paper.
        update_type (`str`, *optional*, defaults to `"mlp"`):
            How a glimpse changes the state: `"mlp"`, by a network of two layers that sees the state and what was
            attended to; `"add"`, the paper's sum of both; or `"gru"`, a gated unit with the same weights in each
            glimpse, to which these are a sequence.
        hidden_dropout_prob (`float`, *optional*, defaults to 0.0):
            Dropout before the classifier.

    Examples:

    ```python
    >>> from hf_attention import StackedAttentionConfig, StackedAttentionForVisualQuestionAnswering

    >>> configuration = StackedAttentionConfig(num_labels=10)
    >>> StackedAttentionForVisualQuestionAnswering(configuration).num_parameters()
    478533

    ```"""

    model_type = "stacked_attention"
    _auto_class = "AutoConfig"
    keys_to_ignore_at_inference = ["last_hidden_state", "attentions"]

    vocab_size: int = 100
    pad_token_id: int | None = 0
    image_size: int | list[int] | tuple[int, ...] = 64
    num_channels: int = 3
    conv_channels: list[int] | tuple[int, ...] = (32, 64, 64)
    hidden_size: int = 128
    attention_size: int = 64
    num_glimpses: int = 2
    update_type: Literal["mlp", "add", "gru"] = "mlp"
    hidden_dropout_prob: float | int = 0.0

    def __post_init__(self, **kwargs) -> None:
        check_inherited_options(self, kwargs)
        if isinstance(self.image_size, list):  # as JSON has it
            self.image_size = tuple(self.image_size)
        self.conv_channels = list(self.conv_channels)
        self.problem_type = self.problem_type or "single_label_classification"
        super().__post_init__(**kwargs)
        warn_of_unknown_options(self, kwargs)

    def validate_architecture(self) -> None:
        """Called by the validation of `@strict`. Raises `ValueError` for invalid combinations of options."""
        sizes = ("vocab_size", "image_size", "num_channels", "conv_channels")
        check_range(self, (*sizes, "attention_size"), 1, MAX_SIZE)
        check_range(self, ("hidden_size",), 3, MAX_SIZE)  # two are the position
        check_range(self, ("num_glimpses",), 1, MAX_LAYERS)
        if not isinstance(self.image_size, int) and len(self.image_size) != 2:
            raise ValueError(f"`image_size` must be a number, or (height, width), got {self.image_size}.")
        if not self.conv_channels:
            raise ValueError("`conv_channels` must have one number of channels or more, got [].")
        if not all(self.grid_height_width):
            raise ValueError(
                f"`image_size` ({self.image_size}) must be at least {self.grid_stride} pixels, because each of the "
                f"{len(self.conv_channels)} convolutions of `conv_channels` halves the image."
            )
        if not 0 <= self.hidden_dropout_prob <= 1:
            raise ValueError(f"`hidden_dropout_prob` is a probability from 0 to 1, got {self.hidden_dropout_prob}.")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(
                f"`pad_token_id` ({self.pad_token_id}) is outside the vocabulary of {self.vocab_size} tokens."
            )
        if self.problem_type != "single_label_classification":
            raise ValueError(
                "A question has one of several answers, so `problem_type` must be 'single_label_classification', got "
                f"{self.problem_type!r}."
            )

    @property
    def grid_stride(self) -> int:
        """Height and width of the cell of a token in pixels: each convolution doubles it."""
        return 2 ** len(self.conv_channels)

    @property
    def image_height_width(self) -> tuple[int, int]:
        """Height and width of the images, in pixels: `image_size`, which is one number for square images."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def grid_height_width(self) -> tuple[int, int]:
        """Height and width of the grid of tokens that the image encoder makes of an image of `image_size`."""
        height, width = self.image_height_width
        return self.grid_size(height), self.grid_size(width)

    def grid_size(self, size: int) -> int:
        """Number of tokens along a side of an image of `size` pixels."""
        return size // self.grid_stride

    def grid_extent(self, size: int) -> tuple[float, float]:
        """
        Returns where the grid begins and ends along a side of `size` pixels: each token is in the middle of one of the
        equal cells between them. Pixels that do not fill a cell are at the end, outside the grid.
        """
        return 0.0, float(self.grid_size(size) * self.grid_stride)

    def save_pretrained(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs) -> None:
        # transformers writes only the entry of the saved class; with all of them, any Auto class can load the folder
        modeling = "modeling_stacked_attention.StackedAttention"
        self.auto_map = {
            "AutoConfig": "configuration_stacked_attention.StackedAttentionConfig",
            "AutoModel": f"{modeling}Model",
            "AutoModelForVisualQuestionAnswering": f"{modeling}ForVisualQuestionAnswering",
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


__all__ = ["StackedAttentionConfig"]
