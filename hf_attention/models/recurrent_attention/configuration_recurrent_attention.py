# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Recurrent attention model configuration"""

import difflib
import os
from dataclasses import fields
from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class RecurrentAttentionConfig(PreTrainedConfig):
    r"""
    The configuration of a recurrent attention model (Mnih et al. 2014, arXiv 1406.6247), which sees an image in
    glimpses and learns by reinforcement where to look. A misspelled option or an invalid combination of options raises
    an error.

    Args:
        image_size (`int`, *optional*, defaults to 60):
            Height and width of the training images, in pixels. Images of any size are accepted.
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

    image_size: int = 60
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
        known = {field.name for field in fields(self)}
        for name in set(kwargs) - known - {"num_labels"}:
            if matches := difflib.get_close_matches(name, known, n=1, cutoff=0.8):
                raise ValueError(f"`{name}` is not an option of {type(self).__name__}; did you mean `{matches[0]}`?")
        self.glimpse_channels = list(self.glimpse_channels)
        super().__post_init__(**kwargs)

    def validate_architecture(self) -> None:
        """Called by the validation of `@strict`. Raises `ValueError` for invalid combinations of options."""
        sizes = (
            "image_size",
            "num_channels",
            "num_glimpses",
            "glimpse_size",
            "glimpse_stride",
            "num_scales",
            "glimpse_hidden_size",
        )
        for name in (*sizes, "location_hidden_size", "hidden_size", "num_train_copies"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if any(width < 1 for width in self.glimpse_channels):
            raise ValueError(
                f"`glimpse_channels` must be a list of numbers of at least 1, got {self.glimpse_channels}."
            )
        if self.num_eval_copies < 0:
            raise ValueError(f"`num_eval_copies` must not be negative, got {self.num_eval_copies}.")
        if self.location_std <= 0:
            raise ValueError(
                f"`location_std` must be above 0, got {self.location_std}: REINFORCE learns from sampled locations."
            )
        if not 0 <= self.exploration < 1:
            raise ValueError(f"`exploration` must be at least 0 and below 1, got {self.exploration}.")
        if self.reinforce_weight < 0:
            raise ValueError(f"`reinforce_weight` must not be negative, got {self.reinforce_weight}.")
        if self.glimpse_size * self.glimpse_stride > self.image_size:
            raise ValueError(
                f"`glimpse_size` ({self.glimpse_size}) times `glimpse_stride` ({self.glimpse_stride}) is larger than "
                f"`image_size` ({self.image_size})."
            )

    def save_pretrained(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs) -> None:
        # transformers writes only the entry of the saved class; with all of them, any Auto class can load the folder
        modeling = "modeling_recurrent_attention.RecurrentAttention"
        self.auto_map = {
            "AutoConfig": "configuration_recurrent_attention.RecurrentAttentionConfig",
            "AutoModel": f"{modeling}Model",
            "AutoModelForImageClassification": f"{modeling}ForImageClassification",
        }
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)


__all__ = ["RecurrentAttentionConfig"]
