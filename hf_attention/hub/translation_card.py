# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The card of a translation model, with alignments of examples."""

import html
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from transformers import PreTrainedModel, TrainingArguments

from ..interpret.alignment_plots import plot_alignment
from ..interpret.alignments import Alignment
from ..interpret.color_scale import DPI
from ..interpret.model_loading import has_target_vocabulary
from .card import CardFacts, describe_decoding
from .folder import TARGET_TOKENIZER


ALIGNMENT = "assets/alignment.png"
LIMITS = "Trained on one data set; expect lower quality on other text. Bias and safety were not evaluated."


@dataclass(kw_only=True)
class TranslationCardFacts(CardFacts):
    """
    The facts of a translation model's card: those of [`~hf_attention.hub.card.CardFacts`] and the following.

    Args:
        example (`str`): a source sentence for the widget and the code.
        features (`dict[str, str]`, *optional*): those of the example, by column.
        test_size (`int`, *optional*): the number of pairs of `split`.
        num_beams (`int`): of the search that gave the metrics.
        alignments (`list[Alignment]`): examples for the figure; none for a model without attention.
        worst (`list[tuple[str, str, str]]`): source, reference and prediction of the test split's largest errors.
        languages (`list[str]`, *optional*): ISO 639 codes for the Hub.
    """

    template = "translation_card.md"
    task = "translation"
    tags = ("alignment",)

    example: str
    features: dict[str, str] | None = None
    test_size: int | None = None
    num_beams: int = 1
    alignments: list[Alignment] = field(default_factory=list)
    worst: list[tuple[str, str, str]] = field(default_factory=list)
    languages: list[str] | None = None
    limits: str | None = LIMITS

    def fill(self, folder: Path, model: PreTrainedModel, results: dict[str, Any]) -> dict[str, Any]:
        if self.alignments:
            draw_alignments(self.alignments, folder / ALIGNMENT)
        return {
            "summary": summarize(model, self.data_name),
            "alignment_figure": ALIGNMENT if self.alignments else None,
            "test_size": self.test_size,
            "decoding": describe_decoding(self.num_beams),
            "signature": results.get("test_signature"),
            "worst": [[to_cell(text) for text in texts] for texts in self.worst],
            "example": json.dumps(self.example, ensure_ascii=False),
            "features": None if self.features is None else json.dumps(self.features, ensure_ascii=False),
            "described_example": json.dumps({"text": self.example, **(self.features or {})}, ensure_ascii=False),
            "target_tokenizer": TARGET_TOKENIZER if has_target_vocabulary(model.config) else None,
        }

    def metadata(self) -> dict[str, Any]:
        return {"language": self.languages, "widget": [{"text": self.example}]}

    def hyperparameters(self, training_args: TrainingArguments) -> dict[str, object]:
        return {"label_smoothing_factor": str(training_args.label_smoothing_factor)}


def to_cell(text: str, width: int = 80) -> str:
    """A text as code in a cell of a Markdown table, cut to `width` characters."""
    text = " ".join(text.split())
    text = text if len(text) <= width else text[: width - 1] + "…"
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"


def summarize(model: PreTrainedModel, data_name: str) -> str:
    config = model.config
    kind = type(model).__name__
    if config.model_type == "bahdanau":
        attention = "no attention" if config.attention_type == "none" else f"{config.attention_type} attention"
        attention = f"{config.hard_attention} hard attention" if config.hard_attention else attention
        kind = f"recurrent encoder-decoder ({config.cell_type.upper().replace('MIN', 'min')}) with {attention}"
    languages = [getattr(config, name, None) for name in ("source_lang", "target_lang")]
    direction = "" if languages in ([None, None], ["source", "target"]) else f" from {languages[0]} to {languages[1]}"
    return f"A {kind}, trained{direction} on {data_name}."


def draw_alignments(alignments: list[Alignment], path: Path, name: str = "attention") -> None:
    """Plots alignments side by side in one figure; `name` says what the weights are."""
    widths = [max(3.0, 0.3 * len(alignment.source_tokens)) + 1 for alignment in alignments]
    height = max(3.0, 0.3 * max(len(alignment.target_tokens) for alignment in alignments))
    figure = Figure(figsize=(sum(widths), height), dpi=DPI, layout="constrained")
    axes = figure.subplots(1, len(alignments), width_ratios=widths, squeeze=False)[0]
    for alignment, ax in zip(alignments, axes):
        plot_alignment(alignment, ax, name=name)
    figure.savefig(path)


__all__ = ["TranslationCardFacts"]
