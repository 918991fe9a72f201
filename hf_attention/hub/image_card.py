# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The card of an image classifier, with its confusion matrix and what it attended to."""

from pathlib import Path

import numpy as np
from huggingface_hub import ModelCard
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix
from transformers import PreTrainedModel, TrainingArguments

from ..interpret.plots import find_fonts
from ..interpret.views import View
from .card import read_run, write_card


ATTENTION, CONFUSION = "assets/attention.png", "assets/confusion.png"
MAX_CLASSES = 50  # more are too many for a picture


def write_image_classification_card(
    output_dir: str,
    model: PreTrainedModel,
    training_args: TrainingArguments,
    attention: View | None,
    regularization: dict[str, object],
    predictions: np.ndarray | None,
    references: np.ndarray | None,
    data_name: str,
    data_description: str,
    split: str | None = "test",
    dataset: str | None = None,
    license: str | None = None,
    base_model: str | None = None,
    limits: str | None = None,
) -> ModelCard:
    """
    Writes `README.md` and its pictures into the folder of a finished run.

    Reads `all_results.json` and `trainer_state.json` there.

    Args:
        attention (`View`, *optional*): what the model attended to; none for one that does not say.
        regularization (`dict[str, object]`): arguments of augmentation and the like, and their values.
        predictions, references (`np.ndarray` of shape `(images,)`, *optional*): classes of `split`, found and true.
        data_name, data_description (`str`): the data's name in a sentence, and what it is, where from, in what split.
        split (`str`, *optional*): of which figures are shown: `test`, `validation`, or none.
        license (`str`, *optional*): of the model, which the data's may bind; unknown to the writer.
        dataset (`str`, *optional*): the data set's name on the Hub, where it is there.

    Raises:
        `FileNotFoundError`: where the folder holds no finished run.
    """
    read_run(output_dir)
    folder = Path(output_dir)
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    matrix = confusion_matrix(references, predictions, labels=range(len(names))) if split else None
    shows_confusion = matrix is not None and len(names) <= MAX_CLASSES
    if attention is not None:
        attention.figure.savefig(folder / ATTENTION, dpi=100)
    if shows_confusion:
        draw_confusion(matrix, names, folder / CONFUSION)
    return write_card(
        output_dir,
        model,
        training_args,
        template="image_classification_card.md",
        task="image-classification",
        data_name=data_name,
        split=split,
        limits=limits or "Trained on one data set; on other images expect less. No test of bias or safety was made.",
        hyperparameters={name: str(value) for name, value in regularization.items()},
        dataset=dataset,
        tags=["vision"],
        metadata={"license": license, "base_model": base_model},
        summary=summarize(model, data_name),
        attention_figure=None if attention is None else ATTENTION,
        attention_caption=None if attention is None else attention.caption,
        has_tokens=model.config.model_type not in ("attention_cnn", "recurrent_attention"),
        confusion_figure=CONFUSION if shows_confusion else None,
        confused=find_confused(matrix, names) if split else [],
        data_description=data_description,
        test_size=len(references) if split else None,
    )


def summarize(model: PreTrainedModel, data_name: str) -> str:
    config = model.config
    kind = type(model).__name__
    if config.model_type == "compact_vit":
        family = "convolutional" if config.tokenizer_type == "conv" else "patch"
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
    return f"A {kind} that tells {config.num_labels} classes apart, trained on {data_name}."


def find_confused(matrix: np.ndarray, names: list[str], most: int = 5) -> list[tuple[str, str, int]]:
    """The pairs most often taken for each other: true class, class found, images."""
    errors = matrix - np.diag(np.diag(matrix))
    pairs = sorted(zip(*np.nonzero(errors)), key=lambda pair: -errors[pair])[:most]
    return [(names[true], names[found], int(errors[true, found])) for true, found in pairs]


def draw_confusion(matrix: np.ndarray, names: list[str], path: Path):
    """Rows are true classes, columns what was found; shaded by the share of the row, with the counts."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(3.0, 0.42 * len(names) + 1)
    figure = Figure(figsize=(side, side), layout="constrained")
    ax = figure.subplots()
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    style = {"fontfamily": find_fonts("".join(names)), "parse_math": False}
    ax.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0, **style)
    ax.set_yticks(range(len(names)), names, **style)
    ax.set(xlabel="found", ylabel="true")
    if len(names) <= 20:
        for row, column in zip(*np.nonzero(matrix)):
            ink = "white" if shares[row, column] > 0.5 else "black"
            ax.text(column, row, str(matrix[row, column]), ha="center", va="center", color=ink, fontsize=8)
    figure.savefig(path, dpi=100)


__all__ = ["write_image_classification_card"]
