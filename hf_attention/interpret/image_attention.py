# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Attention of vision transformers over images: maps of each head, attention rollout, sequence pooling weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import BaseImageProcessor, PreTrainedModel
from transformers.image_utils import SizeDict

from ..data.image_utils import class_names, class_probabilities, size_option
from ..models.compact_vit import CompactVitImageProcessorPil
from .model_modes import eager_attention, eval_mode
from .token_grid import WHOLE_IMAGE, Box, find_grid, find_grid_box


@dataclass
class ImageAttention:
    """
    One image and the attention between its N tokens: `num_prefix_tokens`, then a grid of `rows * columns`.

    Attributes:
        image (`PIL.Image.Image`): the part of the image that the model saw; see [`crop_like_processor`].
        label (`str`), score (`float`):
            The predicted class and its probability; empty and 0 without a head, or if the model predicts numbers.
        attentions (`np.ndarray` of shape `(layers, heads, N, N)`, float32): row i is the attention of token i.
        pooling_weights (`np.ndarray` of shape `(N,)`, *optional*): weights of the sequence pool; they sum to 1.
        grid (`tuple[int, int]`): rows and columns of tokens.
        num_prefix_tokens (`int`): number of tokens before the grid: class token, registers, ...
        probabilities (`np.ndarray` of shape `(num_labels,)`, *optional*): of all classes; with a head.
        num_class_tokens (`int`): how many of the prefix tokens, the first ones, are class tokens.
        class_share (`float`): share of the class tokens in the classifier's input; the rest is the mean of the grid.
        grid_box (`tuple[float, float, float, float]`):
            Left, top, right and bottom of the grid, in sides of the image: each token is in the middle of one of the
            equal cells of this box. The grid of a convolutional network begins left of and above the image.
    """

    image: Image.Image
    label: str
    score: float
    attentions: np.ndarray
    pooling_weights: np.ndarray | None
    grid: tuple[int, int]
    num_prefix_tokens: int
    probabilities: np.ndarray | None = None
    num_class_tokens: int = 1
    class_share: float = 1.0
    grid_box: Box = WHOLE_IMAGE

    @property
    def num_tokens(self) -> int:
        """N; the weight of each token in an even map is 1 / N."""
        return self.attentions.shape[-1]

    @property
    def readout(self) -> np.ndarray:
        """
        The weight of each token in the classifier's input, (N,): the sequence pool's weights, or those of the class
        tokens and of the mean of the grid.
        """
        if self.pooling_weights is not None:
            return self.pooling_weights
        size, share = self.attentions.shape[-1], self.class_share if self.num_prefix_tokens else 0.0
        read = np.zeros(size)
        read[: self.num_class_tokens] = share / self.num_class_tokens
        read[self.num_prefix_tokens :] = (1 - share) / (size - self.num_prefix_tokens)
        return read

    def weights(self, layer: int = -1, head: int | None = None) -> np.ndarray:
        """
        Returns the attention of a head, or the mean over the layer's heads: (N, N).

        Raises `ValueError` for a layer or head that does not exist.
        """
        layers, heads = self.attentions.shape[:2]
        for name, given, count in (("layer", layer, layers), ("head", head or 0, heads)):
            if not -count <= given < count:
                raise ValueError(f"`{name}` = {given}, but the model has {count} {name}s: 0 to {count - 1}.")
        return self.attentions[layer].mean(axis=0) if head is None else self.attentions[layer, head]

    def head_map(self, layer: int = -1, head: int | None = None) -> np.ndarray:
        """
        Returns the attention of the classifier's input tokens over the grid, for one head or the mean over the layer's
        heads: (rows, columns).

        Raises `ValueError` for a layer or head that does not exist.
        """
        return self.on_grid(self.readout @ self.weights(layer, head))

    def pooling_map(self) -> np.ndarray:
        """
        Returns the sequence pool's weights on the grid: (rows, columns).

        Raises `ValueError` for a model without a sequence pool.
        """
        if self.pooling_weights is None:
            raise ValueError("The model has no sequence pool (`pooling_type='sequence'`), so no `pooling_weights`.")
        return self.on_grid(self.pooling_weights)

    def rollout(self, residual: float = 0.5) -> np.ndarray:
        """
        Computes attention rollout (Abnar and Zuidema 2020, arXiv 2005.00928): the product over all layers
        of the mean over heads, mixed with the identity (weight `residual`) for the residual connection, weighted by
        [`readout`]: (rows, columns).

        Raises `ValueError` for a `residual` outside 0 <= residual < 1, and for negative attention weights.
        """
        if not 0 <= residual < 1:
            raise ValueError(f"`residual` must be in the range 0 <= residual < 1, got {residual}.")
        if self.attentions.min() < 0:
            raise ValueError(
                "Rollout needs attention weights that are not negative, but this model has negative ones "
                "(`pairwise_function='dot_product'`)."
            )
        reached = self.readout
        for weights in self.attentions.mean(axis=1)[::-1]:
            reached = (1 - residual) * reached @ weights + residual * reached
        return self.on_grid(reached)

    def find_token(self, x: float, y: float) -> tuple[int, int]:
        """Returns row and column of the token that is closest to a point of the image, in sides of the image."""
        (rows, columns), (left, top, right, bottom) = self.grid, self.grid_box
        row, column = (y - top) / (bottom - top) * rows, (x - left) / (right - left) * columns
        return min(max(int(row), 0), rows - 1), min(max(int(column), 0), columns - 1)

    def on_grid(self, weights: np.ndarray) -> np.ndarray:
        """Drops the prefix tokens and reshapes (N,) to (rows, columns)."""
        return weights[self.num_prefix_tokens :].reshape(self.grid)


