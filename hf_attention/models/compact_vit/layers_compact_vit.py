# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The layers of a compact vision transformer, in the order of the data: tokens, attention, encoder layer, pooling.

Shapes: B batch, C channels, N tokens (G rows x G columns on a grid, one more with a class token), D width, d width of
a head.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs

from .configuration_compact_vit import CompactVitConfig
from .fused_compact_vit import blockwise_attention, is_transforming, uses_blockwise_attention


class CompactVitConvBlock(nn.Module):
    """Convolutions with batch norm and activation, and 2 x 2 max-pooling after the first (arXiv 2404.00498)."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, depth: int, hidden_act: str) -> None:
        super().__init__()
        channels = [inputs, *[outputs] * depth]
        self.convs = nn.ModuleList(
            nn.Conv2d(*sizes, kernel_size, padding=kernel_size // 2, bias=False) for sizes in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(depth))
        self.pool = nn.MaxPool2d(2)
        self.activation = ACT2FN[hidden_act]

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """(B, inputs, rows, columns) to (B, outputs, rows // 2, columns // 2)."""
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            hidden_states = conv(hidden_states)
            hidden_states = self.activation(norm(hidden_states if index else self.pool(hidden_states)))
        return hidden_states


class CompactVitWhitening(nn.Module):
    """
    A fixed convolution of 2 x 2 pixels, whose outputs over images are uncorrelated and of variance 1, followed by
    their negatives (arXiv 2404.00498, section 3.2). [`~CompactVitPatchEmbeddings.whiten`] sets its weights.
    """

    weight: torch.Tensor

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(8 * num_channels, num_channels, 2, 2))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, C, height, width) to (B, 8 C, height, width), with a row and a column of zeros after the last."""
        return nn.functional.conv2d(nn.functional.pad(pixel_values, (0, 1, 0, 1)), self.weight)


class CompactVitPatchEmbeddings(nn.Module):
    """Image to tokens: convolution, ReLU and max-pooling (section 3.3), one linear map per patch, or conv blocks."""

    def __init__(self, config: CompactVitConfig) -> None:
        super().__init__()
        self.num_channels = config.num_channels
        # convolutions pad images that are smaller than the kernel; a patch must be complete
        self.min_size = {"patch": config.patch_size, "whitened": 2**config.num_conv_layers}.get(
            config.tokenizer_type, 1
        )
        if config.tokenizer_type == "patch":
            patch = config.patch_size
            self.projection = nn.Sequential(nn.Conv2d(config.num_channels, config.hidden_size, patch, stride=patch))
            return
        channels = [config.num_channels, *[config.conv_channels] * (config.num_conv_layers - 1), config.hidden_size]
        layers: list[nn.Module] = []
        if config.tokenizer_type == "whitened":
            layers += [CompactVitWhitening(config.num_channels), ACT2FN[config.hidden_act]]
            channels[0] *= 8
            layers += [
                CompactVitConvBlock(*sizes, config.kernel_size, config.conv_block_depth, config.hidden_act)
                for sizes in pairwise(channels)
            ]
            self.projection = nn.Sequential(*layers)
            return
        stride, padding = config.conv_stride_and_padding
        for inputs, outputs in pairwise(channels):
            layers.append(nn.Conv2d(inputs, outputs, config.kernel_size, stride, padding, bias=False))
            # the paper applies ReLU before pooling; the values are the same, at a quarter of ReLU's cost
            layers += [nn.MaxPool2d(kernel_size=3, stride=2, padding=1), nn.ReLU()]
        self.projection = nn.Sequential(*layers)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, C, height, width) to (B, D, G, G)."""
        if pixel_values.shape[1] != self.num_channels:
            raise ValueError(
                f"`pixel_values` has {pixel_values.shape[1]} channels, but the model's `num_channels` is "
                f"{self.num_channels}. Convert the images, or create the model with another `num_channels`."
            )
        if min(pixel_values.shape[2:]) < self.min_size:
            raise ValueError(
                f"`pixel_values` of {pixel_values.shape[2]} x {pixel_values.shape[3]} pixels is smaller than a patch "
                f"({self.min_size} x {self.min_size}). Resize the images."
            )
        hidden_states = pixel_values
        # CPUs pool channels-last tensors many times faster, and this is also the layout of the tokens
        layout = torch.contiguous_format if is_transforming() else torch.channels_last
        for module in self.projection:
            hidden_states = module(hidden_states.contiguous(memory_format=layout))
        return hidden_states

    @torch.no_grad()
    def whiten(self, pixel_values: torch.Tensor) -> None:
        """
        Sets the weights of the [`CompactVitWhitening`] from images (B, C, height, width): the eigenvectors of the
        covariance of 2 x 2 pixels, divided by the roots of the eigenvalues, and their negatives.

        Raises:
            `ValueError`: if the tokenizer has none, or for images of another shape or with values that are not finite.
        """
        whitening = self.projection[0]
        if not isinstance(whitening, CompactVitWhitening):
            raise ValueError("Only a tokenizer of `tokenizer_type='whitened'` whitens pixels.")
        shape = tuple(pixel_values.shape)
        if len(shape) != 4 or shape[1] != self.num_channels or not shape[0] or min(shape[2:]) < 2:
            raise ValueError(
                f"`pixel_values` must be images (batch, {self.num_channels}, height, width) of 2 x 2 pixels or more, "
                f"got {shape}."
            )
        if not pixel_values.isfinite().all():
            raise ValueError("`pixel_values` has values that are not finite.")
        mean = square = torch.zeros((), dtype=torch.float64, device=pixel_values.device)
        for image in pixel_values:  # one by one, since the patches of all may not fit in memory
            patches = nn.functional.unfold(image.double(), kernel_size=2)  # (4 C, patches)
            mean = mean + patches.mean(dim=1) / len(pixel_values)
            square = square + patches @ patches.T / patches.shape[1] / len(pixel_values)
        values, vectors = torch.linalg.eigh(square - mean.outer(mean))
        scaled = (vectors / (values.clamp(min=0) + 5e-4).sqrt()).T.flip(0)  # the largest first; 5e-4 is the paper's
        whitening.weight.copy_(torch.cat([scaled, -scaled]).view_as(whitening.weight))


