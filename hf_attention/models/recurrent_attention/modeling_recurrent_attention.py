# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
PyTorch recurrent attention model (RAM; Mnih et al. 2014, arXiv 1406.6247): the model sees an image in a sequence of
glimpses and learns by reinforcement where to look next.

Differences from the paper, which make it train in minutes. By default:
- the standard deviation of the locations is small (0.05; the paper tuned it), the locator has a hidden layer, and its
  gradient does not reach the core, which learns from the classification loss only;
- the gradient of the baseline does not reach the core either;
- pixels of coarse patches are means over the pixels that they cover, so that fine strokes do not vanish between
  samples;
- the reward is the predicted probability of the label. This is the expectation of the paper's reward, 1 for the right
  class and 0 for a wrong one, if the class is drawn from the predicted probabilities.

By option, as in the recipe for cluttered digits (`scripts/benchmarks/compare_lineage.py`):
- convolutions process each patch (`glimpse_channels`; Ba et al. 2014, arXiv 1412.7755), and the core is a GRU;
- the first glimpse is at the center in training too (`initial_location`);
- a fraction of the locations is drawn uniformly from the image (`exploration`), so that the model sees and learns an
  object before it learns to look for it. With exploration, REINFORCE's gradient can reach the core
  (`detach_locator=False`), at a lower weight (`reinforce_weight`), and locations can have a larger `location_std`.
Several Monte Carlo copies of each image in training (`num_train_copies`) make the gradient less noisy.

Shapes: B batch, C channels, T glimpses, K scales, G the glimpse's height and width, H the core's width.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, ImageClassifierOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, logging
from transformers.utils.generic import can_return_tuple

from .configuration_recurrent_attention import RecurrentAttentionConfig


logger = logging.get_logger(__name__)


@dataclass
class RecurrentAttentionModelOutput(BaseModelOutputWithPooling):
    """
    A `BaseModelOutputWithPooling` with the locations at which the model looked. Its `last_hidden_state` (batch,
    glimpses, H) holds the states of the core, its `pooler_output` (batch, H) the last of them.

    Args:
        locations (`torch.FloatTensor` of shape `(batch_size, num_glimpses, 2)`):
            Centers of the glimpses, column then row, from -1 to 1 from edge to edge of the image.
        glimpses (`torch.FloatTensor` of shape `(batch_size, num_glimpses, num_scales, num_channels, glimpse_size,
            glimpse_size)`): pixels of the glimpses, the finest patch first.
        log_probs (`torch.FloatTensor` of shape `(batch_size, num_glimpses - 1)`):
            log pi of each chosen location, that is, of all but the first.
        baselines (`torch.FloatTensor` of shape `(batch_size, num_glimpses - 1)`):
            The expected reward before each choice.
    """

    locations: torch.Tensor | None = None
    glimpses: torch.Tensor | None = None
    log_probs: torch.Tensor | None = None
    baselines: torch.Tensor | None = None


@dataclass
class RecurrentAttentionImageClassifierOutput(ImageClassifierOutput):
    """An `ImageClassifierOutput` with `locations` and `glimpses`: see [`RecurrentAttentionModelOutput`]."""

    locations: torch.Tensor | None = None
    glimpses: torch.Tensor | None = None


def make_pyramid(pixel_values: torch.Tensor, num_scales: int, stride: int = 1) -> list[torch.Tensor]:
    """
    Downsamples images (B, C, height, width) by `stride`, 2 `stride`, 4 `stride`, ...: `num_scales` levels of means,
    with zeros outside the image.
    """
    height, width = pixel_values.shape[2:]
    block = stride * 2 ** (num_scales - 1)
    padded = nn.functional.pad(pixel_values, (0, -width % block, 0, -height % block))
    return [nn.functional.avg_pool2d(padded, stride * 2**scale) for scale in range(num_scales)]