def attention_maps(
    model: PreTrainedModel, image_processor: BaseImageProcessor, images: list[Image.Image], batch_size: int = 32
) -> list[ImageAttention]:
    """
    Computes the attention of a model over images.

    Works with every vision transformer whose tokens stay on one grid through all layers (Compact ViT, ViT, DeiT, BEiT,
    DINOv2, CLIP, ...). Of non-local blocks on several grids, the blocks on the last grid are returned.

    Returns:
        `list[ImageAttention]`: one per image.

    Raises:
        `ValueError`: if `images` is not a list of PIL images, or if the model returns no such attentions, prunes its
            tokens, or attends inside a window of the image.
    """
    images = apply_exif_orientation(images)
    names = class_names(model.config)
    results = []
    with eval_mode(model):
        for start in range(0, len(images), batch_size):
            chunk = images[start : start + batch_size]
            pixel_values = image_processor(chunk, return_tensors="pt")["pixel_values"].to(model.device, model.dtype)
            with torch.no_grad(), eager_attention(model):
                outputs = model(pixel_values=pixel_values, output_attentions=True)
            attentions = outputs.get("attentions")
            if outputs.get("kept_tokens") is not None:
                raise ValueError(
                    "The model prunes tokens, but attention maps need all: load it with `token_keep_rate=1.0`."
                )
            if attentions and outputs.get("theta") is not None:
                raise ValueError(
                    "The model attends inside the window that its spatial transformer cut, not in the image. Use "
                    "`windows` to see the window."
                )
            if attentions and getattr(model.config, "attention_type", None) == "non_local":
                attentions = [layer for layer in attentions if layer.shape == attentions[-1].shape]
            if not attentions or any(layer is None or layer.shape != attentions[0].shape for layer in attentions):
                raise ValueError(
                    f"{type(model).__name__} returned no `attentions` of one shape (batch, heads, tokens, tokens) for "
                    "all layers."
                )
            attentions = torch.stack(attentions, dim=1).float().cpu().numpy()  # (B, layers, heads, N, N)
            grid = find_grid(model.config, pixel_values.shape[2:], attentions.shape[-1])
            box = find_grid_box(model.config, pixel_values.shape[2:])
            logits, pooling_weights = outputs.get("logits"), outputs.get("pooling_weights")
            known = None if logits is None else class_probabilities(model.config, logits.float())
            num_class_tokens, class_share = find_readout(model)
            if pooling_weights is not None:
                pooling_weights = pooling_weights.float().cpu().numpy()
            for row, image in enumerate(chunk):
                label, score, probabilities = "", 0.0, None
                if known is not None:
                    probabilities = known[row].cpu().numpy()
                    score, index = float(probabilities.max()), int(probabilities.argmax())
                    label = names[index]
                results.append(
                    ImageAttention(
                        image=crop_like_processor(image, image_processor),
                        label=label,
                        score=score,
                        attentions=attentions[row],
                        pooling_weights=None if pooling_weights is None else pooling_weights[row],
                        grid=grid,
                        num_prefix_tokens=attentions.shape[-1] - grid[0] * grid[1],
                        probabilities=probabilities,
                        num_class_tokens=num_class_tokens,
                        class_share=class_share,
                        grid_box=box,
                    )
                )
    return results


