# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The card of an image classifier, with its attention and its confusion matrix."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix
from transformers import PreTrainedModel, TrainingArguments

from ..data.image_utils import class_names
from ..interpret.color_scale import DPI
from ..interpret.fonts import find_fonts
from ..interpret.views import View
from .card import CardFacts


ATTENTION, CONFUSION = "assets/attention.png", "assets/confusion.png"
MAX_CLASSES = 50  # of a confusion matrix that is plotted
LIMITS = "Trained on one data set; expect lower accuracy on other images. Bias and safety were not evaluated."


@dataclass(kw_only=True)
class ImageCardFacts(CardFacts):
    """
    The facts of an image classifier's card: those of [`~hf_attention.hub.card.CardFacts`] and the following.

    Args:
        predictions, references (`np.ndarray` of shape `(images,)`, *optional*):
            Predicted and true classes of `split`. Without `predictions`, for several labels or numbers per image, no
            confusion is shown.
        classes (`dict[str, dict[str, float]]`): of each class `precision`, `recall`, `f1` and `number` (of images).
        is_mirrored (`bool`): whether the probabilities of each image and its mirror image were averaged.
        attention (`View`, *optional*): what the model attended to; none for a model that returns no attention.
        regularization (`dict[str, object]`): arguments of augmentation and the like, and their values.
    """

    template = "image_classification_card.md"
    task = "image-classification"
    tags = ("vision",)

    predictions: np.ndarray | None = None
    references: np.ndarray | None = None
    classes: dict[str, dict[str, float]] = field(default_factory=dict)
    is_mirrored: bool = False
    attention: View | None = None
    regularization: dict[str, object] = field(default_factory=dict)
    limits: str | None = LIMITS

    def fill(self, folder: Path, model: PreTrainedModel, results: dict[str, Any]) -> dict[str, Any]:
        names = class_names(model.config)
        shown: dict[str, Any] = {"test_size": None, "confusion_figure": None, "confused": [], "classes": {}}
        if self.split is not None and self.references is not None:
            shown["test_size"] = len(self.references)
            if len(names) <= MAX_CLASSES:
                shown["classes"] = self.classes
            if self.predictions is not None:
                matrix = confusion_matrix(self.references, self.predictions, labels=range(len(names)))
                shown["confused"] = find_confused(matrix, names)
                if len(names) <= MAX_CLASSES:
                    draw_confusion(matrix, names, folder / CONFUSION)
                    shown["confusion_figure"] = CONFUSION
        if self.attention is not None:
            self.attention.figure.savefig(folder / ATTENTION)
            shown |= {"attention_figure": ATTENTION, "attention_caption": self.attention.caption}
        return shown | {
            "is_mirrored": self.is_mirrored,
            "summary": summarize(model, self.data_name),
            "has_tokens": model.config.model_type not in ("attention_cnn", "recurrent_attention"),
        }

    def hyperparameters(self, training_args: TrainingArguments) -> dict[str, object]:
        return {name: str(value) for name, value in self.regularization.items()}


def summarize(model: PreTrainedModel, data_name: str) -> str:
    config = model.config
    kind = type(model).__name__
    if config.model_type == "compact_vit":
        family = {"conv": "convolutional"}.get(config.tokenizer_type, config.tokenizer_type)
        pooling = {"sequence": "sequence pooling", "cls": "a class token", "mean": "mean pooling"}
        kind = f"compact vision transformer ({family} tokenizer, {pooling[config.pooling_type]})"
    elif config.model_type == "attention_cnn":
        kinds = {"se": "squeeze-and-excitation", "non_local": f"non-local blocks ({config.pairwise_function})"}
        parts = [kinds[config.attention_type]] if config.attention_type != "none" else []
        if config.spatial_transformer != "none":
            parts.append(f"a spatial transformer ({config.spatial_transformer})")
        kind = f"compact residual network with {' and '.join(parts) or 'no attention'}"
    elif config.model_type == "recurrent_attention":
        kind = f"recurrent attention model ({config.num_glimpses} glimpses of {config.glimpse_size} pixels)"
    types = {"multi_label_classification": "labels", "regression": "numbers"}
    outputs = f"{config.num_labels} {types.get(config.problem_type, 'classes')}"
    return f"A {kind} for {outputs}, trained on {data_name}."


def find_confused(matrix: np.ndarray, names: list[str], most: int = 5) -> list[tuple[str, str, int]]:
    """Returns the most frequent errors as (true class, predicted class, number of images)."""
    errors = matrix - np.diag(np.diag(matrix))
    pairs = sorted(zip(*np.nonzero(errors)), key=lambda pair: -errors[pair])[:most]
    return [(names[true], names[predicted], int(errors[true, predicted])) for true, predicted in pairs]


def draw_confusion(matrix: np.ndarray, names: list[str], path: Path) -> None:
    """Plots true classes (rows) by predicted classes (columns) with the counts, shaded by the share of the row."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(3.0, 0.42 * len(names) + 1)
    figure = Figure(figsize=(side, side), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    style: dict[str, Any] = {"fontfamily": find_fonts("".join(names)), "parse_math": False}
    ax.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0, **style)
    ax.set_yticks(range(len(names)), names, **style)
    ax.set(xlabel="predicted", ylabel="true")
    if len(names) <= 20:
        for row, column in zip(*np.nonzero(matrix)):
            ink = "white" if shares[row, column] > 0.5 else "black"
            ax.text(column, row, str(matrix[row, column]), ha="center", va="center", color=ink, fontsize=8)
    figure.savefig(path)


__all__ = ["ImageCardFacts"]