def extract_glimpses(
    pyramid: list[torch.Tensor], locations: torch.Tensor, glimpse_size: int, size: tuple[int, int], stride: int = 1
) -> torch.Tensor:
    """
    The retina (section 3.1, glimpse sensor): extracts K patches around each location. The first covers `glimpse_size`
    times `stride` pixels per side; each of the others covers twice the side of the previous one, at half its
    resolution. Patches are sampled bilinearly, with 0 outside the image.

    From a pyramid of images of `size` (height, width), and locations (B, 2), column then row from -1 to 1, to
    (B, K, C, G, G).
    """
    height, width = size
    offsets = torch.arange(glimpse_size, device=locations.device, dtype=locations.dtype) - (glimpse_size - 1) / 2
    patches = []
    for scale, level in enumerate(pyramid):
        step = stride * 2**scale
        columns = (locations[:, 0, None] + 1) * width / 2 + offsets * step  # (B, G), in pixels from the image's edge
        rows = (locations[:, 1, None] + 1) * height / 2 + offsets * step
        columns, rows = columns / step * 2 / level.shape[3] - 1, rows / step * 2 / level.shape[2] - 1
        grid = torch.stack(
            [
                columns[:, None, :].expand(-1, glimpse_size, -1),
                rows[:, :, None].expand(-1, -1, glimpse_size),
            ],
            dim=-1,
        )  # (B, G, G, 2)
        patches.append(nn.functional.grid_sample(level, grid.to(level.dtype), align_corners=False))
    return torch.stack(patches, dim=1)


