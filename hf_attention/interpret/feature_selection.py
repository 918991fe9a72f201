# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Which parts of an image are enough: patches ranked, the best kept, and the accuracy that is left."""

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.feature_selection import mutual_info_classif
from transformers import BaseImageProcessor, PreTrainedModel

from ..models.compact_vit.image_processing_pil_compact_vit import convert_mode
from .alignments import evaluation
from .attention_maps import attend, upright
from .salient_pixels import pixel_saliency


RANKINGS = ("mutual_information", "attention", "saliency", "random")


def mutual_information(
    images: list[Image.Image], labels: list[int], grid: tuple[int, int], seed: int = 0
) -> np.ndarray:
    """
    How much the mean lightness of each patch tells of the class, in nats, by scikit-learn's estimate from nearest
    neighbours (Ross 2014). Images of one size to (rows, columns), the same for all of them.
    """
    images = upright(images)
    if len(labels) != len(images):
        raise ValueError(f"`labels` ({len(labels)}) must be as many as `images` ({len(images)}).")
    height, width = (min(sides) for sides in zip(*((image.height, image.width) for image in images)))
    if not (1 <= grid[0] <= height and 1 <= grid[1] <= width):
        raise ValueError(f"`grid` = {grid} must have a pixel for each patch of images of {height} x {width} pixels.")
    features = np.stack([patch_means(np.asarray(convert_mode(image, "L"), dtype=float), grid) for image in images])
    found = mutual_info_classif(features.reshape(len(images), -1), labels, random_state=seed)
    return found.reshape(grid)


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
    A score for each patch of each image, the higher the more worth keeping: (images, rows, columns).

    Args:
        ranking (`str`):
            `"mutual_information"` with the class, from `known` images and labels, the same patches for all images;
            `"attention"`: where the model looked, by [`attend`]'s rollout; `"saliency"`: what stands out in the pixels
            ([`pixel_saliency`]); `"random"`.
        grid (`tuple[int, int]`): rows and columns of patches.

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
        maps = [item.rollout() for item in attend(model, image_processor, images)]
    else:
        maps = pixel_saliency(images)
    return np.stack([patch_means(resize(values, grid), grid) for values in maps])


def resize(values: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A map in whole steps of the grid, so that every patch has as much of it."""
    rows, columns = (-(-size // part) * part for size, part in zip(values.shape, grid))
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((columns, rows), Image.Resampling.BILINEAR))


def keep_patches(pixel_values: torch.Tensor, scores: np.ndarray, kept: int) -> torch.Tensor:
    """Images (B, C, height, width) with all but the `kept` best patches (B, rows, columns) made 0, the mean pixel."""
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
    The accuracy of a model that sees only the best patches, for each number of `kept` ones.

    Args:
        scores (`np.ndarray` of shape `(images, rows, columns)`): from [`rank_patches`].

    Raises:
        `ValueError`: for scores that are not as many as images, or a number that is more than there are patches.
    """
    images = upright(images)
    patches = int(np.prod(scores.shape[1:]))
    if not len(images) == len(labels) == len(scores):
        raise ValueError(
            f"`images` ({len(images)}), `labels` ({len(labels)}) and `scores` ({len(scores)}) must be as many."
        )
    if wrong := [number for number in kept if not 0 <= number <= patches]:
        raise ValueError(f"`kept` has {wrong[0]}, but `scores` has {patches} patches.")
    hits = np.zeros(len(kept))
    with evaluation(model), torch.no_grad():
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            pixel_values = image_processor(images[part], return_tensors="pt")["pixel_values"]
            for index, number in enumerate(kept):
                shown = keep_patches(pixel_values, scores[part], number).to(model.device, model.dtype)
                found = model(pixel_values=shown)["logits"].argmax(dim=-1).cpu().numpy()
                hits[index] += (found == np.asarray(labels[part])).sum()
    return (hits / len(images)).tolist()


def plot_kept(kept: list[int], accuracies: dict[str, list[float]], patches: int) -> Figure:
    """The curves, one for each ranking: accuracy over the share of patches that were kept."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    ax = figure.subplots()
    for name, values in accuracies.items():
        style = {"linestyle": "--", "color": "gray"} if name == "random" else {"marker": "o", "markersize": 3}
        label = name.replace("_", " ")
        ax.plot([100 * number / patches for number in kept], [100 * value for value in values], label=label, **style)
    ax.set(xlabel="patches kept, % of the image", ylabel="accuracy, %", ylim=(0, 102))
    ax.set_title("What is left when only the best patches are seen", fontsize=10)
    ax.legend(title="ranked by", frameon=False)
    return figure


__all__ = ["accuracy_by_kept", "mutual_information", "plot_kept", "rank_patches"]
