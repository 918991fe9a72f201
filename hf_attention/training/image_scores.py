# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The metrics of the image classification recipe: accuracy, and what a model's windows cover of known boxes."""

import numpy as np
import torch
from datasets import Dataset
from transformers import BaseImageProcessor, EvalPrediction, PreTrainedModel

from ..data.images import open_image
from ..interpret.image_windows import windows
from ..metrics import Accuracy, Coverage


def predicted_classes(logits: torch.Tensor | tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
    """Returns what evaluation keeps of a batch: (B, num_labels) to (B,)."""
    return (logits[0] if isinstance(logits, tuple) else logits).argmax(dim=-1)


def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
    return Accuracy().compute(predictions=prediction.predictions, references=prediction.label_ids) or {}


def measure_coverage(model: PreTrainedModel, image_processor: BaseImageProcessor, rows: Dataset) -> dict[str, float]:
    """
    Returns `coverage` and `coverage_by_chance` of images with a `box` (left, top, right, bottom, in pixels), or
    nothing for a model without windows and for data without boxes.
    """
    if "box" not in rows.features:
        return {}
    images = [open_image(cell) for cell in rows["image"]]
    try:
        results = windows(model, image_processor, images, batch_size=256)
    except ValueError:  # the model has no windows
        return {}
    sizes = np.array([[*image.size] * 2 for image in images])  # (images, 4): width, height, width, height
    boxes = np.asarray(rows["box"]) * 2 / sizes - 1
    thetas = [result.windows.tolist() for result in results]
    return Coverage().compute(predictions=thetas, references=boxes.tolist()) or {}
