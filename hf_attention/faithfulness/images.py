# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""An image and the class that a model predicts, for the measures and the maps."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedModel

from ..data.image_utils import class_probabilities
from ..interpret.image_attention import processed_part
from ..interpret.token_grid import Box, find_grid, find_grid_box


IMAGE_BASELINES = ("blur", "mean")
BLUR = 1 / 8  # standard deviation of the blur, in sides of the image: enough to hide a digit


@dataclass
class ImageExample:
    """
    One image, whose predicted class is explained. Units are the pixels that the model reads, row by row, cells its
    tokens, or a grid of 8 x 8. See [`~hf_attention.faithfulness.removal.Explained`].

    Attributes:
        image (`PIL.Image.Image`): as it was given.
        pixel_values (`torch.Tensor` of shape `(channels, height, width)`): as the image processor returns it.
        target (`int`): the predicted class.
        grid (`tuple[int, int]`): rows and columns of cells.
        box (`list[float]`, *optional*):
            Left, top, right and bottom of the object, if it is known, in the model's input, whose sides have length 1.
    """

    model: PreTrainedModel
    image: Image.Image
    pixel_values: torch.Tensor
    target: int
    grid: tuple[int, int]
    box: Sequence[float] | None = None
    batch_size: int = 256
    cells: np.ndarray = field(init=False)
    num_outputs: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        rows, columns = (np.arange(side) * part // side for side, part in zip(self.size, self.grid))
        self.cells = (rows[:, None] * self.grid[1] + columns).ravel()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the model's input, in pixels."""
        return self.pixel_values.shape[1], self.pixel_values.shape[2]

    @property
    def grid_box(self) -> Box:
        """Where the tokens lie in the model's input: see [`~hf_attention.interpret.ImageAttention`]."""
        return find_grid_box(self.model.config, self.size)

    def select(self, weights: np.ndarray) -> np.ndarray:
        """(height, width) to (1, U)."""
        return weights.reshape(1, -1)

    def baseline(self, name: str) -> torch.Tensor:
        """What replaces pixels that are removed: the blurred image, or its mean color. (channels, height, width)."""
        if name == "mean":
            return self.pixel_values.mean(dim=(1, 2), keepdim=True).expand_as(self.pixel_values)
        from kornia.filters import gaussian_blur2d  # which a Space, that shows maps alone, does not install

        sigmas = [max(BLUR * side, 0.5) for side in self.size]
        rows, columns = (min(2 * int(np.ceil(3 * sigma)) + 1, 2 * side - 1) for sigma, side in zip(sigmas, self.size))
        return gaussian_blur2d(self.pixel_values[None], (rows, columns), (sigmas[0], sigmas[1]))[0]

    def predict(self, keep: np.ndarray, baseline: str) -> np.ndarray:
        """See [`~hf_attention.faithfulness.removal.Explained`]; (n, U) to (n, 1)."""
        other = self.baseline(baseline)
        probabilities = []
        for rows in torch.from_numpy(keep).split(self.batch_size):
            mask = rows.view(-1, 1, *self.size).to(self.pixel_values.device)
            with torch.no_grad():
                outputs = self.model(pixel_values=torch.where(mask, self.pixel_values, other))
            logits = outputs["logits"].float()
            scores = class_probabilities(self.model.config, logits)
            assert scores is not None  # as was checked when the example was created
            probabilities.append(scores[:, self.target].cpu().numpy())
        return np.concatenate(probabilities)[:, None]


def make_image_examples(
    model: PreTrainedModel,
    image_processor: BaseImageProcessor,
    images: list[Image.Image],
    boxes: list[list[int]] | None = None,
    batch_size: int = 32,
) -> list[ImageExample]:
    """
    Processes images and predicts their classes.

    Args:
        boxes (`list`, *optional*): left, top, right and bottom of each object, in pixels of the image.

    Raises:
        `ValueError`: for a model without a classifier, with one class, or that predicts numbers.
    """
    problem_type = getattr(model.config, "problem_type", None)
    if problem_type == "regression":
        raise ValueError(f"{type(model).__name__} predicts numbers (`problem_type`), which have no probability.")
    examples = []
    for start in range(0, len(images), batch_size):
        chunk = images[start : start + batch_size]
        pixel_values = image_processor(chunk, return_tensors="pt")["pixel_values"].to(model.device, model.dtype)
        with torch.no_grad():
            logits = model(pixel_values=pixel_values).get("logits")
        if logits is None:
            raise ValueError(f"{type(model).__name__} returned no `logits`: it predicts no class to explain.")
        if logits.shape[-1] == 1 and problem_type != "multi_label_classification":
            raise ValueError(f"{type(model).__name__} has one class, whose probability is always 1.")
        for row, image in enumerate(chunk):
            box = None
            if boxes is not None and boxes[start + row] is not None:
                left, top, right, bottom = processed_part(image.size, image_processor)
                sides = (right - left, bottom - top)
                box = [(edge - low) / side for edge, low, side in zip(boxes[start + row], 2 * (left, top), 2 * sides)]
            examples.append(
                ImageExample(
                    model,
                    image,
                    pixel_values[row],
                    int(logits[row].argmax()),
                    cell_grid(model, pixel_values.shape[2:]),
                    box=box,
                )
            )
    return examples


def cell_grid(model: PreTrainedModel, size: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a model's tokens; 8 x 8 for a model without tokens on one grid."""
    config = getattr(model.config, "vision_config", model.config)
    if hasattr(config, "grid_size"):
        return config.grid_size(size[0]), config.grid_size(size[1])
    if isinstance(getattr(config, "patch_size", None), int):
        length = (size[0] // config.patch_size) * (size[1] // config.patch_size)
        return find_grid(model.config, (size[0], size[1]), length)
    return min(8, size[0]), min(8, size[1])


__all__ = []
