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
"""
PyTorch compact vision transformers: CCT, CVT and ViT-Lite (Hassani et al. 2021, arXiv 2104.05704).

Shapes: B batch, C channels, N tokens (G x G on a grid, one more with a class token), D width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.backbone_utils import BackboneMixin
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BackboneOutput,
    BaseModelOutputWithPooling,
    ImageClassifierOutput,
    MaskedImageModelingOutput,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_compact_vit import CompactVitConfig


@dataclass
class CompactVitModelOutput(BaseModelOutputWithPooling):
    """
    A `BaseModelOutputWithPooling` with what the sequence pool attended to.

    Args:
        pooling_weights (`torch.FloatTensor` of shape `(batch_size, num_tokens)`, *optional*):
            Weights of the tokens in the pooled output, for `pooling_type="sequence"`; they sum to 1.
    """

    pooling_weights: torch.FloatTensor | None = None


@dataclass
class CompactVitImageClassifierOutput(ImageClassifierOutput):
    """
    An `ImageClassifierOutput` with what the sequence pool attended to.

    Args:
        pooling_weights (`torch.FloatTensor` of shape `(batch_size, num_tokens)`, *optional*):
            Weights of the tokens in what the classifier reads, for `pooling_type="sequence"`; they sum to 1.
    """

    pooling_weights: torch.FloatTensor | None = None


class CompactVitPatchEmbeddings(nn.Module):
    """Image to tokens: convolution, ReLU and max-pooling (section 3.3), or one linear map a patch."""

    def __init__(self, config: CompactVitConfig):
        super().__init__()
        self.num_channels = config.num_channels
        # a convolution pads what is smaller than itself, a patch must be whole
        self.smallest = config.patch_size if config.tokenizer_type == "patch" else 1
        if config.tokenizer_type == "patch":
            patch = config.patch_size
            self.projection = nn.Sequential(nn.Conv2d(config.num_channels, config.hidden_size, patch, stride=patch))
            return
        stride, padding = max(1, config.kernel_size // 2 - 1), max(1, config.kernel_size // 2)
        channels = [config.num_channels, *[config.conv_channels] * (config.num_conv_layers - 1), config.hidden_size]
        layers = []
        for inputs, outputs in pairwise(channels):
            layers.append(nn.Conv2d(inputs, outputs, config.kernel_size, stride, padding, bias=False))
            layers += [nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2, padding=1)]
        self.projection = nn.Sequential(*layers)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, C, height, width) to (B, D, G, G)."""
        if pixel_values.shape[1] != self.num_channels:
            raise ValueError(
                f"`pixel_values` has {pixel_values.shape[1]} channels, but the model's `num_channels` is "
                f"{self.num_channels}. Convert the images, or make the model with another `num_channels`."
            )
        if min(pixel_values.shape[2:]) < self.smallest:
            raise ValueError(
                f"`pixel_values` of {pixel_values.shape[2]} x {pixel_values.shape[3]} pixels is smaller than a patch "
                f"(`patch_size` = {self.smallest}). Resize the images."
            )
        return self.projection(pixel_values)


class CompactVitEmbeddings(nn.Module):
    """Tokens with a class token, mask tokens and positions, as far as the config has them."""

    def __init__(self, config: CompactVitConfig, use_mask_token: bool = False):
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
        """Positions for a grid of another size, by bicubic interpolation. (1, rows * columns + prefix, D)."""
        prefix = self.position_embeddings[:, : self.num_prefix_tokens]
        positions = self.position_embeddings[:, self.num_prefix_tokens :]
        side = self.config.grid_size(self.config.image_size)
        if (rows, columns) == (side, side):
            return self.position_embeddings
        grid = positions.reshape(1, side, side, -1).permute(0, 3, 1, 2)
        grid = nn.functional.interpolate(grid.float(), size=(rows, columns), mode="bicubic", align_corners=False)
        return torch.cat([prefix, grid.flatten(2).transpose(1, 2).to(prefix.dtype)], dim=1)

    def forward(
        self,
        pixel_values: torch.Tensor,
        bool_masked_pos: torch.BoolTensor | None = None,
        interpolate_pos_encoding: bool = False,
    ) -> torch.Tensor:
        """(B, C, height, width) to (B, N, D)."""
        size = self.config.image_size
        if not interpolate_pos_encoding and tuple(pixel_values.shape[2:]) != (size, size):
            raise ValueError(
                f"Input image size ({pixel_values.shape[2]}*{pixel_values.shape[3]}) doesn't match model "
                f"({size}*{size}). Resize the images, or pass `interpolate_pos_encoding=True`."
            )
        tokens = self.patch_embeddings(pixel_values)  # (B, D, G, G)
        rows, columns = tokens.shape[2:]
        tokens = tokens.flatten(2).transpose(1, 2)  # (B, N, D)
        if bool_masked_pos is not None:
            if self.mask_token is None:
                raise ValueError("`bool_masked_pos` needs a model with a mask token: `use_mask_token=True`.")
            tokens = torch.where(bool_masked_pos.bool().unsqueeze(-1), self.mask_token.to(tokens.dtype), tokens)
        if self.num_prefix_tokens:
            tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        if self.config.position_embedding_type != "none":
            tokens = tokens + self.interpolate_pos_encoding(rows, columns).to(tokens.dtype)
        return self.dropout(tokens)


