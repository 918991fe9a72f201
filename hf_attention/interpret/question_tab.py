# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The tab of the app for models that answer questions about images."""

from collections.abc import Sequence

import gradio as gr
from gradio.components import Component
from PIL import Image
from transformers import AutoModelForVisualQuestionAnswering

from ..data.image_utils import MODES
from .image_attention import crop_like_processor
from .leading_map import LeadingMap
from .model_loading import load_image_processor, load_model, load_tokenizer
from .question_pipeline import VisualQuestionAnsweringWithAttentionPipeline
from .reading_html import fit_scale, reading_to_html
from .readings import Reading, answer_to_reading
from .scores_html import scores_to_html
from .uploads import MAX_CHARACTERS, add_upload, errors_for_users, receive_image


HINT = "Hover over a glimpse to see where the model looked; the dot is the center. Clicking it, or Tab, keeps it."
TOP = 5  # answers


class QuestionTab:
    """Answers a question about an image and shows where the model looked in each glimpse."""

    verb, comparison = "Ask", "Compare answers"

    def __init__(self, name: str, leading: LeadingMap | None) -> None:
        model = load_model(AutoModelForVisualQuestionAnswering, name)
        if not hasattr(model.config, "num_glimpses"):
            raise ValueError(
                f"{name} answers questions, but {type(model).__name__} does not return the attention of glimpses, "
                "which the app shows. Name a model such as those of `stacked_attention`."
            )
        self.name = name
        self.ask = VisualQuestionAnsweringWithAttentionPipeline(
            model, tokenizer=load_tokenizer(name), image_processor=load_image_processor(name)
        )
        self.mode = MODES.get(getattr(model.config, "num_channels", 3), "RGB")

    def answer(self, image: Image.Image | None, question: str | None) -> tuple[dict[str, float], Reading]:
        """Returns the probabilities of the best answers, and the glimpses."""
        image = receive_image(image, self.mode)
        if len(question or "") > MAX_CHARACTERS:
            raise gr.Error(f"The question has {len(question or '')} characters; the maximum is {MAX_CHARACTERS}.")
        answers = self.ask(image, question, top_k=TOP)
        shown = crop_like_processor(image, self.ask.image_processor)
        scores = {answer["answer"]: answer["score"] for answer in answers}
        return scores, answer_to_reading(shown, question or "", answers[0])

    @errors_for_users()
    def answer_question(self, image: Image.Image | None, question: str | None) -> tuple[dict[str, float], str]:
        scores, reading = self.answer(image, question)
        return scores, reading_to_html(reading)

    def add(self, images: list, api_name: str) -> None:
        with gr.Row():
            with gr.Column():
                inputs = self.add_inputs([self], images, "")
                button = gr.Button("Ask", variant="primary")
            with gr.Column():
                scores = gr.Label(num_top_classes=TOP, label="Answer")
                gr.Markdown(HINT)
                view = gr.HTML()
        button.click(self.answer_question, inputs, [scores, view], api_name=api_name)
        assert isinstance(inputs[1], gr.Textbox)  # for type checkers
        inputs[1].submit(self.answer_question, inputs, [scores, view], api_visibility="private")

    @staticmethod
    def add_inputs(tabs: Sequence["QuestionTab"], examples: list, side: str) -> list[Component]:
        image = add_upload(f"{side} image".strip().capitalize(), "The image to ask about", examples)
        return [image, gr.Textbox(label=f"{side} question".strip().capitalize())]

    @staticmethod
    def compare(tabs: Sequence["QuestionTab"], sides: Sequence[tuple["QuestionTab", list]]) -> list[str]:
        answers = [tab.answer(*inputs) for tab, inputs in sides]
        scale = fit_scale([reading for _, reading in answers])
        return [f"{scores_to_html(scores)}{reading_to_html(reading, scale)}" for scores, reading in answers]


__all__ = []
