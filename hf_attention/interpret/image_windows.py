# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Windows through which a model reads an image: glimpses of recurrent attention, or a spatial transformer's window."""

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from ..data.image_utils import class_names, class_probabilities, convert_mode
from .color_scale import DPI
from .image_attention import apply_exif_orientation, crop_like_processor
from .model_modes import eval_mode
from .titles import make_titles, set_title


@dataclass
class ImageWindows:
    """
    One image and the T windows through which a model read it, in order.

    Attributes:
        image (`PIL.Image.Image`): the part of the image that the model saw; see
            [`~hf_attention.interpret.crop_like_processor`].
        label (`str`), score (`float`): the predicted class and its probability.
        windows (`np.ndarray` of shape `(T, 2, 3)`):
            Affine maps from coordinates of the window to those of the image, column then row, both from -1 to 1. For a
            glimpse, the map of its finest patch.
        seen (`np.ndarray` of shape `(T, K, height, width, channels)`):
            The content of each window: K patches of a glimpse, the finest first; pixels from 0 to 1.
    """

    image: Image.Image
    label: str
    score: float
    windows: np.ndarray
    seen: np.ndarray

    def corners(self) -> np.ndarray:
        """The corners of each window in clockwise order, in pixels of the image: (T, 4, 2), column then row."""
        around = np.array([[-1, 1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, 1]])
        corners = (self.windows @ around).transpose(0, 2, 1)
        return (corners + 1) / 2 * np.array(self.image.size) - 0.5


def find_windows(outputs: ModelOutput, config: PreTrainedConfig, size: tuple[int, int]) -> torch.Tensor | None:
    """
    The windows (B, T, 2, 3) of a model's outputs, `locations` or `theta`, for images of `size` (height, width).

    Returns `None` if the outputs have neither.
    """
    if outputs.get("locations") is not None:
        locations = outputs["locations"].float()
        thetas = locations.new_zeros(*locations.shape[:2], 2, 3)
        for axis, side in enumerate(reversed(size)):  # column, then row
            thetas[..., axis, axis] = config.glimpse_size * config.glimpse_stride / side
        thetas[..., 2] = locations
        return thetas
    return outputs["theta"].float().unsqueeze(1) if outputs.get("theta") is not None else None


def windows(
    model: PreTrainedModel, image_processor: BaseImageProcessor, images: list[Image.Image], batch_size: int = 32
) -> list[ImageWindows]:
    """
    Computes the windows through which a model read images: glimpses, or the window of a spatial transformer.

    Returns:
        `list[ImageWindows]`: one per image.

    Raises:
        `ValueError`: if `images` is not a list of PIL images, or if the model has no windows.
    """
    images = apply_exif_orientation(images)
    names = class_names(model.config)
    results = []
    normalizes = getattr(image_processor, "do_normalize", False)
    statistics = [getattr(image_processor, name) for name in ("image_mean", "image_std")] if normalizes else [0.0, 1.0]
    mean, std = (
        torch.tensor(values if isinstance(values, (list, tuple)) else [values]).view(-1, 1, 1) for values in statistics
    )
    with eval_mode(model), torch.no_grad():
        for start in range(0, len(images), batch_size):
            chunk = images[start : start + batch_size]
            pixel_values = image_processor(chunk, return_tensors="pt")["pixel_values"].to(model.device, model.dtype)
            outputs = model(pixel_values)
            thetas = find_windows(outputs, model.config, pixel_values.shape[2:])
            if thetas is None:
                raise ValueError(
                    f"{type(model).__name__} returned neither `locations` nor `theta`: it has no windows."
                )
            seen = outputs.get("glimpses")
            if seen is None:
                seen = outputs["warped_pixel_values"][:, None, None]  # (B, 1, 1, C, height, width)
            seen = (seen.float().cpu() * std + mean).clamp(0, 1).movedim(3, -1)
            probabilities = class_probabilities(model.config, outputs["logits"].float())
            predicted = [("", 0.0)] * len(chunk)  # of a model that predicts numbers
            if probabilities is not None:
                predicted = [(names[int(row.argmax())], float(row.max())) for row in probabilities]
            results += [
                ImageWindows(
                    crop_like_processor(image, image_processor),
                    label,
                    score,
                    theta.cpu().numpy(),
                    patches.numpy(),
                )
                for image, (label, score), theta, patches in zip(chunk, predicted, thetas, seen)
            ]
    return results


def plot_windows(items: list[ImageWindows], cell: float = 1.5, labels: list[str] | None = None) -> Figure:
    """
    Plots a row for each image: the image with its windows, numbered in order if there are several; then the content of
    each window, a glimpse's patches from fine (top) to coarse (bottom).

    Args:
        cell (`float`, *optional*, defaults to 1.5): size of a panel in inches.
        labels (`list[str]`, *optional*): the true class of each image.
    """
    if not items:
        raise ValueError("`items` is empty; there is nothing to plot.")
    titles = make_titles(items, labels)
    steps, scales = items[0].seen.shape[:2]
    colors = [colormaps["plasma"](0.9 - 0.6 * (steps - 1 - step) / max(steps - 1, 1)) for step in range(steps)]
    columns = max(steps, 2)  # a single window is drawn as large as the image
    figure = Figure(figsize=(cell * (2 + columns), cell * (0.25 + 2 * len(items))), dpi=DPI, layout="constrained")
    parts = figure.subfigures(len(items), 1, squeeze=False)[:, 0]
    for part, item, title in zip(parts, items, titles):
        overview, details = part.subfigures(1, 2, width_ratios=[2, columns])
        ax = overview.subplots()
        ax.imshow(np.asarray(convert_mode(item.image, "RGB")))
        centers = item.corners().mean(axis=1)
        if steps > 1:
            ax.plot(*centers.T, color="white", linewidth=1, linestyle=":")
        for step, (color, corners) in enumerate(zip(colors, item.corners())):
            ax.add_patch(Polygon(corners, fill=False, edgecolor=color, linewidth=2))
            if steps > 1:
                badge = {"boxstyle": "circle,pad=0.2", "facecolor": color, "edgecolor": "none"}
                ax.text(*centers[step], str(step + 1), color="black", fontsize=7, ha="center", va="center", bbox=badge)
            else:  # the upper edge shows how the window is rotated
                ax.plot(*corners[:2].T, color="red", linewidth=3)
        ax.set(xlim=(-0.5, item.image.width - 0.5), ylim=(item.image.height - 0.5, -0.5))
        ax.set_axis_off()
        set_title(ax, title, fontsize=9)
        grid = details.subplots(scales, steps, squeeze=False)
        for step in range(steps):
            name = f"glimpse {step + 1}" if steps > 1 else "window"
            grid[0, step].set_title(name, fontsize=8, color="black")
            for scale in range(scales):
                if step == 0 and scales > 1:
                    grid[scale, 0].set_ylabel(["fine", *["coarser"] * (scales - 1)][scale], fontsize=8)
                patch = item.seen[step, scale]
                panel = grid[scale, step]
                panel.imshow(patch[..., 0] if patch.shape[-1] == 1 else patch[..., :3], cmap="gray", vmin=0, vmax=1)
                panel.set(xticks=[], yticks=[])
                for edge in panel.spines.values():
                    edge.set(edgecolor=colors[step], linewidth=2)
    return figure


look = windows  # old name, kept until 0.2

__all__ = ["ImageWindows", "look", "plot_windows", "windows"]
