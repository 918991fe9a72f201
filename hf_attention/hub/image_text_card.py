# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The card of a model that reads or describes images, with the path of its attention."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, TrainingArguments

from ..interpret.readings import Reading, plot_reading
from .card import CITATIONS, METRICS, CardFacts, describe_decoding


READING = "assets/reading.png"
LIMITS = "Trained on one data set; expect more errors on other images. Bias and safety were not evaluated."
PARTS = {"bahdanau": "recurrent decoder with additive attention", "compact_vit": "compact vision transformer"}


@dataclass(kw_only=True)
class ImageTextCardFacts(CardFacts):
    """
    The facts of an image-to-text model's card: those of [`~hf_attention.hub.card.CardFacts`] and the following.

    Args:
        readings (`list[Reading]`): examples, the first of which is drawn; none for a model without cross attention.
        test_size (`int`, *optional*): the number of images of `split`.
        num_beams (`int`): of the search that gave the metrics.
    """

    template = "image_text_card.md"
    task = "image-to-text"
    tags = ("vision",)

    readings: list[Reading] = field(default_factory=list)
    test_size: int | None = None
    num_beams: int = 1
    limits: str | None = LIMITS
    leading_metrics: tuple[str, ...] = ("character_error_rate", "exact_match")

    def fill(self, folder: Path, model: PreTrainedModel, results: dict[str, Any]) -> dict[str, Any]:
        if self.readings:
            plot_reading(self.readings[0]).savefig(folder / READING)
        types = [part.model_type for part in (model.config.encoder, model.config.decoder)]
        kinds = [PARTS.get(name, f"{name} {part}") for name, part in zip(types, ("encoder", "decoder"))]
        metrics = dict.fromkeys([*self.leading_metrics, *METRICS])
        unseen = [(key, f"test_unseen_fonts_{key}") for key in metrics if f"test_unseen_fonts_{key}" in results]
        return {
            "summary": f"A {kinds[0]} and a {kinds[1]} that turn an image into text, trained on {self.data_name}.",
            "reading_figure": READING if self.readings else None,
            "test_size": self.test_size,
            "unseen_results": [(METRICS[key][0], format(results[name], METRICS[key][1])) for key, name in unseen],
            "decoding": describe_decoding(self.num_beams),
            "citations": [CITATIONS[name] for name in types if name in CITATIONS],
        }

    def hyperparameters(self, training_args: TrainingArguments) -> dict[str, object]:
        return {"label_smoothing_factor": str(training_args.label_smoothing_factor)}


__all__ = ["ImageTextCardFacts"]
