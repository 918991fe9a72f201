# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Channel gates of squeeze-and-excitation blocks, averaged by class."""

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedModel

from ..data.image_utils import class_names
from .color_scale import DPI
from .fonts import find_fonts
from .image_attention import apply_exif_orientation
from .model_modes import eval_mode


def gates_by_class(
    model: PreTrainedModel,
    image_processor: BaseImageProcessor,
    images: list[Image.Image],
    labels: list[int] | None = None,
    batch_size: int = 64,
) -> list[np.ndarray]:
    """
    Computes the mean gate of every channel for each class (Hu et al. 2017, arXiv 1709.01507, section 6.4).

    Args:
        labels (`list[int]`, *optional*): the class of each image; by default the predicted one.

    Returns:
        `list[np.ndarray]`: (num_labels, channels) for each block with gates; NaN for a class without images.

    Raises:
        `ValueError`: for a number of labels that differs from the number of images, for a model without `gates`, and
            without `labels` for one that predicts numbers.
    """
    images = apply_exif_orientation(images)
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"`labels` ({len(labels)}) must have the same length as `images` ({len(images)}).")
    if labels is None and getattr(model.config, "problem_type", None) == "regression":
        raise ValueError(f"{type(model).__name__} predicts numbers, not classes: pass `labels`.")
    gates, classes = [], []
    with eval_mode(model), torch.no_grad():
        for start in range(0, len(images), batch_size):
            pixel_values = image_processor(images[start : start + batch_size], return_tensors="pt")["pixel_values"]
            outputs = model(pixel_values.to(model.device, model.dtype))
            if not outputs.get("gates"):
                raise ValueError(f"{type(model).__name__} returned no `gates` (`attention_type='se'` has them).")
            gates.append([block.float().cpu().numpy() for block in outputs["gates"]])
            classes += outputs["logits"].argmax(dim=-1).tolist()
    classes = np.asarray(classes if labels is None else labels)
    means = []
    for block in zip(*gates):
        values = np.concatenate(block)  # (images, channels)
        rows = [values[classes == label] for label in range(len(class_names(model.config)))]
        means.append(np.stack([row.mean(axis=0) if len(row) else np.full(values.shape[1], np.nan) for row in rows]))
    return means


def plot_gates(gates: list[np.ndarray], names: list[str], width: float = 9.0) -> Figure:
    """
    Plots a heat map for each block, a row per class and a column per channel; the channels in which the classes differ
    most come first. `width` is in inches.
    """
    if not gates:
        raise ValueError("`gates` is empty; there is nothing to plot.")
    columns = min(len(gates), 3)
    rows = -(-len(gates) // columns)
    figure = Figure(figsize=(width, rows * (0.9 + 0.16 * len(names))), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for number, (ax, values) in enumerate(zip(axes.flat, gates)):
        ax.set_axis_on()
        order = np.argsort(-np.nan_to_num(values).std(axis=0))
        heat_map = ax.imshow(values[:, order], cmap="viridis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        ax.set_yticks(range(len(names)), names, fontsize=7, fontfamily=find_fonts("".join(names)), parse_math=False)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.tick_params(axis="x", labelsize=7)
        ax.set_title(f"block {number + 1}: {values.shape[1]} channels", fontsize=9)
    figure.supxlabel("channels, sorted by how much the classes differ", fontsize=9)
    figure.supylabel("class", fontsize=9)
    figure.colorbar(heat_map, ax=axes, label="gate (0: closed, 1: open)", shrink=0.8)
    return figure


__all__ = ["gates_by_class", "plot_gates"]
