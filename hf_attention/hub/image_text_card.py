# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The card of a model that reads or describes images, with the path of its attention."""

from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import ModelCard
from transformers import PreTrainedModel, TrainingArguments

from ..interpret.readings import Reading, plot_reading
from .card import CITATIONS, METRICS, CardFacts, read_run, write_card


READING = "assets/reading.png"
LEADING_METRICS = ("character_error_rate", "exact_match")
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


def write_image_text_card(
    output_dir: str, model: PreTrainedModel, training_args: TrainingArguments, facts: ImageTextCardFacts
) -> ModelCard:
    """
    Writes `README.md` and its plots into the folder of a finished run, from `all_results.json` and
    `trainer_state.json` in that folder and the given facts.

    Raises:
        `FileNotFoundError`: if the folder holds no finished run.
    """
    results, _ = read_run(output_dir)
    if facts.readings:
        plot_reading(facts.readings[0]).savefig(Path(output_dir) / READING)
    types = [part.model_type for part in (model.config.encoder, model.config.decoder)]
    kinds = [PARTS.get(name, f"{name} {part}") for name, part in zip(types, ("encoder", "decoder"))]
    metrics = [*LEADING_METRICS, *(key for key in METRICS if key not in LEADING_METRICS)]
    unseen = [(key, f"test_unseen_fonts_{key}") for key in metrics if f"test_unseen_fonts_{key}" in results]
    return write_card(
        output_dir,
        model,
        training_args,
        facts,
        hyperparameters={"label_smoothing_factor": str(training_args.label_smoothing_factor)},
        metadata={},
        leading_metrics=LEADING_METRICS,
        summary=f"A {kinds[0]} and a {kinds[1]} that turn an image into text, trained on {facts.data_name}.",
        reading_figure=READING if facts.readings else None,
        test_size=facts.test_size,
        unseen_results=[(METRICS[key][0], format(results[name], METRICS[key][1])) for key, name in unseen],
        decoding=f"{facts.num_beams} beams" if facts.num_beams > 1 else "greedy search",
        citations=[CITATIONS[name] for name in types if name in CITATIONS],
    )


__all__ = ["ImageTextCardFacts", "write_image_text_card"]
