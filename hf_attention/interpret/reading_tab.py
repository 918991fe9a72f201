# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The tab of the app for models that read or describe images."""

import gradio as gr
from PIL import Image
from transformers import VisionEncoderDecoderModel

from ..data.image_utils import MODES, convert_mode
from .model_loading import load_image_processor, load_model, load_tokenizer
from .reading_html import reading_to_html
from .readings import read
from .uploads import check_size, errors_for_users, read_upload


HINT = "Hover over a token to see where the model looked for it; the dot is the center. Clicking it, or Tab, keeps it."
MAX_TOKENS = 128  # whose maps are shown


def add_reading(name: str, images: list[Image.Image], api_name: str) -> None:
    """Adds a tab that reads an image and shows where the model looked for each token."""
    model = load_model(VisionEncoderDecoderModel, name)
    assert isinstance(model, VisionEncoderDecoderModel)  # for type checkers
    processor, tokenizer = load_image_processor(name), load_tokenizer(name)
    mode = MODES.get(getattr(model.encoder.config, "num_channels", 3), "RGB")

    @errors_for_users()
    def read_text(image: Image.Image | None, num_beams: int) -> tuple[str, str]:
        if image is None:
            raise gr.Error("Upload an image or choose an example.")
        check_size(*image.size)
        (reading,) = read(model, processor, tokenizer, [convert_mode(image, mode)], num_beams=int(num_beams))
        if len(reading.tokens) > MAX_TOKENS:
            return reading.text, "<p>This text has too many tokens for their maps to be shown.</p>"
        return reading.text, reading_to_html(reading)

    with gr.Tab("Read"):
        gr.Markdown(f"`{name}`")
        with gr.Row():
            with gr.Column():
                image = gr.Image(type="pil", image_mode=None, label="Image", height=280, alt_text="The image to read")
                vars(image)["preprocess"] = read_upload
                beams = model.generation_config.num_beams or 1
                num_beams = gr.Slider(1, max(10, beams), value=beams, step=1, label="Beams")
                button = gr.Button("Read", variant="primary")
                if images:
                    gr.Examples([[example] for example in images], [image])
            with gr.Column():
                text = gr.Textbox(label="Text", interactive=False)
                gr.Markdown(HINT)
                view = gr.HTML()
        button.click(read_text, [image, num_beams], [text, view], api_name=api_name)