class RecurrentAttentionGlimpseNetwork(nn.Module):
    """g = ReLU(Linear(h_g) + Linear(h_l)), h_g = ReLU(Linear(retina)), h_l = ReLU(Linear(l)) (section 4)."""

    def __init__(self, config: RecurrentAttentionConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, size = config.num_channels, config.glimpse_size
        for number, width in enumerate(config.glimpse_channels):
            stride = 2 if number else 1
            layers += [nn.Conv2d(channels, width, 3, stride, padding=1), nn.ReLU()]
            channels, size = width, (size - 1) // stride + 1
        self.convolutions = nn.Sequential(*layers)
        self.what_hidden = nn.Linear(config.num_scales * channels * size**2, config.glimpse_hidden_size)
        self.where_hidden = nn.Linear(2, config.location_hidden_size)
        self.what = nn.Linear(config.glimpse_hidden_size, config.hidden_size)
        self.where = nn.Linear(config.location_hidden_size, config.hidden_size)

    def forward(self, glimpses: torch.Tensor, locations: torch.Tensor) -> torch.Tensor:
        """(B, K, C, G, G) and (B, 2) to (B, H)."""
        features = self.convolutions(glimpses.flatten(0, 1)).unflatten(0, glimpses.shape[:2])  # (B, K, ...)
        seen = self.what(self.what_hidden(features.flatten(1)).relu())
        return (seen + self.where(self.where_hidden(locations).relu())).relu()


class RecurrentAttentionCore(nn.Module):
    """h_t = ReLU(Linear(h_{t-1}) + Linear(g_t)) (section 4), or a GRU."""

    def __init__(self, config: RecurrentAttentionConfig) -> None:
        super().__init__()
        self.hidden_size = config.hidden_size
        if config.cell_type == "gru":
            self.cell = nn.GRUCell(config.hidden_size, config.hidden_size)
        else:
            self.cell = nn.RNNCell(config.hidden_size, config.hidden_size, nonlinearity="relu")

    def forward(self, features: torch.Tensor, state: torch.Tensor | None = None) -> torch.Tensor:
        """(B, H) and (B, H) to (B, H)."""
        return self.cell(features, state)


class RecurrentAttentionLocator(nn.Module):
    """
    The location network f_l (section 3.1, actions): predicts the mean of the next location, inside the image.

    The output of the last layer is divided by the square root of its input width. Otherwise the first, noisy steps of
    an optimizer that normalizes gradients, such as Adam, would move every location into a corner.
    """

    def __init__(self, config: RecurrentAttentionConfig) -> None:
        super().__init__()
        self.scaling = (config.hidden_size // 2) ** -0.5
        self.hidden = nn.Linear(config.hidden_size, config.hidden_size // 2)
        self.mean = nn.Linear(config.hidden_size // 2, 2)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """(B, H) to (B, 2)."""
        return (self.mean(self.hidden(state).relu()) * self.scaling).tanh()


def log_probability(
    locations: torch.Tensor, means: torch.Tensor, std: float, exploration: float = 0.0
) -> torch.Tensor:
    """
    Returns log pi(l), (B,), of locations (B, 2) with means (B, 2): log N(l; mu, std^2 I) or, with `exploration` e, its
    mixture with a uniform density U over the image, log((1 - e) N + e U).
    """
    distances = ((locations - means) / std).square().sum(dim=-1)
    normal = -distances / 2 - 2 * math.log(std) - math.log(2 * math.pi)
    if exploration == 0:
        return normal
    inside = (locations.abs() <= 1).all(dim=-1)
    uniform = torch.where(inside, math.log(exploration / 4), -math.inf)
    return torch.logaddexp(normal + math.log(1 - exploration), uniform.to(normal))


def reinforce_loss(rewards: torch.Tensor, log_probs: torch.Tensor, baselines: torch.Tensor) -> torch.Tensor:
    """
    Returns a loss whose gradient is that of REINFORCE (Williams 1992; equations 4 and 5): -sum_t log pi_t (R - b_t),
    averaged over the batch, plus (R - b_t)^2, averaged over batch and steps, which trains the baseline.

    From rewards (B,), log-probabilities (B, T) and baselines (B, T) to a scalar.
    """
    advantages = rewards.unsqueeze(1) - baselines
    return advantages.square().mean() - (log_probs * advantages.detach()).sum(dim=1).mean()


class RecurrentAttentionPreTrainedModel(PreTrainedModel):
    config: RecurrentAttentionConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ["image"]
    _input_embed_layer = "glimpse_network"

    def __init__(self, config: RecurrentAttentionConfig, *inputs, **kwargs) -> None:
        config.validate_architecture()  # `from_pretrained` may have changed options after the config was validated
        super().__init__(config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            init.kaiming_uniform_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.RNNCellBase):
            init.orthogonal_(module.weight_hh)
            init.kaiming_uniform_(module.weight_ih, nonlinearity="relu")
            init.zeros_(module.bias_hh)
            init.zeros_(module.bias_ih)


class RecurrentAttentionModel(RecurrentAttentionPreTrainedModel):
    """The model without a classifier: glimpse network, core, locator and baseline."""

    _auto_class = "AutoModel"

    def __init__(self, config: RecurrentAttentionConfig) -> None:
        super().__init__(config)
        self.glimpse_network = RecurrentAttentionGlimpseNetwork(config)
        self.core = RecurrentAttentionCore(config)
        self.locator = RecurrentAttentionLocator(config)
        self.baseline = nn.Linear(config.hidden_size, 1)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        sample: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> RecurrentAttentionModelOutput:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images of any size, as returned by `AutoImageProcessor`.
        sample (`bool`, *optional*):
            Whether to sample the locations; by default, in training only. Otherwise the first glimpse is at the center
            and the others are at the predicted means.

        Returns a [`RecurrentAttentionModelOutput`].
        """
        config = self.config
        if pixel_values is None:
            raise ValueError("You have to specify `pixel_values`.")
        if pixel_values.dim() != 4:
            raise ValueError(
                f"`pixel_values` must be of shape (batch, channels, height, width), got {tuple(pixel_values.shape)}."
            )
        if pixel_values.shape[1] != config.num_channels:
            raise ValueError(
                f"`pixel_values` has {pixel_values.shape[1]} channels, but the model's `num_channels` is "
                f"{config.num_channels}. Convert the images, or create the model with another `num_channels`."
            )
        sample = self.training if sample is None else sample
        height, width = pixel_values.shape[2:]
        # in 16 bits, rounding would move the glimpses
        wide = torch.promote_types(self.dtype, torch.float32)
        pyramid = make_pyramid(pixel_values.to(self.dtype).to(wide), config.num_scales, config.glimpse_stride)
        location = pyramid[0].new_zeros(pixel_values.shape[0], 2)
        if sample and config.initial_location == "random":
            location = torch.rand_like(location) * 2 - 1
        state = None
        states, locations, glimpses, log_probs, baselines = [], [], [], [], []
        for step in range(config.num_glimpses):
            glimpse = extract_glimpses(pyramid, location, config.glimpse_size, (height, width), config.glimpse_stride)
            glimpse = glimpse.to(self.dtype)
            state = self.core(self.glimpse_network(glimpse, location.to(self.dtype)), state)
            states.append(state)
            locations.append(location)
            glimpses.append(glimpse)
            if step + 1 == config.num_glimpses:
                break
            mean = self.locator(state.detach() if config.detach_locator else state).to(wide)
            chosen = mean.detach()
            if sample:
                chosen = chosen + torch.randn_like(chosen) * config.location_std
                explores = torch.rand_like(chosen[:, :1]) < config.exploration
                chosen = torch.where(explores, torch.rand_like(chosen) * 2 - 1, chosen)
            log_probs.append(log_probability(chosen, mean, config.location_std, config.exploration))
            baselines.append(self.baseline(state.detach()).squeeze(-1))
            location = chosen.clamp(-1, 1)
        last_hidden_state = torch.stack(states, dim=1)  # (B, T, H)
        no_choice = last_hidden_state.new_zeros(last_hidden_state.shape[0], 0)
        return RecurrentAttentionModelOutput(
            last_hidden_state=last_hidden_state,
            pooler_output=last_hidden_state[:, -1],
            locations=torch.stack(locations, dim=1),
            glimpses=torch.stack(glimpses, dim=1),
            log_probs=torch.stack(log_probs, dim=1) if log_probs else no_choice,
            baselines=torch.stack(baselines, dim=1) if baselines else no_choice,
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


class RecurrentAttentionForImageClassification(RecurrentAttentionPreTrainedModel):
    """The model with a linear image classifier on the last state of the core."""

    _auto_class = "AutoModelForImageClassification"
    accepts_loss_kwargs = False
    # cross-entropy alone does not train the locator: trainers must not replace the loss of `forward`
    makes_own_loss = True

    def __init__(self, config: RecurrentAttentionConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels or 0
        self.model = RecurrentAttentionModel(config)
        self.classifier = nn.Linear(config.hidden_size, self.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> RecurrentAttentionImageClassifierOutput:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images of any size, as returned by `AutoImageProcessor`.
        labels (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, num_labels)`, *optional*):
            Class indices, or class probabilities (mixup, cutmix, label smoothing).

        Returns a [`RecurrentAttentionImageClassifierOutput`] with `loss`, `logits` (batch, labels), which are the
        logarithms of the probabilities averaged over the copies, and `locations` and `glimpses` of the first copy. In
        training, the loss is cross-entropy + `reinforce_weight` (REINFORCE + baseline), with the predicted probability
        of the label as reward; in evaluation, it is the cross-entropy.
        """
        config = self.config
        copies = config.num_train_copies if self.training else max(config.num_eval_copies, 1)
        images = pixel_values
        if images is not None and copies > 1:
            images = images.repeat(copies, 1, 1, 1)  # all images of the first copy, then of the second, ...
        outputs = self.model(images, sample=self.training or config.num_eval_copies > 0, return_dict=True, **kwargs)
        log_probs = self.classifier(outputs.pooler_output).float().log_softmax(dim=-1)  # (copies B, labels)
        batch_size = log_probs.shape[0] // copies
        logits = log_probs.unflatten(0, (copies, batch_size)).logsumexp(dim=0) - math.log(copies)
        loss = None
        if labels is None and self.training and config.num_glimpses > 1:
            logger.warning_once(
                "The model got no `labels` in training. A loss computed outside the model, such as the Trainer's with "
                "`label_smoothing_factor`, does not train where to look. Pass class probabilities as `labels` instead."
            )
        if labels is not None:
            if labels.shape != (logits.shape if labels.is_floating_point() else logits.shape[:1]):
                raise ValueError(
                    f"`labels` must be class indices of shape ({batch_size},), or their probabilities of shape "
                    f"{tuple(logits.shape)}, got {labels.dtype} of shape {tuple(labels.shape)}."
                )
            if labels.is_floating_point():
                check_probabilities(labels)
        if labels is not None and not self.training:
            loss = nn.functional.cross_entropy(logits, labels if labels.is_floating_point() else labels.long())
        elif labels is not None:
            if not labels.is_floating_point():
                labels = nn.functional.one_hot(labels.long(), self.num_labels).to(log_probs.dtype)
            labels = labels.repeat(copies, 1)
            rewards = (labels * log_probs.detach().exp()).sum(dim=-1)
            loss = nn.functional.cross_entropy(log_probs, labels)
            if config.num_glimpses > 1:
                policy_loss = reinforce_loss(rewards, outputs.log_probs, outputs.baselines)
                loss = loss + config.reinforce_weight * policy_loss
        return RecurrentAttentionImageClassifierOutput(
            loss=loss,
            logits=logits,
            locations=outputs.locations[:batch_size],
            glimpses=outputs.glimpses[:batch_size],
        )


__all__ = [
    "RecurrentAttentionForImageClassification",
    "RecurrentAttentionModel",
    "RecurrentAttentionPreTrainedModel",
]
