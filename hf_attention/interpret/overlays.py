# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Maps over images: a single overlay, or a grid of overlays for a model card."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ..data.image_utils import convert_mode
from .color_scale import ColorScale
from .fonts import find_fonts
from .image_attention import ImageAttention, apply_exif_orientation


MAX_SIDE = 4096  # pixels of the longer side of an image that is enlarged


def overlay(
    image: Image.Image,
    values: np.ndarray,
    opacity: float = 0.6,
    cmap: str | None = None,
    min_size: int = 224,
    scale: ColorScale | None = None,
) -> Image.Image:
    """
    Blends a map over an image; `.save("overlay.png")` writes the result.

    Args:
        image (`PIL.Image.Image`): enlarged by an integer factor if its shorter side has fewer than
            `min_size` pixels, as far as the longer side has at most 4096.
        values (`np.ndarray` of shape `(rows, columns)`): resized to the image.
        opacity (`float`, *optional*, defaults to 0.6): opacity of the map, from 0 to 1.
        cmap (`str`, *optional*): matplotlib color map; by default `"magma"`, or `"RdBu_r"` for a map with negative
            values.
        min_size (`int`, *optional*, defaults to 224): minimum length of the result's shorter side in pixels.
        scale (`ColorScale`, *optional*): the colors of the values, to be shared by several maps; by default one that
            is fitted to this map. It begins at 0, so an even map has one color, that of the middle.

    Raises:
        `ValueError`: for `values` that do not have two dimensions.
    """
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"`values` must have the shape (rows, columns), got {values.shape}.")
    image = convert_mode(apply_exif_orientation([image])[0], "RGB")
    factor = max(1, min(-(-min_size // min(image.size)), MAX_SIDE // max(image.size)))
    size = (image.width * factor, image.height * factor)
    base = image.resize(size, Image.Resampling.NEAREST)
    heat = Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    colors = (scale or ColorScale.fit([values], cmap=cmap)).colors(np.asarray(heat))
    return Image.blend(base, Image.fromarray(colors), opacity)


def plot_attention_grid(attentions: list[ImageAttention], cell: float = 1.6) -> Figure:
    """
    Plots a row for each image: the image with its predicted class, attention through up to three layers (mean over the
    heads), the rollout, and the sequence pool's weights if there are any. `cell` is the size of a panel in inches.
    """
    if not attentions:
        raise ValueError("`attentions` is empty; there is nothing to plot.")
    layers = len(attentions[0].attentions)
    shown = sorted({round(index) for index in np.linspace(0, layers - 1, min(layers, 3))})
    rows = []
    for item in attentions:
        views = [(f"layer {layer + 1}", item.head_map(layer)) for layer in shown] + [("rollout", item.rollout())]
        if item.pooling_weights is not None:
            views.append(("sequence pool", item.pooling_map()))
        rows.append(views)
    figure = Figure(figsize=(cell * (len(rows[0]) + 1), cell * 1.12 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(rows[0]) + 1, squeeze=False)
    for row, (item, views) in enumerate(zip(attentions, rows)):
        axes[row, 0].imshow(np.asarray(convert_mode(item.image, "RGB")))
        title = f"{item.label} ({item.score:.2f})" if item.label else ""
        axes[row, 0].set_title(title, fontsize=8, fontfamily=find_fonts(title), parse_math=False)
        for ax, (name, values) in zip(axes[row, 1:], views):
            ax.imshow(np.asarray(overlay(item.image, values)))
            ax.set_title(name, fontsize=8)
        for ax in axes[row]:
            ax.set_axis_off()
    return figure


def plot_heads(attention: ImageAttention, cell: float = 1.2) -> Figure:
    """Plots the attention of the classifier's input through every head, a row per layer. `cell` is in inches."""
    layers, heads = attention.attentions.shape[:2]
    figure = Figure(figsize=(cell * heads, cell * 1.15 * layers), layout="constrained")
    axes = figure.subplots(layers, heads, squeeze=False)
    for layer in range(layers):
        for head in range(heads):
            axes[layer, head].imshow(np.asarray(overlay(attention.image, attention.head_map(layer, head))))
            axes[layer, head].set_title(f"layer {layer + 1}, head {head + 1}", fontsize=6)
            axes[layer, head].set_axis_off()
    return figure


__all__ = ["overlay", "plot_attention_grid", "plot_heads"]