def sinusoidal_positions(length: int, size: int) -> torch.Tensor:
    """The fixed table of Vaswani et al. 2017, section 3.5: sine in even places, cosine in odd. (1, length, size)."""
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
    """softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017, equation 1), with the weights. (B, heads, N, d) each."""
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = nn.functional.softmax(weights, dim=-1, dtype=torch.promote_types(query.dtype, torch.float32))
    weights = nn.functional.dropout(weights.to(query.dtype), p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class CompactVitAttention(nn.Module):
    def __init__(self, config: CompactVitConfig):
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.qkv_bias)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states: torch.Tensor, **kwargs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(B, N, D) to (B, N, D), and the weights (B, heads, N, N) where the implementation makes them."""
        batch_size, length, _ = hidden_states.shape
        qkv = self.qkv(hidden_states).view(batch_size, length, 3, -1, self.head_dim)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, d)
        attention: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        outputs, weights = attention(
            self,
            query,
            key,
            value,
            None,
            dropout=self.config.attention_probs_dropout_prob if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        return self.proj(outputs.reshape(batch_size, length, -1)), weights


class CompactVitLayer(GradientCheckpointingLayer):
    """
    The encoder block of the paper's code, which is not plain pre-norm: the second norm is on the path itself, not on
    the branch. x += attention(norm(x)); x = norm(x); x += MLP(x), each branch under stochastic depth.
    """

    def __init__(self, config: CompactVitConfig, drop_path_rate: float):
        super().__init__()
        self.drop_path_rate = drop_path_rate
        self.layernorm_before = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = CompactVitAttention(config)
        self.layernorm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation_fn = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def drop_path(self, branch: torch.Tensor) -> torch.Tensor:
        """Stochastic depth (Huang et al. 2016, arXiv 1603.09382): in training, leaves a sample's branch out."""
        if not self.training or self.drop_path_rate == 0:
            return branch
        keep = branch.new_empty(len(branch), 1, 1).bernoulli_(1 - self.drop_path_rate)
        return branch * keep / max(1 - self.drop_path_rate, 1e-6)

    def forward(self, hidden_states: torch.Tensor, **kwargs: Unpack[TransformersKwargs]) -> torch.Tensor:
        """(B, N, D) to (B, N, D)."""
        attended, _ = self.attention(self.layernorm_before(hidden_states), **kwargs)
        hidden_states = hidden_states + self.drop_path(self.dropout(attended))
        hidden_states = self.layernorm_after(hidden_states)
        outputs = self.fc2(self.dropout(self.activation_fn(self.fc1(hidden_states))))
        return hidden_states + self.drop_path(self.dropout(outputs))


