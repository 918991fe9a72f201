# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The tab of the app for models that translate."""

from collections.abc import Sequence
from html import escape
from typing import cast

import gradio as gr
from gradio.components import Component
from transformers import AutoModelForSeq2SeqLM, GenerationMixin

from .alignments import align, encode_features, has_text, ids_to_text
from .html import alignment_to_html
from .leading_map import LeadingMap
from .model_loading import find_target_tokenizer, load_model, load_tokenizer
from .model_modes import eval_mode
from .uploads import MAX_CHARACTERS, errors_for_users


MAX_CELLS = 50_000  # of an alignment that is shown
HINT = (
    "Hover over a token of the source or the target to see what it is aligned with. Clicking it, or Tab, keeps it "
    "highlighted."
)


class TranslationTab:
    """Translates and shows the alignment."""

    verb, comparison = "Translate", "Compare translations"

    def __init__(self, name: str, leading: LeadingMap | None) -> None:
        self.name, self.leading = name, leading
        self.model = load_model(AutoModelForSeq2SeqLM, name)
        self.tokenizer = load_tokenizer(name)
        self.target_tokenizer = find_target_tokenizer(self.model, self.tokenizer)
        self.has_attention = getattr(self.model.config, "attention_type", None) != "none"
        self.columns = sorted(getattr(self.model.config, "feature_values", None) or {})
        self.num_beams = self.model.generation_config.num_beams or 1

    @errors_for_users()
    def translate(self, text: str, num_beams: float, *cells: str) -> tuple[str, str]:
        """Returns the target and the alignment, as HTML. `cells` are of the columns of features."""
        if len(text or "") > MAX_CHARACTERS:
            raise gr.Error(f"The text has {len(text)} characters; the maximum is {MAX_CHARACTERS}.")
        if not has_text(text, self.tokenizer):
            raise gr.Error("Enter a text or choose an example.")
        features = [dict(zip(self.columns, cells))] if self.columns else None
        model, tokenizer, target_tokenizer = self.model, self.tokenizer, self.target_tokenizer
        options = {"num_beams": int(num_beams)}
        if self.has_attention:
            alignment = align(model, tokenizer, [text], None, target_tokenizer, features=features, **options)[0]
            if alignment.weights.size > MAX_CELLS:
                return alignment.target, "<p>This alignment has too many tokens to be shown.</p>"
            page = alignment_to_html(alignment)
            if self.leading is not None and self.leading.name not in (None, "attention"):
                best = self.leading.of_alignment(model, tokenizer, target_tokenizer, alignment)
                page = f"<p>{self.leading.name}:</p>{alignment_to_html(best)}<p>attention:</p>{page}"
            return alignment.target, page
        inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        inputs.update(encode_features(model, features))
        with eval_mode(model):
            ids = cast(GenerationMixin, model).generate(**inputs, **options)
        return ids_to_text(target_tokenizer, ids[0]), "<p>This model has no attention.</p>"

    def add(self, texts: list, api_name: str) -> None:
        text, *fields = self.add_inputs([self], texts, "")
        assert isinstance(text, gr.Textbox)  # for type checkers
        num_beams = gr.Slider(1, max(10, self.num_beams), value=self.num_beams, step=1, label="Beams")
        button = gr.Button("Translate", variant="primary")
        translation = gr.Textbox(label="Target", interactive=False)
        gr.Markdown(HINT, visible=self.has_attention)
        if self.leading is not None and self.has_attention:
            gr.Markdown(self.leading.reason)
        alignment_view = gr.HTML()
        inputs, outputs = [text, num_beams, *fields], [translation, alignment_view]
        button.click(self.translate, inputs, outputs, api_name=api_name)
        text.submit(self.translate, inputs, outputs, api_visibility="private")

    @staticmethod
    def add_inputs(tabs: Sequence["TranslationTab"], examples: list, side: str) -> list[Component]:
        """Adds a source, and its features."""
        is_first = side != "Second"
        text = gr.Textbox(
            label=f"{side} source".strip().capitalize(), lines=2, value=examples[0] if examples and is_first else None
        )
        columns = find_columns(tabs)
        fields = [gr.Textbox(label=f"{side} {column}".strip(), info="Features of the source") for column in columns]
        if examples:
            gr.Examples([[example] for example in examples], [text])
        return [text, *fields]

    @staticmethod
    def compare(tabs: Sequence["TranslationTab"], sides: Sequence[tuple["TranslationTab", list]]) -> list[str]:
        pages = []
        for tab, (text, *cells) in sides:
            features = dict(zip(find_columns(tabs), cells))
            target, page = tab.translate(text, tab.num_beams, *(features[column] for column in tab.columns))
            pages.append(f'<p dir="auto"><strong>{escape(target)}</strong></p>{page}')
        return pages


def find_columns(tabs: Sequence[TranslationTab]) -> list[str]:
    """Returns the names of all features of some models."""
    return sorted({column for tab in tabs for column in tab.columns})


__all__ = []
