# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What a vision transformer attended to: each head's maps, their rollout, and the sequence pool's weights."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import BaseImageProcessor, PreTrainedConfig, PreTrainedModel

from .alignments import eager_attention, evaluation


@dataclass
class ImageAttention:
    """
    One image and the attention between its tokens: N of them, `rows * columns` on a grid after `num_prefix_tokens`.

    Attributes:
        image (`PIL.Image.Image`): what the model was shown of the one given; see [`as_seen`].
        label (`str`), score (`float`): the class found and its probability; empty and 0 for a model without a head.
        attentions (`np.ndarray` of shape `(layers, heads, N, N)`, float32): row i says what token i looked at.
        pooling_weights (`np.ndarray` of shape `(N,)`, *optional*): what the sequence pool looked at; sums to 1.
        grid (`tuple[int, int]`): rows and columns of tokens.
        num_prefix_tokens (`int`): tokens before the grid: a class token, registers, ...
        probabilities (`np.ndarray` of shape `(num_labels,)`, *optional*): of every class, with a head.
        num_class_tokens (`int`): of the prefix tokens, the first, those that a classifier may read.
        class_share (`float`): how much of what the classifier reads they are; the mean of the grid is the rest.
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

    @property
    def readout(self) -> np.ndarray:
        """
        What the classifier reads of each token, (N,): the sequence pool's weights, class tokens, the mean of the grid,
        or both of the last.
        """
        if self.pooling_weights is not None:
            return self.pooling_weights
        size, share = self.attentions.shape[-1], self.class_share if self.num_prefix_tokens else 0.0
        read = np.zeros(size)
        read[: self.num_class_tokens] = share / self.num_class_tokens
        read[self.num_prefix_tokens :] = (1 - share) / (size - self.num_prefix_tokens)
        return read

    def weights(self, layer: int = -1, head: int | None = None) -> np.ndarray:
        """The attention of a layer's head, or the mean of its heads, (N, N). `ValueError` where there is no such."""
        layers, heads = self.attentions.shape[:2]
        for name, given, count in (("layer", layer, layers), ("head", head or 0, heads)):
            if not -count <= given < count:
                raise ValueError(f"`{name}` = {given}, but the model has {count} {name}s: 0 to {count - 1}.")
        return self.attentions[layer].mean(axis=0) if head is None else self.attentions[layer, head]

    def head_map(self, layer: int = -1, head: int | None = None) -> np.ndarray:
        """
        What the classifier's reading looks at through a layer's head, or the mean of its heads. (rows, columns).
        `ValueError` for a layer or head that is not there.
        """
        return self.on_grid(self.readout @ self.weights(layer, head))

    def pooling_map(self) -> np.ndarray:
        """The sequence pool's weights on the grid. (rows, columns). `ValueError` where there are none."""
        if self.pooling_weights is None:
            raise ValueError("The model has no sequence pool (`pooling_type='sequence'`), so no `pooling_weights`.")
        return self.on_grid(self.pooling_weights)

    def rollout(self, residual: float = 0.5) -> np.ndarray:
        """
        Attention rollout (Abnar and Zuidema 2020, arXiv 2005.00928, section 4): attention through all layers, the mean
        of the heads mixed with `residual` parts of the identity for the residual path, up to what the classifier
        reads: the sequence pool's weights, or the class token. (rows, columns).

        Raises `ValueError` for a `residual` that is no share, and for weights that are none.
        """
        if not 0 <= residual < 1:
            raise ValueError(f"`residual` is the share of the residual path, 0 <= residual < 1, got {residual}.")
        if self.attentions.min() < 0:
            raise ValueError(
                "Rollout is of shares that sum to 1, but the model's weights (`dot_product`) are below 0."
            )
        reached = self.readout
        for weights in self.attentions.mean(axis=1)[::-1]:
            reached = (1 - residual) * reached @ weights + residual * reached
        return self.on_grid(reached)

    def on_grid(self, weights: np.ndarray) -> np.ndarray:
        return weights[self.num_prefix_tokens :].reshape(self.grid)