class CompactVitPooler(nn.Module):
    """All tokens in one vector (section 3.2): z = softmax(g(x))^T x, g: D -> 1; or the class token; or the mean."""

    def __init__(self, config: CompactVitConfig):
        super().__init__()
        self.pooling_type = config.pooling_type
        if config.pooling_type == "sequence":
            self.attention = nn.Linear(config.hidden_size, 1)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(B, N, D) to (B, D), and the weights (B, N) for sequence pooling."""
        if self.pooling_type == "cls":
            return hidden_states[:, 0], None
        if self.pooling_type == "mean":
            return hidden_states.mean(dim=1), None
        weights = self.attention(hidden_states).squeeze(-1).softmax(dim=-1)  # (B, N)
        return (weights.unsqueeze(1) @ hidden_states).squeeze(1), weights


class CompactVitPreTrainedModel(PreTrainedModel):
    config: CompactVitConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["CompactVitEmbeddings", "CompactVitLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": CompactVitLayer, "attentions": CompactVitAttention}
    _input_embed_layer = "patch_embeddings"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, nn.Linear):
            init.trunc_normal_(module.weight, std=self.config.initializer_range)
        elif isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight)
        elif isinstance(module, CompactVitEmbeddings):
            if module.num_prefix_tokens:
                init.zeros_(module.cls_token)
            if module.mask_token is not None:
                init.zeros_(module.mask_token)
            if self.config.position_embedding_type == "learnable":
                init.trunc_normal_(module.position_embeddings, std=self.config.position_initializer_range)
            elif self.config.position_embedding_type == "sinusoidal":
                _, length, size = module.position_embeddings.shape
                init.copy_(module.position_embeddings, sinusoidal_positions(length, size))


class CompactVitModel(CompactVitPreTrainedModel):
    """
    Args:
        add_pooling_layer (`bool`, *optional*, defaults to `True`): whether to pool the tokens.
        use_mask_token (`bool`, *optional*, defaults to `False`): whether to have a mask token.
    """

    def __init__(self, config: CompactVitConfig, add_pooling_layer: bool = True, use_mask_token: bool = False):
        super().__init__(config)
        self.embeddings = CompactVitEmbeddings(config, use_mask_token)
        last = max(config.num_hidden_layers - 1, 1)
        self.layers = nn.ModuleList(
            CompactVitLayer(config, config.drop_path_rate * layer / last) for layer in range(config.num_hidden_layers)
        )
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.pooler = CompactVitPooler(config) if add_pooling_layer else None
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        bool_masked_pos: torch.BoolTensor | None = None,
        interpolate_pos_encoding: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> CompactVitModelOutput:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images, from `AutoImageProcessor`.
        bool_masked_pos (`torch.BoolTensor` of shape `(batch_size, num_patches)`, *optional*):
            1 where a token is replaced by the mask token.
        interpolate_pos_encoding (`bool`, *optional*):
            Whether to take images of another size than `config.image_size`.

        Returns a [`CompactVitModelOutput`] with `last_hidden_state` (batch, tokens, D), `pooler_output` (batch, D),
        `pooling_weights` (batch, tokens), and on request `hidden_states` and `attentions`, (batch, heads, tokens,
        tokens) a layer, which the `eager` implementation alone makes.
        """
        if pixel_values is None:
            raise ValueError("You have to specify `pixel_values`.")
        hidden_states = self.embeddings(
            pixel_values.to(self.dtype), bool_masked_pos, interpolate_pos_encoding=bool(interpolate_pos_encoding)
        )
        for layer in self.layers:
            hidden_states = layer(hidden_states, **kwargs)
        hidden_states = self.layernorm(hidden_states)
        pooled, weights = self.pooler(hidden_states) if self.pooler is not None else (None, None)
        return CompactVitModelOutput(last_hidden_state=hidden_states, pooler_output=pooled, pooling_weights=weights)


