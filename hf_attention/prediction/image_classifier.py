# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Classifies the images of files, with any image classifier; a file that cannot be read does not stop the others."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageClassification, BaseImageProcessor, PreTrainedConfig, PreTrainedModel

from ..data.image_utils import MODES, class_names, class_probabilities
from ..data.images import open_image
from ..interpret.model_loading import load_image_processor, load_model
from ..interpret.model_modes import eval_mode


ImageInput = str | dict | Image.Image


@dataclass
class Classification:
    """
    What a model says of one image.

    Attributes:
        labels (`list[str]`), probabilities (`list[float]`):
            The most probable classes, best first. The probabilities of a model of several labels per image
            (`problem_type="multi_label_classification"`) are independent of each other. For a model that predicts
            numbers (`problem_type="regression"`), the names of the numbers and their values, in its order.
        error (`str`, *optional*): why the image could not be classified.
    """

    labels: list[str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    error: str | None = None


class ImageClassifier:
    """
    Classifies images with any `AutoModelForImageClassification`.

    Args:
        model (`PreTrainedModel`): the model.
        image_processor (`BaseImageProcessor`): of the model.
        batch_size (`int`, *optional*, defaults to 64): images per forward pass.

    Example:

    ```python
    >>> import hf_attention
    >>> from hf_attention.data.images import load_digits, open_image
    >>> from hf_attention.prediction.image_classifier import ImageClassifier

    >>> classifier = ImageClassifier.from_pretrained("model_cards/compact-vit-digits")
    >>> image = open_image(load_digits()["test"][0]["image"])
    >>> classifier.classify([image], top_k=2)[0].labels[0]
    '2'

    ```
    """

    def __init__(self, model: PreTrainedModel, image_processor: BaseImageProcessor, batch_size: int = 64) -> None:
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}.")
        self.model, self.image_processor, self.batch_size = model, image_processor, batch_size
        self.names = class_names(model.config)
        self.problem_type = getattr(model.config, "problem_type", None)
        self.mode = MODES.get(getattr(model.config, "num_channels", 3), "RGB")

    @classmethod
    def from_pretrained(
        cls, name: str, batch_size: int = 64, device: str | None = None, **kwargs: Any
    ) -> "ImageClassifier":
        """
        Loads a model from a folder or the Hub.

        Args:
            device (`str`, *optional*): by default a GPU if there is one.
            kwargs: passed to `from_pretrained` (`trust_remote_code`, `revision`, `token`).

        Raises:
            `OSError`: for a folder without a model.
            `ValueError`: for a model that does not classify images.
        """
        model = load_model(AutoModelForImageClassification, name, **kwargs)
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model.to(device), load_image_processor(name, **kwargs), batch_size)

    def columns(self, top_k: int) -> list[str]:
        """Names of the columns of a table of predictions: `label_1`, `probability_1`, ..., or a number's own name."""
        if top_k < 1:
            raise ValueError(f"`top_k` must be at least 1, got {top_k}.")
        if self.problem_type == "regression":
            return self.names
        count = min(top_k, len(self.names))
        return [f"{name}_{rank}" for rank in range(1, count + 1) for name in ("label", "probability")]

    def classify(
        self,
        images: Sequence[ImageInput],
        top_k: int = 5,
        progress: Callable[[int], object] | None = None,
    ) -> list[Classification]:
        """
        Classifies images in batches.

        Args:
            images (`Sequence`):
                Files, images, or cells of a column `Image(decode=False)`. EXIF rotation of files is applied.
            top_k (`int`, *optional*, defaults to 5): classes per image; all of them if there are fewer.
            progress (`Callable`, *optional*): called with the number of images classified since the last call.

        Returns:
            one [`Classification`] per image, in order; for an image that cannot be read, one with an `error`.
        """
        if top_k < 1:
            raise ValueError(f"`top_k` must be at least 1, got {top_k}.")
        results = []
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(images), self.batch_size):
                inputs = list(pool.map(self.process, images[start : start + self.batch_size]))
                results += self.classify_batch(inputs, top_k)
                if progress is not None:
                    progress(len(inputs))
        return results

    def process(self, image: ImageInput) -> torch.Tensor | str:
        """Returns the model's input (C, height, width), or why there is none."""
        try:
            if isinstance(image, str):
                image = {"bytes": None, "path": image}
            if isinstance(image, dict):
                image = open_image(image, mode=self.mode)
            return self.image_processor(image, return_tensors="pt")["pixel_values"][0]
        except (ValueError, OSError) as error:
            return " ".join(str(error).split())

    def classify_batch(self, inputs: list[torch.Tensor | str], top_k: int) -> list[Classification]:
        results = [Classification(error=value if isinstance(value, str) else None) for value in inputs]
        tensors = {row: value for row, value in enumerate(inputs) if isinstance(value, torch.Tensor)}
        for shape in {value.shape for value in tensors.values()}:  # an image processor may keep the shape of an image
            rows = [row for row, value in tensors.items() if value.shape == shape]
            pixel_values = torch.stack([tensors[row] for row in rows]).to(self.model.device, self.model.dtype)
            with eval_mode(self.model), torch.no_grad():
                logits = self.model(pixel_values=pixel_values).logits.float().cpu()
            for row, result in zip(rows, name_classes(self.model.config, logits, top_k)):
                results[row] = result
        return results


def name_classes(config: PreTrainedConfig, logits: torch.Tensor, top_k: int) -> list[Classification]:
    """Returns what the logits (B, num_labels) of a model with `config` say of each image."""
    names, probabilities = class_names(config), class_probabilities(config, logits)
    if probabilities is None:
        return [Classification(names, numbers) for numbers in logits.tolist()]
    best = probabilities.topk(min(top_k, len(names)))
    return [
        Classification([names[index] for index in classes], values)
        for classes, values in zip(best.indices.tolist(), best.values.tolist())
    ]


__all__ = ["Classification", "ImageClassifier", "name_classes"]
