# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""One picture of what any of our image classifiers attended to, whichever way it attends."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedModel

from .attention_maps import attend
from .channel_gates import gates_by_class, plot_gates
from .overlays import plot_attention_grid
from .positions import plot_positions
from .salient_pixels import pixel_saliency
from .windows import look, plot_windows


@dataclass
class View:
    """A picture, and a sentence or two that say what is on it."""

    figure: Figure
    caption: str


GLIMPSES = (
    "Each row begins with an image, the class found, and where the model looked, in order; then what each look saw, "
    "fine at the top, coarser and wider below."
)
WINDOW = (
    "Each row is an image with the class found, the window that the spatial transformer cut (red is its upper edge), "
    "and what the network saw through it."
)
GATES = "How far each block's gates let its channels through, on average, for each class found, over {count} images."
POSITIONS = (
    "Each row is an image with the class found, and what two of its positions, the one that stands out most and the "
    "one in the middle, related themselves to. Bright is where they looked."
)
TRANSFORMER = (
    "Each row is an image with the class found: what the layers' heads, on average, let the classifier see, attention "
    "rolled out through all layers, and the weights of the pool, where there is one. Bright is where it looked."
)


def view(
    model: PreTrainedModel, image_processor: BaseImageProcessor, images: list[Image.Image], shown: int = 4
) -> View:
    """
    What a model attended to: its glimpses, the window of its spatial transformer, its channel gates by class, what
    positions related themselves to in its non-local blocks, or a transformer's attention maps.

    Args:
        images (`list[PIL.Image.Image]`): the first of them are shown; gates are averaged over all.
        shown (`int`, *optional*, defaults to 4): images in the picture.

    Raises:
        `ValueError`: for a model that does not say what it attended to, and without images.
    """
    if not images:
        raise ValueError("`images` is empty; there is nothing to show.")
    config, first = model.config, images[:shown]
    if getattr(config, "spatial_transformer", "none") != "none" or hasattr(config, "num_glimpses"):
        caption = GLIMPSES if hasattr(config, "num_glimpses") else WINDOW
        return View(plot_windows(look(model, image_processor, first)), caption)
    kind = getattr(config, "attention_type", None)
    if kind == "se":
        names = [config.id2label[index] for index in range(config.num_labels)]
        return View(plot_gates(gates_by_class(model, image_processor, images), names), GATES.format(count=len(images)))
    attentions = attend(model, image_processor, first)
    if kind != "non_local":
        return View(plot_attention_grid(attentions), TRANSFORMER)
    pixels = []
    seen = [found.image for found in attentions]
    for image, values in zip(seen, pixel_saliency(seen)):
        row, column = np.unravel_index(values.argmax(), values.shape)
        pixels.append([(int(column), int(row)), (image.width // 2, image.height // 2)])
    return View(plot_positions(attentions, pixels), POSITIONS)


__all__ = ["View", "view"]
