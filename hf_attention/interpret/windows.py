# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Where a model looked that looks through windows: a recurrent model's glimpses, or what a spatial transformer cut."""

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from ..models.compact_vit.image_processing_pil_compact_vit import convert_mode
from .alignments import evaluation
from .attention_maps import as_seen, upright
from .plots import find_fonts


@dataclass
class ImageWindows:
    """
    One image and the windows that a model looked through, in their order: T of them.

    Attributes:
        image (`PIL.Image.Image`): what the model was shown of the one given; see
            [`~hf_attention.interpret.as_seen`].
        label (`str`), score (`float`): the class found and its probability.
        windows (`np.ndarray` of shape `(T, 2, 3)`):
            Maps from coordinates of the window to those of the image, column then row, -1 to 1 from edge to edge. Of a
            glimpse, its finest patch.
        seen (`np.ndarray` of shape `(T, K, height, width, channels)`):
            What the model was given of each: K patches of a glimpse, the finest first; pixels from 0 to 1.
    """

    image: Image.Image
    label: str
    score: float
    windows: np.ndarray
    seen: np.ndarray

    def corners(self) -> np.ndarray:
        """The windows' corners, around them, in pixels of the image: (T, 4, 2), column then row."""
        around = np.array([[-1, 1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, 1]])
        corners = (self.windows @ around).transpose(0, 2, 1)
        return (corners + 1) / 2 * np.array(self.image.size) - 0.5


def find_windows(outputs: ModelOutput, config: PreTrainedConfig, size: tuple[int, int]) -> torch.Tensor | None:
    """
    The windows (B, T, 2, 3) in images of `size` (height, width) that a model's output tells of, `locations` or
    `theta`; `None` where there are none.
    """
    if outputs.get("locations") is not None:
        locations = outputs["locations"].float()
        windows = locations.new_zeros(*locations.shape[:2], 2, 3)
        for axis, side in enumerate(reversed(size)):  # column, then row
            windows[..., axis, axis] = config.glimpse_size * config.glimpse_stride / side
        windows[..., 2] = locations
        return windows
    return outputs["theta"].float().unsqueeze(1) if outputs.get("theta") is not None else None


def look(
    model: PreTrainedModel, image_processor: BaseImageProcessor, images: list[Image.Image], batch_size: int = 32
) -> list[ImageWindows]:
    """
    The windows through which a model looked at images.

    Raises:
        `ValueError`: for an image in place of a list, and for a model that looks through no windows.
    """
    images = upright(images)
    found = []
    normalized = image_processor.do_normalize
    statistics = (image_processor.image_mean, image_processor.image_std) if normalized else (0.0, 1.0)
    mean, std = (
        torch.tensor(values if isinstance(values, (list, tuple)) else [values]).view(-1, 1, 1) for values in statistics
    )
    with evaluation(model), torch.no_grad():
        for start in range(0, len(images), batch_size):
            chunk = images[start : start + batch_size]
            pixel_values = image_processor(chunk, return_tensors="pt")["pixel_values"].to(model.device, model.dtype)
            outputs = model(pixel_values)
            windows = find_windows(outputs, model.config, pixel_values.shape[2:])
            if windows is None:
                raise ValueError(
                    f"{type(model).__name__} returned no `locations` and no `theta`, so it looks through no window."
                )
            seen = outputs.get("glimpses")
            if seen is None:
                seen = outputs["warped_pixel_values"][:, None, None]  # (B, 1, 1, C, height, width)
            seen = (seen.float().cpu() * std + mean).clamp(0, 1).movedim(3, -1)
            scores, classes = outputs["logits"].float().softmax(dim=-1).max(dim=-1)
            found += [
                ImageWindows(
                    as_seen(image, image_processor),
                    model.config.id2label[int(label)],
                    float(score),
                    window.cpu().numpy(),
                    patches.numpy(),
                )
                for image, label, score, window, patches in zip(chunk, classes, scores, windows, seen)
            ]
    return found


def plot_windows(items: list[ImageWindows], cell: float = 1.5) -> Figure:
    """
    A row for each image: the windows over it, numbered and joined in their order where there are several; then what
    each one saw, in the same colours, a glimpse's patches from fine to coarse from top to bottom. `cell` is the side
    of a picture in inches.
    """
    if not items:
        raise ValueError("`items` is empty; there is nothing to draw.")
    steps, scales = items[0].seen.shape[:2]
    colours = [colormaps["plasma"](0.9 - 0.6 * (steps - 1 - step) / max(steps - 1, 1)) for step in range(steps)]
    columns = max(steps, 2)  # a single window is shown as large as the image
    figure = Figure(figsize=(cell * (2 + columns), cell * (0.25 + 2 * len(items))), layout="constrained")
    parts = figure.subfigures(len(items), 1, squeeze=False)[:, 0]
    for part, item in zip(parts, items):
        whole, details = part.subfigures(1, 2, width_ratios=[2, columns])
        ax = whole.subplots()
        ax.imshow(np.asarray(convert_mode(item.image, "RGB")))
        centres = item.corners().mean(axis=1)
        if steps > 1:
            ax.plot(*centres.T, color="white", linewidth=1, linestyle=":")
        for step, (colour, corners) in enumerate(zip(colours, item.corners())):
            ax.add_patch(Polygon(corners, fill=False, edgecolor=colour, linewidth=2))
            if steps > 1:
                badge = {"boxstyle": "circle,pad=0.2", "facecolor": colour, "edgecolor": "none"}
                ax.text(*centres[step], str(step + 1), color="black", fontsize=7, ha="center", va="center", bbox=badge)
            else:  # its upper edge, by which a turned window is told from an upright one
                ax.plot(*corners[:2].T, color="red", linewidth=3)
        ax.set(xlim=(-0.5, item.image.width - 0.5), ylim=(item.image.height - 0.5, -0.5))
        ax.set_axis_off()
        title = f"where it looked; found: {item.label} ({item.score:.2f})"
        ax.set_title(title, fontsize=9, fontfamily=find_fonts(title), parse_math=False)
        grid = details.subplots(scales, steps, squeeze=False)
        for step in range(steps):
            name = f"look {step + 1}" if steps > 1 else "what it saw"
            grid[0, step].set_title(name, fontsize=8, color="black")
            for scale in range(scales):
                if step == 0 and scales > 1:
                    grid[scale, 0].set_ylabel(["fine", *["coarser"] * (scales - 1)][scale], fontsize=8)
                patch = item.seen[step, scale]
                shown = grid[scale, step]
                shown.imshow(patch[..., 0] if patch.shape[-1] == 1 else patch[..., :3], cmap="gray", vmin=0, vmax=1)
                shown.set(xticks=[], yticks=[])
                for edge in shown.spines.values():
                    edge.set(edgecolor=colours[step], linewidth=2)
    return figure


__all__ = ["ImageWindows", "look", "plot_windows"]
