# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The metrics of the image classification recipe: accuracy and the like, of all classes and of each, and what a model's
windows cover of known boxes.
"""

import numpy as np
import torch
from datasets import Dataset
from sklearn.metrics import f1_score, precision_recall_fscore_support
from transformers import BaseImageProcessor, EvalPrediction, PreTrainedModel

from ..data.images import open_image
from ..interpret.image_windows import windows
from ..metrics import Accuracy, Coverage, MacroF1, TopFiveAccuracy


def predicted_classes(logits: torch.Tensor | tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
    """
    Returns what evaluation keeps of a batch: the most probable class (B, 1), or the five most probable ones of more
    than five (B, 5), best first.
    """
    logits = logits[0] if isinstance(logits, tuple) else logits  # (B, num_labels)
    return logits.topk(5 if logits.shape[-1] > 5 else 1, dim=-1).indices


def predicted_labels(logits: torch.Tensor | tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
    """Returns 1 for each label with a probability above one half (B, num_labels), else 0."""
    return ((logits[0] if isinstance(logits, tuple) else logits) > 0).long()


def predicted_numbers(logits: torch.Tensor | tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
    """Returns the predicted numbers (B, num_labels)."""
    return logits[0] if isinstance(logits, tuple) else logits


def compute_label_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Returns `exact_match`, the share of images with no label wrong, and the `macro_f1` of the labels."""
    predictions, references = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
    macro_f1 = f1_score(references, predictions, average="macro", zero_division=0)
    return {"exact_match": float((predictions == references).all(axis=1).mean()), "macro_f1": float(macro_f1)}


def compute_number_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Returns `mae`, the mean absolute error, and `rmse`, the root of the mean squared error, over all numbers."""
    errors = np.asarray(prediction.predictions, np.float64) - np.asarray(prediction.label_ids, np.float64)
    return {"mae": float(np.abs(errors).mean()), "rmse": float(np.sqrt((errors**2).mean()))}


def compute_class_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Returns `accuracy`, `macro_f1`, and `top_5_accuracy` if there are more than five classes."""
    best, references = np.asarray(prediction.predictions), prediction.label_ids
    metrics = {}
    for metric in (Accuracy(), MacroF1()):
        metrics |= metric.compute(predictions=best[:, 0], references=references) or {}
    if best.shape[1] == 5:
        metrics |= TopFiveAccuracy().compute(predictions=best, references=references) or {}
    return metrics


def score_classes(predictions: np.ndarray, references: np.ndarray, names: list[str]) -> dict[str, dict[str, float]]:
    """
    Returns `precision`, `recall`, `f1` and `number` (of images) of each class, from 0 to 1; the precision of a class
    that is never predicted is 0.

    Args:
        predictions, references (`np.ndarray` of shape `(images,)`): predicted and true classes; or, of shape
            `(images, classes)`, 1 where an image has a label.
        names (`list[str]`): of the classes, in the order of their numbers.
    """
    columns = precision_recall_fscore_support(references, predictions, labels=range(len(names)), zero_division=0)
    keys = ("precision", "recall", "f1", "number")
    return {name: dict(zip(keys, map(float, values))) for name, values in zip(names, zip(*columns))}


# by `problem_type`: what evaluation keeps of a batch, and the metrics of that
PREDICTIONS = {
    "single_label_classification": predicted_classes,
    "multi_label_classification": predicted_labels,
    "regression": predicted_numbers,
}
METRICS = {
    "single_label_classification": compute_class_metrics,
    "multi_label_classification": compute_label_metrics,
    "regression": compute_number_metrics,
}


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
