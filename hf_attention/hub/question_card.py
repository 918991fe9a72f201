# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The card of a model that answers questions about images, with its glimpses for some of them."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import ModelCard
from transformers import PreTrainedModel, TrainingArguments

from ..interpret.readings import Reading, plot_reading
from .card import METRICS, CardFacts, read_run, write_card


GLIMPSES = "assets/glimpses-{}.png"
LEADING_METRICS = ("accuracy", "accuracy_non_relational", "accuracy_relational")


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


def write_question_card(
    output_dir: str, model: PreTrainedModel, training_args: TrainingArguments, facts: QuestionCardFacts
) -> ModelCard:
    """
    Writes `README.md` and its plots into the folder of a finished run, from `all_results.json` and
    `trainer_state.json` in that folder and the given facts.

    Raises:
        `FileNotFoundError`: if the folder holds no finished run.
    """
    results, _ = read_run(output_dir)
    figures = [GLIMPSES.format(number) for number in range(len(facts.readings))]
    for path, reading in zip(figures, facts.readings):
        plot_reading(reading).savefig(Path(output_dir) / path)
    glimpses = [f"{facts.split}_pointing_{number + 1}" for number in range(model.config.num_glimpses)]
    return write_card(
        output_dir,
        model,
        training_args,
        facts,
        hyperparameters={},
        metadata={"language": facts.language},
        leading_metrics=LEADING_METRICS,
        summary=f"A stacked attention network that answers questions about images, trained on {facts.data_name}.",
        answers=[(reading.text, path) for reading, path in zip(facts.readings, figures)],
        test_size=facts.test_size,
        glimpses=[format(results[name], METRICS["pointing"][1]) for name in glimpses if name in results],
        example=json.dumps(facts.example, ensure_ascii=False),
    )


__all__ = ["QuestionCardFacts", "write_question_card"]
