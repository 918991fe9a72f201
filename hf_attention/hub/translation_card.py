# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The card of a translation model, with alignments of its test split."""

import json
from pathlib import Path

from huggingface_hub import ModelCard
from matplotlib.figure import Figure
from transformers import PreTrainedModel, TrainingArguments

from ..interpret.alignments import Alignment
from ..interpret.plots import plot_alignment
from .card import read_run, write_card


ALIGNMENT = "assets/alignment.png"


def write_translation_card(
    output_dir: str,
    model: PreTrainedModel,
    training_args: TrainingArguments,
    alignments: list[Alignment],
    example: str,
    data_name: str,
    data_description: str,
    test_size: int | None,
    num_beams: int,
    split: str | None = "test",
    languages: list[str] | None = None,
    dataset: str | None = None,
    license: str | None = None,
    base_model: str | None = None,
    limits: str | None = None,
) -> ModelCard:
    """
    Writes `README.md` and its pictures into the folder of a finished run.

    Reads `all_results.json` and `trainer_state.json` there.

    Args:
        alignments (`list[Alignment]`): examples for the figure; none for a model without attention.
        example (`str`): a source sentence for the widget and the code.
        data_name, data_description (`str`): the data's name in a sentence, and what it is, where from, in what split.
        test_size (`int`, *optional*): pairs of `split`.
        num_beams (`int`): of the search that gave the figures.
        split (`str`, *optional*): of which figures are shown: `test`, `validation`, or none.
        languages (`list[str]`, *optional*): ISO 639 codes for the Hub.
        license (`str`, *optional*): of the model, which the data's may bind; unknown to the writer.
        dataset (`str`, *optional*): the data set's name on the Hub, where it is there.

    Raises:
        `FileNotFoundError`: where the folder holds no finished run.
    """
    results, _ = read_run(output_dir)
    if alignments:
        draw_alignments(alignments, Path(output_dir) / ALIGNMENT)
    return write_card(
        output_dir,
        model,
        training_args,
        template="translation_card.md",
        task="translation",
        data_name=data_name,
        limits=limits or "Trained on one data set; on other text expect less. No test of bias or safety was made.",
        split=split,
        hyperparameters={"label_smoothing_factor": str(training_args.label_smoothing_factor)},
        dataset=dataset,
        tags=["alignment"],
        metadata={
            "language": languages,
            "license": license,
            "base_model": base_model,
            "widget": [{"text": example}],
        },
        summary=summarize(model, data_name),
        alignment_figure=ALIGNMENT if alignments else None,
        data_description=data_description,
        test_size=test_size,
        decoding=f"{num_beams} beams" if num_beams > 1 else "greedy search",
        signature=results.get("test_signature"),
        example=json.dumps(example, ensure_ascii=False),
    )


def summarize(model: PreTrainedModel, data_name: str) -> str:
    config = model.config
    kind = type(model).__name__
    if config.model_type == "bahdanau":
        attention = "no attention" if config.attention_type == "none" else f"{config.attention_type} attention"
        kind = f"recurrent encoder-decoder ({config.cell_type.upper()}) with {attention}"
    languages = [getattr(config, name, None) for name in ("source_lang", "target_lang")]
    direction = "" if languages in ([None, None], ["source", "target"]) else f" from {languages[0]} to {languages[1]}"
    return f"A {kind}, trained{direction} on {data_name}."


def draw_alignments(alignments: list[Alignment], path: Path):
    """Side by side, on one picture."""
    widths = [max(3.0, 0.3 * len(alignment.source_tokens)) for alignment in alignments]
    height = max(3.0, 0.3 * max(len(alignment.target_tokens) for alignment in alignments))
    figure = Figure(figsize=(sum(widths) + 1, height), layout="constrained")
    axes = figure.subplots(1, len(alignments), width_ratios=widths, squeeze=False)[0]
    for alignment, ax in zip(alignments, axes):
        plot_alignment(alignment, ax)
    figure.savefig(path, dpi=100)


__all__ = ["write_translation_card"]