class CompactVitForImageClassification(CompactVitPreTrainedModel):
    # batches of images are of equal size, and soft labels would be counted once a class
    accepts_loss_kwargs = False

    def __init__(self, config: CompactVitConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.model = CompactVitModel(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels) if config.num_labels > 0 else nn.Identity()
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        labels: torch.Tensor | None = None,
        interpolate_pos_encoding: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> CompactVitImageClassifierOutput:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images, from `AutoImageProcessor`.
        labels (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, num_labels)`, *optional*):
            Classes, or their probabilities (mixup, cutmix); with `config.problem_type` `"regression"` or
            `"multi_label_classification"` as every transformers classifier takes them.
        interpolate_pos_encoding (`bool`, *optional*):
            Whether to take images of another size than `config.image_size`.

        Returns a [`CompactVitImageClassifierOutput`] with `loss`, `logits` (batch, labels), `pooling_weights` (batch,
        tokens), and on request `hidden_states` and `attentions`.
        """
        outputs = self.model(pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, **kwargs)
        logits = self.classifier(outputs.pooler_output)
        loss = None
        if labels is not None:
            is_soft = labels.is_floating_point() and labels.shape == logits.shape
            if is_soft and self.config.problem_type in (None, "single_label_classification") and self.num_labels > 1:
                loss = nn.functional.cross_entropy(logits.float(), labels.float())
            else:
                loss = self.loss_function(labels, logits, self.config, **kwargs)
        return CompactVitImageClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            pooling_weights=outputs.pooling_weights,
        )


class CompactVitForMaskedImageModeling(CompactVitPreTrainedModel):
    """
    Predicts the pixels of masked tokens (SimMIM, Xie et al. 2021, arXiv 2111.09886). A convolutional tokenizer sees
    over a token's edges, so part of a masked token is in its neighbours.
    """

    def __init__(self, config: CompactVitConfig):
        super().__init__(config)
        grid = config.grid_size(config.image_size)
        if config.image_size % grid:
            raise ValueError(
                f"Masked image modelling needs tokens of whole pixels, but `image_size` ({config.image_size}) is "
                f"not a multiple of the {grid} tokens on a side."
            )
        self.encoder_stride = config.image_size // grid
        self.model = CompactVitModel(config, add_pooling_layer=False, use_mask_token=True)
        self.decoder = nn.Sequential(
            nn.Conv2d(config.hidden_size, self.encoder_stride**2 * config.num_channels, kernel_size=1),
            nn.PixelShuffle(self.encoder_stride),
        )
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        bool_masked_pos: torch.BoolTensor | None = None,
        interpolate_pos_encoding: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MaskedImageModelingOutput:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images, from `AutoImageProcessor`.
        bool_masked_pos (`torch.BoolTensor` of shape `(batch_size, num_patches)`, *optional*):
            1 where a token is masked. The loss is the mean absolute error of the masked pixels.

        Returns a `MaskedImageModelingOutput` with `loss` and `reconstruction`, of the shape of `pixel_values`.
        """
        outputs = self.model(
            pixel_values, bool_masked_pos=bool_masked_pos, interpolate_pos_encoding=interpolate_pos_encoding, **kwargs
        )
        tokens = outputs.last_hidden_state[:, self.model.embeddings.num_prefix_tokens :]
        rows, columns = (self.config.grid_size(size) for size in pixel_values.shape[2:])
        reconstruction = self.decoder(tokens.transpose(1, 2).unflatten(2, (rows, columns)))  # (B, C, height, width)
        loss = None
        if bool_masked_pos is not None:
            mask = bool_masked_pos.view(-1, 1, rows, columns).to(reconstruction.dtype)
            mask = nn.functional.interpolate(mask, scale_factor=float(self.encoder_stride), mode="nearest")
            error = nn.functional.l1_loss(reconstruction, pixel_values.to(reconstruction.dtype), reduction="none")
            loss = (error * mask).sum() / (mask.sum() + 1e-5) / self.config.num_channels
        return MaskedImageModelingOutput(
            loss=loss,
            reconstruction=reconstruction,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


class CompactVitBackbone(BackboneMixin, CompactVitPreTrainedModel):
    """Feature maps of the layers named by `out_features`, for detection and segmentation heads."""

    def __init__(self, config: CompactVitConfig):
        super().__init__(config)
        self.num_features = [config.hidden_size] * (config.num_hidden_layers + 1)
        self.model = CompactVitModel(config, add_pooling_layer=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor,
        interpolate_pos_encoding: bool | None = True,
        output_hidden_states: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BackboneOutput:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images, from `AutoImageProcessor`; of any size.

        Returns a `BackboneOutput` with `feature_maps`, (batch, D, G, G) for each of `out_features`.
        """
        outputs = self.model(
            pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, output_hidden_states=True, **kwargs
        )
        rows, columns = (self.config.grid_size(size) for size in pixel_values.shape[2:])
        feature_maps = []
        for stage, hidden_states in zip(self.stage_names, outputs.hidden_states):
            if stage in self.out_features:
                tokens = self.model.layernorm(hidden_states)[:, self.model.embeddings.num_prefix_tokens :]
                feature_maps.append(tokens.transpose(1, 2).unflatten(2, (rows, columns)))
        return BackboneOutput(
            feature_maps=tuple(feature_maps),
            hidden_states=outputs.hidden_states if output_hidden_states else None,
            attentions=outputs.attentions,
        )


__all__ = [
    "CompactVitBackbone",
    "CompactVitForImageClassification",
    "CompactVitForMaskedImageModeling",
    "CompactVitModel",
    "CompactVitPreTrainedModel",
]