def attend(
    model: PreTrainedModel, image_processor: BaseImageProcessor, images: list[Image.Image], batch_size: int = 32
) -> list[ImageAttention]:
    """
    What a model attended to in images.

    Works on any vision transformer of transformers whose tokens stand on one grid through all layers (ours, ViT, DeiT,
    BEiT, DINOv2, CLIP's, ...). Of non-local blocks on several grids it takes those on the last.

    Raises:
        `ValueError`: for an image in place of a list, and for a model that returns no such attentions, prunes its
            tokens, or attends inside a window of the image.
    """
    images = upright(images)
    found = []
    with evaluation(model):
        for start in range(0, len(images), batch_size):
            chunk = images[start : start + batch_size]
            pixel_values = image_processor(chunk, return_tensors="pt")["pixel_values"].to(model.device, model.dtype)
            with torch.no_grad(), eager_attention(model):
                outputs = model(pixel_values=pixel_values, output_attentions=True)
            attentions = outputs.get("attentions")
            if outputs.get("kept_tokens") is not None:
                raise ValueError("The model prunes its tokens, and maps need all: load it with `token_keep_rate=1.0`.")
            if attentions and outputs.get("theta") is not None:
                raise ValueError(
                    "The model attends inside the window that its spatial transformer cut, and not in the image. "
                    "`look` shows the window."
                )
            if attentions and getattr(model.config, "attention_type", None) == "non_local":
                attentions = [layer for layer in attentions if layer.shape == attentions[-1].shape]
            if not attentions or any(layer is None or layer.shape != attentions[0].shape for layer in attentions):
                raise ValueError(
                    f"{type(model).__name__} returned no `attentions` of one shape (batch, heads, tokens, tokens) for "
                    "all layers, so there is nothing to show."
                )
            attentions = torch.stack(attentions, dim=1).float().cpu().numpy()  # (B, layers, heads, N, N)
            grid = find_grid(model.config, pixel_values.shape[2:], attentions.shape[-1])
            logits, pooling_weights = outputs.get("logits"), outputs.get("pooling_weights")
            num_class_tokens, class_share = find_readout(model)
            if pooling_weights is not None:
                pooling_weights = pooling_weights.float().cpu().numpy()
            for row, image in enumerate(chunk):
                label, score, probabilities = "", 0.0, None
                if logits is not None:
                    probabilities = logits[row].float().softmax(dim=-1).cpu().numpy()
                    score, index = float(probabilities.max()), int(probabilities.argmax())
                    label = model.config.id2label[index]
                found.append(
                    ImageAttention(
                        image=as_seen(image, image_processor),
                        label=label,
                        score=score,
                        attentions=attentions[row],
                        pooling_weights=None if pooling_weights is None else pooling_weights[row],
                        grid=grid,
                        num_prefix_tokens=attentions.shape[-1] - grid[0] * grid[1],
                        probabilities=probabilities,
                        num_class_tokens=num_class_tokens,
                        class_share=class_share,
                    )
                )
    return found


def upright(images: list[Image.Image]) -> list[Image.Image]:
    """The images as they are to be seen (EXIF); raises `ValueError` for anything but a list of PIL images."""
    if not isinstance(images, (list, tuple)) or not all(isinstance(image, Image.Image) for image in images):
        raise ValueError("`images` must be a list of PIL images. Open files with `PIL.Image.open`.")
    return [ImageOps.exif_transpose(image) for image in images]


def as_seen(image: Image.Image, image_processor: BaseImageProcessor) -> Image.Image:
    """
    What a processor shows the model of an upright image, in the image's own pixels: all of it, or, where it crops
    (`do_center_crop`), the middle, with black where the crop is larger. Maps lie over this.
    """
    if not getattr(image_processor, "do_center_crop", False):
        return image
    resized = image.size
    if getattr(image_processor, "do_resize", False):
        size = {name: side for name, side in dict(image_processor.size).items() if side}
        if "shortest_edge" in size:
            wanted, edge = size["shortest_edge"], min(image.size)
            if "longest_edge" in size and wanted * max(image.size) > size["longest_edge"] * edge:
                wanted, edge = size["longest_edge"], max(image.size)
            resized = [wanted * side // edge for side in image.size]
        else:
            resized = (size["width"], size["height"])
    crop = (image_processor.crop_size["width"], image_processor.crop_size["height"])
    first = [(side - cut) // 2 for side, cut in zip(resized, crop)]
    last = [start + cut for start, cut in zip(first, crop)]
    return image.crop(
        tuple(round(at * image.size[axis % 2] / resized[axis % 2]) for axis, at in enumerate(first + last))
    )


def find_readout(model: PreTrainedModel) -> tuple[int, float]:
    """How many class tokens a model's classifier reads, and how much of what it reads they are."""
    if hasattr(model, "distillation_classifier"):  # DeiT's with a teacher
        return 2, 1.0
    model_type = model.config.model_type
    if getattr(model.config, "use_mean_pooling", False) or model_type == "clip":  # BEiT's too
        return 1, 0.0
    return 1, 0.5 if model_type.startswith("dinov2") else 1.0


def find_grid(config: PreTrainedConfig, size: tuple[int, int], length: int) -> tuple[int, int]:
    """Rows and columns of the tokens of an image of `size` (height, width), of which there are `length` in all."""
    config = getattr(config, "vision_config", config)
    if hasattr(config, "grid_size"):
        rows, columns = (config.grid_size(side) for side in size)
    elif isinstance(getattr(config, "patch_size", None), int):
        rows, columns = (side // config.patch_size for side in size)
    else:
        raise ValueError(f"{type(config).__name__} has no `patch_size`, so its tokens stand on no known grid.")
    if not 0 <= length - rows * columns <= 16:
        raise ValueError(f"{length} tokens do not stand on the grid of {rows} x {columns} that the config describes.")
    return rows, columns


__all__ = ["ImageAttention", "as_seen", "attend"]
