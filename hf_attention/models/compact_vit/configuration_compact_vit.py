# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Compact ViT model configuration"""

import difflib
import os
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN
from transformers.backbone_utils import BackboneConfigMixin
from transformers.utils import logging


logger = logging.get_logger(__name__)

MAX_SIZE = 2**31 - 1
MAX_LAYERS = 10_000  # more would not fail, but keep Python busy for hours
MAX_LABELS = 1_000_000  # each has a name in the config

# Hassani et al. 2021, arXiv 2104.05704, table 1 and section 4: layers, heads, MLP ratio, width
SIZES = {2: (2, 2, 1, 128), 4: (4, 2, 1, 128), 6: (6, 4, 2, 256), 7: (7, 4, 2, 256), 14: (14, 6, 3, 384)}


def size_options(layers: int) -> dict[str, Any]:
    """Returns the options that set the size of a model with this number of layers."""
    num_hidden_layers, num_attention_heads, ratio, hidden_size = SIZES[layers]
    return {
        "num_hidden_layers": num_hidden_layers,
        "num_attention_heads": num_attention_heads,
        "hidden_size": hidden_size,
        "intermediate_size": ratio * hidden_size,
    }


def cct(layers: int, kernel_size: int, num_conv_layers: int, image_size: int = 32) -> dict[str, Any]:
    """Returns the options of CCT-`layers`/`kernel_size`x`num_conv_layers`."""
    return {
        **size_options(layers),
        "kernel_size": kernel_size,
        "num_conv_layers": num_conv_layers,
        "image_size": image_size,
    }


PATCHES = {"tokenizer_type": "patch", "patch_size": 4}
PRESETS: dict[str, dict[str, Any]] = {
    "cct_2_3x2": cct(2, 3, 2),
    "cct_4_3x2": cct(4, 3, 2),
    "cct_6_3x1": cct(6, 3, 1),
    "cct_6_3x2": cct(6, 3, 2),
    "cct_7_3x1": cct(7, 3, 1),
    "cct_7_3x2": cct(7, 3, 2),
    "cct_7_7x2": cct(7, 7, 2, image_size=224),
    "cct_14_7x2": cct(14, 7, 2, image_size=224),
    "cvt_7_4": {**size_options(7), **PATCHES},
    "vit_lite_7_4": {**size_options(7), **PATCHES, "pooling_type": "cls"},
}


