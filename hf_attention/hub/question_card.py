# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The card of a model that answers questions about images, with its glimpses for some of them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from ..interpret.readings import Reading, plot_reading
from .card import METRICS, CardFacts


GLIMPSES = "assets/glimpses-{}.png"


@dataclass(kw_only=True)
class QuestionCardFacts(CardFacts):
    """
    The facts of the card of a visual question answering model: those of [`~hf_attention.hub.card.CardFacts`] and the
    following.

    Args:
        example (`str`): a question, for the code.
        language (`str`): of the questions, as the Hub names it: `en`.
        readings (`list[Reading]`): glimpses to plot, as [`~hf_attention.interpret.answer_to_reading`] returns them.
        test_size (`int`, *optional*): the number of questions of `split`.
    """

    template = "visual_question_answering_card.md"
    task = "visual-question-answering"
    tags = ("vision",)

    example: str
    language: str
    readings: list[Reading] = field(default_factory=list)
    test_size: int | None = None
    leading_metrics: tuple[str, ...] = ("accuracy", "accuracy_non_relational", "accuracy_relational")

    def fill(self, folder: Path, model: PreTrainedModel, results: dict[str, Any]) -> dict[str, Any]:
        figures = [GLIMPSES.format(number) for number in range(len(self.readings))]
        for path, reading in zip(figures, self.readings):
            plot_reading(reading).savefig(folder / path)
        glimpses = [f"{self.split}_pointing_{number + 1}" for number in range(model.config.num_glimpses)]
        return {
            "summary": "A stacked attention network that answers questions about images, trained on "
            f"{self.data_name}.",
            "answers": [(reading.text, path) for reading, path in zip(self.readings, figures)],
            "test_size": self.test_size,
            "glimpses": [format(results[name], METRICS["pointing"][1]) for name in glimpses if name in results],
            "example": json.dumps(self.example, ensure_ascii=False),
        }

    def metadata(self) -> dict[str, Any]:
        return {"language": self.language}


__all__ = ["QuestionCardFacts"]
