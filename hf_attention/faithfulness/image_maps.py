# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Maps of an image: how much the predicted class is said to depend on each pixel.

Each function takes [`ImageExample`]s of one model and its image processor, and returns a map (height, width), of the
size of the model's input, for each. Maps of tokens are interpolated (bilinear).
"""

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import torch
from torch import nn
from transformers import BaseImageProcessor, PreTrainedModel

from ..interpret.image_attention import ImageAttention, attention_maps
from ..interpret.image_windows import windows
from ..interpret.input_gradients import saliency
from ..interpret.token_grid import resize_map
from .attention_hooks import find_value_maps, plain_attention, recorded_output, value_norms
from .images import ImageExample


BATCH_SIZE = 32

ImageMap = Callable[[list[ImageExample], BaseImageProcessor], list[np.ndarray]]


def last_attention(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """The attention of the classifier's input tokens in the last layer, mean of its heads."""
    return [to_pixels(item.head_map(), example) for item, example in attend(examples, processor)]


def pooling(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """The weights of the sequence pool (Hassani et al. 2021, arXiv 2104.05704, section 3.2)."""
    return [to_pixels(item.pooling_map(), example) for item, example in attend(examples, processor)]


def rollout(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """Attention rollout (Abnar & Zuidema 2020, arXiv 2005.00928)."""
    return [to_pixels(item.rollout(), example) for item, example in attend(examples, processor)]


def value_attention(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """
    The norms of the weighted values of the last layer (Kobayashi et al. 2020, arXiv 2004.10102), weighted
    by the classifier's input tokens.

    Raises `ValueError` for a model whose value maps are not recognized.
    """
    model = examples[0].model
    if (maps := find_value_maps(model)) is None:
        raise ValueError(f"The value maps of {type(model).__name__} are not recognized.")
    name, values, output = maps
    results = []
    for start in range(0, len(examples), BATCH_SIZE):
        chunk = examples[start : start + BATCH_SIZE]
        with plain_attention(model), torch.no_grad(), recorded_output(values) as recorded:
            outputs = model(pixel_values=stack(chunk), output_attentions=True)
        vectors = recorded[-1].float()
        if name == "qkv":
            vectors = vectors[..., 2 * vectors.shape[-1] // 3 :]
        norms = value_norms(outputs["attentions"][-1].float(), vectors, output).cpu().numpy()  # (B, N, N)
        for item, example, matrix in zip(attend_items(chunk, processor), chunk, norms):
            results.append(to_pixels(item.on_grid(item.readout @ matrix), example))
    return results


def attention_gradient(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """The last layer's weights times the gradient of the class's logit with respect to them, with its sign."""
    results = []
    for chunk, items, products in weighted_gradients(examples, processor):
        for item, example, values in zip(items, chunk, products[-1].mean(dim=1).sum(dim=1).cpu().numpy()):
            results.append(to_pixels(item.on_grid(values), example))
    return results


def gradient_rollout(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """
    Relevance through all layers, R + mean_h(A * grad A)^+ R (Chefer, Gur and Wolf 2021, arXiv 2103.15679, equations 5
    and 6), weighted by the classifier's input tokens.
    """
    results = []
    for chunk, items, products in weighted_gradients(examples, processor):
        size = products[0].shape[-1]
        relevance = torch.eye(size, device=products[0].device).expand(len(chunk), -1, -1)
        for product in products:
            relevance = relevance + product.clamp_min(0).mean(dim=1) @ relevance
        for item, example, matrix in zip(items, chunk, relevance.cpu().numpy()):
            results.append(to_pixels(item.on_grid(item.readout @ matrix), example))
    return results


def weighted_gradients(
    examples: list[ImageExample], processor: BaseImageProcessor
) -> Iterator[tuple[list[ImageExample], list[ImageAttention], list[torch.Tensor]]]:
    """Yields examples, their attention, and for each layer the weights times their gradients (B, heads, N, N)."""
    model = examples[0].model
    for start in range(0, len(examples), BATCH_SIZE):
        chunk = examples[start : start + BATCH_SIZE]
        items = attend_items(chunk, processor)
        with plain_attention(model), torch.enable_grad():
            outputs = model(pixel_values=stack(chunk).requires_grad_(), output_attentions=True)
            logits = outputs["logits"].float()[range(len(chunk)), [example.target for example in chunk]]
            gradients = torch.autograd.grad(logits.sum(), outputs["attentions"])
        products = [(weights * slope).float().detach() for weights, slope in zip(outputs["attentions"], gradients)]
        yield chunk, items, products


def evidence(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """
    What each token adds to the class's logit, minus the mean of what it adds to all classes, with its sign: see
    [`token_evidence`]. (A class activation map is the same for mean pooling; Zhou et al. 2016, arXiv 1512.04150,
    equation 2.)
    """
    results = []
    for start in range(0, len(examples), BATCH_SIZE):
        chunk = examples[start : start + BATCH_SIZE]
        values, _ = token_evidence(chunk[0].model, stack(chunk))  # (B, N, labels)
        values = values - values.mean(dim=-1, keepdim=True)
        for example, of_token in zip(chunk, values.float().cpu().numpy()):
            results.append(to_pixels(of_token[:, example.target].reshape(example.grid), example))
    return results


@torch.no_grad()
def token_evidence(model: PreTrainedModel, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Splits the logits of a [`CompactVitForImageClassification`] into what each token adds. Pooling and classifier are
    linear, so nothing is approximated: logits = sum_n alpha_n W x_n + b.

    Returns:
        the evidence (B, N, labels), which summed over the tokens and added to the second, the bias (labels,), is the
        logits.

    Raises:
        `ValueError`: for a model without such pooling (`pooling_type` `"sequence"` or `"mean"`).
    """
    if getattr(model.config, "pooling_type", None) not in ("sequence", "mean"):
        raise ValueError(
            f"{type(model).__name__} does not pool its tokens (`pooling_type` 'sequence' or 'mean' of Compact ViT), "
            "so they add nothing to the logits one by one."
        )
    encoder, classifier = cast(nn.Module, model.model), cast(nn.Linear, model.classifier)
    outputs = encoder(pixel_values)
    tokens, weights = outputs.last_hidden_state, outputs.pooling_weights
    if weights is None:
        weights = tokens.new_full(tokens.shape[:2], 1 / tokens.shape[1])
    return weights.unsqueeze(-1) * (tokens @ classifier.weight.T), classifier.bias


def gradient(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """The absolute gradient of each pixel (Simonyan et al. 2013, arXiv 1312.6034)."""
    return attribute(examples, processor, "gradient")


def integrated_gradients(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """Integrated gradients of each pixel, with their sign (Sundararajan et al. 2017, arXiv 1703.01365)."""
    return attribute(examples, processor, "integrated_gradients")


def attribute(examples: list[ImageExample], processor: BaseImageProcessor, method: str) -> list[np.ndarray]:
    images, targets = [example.image for example in examples], [example.target for example in examples]
    with torch.enable_grad():
        return saliency(examples[0].model, processor, images, targets, method=method, batch_size=BATCH_SIZE)


def window_map(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """How many of the model's windows (glimpses, or that of a spatial transformer) cover each pixel."""
    results = []
    for item, example in zip(windows(examples[0].model, processor, [each.image for each in examples]), examples):
        rows, columns = ((np.arange(side) + 0.5) / side * 2 - 1 for side in example.size)
        points = np.stack(np.meshgrid(columns, rows)).reshape(2, -1)
        covered = np.zeros(points.shape[1])
        for theta in item.windows:
            inside = np.linalg.pinv(theta[:, :2]) @ (points - theta[:, 2:])
            covered += (np.abs(inside) <= 1).all(axis=0)
        results.append(covered.reshape(example.size))
    return results


def center_blob(examples: list[ImageExample], processor: BaseImageProcessor) -> list[np.ndarray]:
    """A Gaussian in the middle of the image, a quarter of its sides wide: what needs no model to say."""
    results = []
    for example in examples:
        rows, columns = (((np.arange(side) + 0.5) / side - 0.5) ** 2 for side in example.size)
        results.append(np.exp(-(rows[:, None] + columns) * 8))
    return results


def attend_items(examples: list[ImageExample], processor: BaseImageProcessor) -> list[ImageAttention]:
    return attention_maps(examples[0].model, processor, [example.image for example in examples], BATCH_SIZE)


def attend(examples: list[ImageExample], processor: BaseImageProcessor) -> list[tuple[ImageAttention, ImageExample]]:
    return list(zip(attend_items(examples, processor), examples))


def stack(examples: list[ImageExample]) -> torch.Tensor:
    return torch.stack([example.pixel_values for example in examples])


def to_pixels(values: np.ndarray, example: ImageExample) -> np.ndarray:
    """Interpolates a map of tokens to the pixels."""
    return resize_map(values, example.size[::-1], example.grid_box)


IMAGE_MAPS: dict[str, ImageMap] = {
    "last-layer attention": last_attention,
    "sequence pool": pooling,
    "attention rollout": rollout,
    "attention x value norm": value_attention,
    "attention x gradient": attention_gradient,
    "gradient rollout": gradient_rollout,
    "token evidence": evidence,
    "windows": window_map,
    "gradient": gradient,
    "integrated gradients": integrated_gradients,
    "center blob": center_blob,
}

__all__ = ["token_evidence"]