@strict
class CompactVitConfig(BackboneConfigMixin, PreTrainedConfig):
    r"""
    The configuration of a compact vision transformer (Hassani et al. 2021, arXiv 2104.05704): CCT, with a
    convolutional tokenizer and sequence pooling; CVT, with patches and sequence pooling; ViT-Lite, with patches and a
    class token. The defaults are CCT-7/3x1 for 32 x 32 images; [`~CompactVitConfig.from_preset`] returns the models of
    the paper. An invalid combination of options raises an error; unknown options are kept, with a warning.

    Args:
        image_size (`int` or `tuple[int, int]`, *optional*, defaults to 32):
            Size of the images, in pixels: one number, or height and width. Images of another size need
            `interpolate_pos_encoding=True`.
        num_channels (`int`, *optional*, defaults to 3):
            Number of channels of the images.
        tokenizer_type (`str`, *optional*, defaults to `"conv"`):
            `"conv"`: convolution, ReLU and max-pooling, `num_conv_layers` times; `"patch"`: one linear map per patch;
            `"whitened"`, for training in minutes: a fixed convolution of 2 x 2 pixels, which whitens them (see
            `CompactVitPatchEmbeddings.whiten`), and then `num_conv_layers` blocks of convolutions with batch norm and
            `hidden_act`, the first of them with 2 x 2 max-pooling (Jordan 2024, arXiv 2404.00498).
        kernel_size (`int`, *optional*, defaults to 3):
            Kernel size of the tokenizer's convolutions; their stride is `max(1, kernel_size // 2 - 1)`. With
            `tokenizer_type="whitened"` it is odd, and the stride is 1.
        num_conv_layers (`int`, *optional*, defaults to 1):
            Number of convolutions, or of blocks, of the tokenizer.
        conv_channels (`int`, *optional*, defaults to 64):
            Number of channels between the tokenizer's convolutions or blocks.
        conv_block_depth (`int`, *optional*, defaults to 2):
            Number of convolutions of a block (`tokenizer_type="whitened"`).
        patch_size (`int`, *optional*, defaults to 4):
            Height and width of a patch, in pixels (`tokenizer_type="patch"`).
        hidden_size (`int`, *optional*, defaults to 256):
            Width of the tokens.
        num_hidden_layers (`int`, *optional*, defaults to 7):
            Number of transformer layers.
        num_attention_heads (`int`, *optional*, defaults to 4):
            Number of attention heads per layer.
        intermediate_size (`int`, *optional*, defaults to 512):
            Width of each layer's MLP.
        hidden_act (`str`, *optional*, defaults to `"gelu"`):
            Activation function of the MLP, and of the tokenizer with `tokenizer_type="whitened"`.
        pooling_type (`str`, *optional*, defaults to `"sequence"`):
            Input of the classifier: `"sequence"`: all tokens, weighted by a learned attention (section 3.2); `"cls"`:
            a class token; `"mean"`: the mean of the tokens.
        position_embedding_type (`str`, *optional*, defaults to `"learnable"`):
            `"learnable"`, `"sinusoidal"` (fixed; Vaswani et al. 2017, section 3.5) or `"none"`.
        qkv_bias (`bool`, *optional*, defaults to `False`):
            Whether queries, keys and values have biases.
        hidden_dropout_prob (`float`, *optional*, defaults to 0.0):
            Dropout on the embeddings, on the attention's output and in the MLP.
        attention_probs_dropout_prob (`float`, *optional*, defaults to 0.1):
            Dropout on the attention weights.
        drop_path_rate (`float`, *optional*, defaults to 0.1):
            Stochastic depth rate of the last layer; it rises linearly from 0 in the first layer.
        attention_window (`int`, *optional*):
            For evidence that has a place: a token attends only to tokens at most this many rows and columns away (0:
            to itself), so it depends on a part of the image. With `pooling_type="mean"` the logits are then a sum of
            what each part adds (as in BagNets; Brendel & Bethge 2019, arXiv 1904.00760); with `"sequence"`, all
            parts share the denominator of the pool's softmax. Needs eager or sdpa attention.
        layer_norm_eps (`float`, *optional*, defaults to 1e-5):
            Epsilon of the layer norms.
        initializer_range (`float`, *optional*, defaults to 0.02):
            Standard deviation of the truncated normal distribution that initializes linear maps.
        position_initializer_range (`float`, *optional*, defaults to 0.2):
            Standard deviation of the truncated normal distribution that initializes learnable positions.
        token_keep_rate (`float`, *optional*, defaults to 1.0):
            Token pruning, in inference only: the fraction of its tokens, excluding the class token, that a pruning
            layer keeps, namely those that receive the most attention (the keep rate of EViT, Liang et al. 2022, arXiv
            2202.07800). It can be set for a trained model in `from_pretrained`.
        token_pruning_layers (`list[int]`, *optional*):
            The layers that prune, counted from 0; by default those at one, two and three quarters of the depth, as in
            EViT.
        out_features (`list[str]`, *optional*), out_indices (`list[int]`, *optional*):
            For the backbone: which of `stem`, `stage1`, ... (the outputs of the layers) it returns.

    Examples:

    ```python
    >>> from hf_attention import CompactVitConfig, CompactVitForImageClassification

    >>> configuration = CompactVitConfig.from_preset("cct_7_3x1", num_labels=10)
    >>> CompactVitForImageClassification(configuration).num_parameters()
    3760139

    ```"""

    model_type = "compact_vit"
    _auto_class = "AutoConfig"
    keys_to_ignore_at_inference = ["pooling_weights", "kept_tokens"]

    image_size: int | list[int] | tuple[int, ...] = 32
    num_channels: int = 3
    tokenizer_type: Literal["conv", "patch", "whitened"] = "conv"
    kernel_size: int = 3
    num_conv_layers: int = 1
    conv_channels: int = 64
    conv_block_depth: int = 2
    patch_size: int = 4
    hidden_size: int = 256
    num_hidden_layers: int = 7
    num_attention_heads: int = 4
    intermediate_size: int = 512
    hidden_act: str = "gelu"
    pooling_type: Literal["sequence", "cls", "mean"] = "sequence"
    position_embedding_type: Literal["learnable", "sinusoidal", "none"] = "learnable"
    qkv_bias: bool = False
    hidden_dropout_prob: float | int = 0.0
    attention_probs_dropout_prob: float | int = 0.1
    drop_path_rate: float | int = 0.1
    attention_window: int | None = None
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02
    position_initializer_range: float = 0.2
    token_keep_rate: float | int = 1.0
    token_pruning_layers: list[int] | None = None
    _out_features: list[str] | None = None
    _out_indices: list[int] | None = None

    def __post_init__(self, **kwargs) -> None:
        check_inherited_options(self, kwargs)
        if isinstance(self.image_size, list):  # as JSON has it
            self.image_size = tuple(self.image_size)
        num_layers = min(self.num_hidden_layers, MAX_LAYERS)  # which `validate_architecture` checks later
        self.stage_names = ["stem", *(f"stage{index}" for index in range(1, num_layers + 1))]
        self.set_output_features_output_indices(
            out_indices=kwargs.pop("out_indices", None), out_features=kwargs.pop("out_features", None)
        )
        super().__post_init__(**kwargs)
        warn_of_unknown_options(self, kwargs)

    def validate_architecture(self) -> None:
        """Called by the validation of `@strict`. Raises `ValueError` for invalid combinations of options."""
        sizes = ("image_size", "num_channels", "kernel_size", "conv_channels", "patch_size", "hidden_size")
        check_range(self, (*sizes, "num_attention_heads", "intermediate_size"), 1, MAX_SIZE)
        check_range(self, ("num_conv_layers", "conv_block_depth", "num_hidden_layers"), 1, MAX_LAYERS)
        check_range(self, ("initializer_range", "position_initializer_range", "layer_norm_eps"), 0, MAX_SIZE)
        if not isinstance(self.image_size, int) and len(self.image_size) != 2:
            raise ValueError(f"`image_size` must be a number, or (height, width), got {self.image_size}.")
        if self.hidden_act not in ACT2FN:
            raise ValueError(f"`hidden_act` must be one of {', '.join(ACT2FN)}, got {self.hidden_act!r}.")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "drop_path_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be a probability between 0 and 1, got {getattr(self, name)}.")
        if not 0 < self.token_keep_rate <= 1:
            raise ValueError(f"`token_keep_rate` must be above 0 and at most 1, got {self.token_keep_rate}.")
        check_range(self, ("attention_window",), 0, MAX_SIZE)
        if self.attention_window is not None and (self.pooling_type == "cls" or self.token_keep_rate < 1):
            raise ValueError(
                f"`attention_window={self.attention_window}` is for tokens that stay on their grid, without one that "
                "reads all others: it needs `pooling_type` 'sequence' or 'mean' and `token_keep_rate=1.0`; got "
                f"{self.pooling_type!r} and {self.token_keep_rate}."
            )
        layers = self.token_pruning_layers
        if layers is not None and (not layers or not set(layers) <= set(range(self.num_hidden_layers))):
            raise ValueError(
                f"`token_pruning_layers` must list layers from 0 to {self.num_hidden_layers - 1}, got {layers}. To "
                "disable pruning, set `token_keep_rate=1.0`."
            )
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"`hidden_size` ({self.hidden_size}) must be a multiple of `num_attention_heads` "
                f"({self.num_attention_heads})."
            )
        if self.position_embedding_type == "sinusoidal" and self.hidden_size % 2:
            raise ValueError(
                f"`position_embedding_type='sinusoidal'` needs an even `hidden_size`, got {self.hidden_size}."
            )
        if self.tokenizer_type == "patch" and min(self.image_height_width) < self.patch_size:
            raise ValueError(f"`image_size` ({self.image_size}) is smaller than `patch_size` ({self.patch_size}).")
        if self.tokenizer_type == "whitened" and self.kernel_size % 2 == 0:
            raise ValueError(f"`tokenizer_type='whitened'` needs an odd `kernel_size`, got {self.kernel_size}.")
        if self.tokenizer_type == "whitened" and not self.grid_size(min(self.image_height_width)):
            raise ValueError(
                f"`image_size` ({self.image_size}) is too small to be halved `num_conv_layers` = "
                f"{self.num_conv_layers} times."
            )

    @property
    def image_height_width(self) -> tuple[int, int]:
        """Height and width of the images, in pixels: `image_size`, which is one number for square images."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def conv_stride_and_padding(self) -> tuple[int, int]:
        """Of the convolutions of `tokenizer_type="conv"`."""
        return max(1, self.kernel_size // 2 - 1), max(1, self.kernel_size // 2)

    def grid_size(self, size: int) -> int:
        """Returns the number of tokens along a side of `size` pixels."""
        if self.tokenizer_type == "patch":
            return size // self.patch_size
        if self.tokenizer_type == "whitened":
            return size >> self.num_conv_layers
        stride, padding = self.conv_stride_and_padding
        for _ in range(self.num_conv_layers):
            size = (size + 2 * padding - self.kernel_size) // stride + 1
            size = (size + 2 - 3) // 2 + 1
        return size

    def grid_extent(self, size: int) -> tuple[float, float]:
        """
        Returns where the grid of tokens begins and ends along a side of `size` pixels: each token is in the middle of
        one of the equal cells between them. Convolution and pooling with padding are centered on the first pixel, so
        the grid begins outside the image.
        """
        if self.tokenizer_type == "patch":
            return 0.0, float(self.grid_size(size) * self.patch_size)
        if self.tokenizer_type == "whitened":  # of 2 x 2 pixels, which shifts the grid by half a pixel
            return 0.5, 0.5 + (self.grid_size(size) << self.num_conv_layers)
        stride, padding = self.conv_stride_and_padding
        middle, step = 0.5, 1  # of the first token, and from one to the next
        for _ in range(self.num_conv_layers):
            middle += step * ((self.kernel_size - 1) / 2 - padding)
            step *= stride * 2
        return middle - step / 2, middle + step * (self.grid_size(size) - 0.5)

    @property
    def num_patches(self) -> int:
        """The number of tokens of an image of `image_size`, excluding the class token."""
        rows, columns = (self.grid_size(side) for side in self.image_height_width)
        return rows * columns

    @property
    def resolved_pruning_layers(self) -> list[int]:
        """The layers that prune if `token_keep_rate` is below 1: `token_pruning_layers` or its default."""
        if self.token_pruning_layers is not None:
            return self.token_pruning_layers
        return sorted({self.num_hidden_layers * quarters // 4 for quarters in (1, 2, 3)})

    pruning_layers = resolved_pruning_layers  # old name, kept until 0.2

    @classmethod
    def from_preset(cls, name: str, **overrides) -> "CompactVitConfig":
        """
        Returns the config of a model of the paper.

        Args:
            name (`str`):
                One of `cct_2_3x2`, `cct_4_3x2`, `cct_6_3x1`, `cct_6_3x2`, `cct_7_3x1`, `cct_7_3x2`, `cct_7_7x2`,
                `cct_14_7x2`, `cvt_7_4`, `vit_lite_7_4` (number of layers, then kernel size x number of
                convolutions, or patch size).
            overrides:
                Options that replace those of the preset.

        Raises:
            `ValueError`: if there is no preset of this name.
        """
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
        return cls(**{**PRESETS[name], **overrides})

    def save_pretrained(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs) -> None:
        # transformers writes only the entry of the saved class; with all of them, any Auto class can load the folder
        self.auto_map = {
            "AutoConfig": "configuration_compact_vit.CompactVitConfig",
            "AutoModel": "modeling_compact_vit.CompactVitModel",
            "AutoBackbone": "modeling_compact_vit.CompactVitBackbone",
            "AutoModelForImageClassification": "modeling_compact_vit.CompactVitForImageClassification",
            "AutoModelForMaskedImageModeling": "modeling_compact_vit.CompactVitForMaskedImageModeling",
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


__all__ = ["CompactVitConfig"]
