# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""One figure of what an image classifier attended to, chosen by the kind of attention that it has."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedModel

from ..data.image_utils import class_names
from .channel_gates import gates_by_class, plot_gates
from .classical_saliency import pixel_saliency
from .image_attention import attention_maps
from .image_windows import plot_windows, windows
from .overlays import plot_attention_grid
from .positions import plot_positions


@dataclass
class View:
    """A figure and its caption."""

    figure: Figure
    caption: str


GLIMPSES = (
    "Each row shows an image{classes} and the locations of the model's glimpses, in order; then the "
    "patches of each glimpse, from fine (top) to coarse (bottom)."
)
WINDOW = (
    "Each row shows an image{classes} and the window that the spatial transformer cut (red marks its "
    "upper edge); then the content of the window, which is the network's input."
)
GATES = "Mean gate of each block's channels, by predicted class, over {count} images."
POSITIONS = (
    "Each row shows an image{classes}, then the attention of two of its positions: the most salient one and the "
    "one in the middle. {scale}"
)
TRANSFORMER = (
    "Each row shows an image{classes}; then the attention that reaches the classifier through single layers "
    "(mean of the heads) and through all layers (attention rollout), and the weights of the sequence pool if the "
    "model has one. {scale}"
)
SCALE = "All maps have the color scale at the right; a map in the color of `even` says nothing about where to look."


def plot_attention(
    model: PreTrainedModel,
    image_processor: BaseImageProcessor,
    images: list[Image.Image],
    shown: int = 4,
    labels: list[str] | None = None,
) -> View:
    """
    Plots what a model attended to: glimpses, the window of a spatial transformer, channel gates by class, the
    positions of non-local blocks, or a transformer's attention maps, depending on the model.

    Args:
        images (`list[PIL.Image.Image]`): the first `shown` are plotted; gates are averaged over all of them.
        shown (`int`, *optional*, defaults to 4): number of images in the figure.
        labels (`list[str]`, *optional*):
            The true classes of the images; [`choose_samples`] selects images of all classes, right and wrong ones.

    Raises:
        `ValueError`: if the model returns no attention that can be plotted, or if `images` is empty.
    """
    if not images:
        raise ValueError("`images` is empty; there is nothing to plot.")
    config, first = model.config, images[:shown]
    labels = None if labels is None else labels[:shown]
    classes = " with its predicted class" if labels is None else " with its true and predicted class"
    words = {"classes": "" if config.problem_type == "regression" else classes, "scale": SCALE}
    if hasattr(config, "num_glimpses"):
        return View(plot_windows(windows(model, image_processor, first), labels=labels), GLIMPSES.format(**words))
    if getattr(config, "spatial_transformer", "none") != "none":
        return View(plot_windows(windows(model, image_processor, first), labels=labels), WINDOW.format(**words))
    attention_type = getattr(config, "attention_type", None)
    if attention_type == "se":
        gates = gates_by_class(model, image_processor, images)
        return View(plot_gates(gates, class_names(config)), GATES.format(count=len(images)))
    attentions = attention_maps(model, image_processor, first)
    if attention_type == "non_local":
        pixels = [choose_pixels(item.image) for item in attentions]
        return View(plot_positions(attentions, pixels, labels=labels), POSITIONS.format(**words))
    return View(plot_attention_grid(attentions, labels), TRANSFORMER.format(**words))


def choose_pixels(image: Image.Image) -> list[tuple[int, int]]:
    """The most salient pixel of an image and the one in its middle, as (column, row)."""
    saliency = pixel_saliency([image])[0]
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    return [(int(column), int(row)), (image.width // 2, image.height // 2)]


view = plot_attention  # old name, kept until 0.2

__all__ = ["View", "plot_attention", "view"]