class CompactVitEmbeddings(nn.Module):
    """The tokens of an image, with the class token, mask tokens and positions that the config asks for."""

    def __init__(self, config: CompactVitConfig, use_mask_token: bool = False) -> None:
        super().__init__()
        self.config = config
        self.patch_embeddings = CompactVitPatchEmbeddings(config)
        self.num_prefix_tokens = 1 if config.pooling_type == "cls" else 0
        if self.num_prefix_tokens:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size)) if use_mask_token else None
        length = config.num_patches + self.num_prefix_tokens
        if config.position_embedding_type == "learnable":
            self.position_embeddings = nn.Parameter(torch.zeros(1, length, config.hidden_size))
        elif config.position_embedding_type == "sinusoidal":
            table = sinusoidal_positions(length, config.hidden_size)
            self.register_buffer("position_embeddings", table, persistent=False)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def interpolate_pos_encoding(self, rows: int, columns: int) -> torch.Tensor:
        """Interpolates the positions to another grid size (bicubic): (1, rows * columns + prefix, D)."""
        prefix = self.position_embeddings[:, : self.num_prefix_tokens]
        positions = self.position_embeddings[:, self.num_prefix_tokens :]
        grid_shape = tuple(self.config.grid_size(side) for side in self.config.image_height_width)
        if (rows, columns) == grid_shape:
            return self.position_embeddings
        grid = positions.reshape(1, *grid_shape, -1).permute(0, 3, 1, 2)
        grid = nn.functional.interpolate(grid.float(), size=(rows, columns), mode="bicubic", align_corners=False)
        return torch.cat([prefix, grid.flatten(2).transpose(1, 2).to(prefix.dtype)], dim=1)

    def forward(
        self,
        pixel_values: torch.Tensor,
        bool_masked_pos: torch.Tensor | None = None,
        interpolate_pos_encoding: bool = False,
    ) -> torch.Tensor:
        """(B, C, height, width) to (B, N, D)."""
        if pixel_values.dim() != 4:
            raise ValueError(
                f"`pixel_values` must be of shape (batch, channels, height, width), got {tuple(pixel_values.shape)}."
            )
        height, width = self.config.image_height_width
        if not interpolate_pos_encoding and tuple(pixel_values.shape[2:]) != (height, width):
            raise ValueError(
                f"Input image size ({pixel_values.shape[2]}*{pixel_values.shape[3]}) doesn't match model "
                f"({height}*{width}). Resize the images, or pass `interpolate_pos_encoding=True`."
            )
        tokens = self.patch_embeddings(pixel_values)  # (B, D, G, G)
        rows, columns = tokens.shape[2:]
        tokens = tokens.flatten(2).transpose(1, 2)  # (B, N, D)
        if bool_masked_pos is not None:
            if self.mask_token is None:
                raise ValueError("`bool_masked_pos` needs a model with a mask token: `use_mask_token=True`.")
            if bool_masked_pos.shape != tokens.shape[:2]:
                raise ValueError(
                    f"`bool_masked_pos` must be of shape {tuple(tokens.shape[:2])} (batch, tokens), got "
                    f"{tuple(bool_masked_pos.shape)}."
                )
            tokens = torch.where(bool_masked_pos.bool().unsqueeze(-1), self.mask_token.to(tokens.dtype), tokens)
        if self.num_prefix_tokens:
            tokens = torch.cat([self.cls_token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        if self.config.position_embedding_type != "none":
            tokens = tokens + self.interpolate_pos_encoding(rows, columns).to(tokens.dtype)
        return self.dropout(tokens)


def sinusoidal_positions(length: int, size: int) -> torch.Tensor:
    """Returns the table of Vaswani et al. 2017, section 3.5, sine at even indices, cosine at odd. (1, length, size)"""
    rates = 10_000.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = torch.arange(length, dtype=torch.float64).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(1, length, size).float()


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Unpack[TransformersKwargs],
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Computes softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017, equation 1).

    From (B, heads, N, d) each to the outputs, (B, N, heads, d), and the weights, (B, heads, N, N); these are 0 where
    the mask (1, 1, N, N) is False.
    """
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        weights = weights.masked_fill(~attention_mask, torch.finfo(weights.dtype).min)
    weights = nn.functional.softmax(weights, dim=-1, dtype=torch.promote_types(query.dtype, torch.float32))
    weights = nn.functional.dropout(weights.to(query.dtype), p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


def window_mask(rows: int, columns: int, window: int, device: torch.device) -> torch.Tensor:
    """Which tokens of a grid are at most `window` rows and columns away from each other: (1, 1, N, N)."""
    places = torch.cartesian_prod(torch.arange(rows, device=device), torch.arange(columns, device=device))  # (N, 2)
    return ((places[:, None] - places[None]).abs() <= window).all(dim=-1)[None, None]


class CompactVitAttention(nn.Module):
    def __init__(self, config: CompactVitConfig) -> None:
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.qkv_bias)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        return_scores: bool = False,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """
        (B, N, D) to (B, N, D); the weights (B, heads, N, N) if the attention implementation returns them; and, with
        `return_scores`, the attention that each token receives (B, N), see [`keep_most_attended`].
        """
        batch_size, length, _ = hidden_states.shape
        qkv = self.qkv(hidden_states).view(batch_size, length, 3, -1, self.head_dim)
        implementation = self.config._attn_implementation
        dropout = self.config.attention_probs_dropout_prob if self.training else 0.0
        scores = None
        is_full = attention_mask is None and not return_scores
        if is_full and uses_blockwise_attention(implementation, qkv, dropout):
            outputs, weights = blockwise_attention(qkv, self.scaling, dropout), None
        else:
            query, key, value = (part.transpose(1, 2) for part in qkv.unbind(2))  # each (B, heads, N, d)
            attention: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention_forward)
            if return_scores:  # only eager attention is sure to return the weights
                attention = eager_attention_forward
            outputs, weights = attention(
                self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
            )
            if return_scores:
                readers = weights[:, :, :1] if self.config.pooling_type == "cls" else weights
                scores = readers.mean(dim=(1, 2), dtype=torch.float32)
                weights = weights if implementation == "eager" else None
        return self.proj(outputs.reshape(batch_size, length, -1)), weights, scores


def keep_most_attended(
    hidden_states: torch.Tensor, kept_tokens: torch.Tensor, scores: torch.Tensor, rate: float, prefix: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Prunes tokens (B, N, D) with indices (B, N): keeps those with the highest scores (B, N), in their original order.

    A token's score is the attention that it receives, averaged over the heads: from the class token, as in EViT (Liang
    et al. 2022, arXiv 2202.07800, section 3.2), or, without a class token, from all tokens, as in PoWER-BERT (Goyal et
    al. 2020, arXiv 2001.08950; its significance score). The first `prefix` tokens are always kept. EViT's fused token
    is not implemented.
    """
    count = max(1, round(rate * (hidden_states.shape[1] - prefix)))
    places = scores[:, prefix:].topk(count, dim=1).indices.sort(dim=1).values + prefix  # (B, count)
    if prefix:
        first = torch.arange(prefix, device=places.device).expand(places.shape[0], -1)
        places = torch.cat([first, places], dim=1)
    hidden_states = hidden_states.gather(1, places.unsqueeze(-1).expand(-1, -1, hidden_states.shape[2]))
    return hidden_states, kept_tokens.gather(1, places)


class CompactVitLayer(GradientCheckpointingLayer):
    """
    The encoder block of the paper's code. It is not a plain pre-norm block, because the second norm is on the residual
    path instead of the branch: x += attention(norm(x)); x = norm(x); x += MLP(x), each branch with stochastic depth.
    """

    def __init__(self, config: CompactVitConfig, drop_path_rate: float) -> None:
        super().__init__()
        self.config = config
        self.drop_path_rate = drop_path_rate
        self.layernorm_before = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = CompactVitAttention(config)
        self.layernorm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation_fn = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def add_branch(self, hidden_states: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
        """Adds a branch, which stochastic depth (Huang et al. 2016, arXiv 1603.09382) drops per sample in training."""
        if not self.training or self.drop_path_rate == 0:
            return hidden_states + branch
        keep_rate = 1 - self.drop_path_rate
        scale = branch.new_empty(len(branch), 1, 1).bernoulli_(keep_rate).div_(max(keep_rate, 1e-6))
        return torch.addcmul(hidden_states, branch, scale)

    def forward(
        self,
        hidden_states: torch.Tensor,
        kept_tokens: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """
        (B, N, D) to (B, N, D). If `kept_tokens`, the indices (B, N) of the tokens, is given, the layer prunes them
        between its attention and its MLP, and also returns the indices of those that it kept.
        """
        attended, _, scores = self.attention(
            self.layernorm_before(hidden_states), return_scores=kept_tokens is not None, **kwargs
        )
        hidden_states = self.add_branch(hidden_states, self.dropout(attended))
        if kept_tokens is not None:
            prefix = 1 if self.config.pooling_type == "cls" else 0
            hidden_states, kept_tokens = keep_most_attended(
                hidden_states, kept_tokens, scores, self.config.token_keep_rate, prefix
            )
        hidden_states = self.layernorm_after(hidden_states)
        outputs = self.fc2(self.dropout(self.activation_fn(self.fc1(hidden_states))))
        return self.add_branch(hidden_states, self.dropout(outputs)), kept_tokens


class CompactVitPooler(nn.Module):
    """Pools all tokens into a vector: z = softmax(g(x))^T x, g: D -> 1 (section 3.2), the class token, or the mean."""

    def __init__(self, config: CompactVitConfig) -> None:
        super().__init__()
        self.pooling_type = config.pooling_type
        if config.pooling_type == "sequence":
            self.attention = nn.Linear(config.hidden_size, 1)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(B, N, D) to (B, D), and for sequence pooling the weights (B, N)."""
        if self.pooling_type == "cls":
            return hidden_states[:, 0], None
        if self.pooling_type == "mean":
            return hidden_states.mean(dim=1), None
        weights = self.attention(hidden_states).squeeze(-1).softmax(dim=-1)  # (B, N)
        return (weights.unsqueeze(1) @ hidden_states).squeeze(1), weights


__all__ = []
