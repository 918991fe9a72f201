# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The first picture of a card, once it was measured which map of a model can be trusted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from matplotlib.figure import Figure
from transformers import BaseImageProcessor, PreTrainedModel, PreTrainedTokenizerBase

from ..data.image_utils import class_names
from ..faithfulness.choice import LeadingMap
from ..faithfulness.measure import image_examples
from ..interpret.alignments import align
from ..interpret.color_scale import DPI, ColorScale
from ..interpret.image_attention import crop_like_processor
from ..interpret.model_loading import find_target_tokenizer
from ..interpret.overlays import overlay
from ..interpret.samples import choose_samples
from ..interpret.titles import make_titles, set_title
from .faithfulness_section import LEADING_MAP
from .translation_card import draw_alignments


SHOWN = {"text": 2, "image": 4}


@dataclass
class Prediction:
    label: str
    score: float


def draw_leading_map(
    folder: str | Path,
    leading: LeadingMap,
    model: PreTrainedModel,
    processing: PreTrainedTokenizerBase | BaseImageProcessor,
    rows: Dataset,
) -> None:
    """
    Plots the map that did best over examples, as `assets/leading_map.png` in the model's folder.
    [`~hf_attention.hub.faithfulness_section.add_faithfulness`] adds it to the card.
    """
    file = Path(folder, LEADING_MAP)
    file.parent.mkdir(exist_ok=True)
    if isinstance(processing, PreTrainedTokenizerBase):
        sources = list(rows["source"][: SHOWN["text"]])
        target_tokenizer = find_target_tokenizer(model, processing)
        alignments = align(model, processing, sources, target_tokenizer=target_tokenizer)
        alignments = [leading.of_alignment(model, processing, target_tokenizer, item) for item in alignments]
        draw_alignments(alignments, file, leading.name or "attention")
    else:
        plot_maps(leading, model, processing, rows).savefig(file)


def plot_maps(leading: LeadingMap, model: PreTrainedModel, processor: BaseImageProcessor, rows: Dataset) -> Figure:
    """Images of all classes, right and wrong ones, and below each its map; all maps have one color scale."""
    examples: list[Any] = image_examples(model, processor, rows)
    chosen, labels = list(range(min(SHOWN["image"], len(rows)))), None
    names = class_names(model.config)
    if "label" in rows.column_names and all(isinstance(label, int) for label in rows["label"]):
        chosen = choose_samples(list(rows["label"]), [example.target for example in examples], SHOWN["image"])
        labels = [names[rows["label"][index]] for index in chosen]
    shown = [examples[index] for index in chosen]
    scores = [float(example.predict(np.ones((1, example.cells.size), bool), "mean")[0, 0]) for example in shown]
    predictions = [Prediction(names[example.target], score) for example, score in zip(shown, scores)]
    maps = [leading.of_image(model, processor, example.image) for example in shown]
    scale = ColorScale.fit(maps)
    figure = Figure(figsize=(1.7 * len(chosen) + 0.8, 3.8), dpi=DPI, layout="constrained")
    axes = figure.subplots(2, len(chosen), squeeze=False)
    for column, example, values, title in zip(axes.T, shown, maps, make_titles(predictions, labels)):
        image = crop_like_processor(example.image, processor).convert("RGB")
        column[0].imshow(np.asarray(image))
        set_title(column[0], title, fontsize=7)
        column[1].imshow(np.asarray(overlay(image, values, scale=scale)))
        for ax in column:
            ax.set_axis_off()
    scale.add_bar(axes[1], str(leading.name), aspect=12)
    return figure
