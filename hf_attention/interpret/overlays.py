# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Maps over images: one overlay as a PNG, or a grid of views for a card."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image

from ..models.compact_vit.image_processing_pil_compact_vit import convert_mode
from .attention_maps import ImageAttention, upright
from .plots import find_fonts


def overlay(
    image: Image.Image, values: np.ndarray, opacity: float = 0.6, cmap: str = "magma", min_size: int = 224
) -> Image.Image:
    """
    An image under a map of its parts, blended; `.save("overlay.png")` writes it.

    Args:
        image (`PIL.Image.Image`): enlarged, in whole steps, where its shorter side is under `min_size` pixels.
        values (`np.ndarray` of shape `(rows, columns)`): stretched over the image, lowest to highest over the colours.
        opacity (`float`, *optional*, defaults to 0.6): of the map, 0 to 1.
        cmap (`str`, *optional*, defaults to `"magma"`): matplotlib colour map.
    """
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"`values` must have the shape (rows, columns), got {values.shape}.")
    image = convert_mode(upright([image])[0], "RGB")
    factor = max(1, -(-min_size // min(image.size)))
    size = (image.width * factor, image.height * factor)
    base = image.resize(size, Image.Resampling.NEAREST)
    spread = np.ptp(values)
    scaled = (values - values.min()) / spread if spread > 0 else np.zeros_like(values)
    heat = Image.fromarray((scaled * 255).round().astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    colours = Image.fromarray((colormaps[cmap](np.asarray(heat))[..., :3] * 255).round().astype(np.uint8))
    return Image.blend(base, colours, opacity)


def plot_attention_grid(attentions: list[ImageAttention], cell: float = 1.6) -> Figure:
    """
    A row for each image: itself with the class found, the mean of each layer's heads, their rollout, and, where there
    is a sequence pool, its weights. `cell` is the side of a picture in inches.
    """
    if not attentions:
        raise ValueError("`attentions` is empty; there is nothing to draw.")
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
    """Every head of every layer, a row a layer: what the classifier's reading looks at through it."""
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
