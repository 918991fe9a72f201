# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
PyTorch attention CNN: a compact residual network (He et al. 2015, arXiv 1512.03385, section 4.2) that also returns its
attention.

Shapes: B batch, C channels, N positions (height x width) of the feature map with attention.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, ImageClassifierOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .configuration_attention_cnn import AttentionCnnConfig
from .layers_attention_cnn import (
    AttentionCnnNonLocal,
    AttentionCnnSpatialTransformer,
    AttentionCnnSqueezeExcitation,
    AttentionCnnTheta,
    ZeroInitBatchNorm2d,
)


@dataclass
class AttentionCnnModelOutput(BaseModelOutputWithPooling):
    """
    A `BaseModelOutputWithPooling` with the attention of the network.

    Args:
        gates (`tuple[torch.FloatTensor]` of shape `(batch_size, channels)`, *optional*):
            Gates, from 0 to 1, of each block with squeeze-and-excitation.
        attentions (`tuple[torch.FloatTensor]` of shape `(batch_size, 1, positions, positions)`, *optional*):
            Weights of each non-local block, as one head: row i holds the weights of position i; positions are counted
            row by row.
        theta (`torch.FloatTensor` of shape `(batch_size, 2, 3)`, *optional*):
            Transformation from the coordinates of the spatial transformer's output to those of the image, both from
            -1 to 1 from edge to edge.
        warped_pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`, *optional*):
            Output of the spatial transformer, the input of the network.
    """

    gates: tuple[torch.Tensor, ...] | None = None
    theta: torch.Tensor | None = None
    warped_pixel_values: torch.Tensor | None = None


@dataclass
class AttentionCnnImageClassifierOutput(ImageClassifierOutput):
    """An `ImageClassifierOutput` with the attention of the network: see [`AttentionCnnModelOutput`]."""

    gates: tuple[torch.Tensor, ...] | None = None
    theta: torch.Tensor | None = None
    warped_pixel_values: torch.Tensor | None = None


class AttentionCnnBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut; the gates multiply the branch (Hu et al. 2017, figure 3)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, reduction_ratio: int | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.attention = AttentionCnnSqueezeExcitation(out_channels, reduction_ratio) if reduction_ratio else None
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(B, C, height, width) to (B, C', height', width'), and the gates (B, C')."""
        branch = self.norm2(self.conv2(self.norm1(self.conv1(hidden_states)).relu()))
        branch, gates = (branch, None) if self.attention is None else self.attention(branch)
        return (self.shortcut(hidden_states) + branch).relu(), gates


class AttentionCnnStage(nn.Module):
    """Residual blocks of one width, followed by a non-local block if the config asks for one."""

    def __init__(self, config: AttentionCnnConfig, stage: int) -> None:
        super().__init__()
        in_channels, out_channels = config.hidden_sizes[max(stage - 2, 0)], config.hidden_sizes[stage - 1]
        attention_type = config.attention_type if stage in config.resolved_attention_stages else "none"
        self.blocks = nn.ModuleList(
            AttentionCnnBlock(
                out_channels if block else in_channels,
                out_channels,
                stride=2 if stage > 1 and block == 0 else 1,
                reduction_ratio=config.reduction_ratio if attention_type == "se" else None,
            )
            for block in range(config.depths[stage - 1])
        )
        is_non_local = attention_type == "non_local"
        self.non_local = AttentionCnnNonLocal(out_channels, config.pairwise_function) if is_non_local else None

    def forward(
        self, hidden_states: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor | None], torch.Tensor | None]:
        """(B, C, height, width) to (B, C', height', width'), the gates of the blocks, and weights (B, 1, N, N)."""
        gates = []
        for block in self.blocks:
            hidden_states, gate = block(hidden_states)
            gates.append(gate)
        if self.non_local is None:
            return hidden_states, gates, None
        hidden_states, weights = self.non_local(hidden_states)
        return hidden_states, gates, weights


class AttentionCnnPreTrainedModel(PreTrainedModel):
    config: AttentionCnnConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ["image"]
    _no_split_modules = ["AttentionCnnStage"]
    _input_embed_layer = "embedder"
    _can_compile_fullgraph = True

    def __init__(self, config: AttentionCnnConfig, *inputs, **kwargs) -> None:
        config.validate_architecture()  # `from_pretrained` may have changed options after the config was validated
        super().__init__(config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, AttentionCnnTheta):
            init.zeros_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, ZeroInitBatchNorm2d):
            init.zeros_(module.weight)
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            init.kaiming_normal_(module.weight, mode="fan_out" if isinstance(module, nn.Conv2d) else "fan_in")
            if module.bias is not None:
                init.zeros_(module.bias)