def apply_exif_orientation(images: list[Image.Image]) -> list[Image.Image]:
    """Applies the EXIF orientation to images. Raises `ValueError` for anything but a list of PIL images."""
    if not isinstance(images, (list, tuple)) or not all(isinstance(image, Image.Image) for image in images):
        raise ValueError("`images` must be a list of PIL images. Open files with `PIL.Image.open`.")
    return [ImageOps.exif_transpose(image) for image in images]


def crop_like_processor(image: Image.Image, image_processor: BaseImageProcessor) -> Image.Image:
    """
    Returns the part of an image that an image processor passes to the model, at the image's own resolution.

    That is the complete image; with `do_center_crop` its center, padded with black where the crop is larger than the
    image; or, if this package's image processor pads, the image with repeated edges. Attention maps cover this part.
    The EXIF orientation must have been applied.
    """
    if pads_both_sides(image_processor):
        side = max(image.size)
        size = SizeDict(height=side, width=side)
        # an array keeps neither a palette nor what its channels are
        array = np.asarray(image.convert("RGB") if image.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV") else image)
        pixels = image_processor.pad([array.reshape(*array.shape[:2], -1).transpose(2, 0, 1)], size)[0]
        return Image.fromarray(pixels.transpose(1, 2, 0).squeeze())
    return image.crop(processed_part(image.size, image_processor))


def pads_both_sides(image_processor: BaseImageProcessor) -> TypeGuard[CompactVitImageProcessorPil]:
    return bool(getattr(image_processor, "do_pad", False)) and isinstance(image_processor, CompactVitImageProcessorPil)


def processed_part(size: tuple[int, int], image_processor: BaseImageProcessor) -> tuple[int, int, int, int]:
    """
    The part of an image of a width and height that an image processor passes to the model: left, top, right, bottom,
    in pixels of the image, which may lie outside of it; at least one pixel, even if the model sees less.
    """
    if pads_both_sides(image_processor):
        left, top = ((max(size) - side) // 2 for side in size)
        return -left, -top, max(size) - left, max(size) - top
    if not getattr(image_processor, "do_center_crop", False):
        return 0, 0, *size
    resized: Sequence[int] = size
    if getattr(image_processor, "do_resize", False):
        edges = {name: side for name, side in size_option(image_processor, "size").items() if side}
        if "shortest_edge" in edges:
            target, edge = edges["shortest_edge"], min(size)
            if "longest_edge" in edges and target * max(size) > edges["longest_edge"] * edge:
                target, edge = edges["longest_edge"], max(size)
            resized = [target * side // edge for side in size]
        else:
            resized = (edges["width"], edges["height"])
    crop = size_option(image_processor, "crop_size")
    crop_sides = (crop["width"], crop["height"])
    left, top = ((side - cut) // 2 for side, cut in zip(resized, crop_sides))
    columns = [round(x * size[0] / resized[0]) for x in (left, left + crop_sides[0])]
    rows = [round(y * size[1] / resized[1]) for y in (top, top + crop_sides[1])]
    return columns[0], rows[0], max(columns[1], columns[0] + 1), max(rows[1], rows[0] + 1)


def find_readout(model: PreTrainedModel) -> tuple[int, float]:
    """The number of class tokens in a classifier's input, and their share in it (the rest is the mean of the grid)."""
    if hasattr(model, "distillation_classifier"):  # DeiT's with a teacher
        return 2, 1.0
    model_type = model.config.model_type
    if getattr(model.config, "use_mean_pooling", False) or model_type == "clip":  # BEiT's too
        return 1, 0.0
    return 1, 0.5 if model_type.startswith("dinov2") else 1.0


attend = attention_maps  # old name, kept until 0.2
as_seen = crop_like_processor  # old name, kept until 0.2

__all__ = ["ImageAttention", "as_seen", "attend", "attention_maps", "crop_like_processor"]
