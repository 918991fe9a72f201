# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""An app that shows models: translation with its alignment, image classification with its attention maps."""

import os

import gradio as gr
import torch
from PIL import Image
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from ..models.compact_vit.image_processing_pil_compact_vit import MODES, convert_mode
from .alignments import align, evaluation
from .attention_maps import ImageAttention, attend, upright
from .html import alignment_to_html
from .overlays import overlay


TITLE = "What a model attends to"
MEAN = "mean of the heads"
LONGEST = 1000  # characters; the alignment grows with their square
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # none is fetched


def launch_app(
    model_names: list[str], texts: list[str] | None = None, images: list[Image.Image] | None = None, **options
):
    """Builds and serves the app; `options` are those of `gradio.Blocks.launch`."""
    return build_app(model_names, texts, images).launch(theme=gr.themes.Default(**FONTS), footer_links=[], **options)


def build_app(
    model_names: list[str], texts: list[str] | None = None, images: list[Image.Image] | None = None
) -> gr.Blocks:
    """
    A tab for each model: sequence-to-sequence models translate, image classifiers classify.

    Args:
        model_names (`list[str]`): folders, or names on the Hub. No code of theirs runs; the plugin's does.
        texts (`list[str]`, *optional*), images (`list[PIL.Image.Image]`, *optional*): examples to try.

    Over HTTP a model answers at `/translate` or `/classify`, and where several do so at `/translate_name`, of the
    last part of its name.
    """
    configs = {name: AutoConfig.from_pretrained(name) for name in model_names}
    tasks = {name: "translate" if config.is_encoder_decoder else "classify" for name, config in configs.items()}
    with gr.Blocks(title=TITLE, analytics_enabled=False) as app:
        gr.Markdown(f"# {TITLE}")
        for name, task in tasks.items():
            is_one_of_several = list(tasks.values()).count(task) > 1
            api_name = f"{task}_{os.path.basename(os.path.normpath(name))}" if is_one_of_several else task
            if task == "translate":
                add_translation(name, texts or [], api_name)
            else:
                add_classification(name, images or [], api_name)
    return app


def add_translation(name: str, texts: list[str], api_name: str):
    model, tokenizer = (
        AutoModelForSeq2SeqLM.from_pretrained(name, use_safetensors=True),
        AutoTokenizer.from_pretrained(name),
    )
    target_tokenizer = tokenizer
    if getattr(model.config, "encoder_vocab_size", None) is not None:
        target_tokenizer = AutoTokenizer.from_pretrained(name, subfolder="target_tokenizer")
    has_attention = getattr(model.config, "attention_type", None) != "none"

    def translate(text: str, num_beams: int) -> tuple[str, str]:
        if not (text or "").strip():
            raise gr.Error("There is no text. Write one, or choose an example.")
        if len(text) > LONGEST:
            raise gr.Error(f"The text has {len(text)} characters; {LONGEST} are the most that is shown.")
        if has_attention:
            alignment = align(model, tokenizer, [text], None, target_tokenizer, num_beams=int(num_beams))[0]
            return alignment.target, alignment_to_html(alignment)
        inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        with evaluation(model):
            ids = model.generate(**inputs, num_beams=int(num_beams))
        return target_tokenizer.decode(ids[0], skip_special_tokens=True), "<p>This model has no attention.</p>"

    with gr.Tab("Translate"):
        gr.Markdown(f"`{name}`")
        text = gr.Textbox(label="Source", lines=2, value=texts[0] if texts else None)
        if texts:
            gr.Examples([[example] for example in texts], [text])
        beams = model.generation_config.num_beams or 1
        num_beams = gr.Slider(1, max(10, beams), value=beams, step=1, label="Beams")
        button = gr.Button("Translate", variant="primary")
        translation = gr.Textbox(label="Target", interactive=False)
        gr.Markdown("Hover over a target token, or reach it by Tab, to see what it looked at.", visible=has_attention)
        view = gr.HTML()
        button.click(translate, [text, num_beams], [translation, view], api_name=api_name)
        text.submit(translate, [text, num_beams], [translation, view], api_visibility="private")


def add_classification(name: str, images: list[Image.Image], api_name: str):
    model = AutoModelForImageClassification.from_pretrained(name, use_safetensors=True)
    processor = AutoImageProcessor.from_pretrained(name)
    mode = MODES.get(getattr(model.config, "num_channels", 3), "RGB")
    layers, heads = (getattr(model.config, part, 0) for part in ("num_hidden_layers", "num_attention_heads"))

    def classify(image: Image.Image | None, layer: str, head: str):
        if image is None:
            raise gr.Error("There is no image. Drop one, or choose an example.")
        image = convert_mode(upright([image])[0], mode)
        try:
            found = attend(model, processor, [image])[0]
        except ValueError:  # a network without attention on one grid
            with evaluation(model), torch.no_grad():
                logits = model(**processor(image, return_tensors="pt")).logits
            return name_classes(logits[0].softmax(dim=-1)), None, None, None, None
        scores = name_classes(found.probabilities)
        pool = None if found.pooling_weights is None else overlay(found.image, found.pooling_map())
        return scores, show_head(found, layer, head), overlay(found.image, found.rollout()), pool, found

    def name_classes(probabilities) -> dict[str, float]:
        return {model.config.id2label[index]: float(value) for index, value in enumerate(probabilities)}

    def show_head(found: ImageAttention | None, layer: str, head: str) -> Image.Image | None:
        if found is None:
            return None
        index = None if head == MEAN else int(head.removeprefix("head ")) - 1
        return overlay(found.image, found.head_map(int(layer.removeprefix("layer ")) - 1, index))

    with gr.Tab("Classify"):
        gr.Markdown(f"`{name}`")
        with gr.Row():
            with gr.Column():
                image = gr.Image(type="pil", image_mode=None, label="Image", height=280)
                button = gr.Button("Classify", variant="primary")
                if images:
                    gr.Examples([[example] for example in images], [image])
            scores = gr.Label(num_top_classes=5, label="Class")
        with gr.Row(visible=bool(layers)):
            names = [f"layer {layer + 1}" for layer in range(layers)]
            layer = gr.Dropdown(names, value=names[-1] if names else None, label="Layer")
            names = [MEAN, *(f"head {head + 1}" for head in range(heads))]
            head = gr.Dropdown(names, value=MEAN, label="Head")
        with gr.Row(visible=bool(layers)):
            head_map = gr.Image(label="What the classifier sees through it", interactive=False, height=260)
            rollout = gr.Image(label="Rollout through all layers", interactive=False, height=260)
            pool = gr.Image(label="Sequence pool", interactive=False, height=260)
        found = gr.State()
        button.click(classify, [image, layer, head], [scores, head_map, rollout, pool, found], api_name=api_name)
        for control in (layer, head):
            control.change(show_head, [found, layer, head], head_map, api_visibility="private")


__all__ = ["build_app", "launch_app"]
