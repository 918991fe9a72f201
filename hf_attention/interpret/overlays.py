# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Maps over images: a single overlay, or a grid of overlays for a model card."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ..data.image_utils import convert_mode
from .color_scale import DPI, MULTIPLES, ColorScale
from .image_attention import ImageAttention, apply_exif_orientation
from .titles import make_titles, set_title
from .token_grid import Tokenized, resize_map, split_image


MAX_SIDE = 4096  # pixels of the longer side of an image that is enlarged


def overlay(
    image: Image.Image | Tokenized,
    values: np.ndarray,
    opacity: float = 0.6,
    cmap: str | None = None,
    min_size: int = 224,
    scale: ColorScale | None = None,
) -> Image.Image:
    """
    Blends a map over an image; `.save("overlay.png")` writes the result.

    Args:
        image (`PIL.Image.Image`, [`ImageAttention`], [`Reading`] or [`ImageMap`]):
            Enlarged by an integer factor if its shorter side has fewer than `min_size` pixels, as far as the longer
            side has at most 4096. A map of pixels covers the image; for one of tokens, pass the item, which knows
            where they are: those of a convolutional network lie left of and above the middle of their cells.
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
    image, box = split_image(image)
    image = convert_mode(apply_exif_orientation([image])[0], "RGB")
    factor = max(1, min(-(-min_size // min(image.size)), MAX_SIDE // max(image.size)))
    size = (image.width * factor, image.height * factor)
    base = image.resize(size, Image.Resampling.NEAREST)
    colors = (scale or ColorScale.fit([values], cmap=cmap)).colors(resize_map(values, size, box))
    return Image.blend(base, Image.fromarray(colors), opacity)


def plot_attention_grid(
    attentions: list[ImageAttention], labels: list[str] | None = None, cell: float = 1.6
) -> Figure:
    """
    Plots a row for each image: the image with its classes, attention through up to three layers (mean over the heads),
    the rollout, and the sequence pool's weights if there are any. All maps have one color scale, in multiples of the
    value of an even map.

    Args:
        attentions (`list[ImageAttention]`): from [`attention_maps`].
        labels (`list[str]`, *optional*): the true class of each image.
        cell (`float`, *optional*, defaults to 1.6): size of a panel in inches.

    Raises:
        `ValueError`: if `attentions` is empty, or has another length than `labels`.
    """
    if not attentions:
        raise ValueError("`attentions` is empty; there is nothing to plot.")
    titles = make_titles(attentions, labels)
    layers = len(attentions[0].attentions)
    shown = sorted({round(index) for index in np.linspace(0, layers - 1, min(layers, 3))})
    rows = []
    for item in attentions:
        views = [(f"layer {layer + 1}", item.head_map(layer)) for layer in shown] + [("rollout", item.rollout())]
        if item.pooling_weights is not None:
            views.append(("sequence pool", item.pooling_map()))
        rows.append([(name, values * item.num_tokens) for name, values in views])
    scale = ColorScale.fit((values for views in rows for _, values in views), even=1.0)
    height = cell * (1.24 if labels else 1.12)
    figure = Figure(figsize=(cell * (len(rows[0]) + 1.4), height * len(rows)), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(rows), len(rows[0]) + 1, squeeze=False)
    for row, (item, title, views) in enumerate(zip(attentions, titles, rows)):
        axes[row, 0].imshow(np.asarray(convert_mode(item.image, "RGB")))
        set_title(axes[row, 0], title)
        for ax, (name, values) in zip(axes[row, 1:], views):
            ax.imshow(np.asarray(overlay(item, values, scale=scale)))
            ax.set_title(name, fontsize=8)
        for ax in axes[row]:
            ax.set_axis_off()
    scale.add_bar(axes, MULTIPLES, shrink=min(1.0, 3 / len(rows)))
    return figure


def plot_heads(attention: ImageAttention, cell: float = 1.2) -> Figure:
    """
    Plots the attention of the classifier's input through every head, a row per layer, with one color scale. `cell` is
    in inches.
    """
    layers, heads = attention.attentions.shape[:2]
    maps = [
        [attention.head_map(layer, head) * attention.num_tokens for head in range(heads)] for layer in range(layers)
    ]
    scale = ColorScale.fit((values for row in maps for values in row), even=1.0)
    figure = Figure(figsize=(cell * (heads + 0.8), cell * 1.15 * layers), dpi=DPI, layout="constrained")
    axes = figure.subplots(layers, heads, squeeze=False)
    for layer in range(layers):
        for head in range(heads):
            picture = overlay(attention, maps[layer][head], scale=scale)
            axes[layer, head].imshow(np.asarray(picture))
            axes[layer, head].set_title(f"layer {layer + 1}, head {head + 1}", fontsize=6)
            axes[layer, head].set_axis_off()
    scale.add_bar(axes, MULTIPLES)
    return figure


__all__ = ["overlay", "plot_attention_grid", "plot_heads"]
