# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The tab of the app for models that read or describe images."""

from collections.abc import Sequence
from html import escape

import gradio as gr
from gradio.components import Component
from PIL import Image
from transformers import VisionEncoderDecoderModel

from ..data.image_utils import MODES
from .leading_map import LeadingMap
from .model_loading import load_image_processor, load_model, load_tokenizer
from .reading_html import fit_scale, reading_to_html
from .readings import Reading, read
from .uploads import add_upload, errors_for_users, receive_image


HINT = "Hover over a token to see where the model looked for it; the dot is the center. Clicking it, or Tab, keeps it."
MAX_TOKENS = 128  # whose maps are shown


class ReadingTab:
    """Reads an image and shows where the model looked for each token."""

    verb, comparison = "Read", "Compare readings"

    def __init__(self, name: str, leading: LeadingMap | None) -> None:
        model = load_model(VisionEncoderDecoderModel, name)
        assert isinstance(model, VisionEncoderDecoderModel)  # for type checkers
        self.name, self.model = name, model
        self.processor, self.tokenizer = load_image_processor(name), load_tokenizer(name)
        self.mode = MODES.get(getattr(model.encoder.config, "num_channels", 3), "RGB")
        self.num_beams = model.generation_config.num_beams or 1

    def read(self, image: Image.Image | None, num_beams: float) -> Reading:
        images = [receive_image(image, self.mode)]
        return read(self.model, self.processor, self.tokenizer, images, num_beams=int(num_beams))[0]

    @errors_for_users()
    def read_text(self, image: Image.Image | None, num_beams: float) -> tuple[str, str]:
        reading = self.read(image, num_beams)
        return reading.text, show([reading])[0]

    def add(self, images: list, api_name: str) -> None:
        with gr.Row():
            with gr.Column():
                (image,) = self.add_inputs([self], images, "")
                num_beams = gr.Slider(1, max(10, self.num_beams), value=self.num_beams, step=1, label="Beams")
                button = gr.Button("Read", variant="primary")
            with gr.Column():
                text = gr.Textbox(label="Text", interactive=False)
                gr.Markdown(HINT)
                view = gr.HTML()
        button.click(self.read_text, [image, num_beams], [text, view], api_name=api_name)

    @staticmethod
    def add_inputs(tabs: Sequence["ReadingTab"], examples: list, side: str) -> list[Component]:
        return [add_upload(f"{side} image".strip().capitalize(), "The image to read", examples)]

    @staticmethod
    def compare(tabs: Sequence["ReadingTab"], sides: Sequence[tuple["ReadingTab", list]]) -> list[str]:
        readings = [tab.read(*inputs, tab.num_beams) for tab, inputs in sides]
        texts = [f'<p dir="auto"><strong>{escape(reading.text)}</strong></p>' for reading in readings]
        return [text + page for text, page in zip(texts, show(readings))]


def show(readings: list[Reading]) -> list[str]:
    """Returns pages with the maps of readings, in one color scale."""
    scale = fit_scale(readings)
    return [
        reading_to_html(reading, scale)
        if len(reading.tokens) <= MAX_TOKENS
        else "<p>This text has too many tokens for their maps to be shown.</p>"
        for reading in readings
    ]


__all__ = []