class AttentionCnnModel(AttentionCnnPreTrainedModel):
    """The network without a classifier."""

    _auto_class = "AutoModel"

    def __init__(self, config: AttentionCnnConfig) -> None:
        super().__init__(config)
        has_spatial_transformer = config.spatial_transformer != "none"
        self.spatial_transformer = AttentionCnnSpatialTransformer(config) if has_spatial_transformer else None
        self.embedder = nn.Conv2d(
            config.num_channels, config.hidden_sizes[0], 3, config.embedding_stride, padding=1, bias=False
        )
        self.norm = nn.BatchNorm2d(config.hidden_sizes[0])
        self.stages = nn.ModuleList(AttentionCnnStage(config, stage + 1) for stage in range(len(config.hidden_sizes)))
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs: object,
    ) -> AttentionCnnModelOutput:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images of any size, as returned by `AutoImageProcessor`.
        output_attentions (`bool`, *optional*):
            Whether to return the weights of non-local blocks.
        output_hidden_states (`bool`, *optional*):
            Whether to return the feature maps before and after each stage.

        Returns an [`AttentionCnnModelOutput`] with `last_hidden_state` (batch, channels, height, width) and
        `pooler_output` (batch, channels * pooled_size^2), the means of its `pooled_size` x `pooled_size` parts.
        """
        if pixel_values is None:
            raise ValueError("You have to specify `pixel_values`.")
        if pixel_values.dim() != 4:
            raise ValueError(
                f"`pixel_values` must be of shape (batch, channels, height, width), got {tuple(pixel_values.shape)}."
            )
        if pixel_values.shape[1] != self.config.num_channels:
            raise ValueError(
                f"`pixel_values` has {pixel_values.shape[1]} channels, but the model's `num_channels` is "
                f"{self.config.num_channels}. Convert the images, or create the model with another `num_channels`."
            )
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        images, theta, warped = pixel_values.to(self.dtype), None, None
        if self.spatial_transformer is not None:
            images, theta = self.spatial_transformer(images)
            warped = images
        hidden_states = self.norm(self.embedder(images)).relu()
        gates, attentions, feature_maps = [], [], [hidden_states]
        for stage in self.stages:
            hidden_states, stage_gates, weights = stage(hidden_states)
            gates += [gate for gate in stage_gates if gate is not None]
            attentions += [] if weights is None else [weights]
            feature_maps.append(hidden_states)
        return AttentionCnnModelOutput(
            last_hidden_state=hidden_states,
            pooler_output=nn.functional.adaptive_avg_pool2d(hidden_states, self.config.pooled_size).flatten(1),
            hidden_states=tuple(feature_maps) if output_hidden_states else None,
            attentions=tuple(attentions) if attentions and output_attentions else None,
            gates=tuple(gates) or None,
            theta=theta,
            warped_pixel_values=warped,
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


class AttentionCnnForImageClassification(AttentionCnnPreTrainedModel):
    """The network with a linear image classifier."""

    _auto_class = "AutoModelForImageClassification"
    # with soft labels, the Trainer's `num_items_in_batch` would count each class probability as an item
    accepts_loss_kwargs = False

    def __init__(self, config: AttentionCnnConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels or 0
        self.model = AttentionCnnModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        width = config.hidden_sizes[-1] * config.pooled_size**2
        self.classifier = nn.Linear(width, self.num_labels) if self.num_labels > 0 else nn.Identity()
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AttentionCnnImageClassifierOutput:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images of any size, as returned by `AutoImageProcessor`.
        labels (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, num_labels)`, *optional*):
            The labels of any transformers image classifier: class indices, or floats for regression and for several
            labels per image, by `config.problem_type` or inferred from their type. If it is
            `"single_label_classification"`, floats are class probabilities (mixup, cutmix).

        Returns an [`AttentionCnnImageClassifierOutput`] with `loss`, `logits` (batch, labels), `gates`, `theta`,
        `warped_pixel_values`, and on request `hidden_states` and `attentions`.
        """
        outputs = self.model(pixel_values, return_dict=True, **kwargs)
        logits = self.classifier(self.dropout(outputs.pooler_output))
        loss = None
        if labels is not None:
            is_soft = labels.is_floating_point() and labels.shape == logits.shape
            if is_soft and self.config.problem_type == "single_label_classification":
                check_probabilities(labels)
                loss = nn.functional.cross_entropy(logits.float(), labels.float())
            else:
                loss = self.loss_function(labels, logits, self.config, **kwargs)
        return AttentionCnnImageClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            gates=outputs.gates,
            theta=outputs.theta,
            warped_pixel_values=outputs.warped_pixel_values,
        )


__all__ = ["AttentionCnnForImageClassification", "AttentionCnnModel", "AttentionCnnPreTrainedModel"]
