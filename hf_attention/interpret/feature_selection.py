# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Accuracy of a classifier that sees only the patches of an image that are ranked best."""

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.feature_selection import mutual_info_classif
from transformers import BaseImageProcessor, PreTrainedModel

from ..data.image_utils import convert_mode
from .classical_saliency import pixel_saliency
from .color_scale import DPI
from .image_attention import apply_exif_orientation, attention_maps
from .model_modes import eval_mode
from .token_grid import WHOLE_IMAGE, Box, resize_map


RANKINGS = ("mutual_information", "attention", "saliency", "random")


def mutual_information(
    images: list[Image.Image], labels: list[int], grid: tuple[int, int], seed: int = 0
) -> np.ndarray:
    """
    Computes the mutual information of each patch's mean lightness and the class, in nats, with scikit-learn's estimate
    from nearest neighbors (Ross 2014).

    Args:
        images (`list[PIL.Image.Image]`): training images of one size.
        labels (`list[int]`): their classes.
        grid (`tuple[int, int]`): rows and columns of patches.

    Returns:
        `np.ndarray` of shape `(rows, columns)`: one value per patch, the same for all images.

    Raises:
        `ValueError`: for a number of labels that differs from the number of images, or a grid finer than the pixels.
    """
    images = apply_exif_orientation(images)
    if len(labels) != len(images):
        raise ValueError(f"`labels` ({len(labels)}) must have the same length as `images` ({len(images)}).")
    height, width = (min(sides) for sides in zip(*((image.height, image.width) for image in images)))
    if not (1 <= grid[0] <= height and 1 <= grid[1] <= width):
        raise ValueError(f"`grid` = {grid} must have a pixel for each patch of images of {height} x {width} pixels.")
    features = np.stack([patch_means(np.asarray(convert_mode(image, "L"), dtype=float), grid) for image in images])
    information = mutual_info_classif(features.reshape(len(images), -1), labels, random_state=seed)
    return information.reshape(grid)


def patch_means(values: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The mean of each patch: (height, width) to `grid`."""
    rows = np.array_split(values, grid[0], axis=0)
    return np.array([[patch.mean() for patch in np.array_split(row, grid[1], axis=1)] for row in rows])


def rank_patches(
    ranking: str,
    model: PreTrainedModel,
    image_processor: BaseImageProcessor,
    images: list[Image.Image],
    grid: tuple[int, int],
    known: tuple[list[Image.Image], list[int]] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """
    Computes a score for each patch of each image, highest for the patch to keep first: (images, rows, columns).

    Args:
        ranking (`str`):
            `"mutual_information"` with the class, from the images and labels in `known`, equal for all images;
            `"attention"`: the rollout of [`attention_maps`]; `"saliency"`: the saliency of the pixels themselves
            ([`pixel_saliency`]); `"random"`.
        grid (`tuple[int, int]`): rows and columns of patches.
        known (`tuple[list[PIL.Image.Image], list[int]]`, *optional*): images of the training split and their labels.
        seed (`int`, *optional*, defaults to 0): seed of `"random"` and `"mutual_information"`.

    Raises:
        `ValueError`: for an unknown ranking, and for `"mutual_information"` without `known`.
    """
    if ranking not in RANKINGS:
        raise ValueError(f"`ranking` must be one of {', '.join(RANKINGS)}, got {ranking!r}.")
    if ranking == "mutual_information":
        if known is None:
            raise ValueError("`ranking='mutual_information'` needs `known`: images of the training split and labels.")
        return np.broadcast_to(mutual_information(*known, grid, seed), (len(images), *grid))
    if ranking == "random":
        return np.random.default_rng(seed).random((len(images), *grid))
    if ranking == "attention":
        maps = [(item.rollout(), item.grid_box) for item in attention_maps(model, image_processor, images)]
    else:
        maps = [(values, WHOLE_IMAGE) for values in pixel_saliency(images)]
    return np.stack([patch_means(resize(values, grid, box), grid) for values, box in maps])


def resize(values: np.ndarray, grid: tuple[int, int], box: Box) -> np.ndarray:
    """Resizes a map to multiples of the grid, so that all patches have the same size; see [`resize_map`]."""
    rows, columns = (-(-size // part) * part for size, part in zip(values.shape, grid))
    return resize_map(values, (columns, rows), box)


def keep_patches(pixel_values: torch.Tensor, scores: np.ndarray, kept: int) -> torch.Tensor:
    """Images (B, C, height, width) with all patches set to 0, the mean pixel, but the `kept` best by `scores`."""
    flat = scores.reshape(len(scores), -1)
    mask = np.zeros_like(flat)
    np.put_along_axis(mask, np.argsort(-flat, axis=1, kind="stable")[:, :kept], 1, axis=1)
    mask = torch.from_numpy(mask).view(len(scores), 1, *scores.shape[1:]).to(pixel_values)
    return pixel_values * torch.nn.functional.interpolate(mask, size=pixel_values.shape[2:], mode="nearest-exact")


def accuracy_by_kept(
    model: PreTrainedModel,
    image_processor: BaseImageProcessor,
    images: list[Image.Image],
    labels: list[int],
    scores: np.ndarray,
    kept: list[int],
    batch_size: int = 64,
) -> list[float]:
    """
    Computes the accuracy of a model that sees only the best patches, for each number of patches in `kept`.

    Args:
        scores (`np.ndarray` of shape `(images, rows, columns)`): from [`rank_patches`].
        kept (`list[int]`): numbers of patches to keep.

    Raises:
        `ValueError`: if the numbers of images, labels and scores differ, or for a number of patches out of range.
    """
    images = apply_exif_orientation(images)
    patches = int(np.prod(scores.shape[1:]))
    if not len(images) == len(labels) == len(scores):
        raise ValueError(
            f"`images` ({len(images)}), `labels` ({len(labels)}) and `scores` ({len(scores)}) must have the"
            " same length."
        )
    if wrong := [number for number in kept if not 0 <= number <= patches]:
        raise ValueError(f"`kept` has {wrong[0]}, but `scores` has {patches} patches.")
    hits = np.zeros(len(kept))
    with eval_mode(model), torch.no_grad():
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            pixel_values = image_processor(images[part], return_tensors="pt")["pixel_values"]
            for index, number in enumerate(kept):
                masked = keep_patches(pixel_values, scores[part], number).to(model.device, model.dtype)
                predictions = model(pixel_values=masked)["logits"].argmax(dim=-1).cpu().numpy()
                hits[index] += (predictions == np.asarray(labels[part])).sum()
    return (hits / len(images)).tolist()


def plot_kept(kept: list[int], accuracies: dict[str, list[float]], patches: int) -> Figure:
    """Plots accuracy against the share of patches that were kept, one curve per ranking."""
    figure = Figure(figsize=(5.5, 3.6), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    for name, values in accuracies.items():
        style: dict[str, Any] = (
            {"linestyle": "--", "color": "gray"} if name == "random" else {"marker": "o", "markersize": 3}
        )
        label = name.replace("_", " ")
        ax.plot([100 * number / patches for number in kept], [100 * value for value in values], label=label, **style)
    ax.set(xlabel="patches kept, % of the image", ylabel="accuracy, %", ylim=(0, 102))
    ax.set_title("Accuracy from the best patches only", fontsize=10)
    ax.legend(title="ranked by", frameon=False)
    return figure


__all__ = ["accuracy_by_kept", "mutual_information", "plot_kept", "rank_patches"]
