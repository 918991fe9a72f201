# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The metrics of the image classification recipe: accuracy and the like, of all classes and of each, and what a model's
windows cover of known boxes.
"""

import numpy as np
import torch
from datasets import Dataset
from sklearn.metrics import f1_score, precision_recall_fscore_support
from transformers import BaseImageProcessor, EvalPrediction, PreTrainedConfig, PreTrainedModel
from transformers.trainer_utils import PredictionOutput

from ..data.image_utils import class_names
from ..data.images import open_image
from ..interpret.image_windows import windows
from ..metrics import Accuracy, Coverage, MacroF1, TopFiveAccuracy
from ..prediction.classification_file import TOP
from ..prediction.image_classifier import Classification, name_classes


def best_classes(
    logits: torch.Tensor | tuple[torch.Tensor, ...], labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Returns what evaluation keeps of a batch: the most probable classes, at most five, best first, and their
    probabilities, both (B, min(5, num_labels)).
    """
    logits = all_logits(logits, labels)
    best = logits.topk(min(TOP, logits.shape[-1]), dim=-1).indices
    return best, logits.softmax(dim=-1).gather(-1, best)


def all_logits(logits: torch.Tensor | tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
    """Returns the logits, or predicted numbers, (B, num_labels)."""
    return (logits[0] if isinstance(logits, tuple) else logits).float()


def predicted(output: EvalPrediction | PredictionOutput) -> np.ndarray:
    """
    Returns the best class of each image (images,); or, of logits, 1 for each label with a probability above one half
    (images, num_labels), else 0.
    """
    if isinstance(output.predictions, tuple):
        return output.predictions[0][:, 0]
    return (output.predictions > 0).astype(int)


def describe_predictions(output: PredictionOutput, config: PreTrainedConfig) -> list[Classification]:
    """Returns what a model with `config` says of each image, from what evaluation kept."""
    if not isinstance(output.predictions, tuple):
        return name_classes(config, torch.from_numpy(output.predictions), TOP)
    names, (classes, probabilities) = class_names(config), (part.tolist() for part in output.predictions)
    return [Classification([names[index] for index in row], values) for row, values in zip(classes, probabilities)]


def compute_label_metrics(prediction: EvalPrediction, num_labels: int) -> dict[str, float]:
    """Returns `exact_match`, the share of images with no label wrong, and the `macro_f1` of the labels."""
    predictions, references = predicted(prediction), np.asarray(prediction.label_ids)
    macro_f1 = f1_score(references, predictions, average="macro", zero_division=0)
    return {"exact_match": float((predictions == references).all(axis=1).mean()), "macro_f1": float(macro_f1)}


def compute_number_metrics(prediction: EvalPrediction, num_labels: int) -> dict[str, float]:
    """Returns `mae`, the mean absolute error, and `rmse`, the root of the mean squared error, over all numbers."""
    errors = np.asarray(prediction.predictions, np.float64) - np.asarray(prediction.label_ids, np.float64)
    return {"mae": float(np.abs(errors).mean()), "rmse": float(np.sqrt((errors**2).mean()))}


def compute_class_metrics(prediction: EvalPrediction, num_labels: int) -> dict[str, float]:
    """Returns `accuracy`, `macro_f1`, and `top_5_accuracy` if there are more than five classes."""
    metrics, references = {}, prediction.label_ids
    for metric in (Accuracy(), MacroF1()):
        metrics |= metric.compute(predictions=predicted(prediction), references=references) or {}
    if num_labels > TOP:
        metrics |= TopFiveAccuracy().compute(predictions=prediction.predictions[0], references=references) or {}
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
    "single_label_classification": best_classes,
    "multi_label_classification": all_logits,
    "regression": all_logits,
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
