# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
PyTorch compact vision transformers: CCT, CVT and ViT-Lite (Hassani et al. 2021, arXiv 2104.05704).

Shapes: B batch, C channels, N tokens (a grid of G x G, plus a class token if the config has one), D width.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.backbone_utils import BackboneMixin
from transformers.modeling_outputs import (
    BackboneOutput,
    BaseModelOutputWithPooling,
    ImageClassifierOutput,
    MaskedImageModelingOutput,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_compact_vit import CompactVitConfig
from .layers_compact_vit import (
    CompactVitAttention,
    CompactVitEmbeddings,
    CompactVitLayer,
    CompactVitPooler,
    CompactVitWhitening,
    sinusoidal_positions,
    window_mask,
)


@dataclass
class CompactVitModelOutput(BaseModelOutputWithPooling):
    """
    A `BaseModelOutputWithPooling` with the attention of the sequence pooling.

    Args:
        pooling_weights (`torch.FloatTensor` of shape `(batch_size, num_tokens)`, *optional*):
            Weights of the tokens in the pooled output, for `pooling_type="sequence"`; they sum to 1.
        kept_tokens (`tuple(torch.LongTensor)`, *optional*):
            With token pruning (`token_keep_rate` below 1, inference only): a tensor of shape (batch_size, tokens) for
            each of `hidden_states`, whether or not those are requested, with the original indices of its tokens.
            `attentions[i]` is between `kept_tokens[i]`, and `pooling_weights` are those of `kept_tokens[-1]`.
    """

    pooling_weights: torch.Tensor | None = None
    kept_tokens: tuple[torch.Tensor, ...] | None = None


@dataclass
class CompactVitImageClassifierOutput(ImageClassifierOutput):
    """An `ImageClassifierOutput` with `pooling_weights` and `kept_tokens`: see [`CompactVitModelOutput`]."""

    pooling_weights: torch.Tensor | None = None
    kept_tokens: tuple[torch.Tensor, ...] | None = None


class CompactVitPreTrainedModel(PreTrainedModel):
    config: CompactVitConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ["image"]
    supports_gradient_checkpointing = True
    # FSDP shards the input embeddings by themselves, so they are listed in addition to what they are in
    _no_split_modules = ["CompactVitEmbeddings", "CompactVitLayer", "CompactVitPatchEmbeddings"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": CompactVitLayer, "attentions": CompactVitAttention}
    _input_embed_layer = "patch_embeddings"

    def __init__(self, config: CompactVitConfig, *inputs, **kwargs) -> None:
        config.validate_architecture()  # `from_pretrained` may have changed options after the config was validated
        super().__init__(config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Linear):
            init.trunc_normal_(module.weight, std=self.config.initializer_range)
        elif isinstance(module, CompactVitWhitening):
            init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Conv2d):
            if self.config.tokenizer_type != "whitened" or module.bias is not None:
                init.kaiming_normal_(module.weight)
            elif not getattr(module.weight, "_is_hf_initialized", False):  # which a slice does not tell `init`
                module.reset_parameters()
                init.dirac_(module.weight[: module.in_channels])  # the first outputs are the inputs
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
    The encoder, without a task head.

    Args:
        add_pooling_layer (`bool`, *optional*, defaults to `True`): whether to pool the tokens.
        use_mask_token (`bool`, *optional*, defaults to `False`): whether to have a mask token.
    """

    _auto_class = "AutoModel"

    def __init__(self, config: CompactVitConfig, add_pooling_layer: bool = True, use_mask_token: bool = False) -> None:
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
            Images as returned by `AutoImageProcessor`.
        bool_masked_pos (`torch.BoolTensor` of shape `(batch_size, num_patches)`, *optional*):
            True where a token is replaced by the mask token.
        interpolate_pos_encoding (`bool`, *optional*):
            Whether to accept images of another size than `config.image_size`.

        Returns a [`CompactVitModelOutput`] with `last_hidden_state` (batch, tokens, D), `pooler_output` (batch, D),
        `pooling_weights` (batch, tokens), `kept_tokens` with token pruning, and on request `hidden_states` and
        `attentions`, (batch, heads, tokens, tokens) per layer, which only `attn_implementation="eager"` returns.
        """
        if pixel_values is None:
            raise ValueError("You have to specify `pixel_values`.")
        hidden_states = self.embeddings(
            pixel_values.to(self.dtype), bool_masked_pos, interpolate_pos_encoding=bool(interpolate_pos_encoding)
        )
        mask = None
        if (window := self.config.attention_window) is not None:
            if self.config._attn_implementation not in ("eager", "sdpa"):
                raise ValueError(
                    f"`attention_window={window}` needs `attn_implementation` 'eager' or 'sdpa', got "
                    f"{self.config._attn_implementation!r}."
                )
            rows, columns = (self.config.grid_size(side) for side in pixel_values.shape[2:])
            mask = window_mask(rows, columns, window, hidden_states.device)
        pruning_layers: list[int] = []
        kept_tokens: list[torch.Tensor] = []
        if self.config.token_keep_rate < 1 and not self.training:
            pruning_layers = self.config.resolved_pruning_layers
            indices = torch.arange(hidden_states.shape[1], device=hidden_states.device)
            kept_tokens.append(indices.expand(hidden_states.shape[0], -1))
        for index, layer in enumerate(self.layers):
            if index in pruning_layers:
                hidden_states, kept = layer(hidden_states, kept_tokens[-1], **kwargs)
                kept_tokens.append(kept)
            else:
                hidden_states, _ = layer(hidden_states, attention_mask=mask, **kwargs)
                kept_tokens.extend(kept_tokens[-1:])
        hidden_states = self.layernorm(hidden_states)
        pooled, weights = self.pooler(hidden_states) if self.pooler is not None else (None, None)
        return CompactVitModelOutput(
            last_hidden_state=hidden_states,
            pooler_output=pooled,
            pooling_weights=weights,
            kept_tokens=tuple(kept_tokens) or None,
        )


# the same in all families of image classifiers, because a family's files do not import another's
def check_probabilities(labels: torch.Tensor) -> None:
    """Raises `ValueError` for rows that do not sum to 1, on CPU, where reading them costs no synchronization."""
    if labels.device.type != "cpu" or torch.compiler.is_compiling() or not labels.numel():
        return
    if not ((labels.float().sum(dim=-1) - 1).abs() < 1e-2).all() or labels.min() < 0:
        raise ValueError(
            "`problem_type='single_label_classification'` reads `labels` that are floats as class probabilities, but "
            "they are negative or a row does not sum to 1. Pass class indices, or set another `problem_type`."
        )


def check_keeps_all_tokens(config: CompactVitConfig) -> None:
    """Raises `ValueError` if the config prunes tokens, because a map over the image needs all of them."""
    if config.token_keep_rate < 1:
        raise ValueError(
            f"`token_keep_rate` = {config.token_keep_rate} prunes tokens, but a map over the image needs all of them: "
            "load the model with `token_keep_rate=1.0`."
        )


class CompactVitForImageClassification(CompactVitPreTrainedModel):
    """The encoder with a linear image classifier on its pooled output."""

    _auto_class = "AutoModelForImageClassification"
    # with soft labels, the Trainer's `num_items_in_batch` would count each class probability as an item
    accepts_loss_kwargs = False

    def __init__(self, config: CompactVitConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels or 0
        self.model = CompactVitModel(config)
        self.classifier = nn.Linear(config.hidden_size, self.num_labels) if self.num_labels > 0 else nn.Identity()
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
            Images as returned by `AutoImageProcessor`.
        labels (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, num_labels)`, *optional*):
            The labels of any transformers image classifier: class indices, or floats for regression and for several
            labels per image, by `config.problem_type` or inferred from their type. If it is
            `"single_label_classification"`, floats are class probabilities (mixup, cutmix).
        interpolate_pos_encoding (`bool`, *optional*):
            Whether to accept images of another size than `config.image_size`.

        Returns a [`CompactVitImageClassifierOutput`] with `loss`, `logits` (batch, labels), `pooling_weights` (batch,
        tokens), and on request `hidden_states` and `attentions`.
        """
        outputs = self.model(
            pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, return_dict=True, **kwargs
        )
        logits = self.classifier(outputs.pooler_output)
        loss = None
        if labels is not None:
            is_soft = labels.is_floating_point() and labels.shape == logits.shape
            if is_soft and self.config.problem_type == "single_label_classification":
                check_probabilities(labels)
                loss = nn.functional.cross_entropy(logits.float(), labels.float())
            else:
                loss = self.loss_function(labels, logits, self.config, **kwargs)
        return CompactVitImageClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            pooling_weights=outputs.pooling_weights,
            kept_tokens=outputs.kept_tokens,
        )


class CompactVitForMaskedImageModeling(CompactVitPreTrainedModel):
    """
    Predicts the pixels of masked tokens (SimMIM, Xie et al. 2021, arXiv 2111.09886). The convolutions of a `"conv"`
    tokenizer overlap, so part of a masked token is visible in its neighbors.
    """

    _auto_class = "AutoModelForMaskedImageModeling"

    def __init__(self, config: CompactVitConfig) -> None:
        super().__init__(config)
        check_keeps_all_tokens(config)
        sides = config.image_height_width
        grid = [config.grid_size(side) for side in sides]
        self.encoder_stride = sides[0] // grid[0]
        if any(side != self.encoder_stride * tokens for side, tokens in zip(sides, grid)):
            raise ValueError(
                f"Masked image modeling needs an `image_size` that is a multiple of the {grid[0]} x {grid[1]} tokens, "
                f"with square tokens, got {config.image_size}."
            )
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
            Images as returned by `AutoImageProcessor`.
        bool_masked_pos (`torch.BoolTensor` of shape `(batch_size, num_patches)`, *optional*):
            True where a token is masked. The loss is the mean absolute error of the masked pixels.

        Returns a `MaskedImageModelingOutput` with `loss` and `reconstruction`, which has the shape of `pixel_values`.
        """
        if pixel_values is None:
            raise ValueError("You have to specify `pixel_values`.")
        if any(side % self.encoder_stride for side in pixel_values.shape[2:]):
            raise ValueError(
                f"`pixel_values` of {tuple(pixel_values.shape[2:])} pixels cannot be divided into tokens of "
                f"{self.encoder_stride} x {self.encoder_stride}. Resize or crop the images."
            )
        outputs = self.model(
            pixel_values,
            bool_masked_pos=bool_masked_pos,
            interpolate_pos_encoding=interpolate_pos_encoding,
            return_dict=True,
            **kwargs,
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
    """Returns the feature maps of the layers in `out_features`, for detection and segmentation heads."""

    _auto_class = "AutoBackbone"

    def __init__(self, config: CompactVitConfig) -> None:
        super().__init__(config)
        check_keeps_all_tokens(config)
        self.num_features = [config.hidden_size] * (config.num_hidden_layers + 1)
        self.model = CompactVitModel(config, add_pooling_layer=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor,
        interpolate_pos_encoding: bool | None = True,
        output_hidden_states: bool | None = None,
        **kwargs: object,
    ) -> BackboneOutput:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images of any size, as returned by `AutoImageProcessor`.

        Returns a `BackboneOutput` with `feature_maps`, (batch, D, G, G) for each of `out_features`, and on request
        `hidden_states` and `attentions`.
        """
        outputs = self.model(
            pixel_values,
            interpolate_pos_encoding=interpolate_pos_encoding,
            output_hidden_states=True,
            return_dict=True,
            **kwargs,
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
