# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A web app for models: translation with alignments, image classification and reading with attention maps."""

import os
from collections.abc import Callable, Iterable
from typing import Any, cast

import gradio as gr
import numpy as np
import torch
from PIL import Image, ImageDraw
from transformers import (
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    GenerationMixin,
    PreTrainedConfig,
)

from ..data.image_utils import MODES, class_names, class_probabilities, convert_mode
from .alignments import align, encode_features, has_text, ids_to_text
from .classifier_maps import SCALE, make_scale
from .html import alignment_to_html
from .image_attention import ImageAttention, apply_exif_orientation, attention_maps, crop_like_processor
from .input_gradients import saliency
from .leading_map import LeadingMap
from .model_loading import find_target_tokenizer, load_config, load_image_processor, load_model, load_tokenizer
from .model_modes import eval_mode
from .overlays import overlay
from .reading_tab import add_reading
from .uploads import MAX_BYTES, check_size, errors_for_users, read_upload, save_picture


TITLE = "What a model attends to"
MEAN = "mean of the heads"
MAX_CHARACTERS = 1000  # the alignment grows with their square
MAX_CELLS = 50_000  # of an alignment that is shown
HINT = (
    "Hover over a token of the source or the target to see what it is aligned with. Clicking it, or Tab, keeps it "
    "highlighted."
)
POSITION_HINT = "Click a position in one of the maps, or type its row and column, to see what it attended to."
ALWAYS_SHOWN = ("integrated gradients", "attention rollout", "sequence pool")
STEPS = 16  # of the integral of the gradients
QUEUE = 200  # requests that may wait
HOUR = 3600  # seconds after which uploads and what was computed from them are removed
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # no downloads
# contrasts of at least 4.5 : 1
COLORS = {f"button_primary_background_fill{mode}": "*primary_700" for mode in ("", "_hover", "_dark", "_hover_dark")}
COLORS |= {"color_accent": "*primary_600", "block_label_text_color": "*neutral_600"}
COLORS |= {"block_title_text_color": "*neutral_600", "input_placeholder_color": "*neutral_600"}
COLORS |= {f"{part}_dark": "*neutral_300" for part in ("block_label_text_color", "block_title_text_color")}
STYLE = """
.min_value, .max_value, .or {color: inherit !important}
.tab-container button.selected {color: var(--primary-700) !important}
.dark .tab-container button.selected {color: var(--primary-300) !important}
"""
# scores by class, files of maps (head, rollout, sequence pool, gradients, the leading one), and their source
Pictures = tuple[str | None, str | None, str | None, str | None, str | None]
Classification = tuple[dict[str, float], *Pictures, ImageAttention | None]


def launch_app(
    model_names: list[str],
    texts: list[str] | None = None,
    images: list[Image.Image] | None = None,
    choose: Callable[[str], LeadingMap] | None = None,
    **options: Any,
) -> Any:
    """
    Builds and serves the app; see [`build_app`]. `options` go to `gradio.Blocks.launch`, whose result is returned.
    """
    theme = gr.themes.Default(primary_hue="blue", font=FONTS["font"], font_mono=FONTS["font_mono"]).set(**COLORS)
    app = build_app(model_names, texts, images, choose).queue(max_size=QUEUE)
    options = {"theme": theme, "css": STYLE, "footer_links": [], "max_file_size": MAX_BYTES, **options}
    return app.launch(**options)


def build_app(
    model_names: list[str],
    texts: list[str] | None = None,
    images: list[Image.Image] | None = None,
    choose: Callable[[str], LeadingMap] | None = None,
) -> gr.Blocks:
    """
    Builds an app with a tab for each model: sequence-to-sequence models translate, image classifiers classify, and
    vision encoder-decoders read.

    Args:
        model_names (`list[str]`): folders, or names on the Hub. Code in these repositories is not run.
        texts (`list[str]`, *optional*), images (`list[PIL.Image.Image]`, *optional*): examples to try.
        choose (`Callable`, *optional*):
            From a model's name to the map that is shown first, and why. By default no map is preferred;
            [`~hf_attention.faithfulness.read_leading_map`] reads what was measured.

    The HTTP endpoint of a model is `/translate`, `/classify` or `/read`, with an underscore and the last part of the
    model's name if several models have the same task.
    """
    configs = {name: load_config(name) for name in model_names}
    leading = {name: None if choose is None else choose(name) for name in model_names}
    tasks = {name: find_task(config) for name, config in configs.items()}
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(HOUR, HOUR)) as app:
        gr.Markdown(f"# {TITLE}")
        for name, task in tasks.items():
            is_one_of_several = list(tasks.values()).count(task) > 1
            api_name = f"{task}_{os.path.basename(os.path.normpath(name))}" if is_one_of_several else task
            if task == "translate":
                add_translation(name, texts or [], api_name, leading[name])
            elif task == "read":
                add_reading(name, images or [], api_name)
            else:
                add_classification(name, images or [], api_name, leading[name])
    return app


def find_task(config: PreTrainedConfig) -> str:
    """Returns what a model does, which is the name of its endpoint."""
    if config.model_type == "vision-encoder-decoder":
        return "read"
    return "translate" if config.is_encoder_decoder else "classify"


def add_translation(name: str, texts: list[str], api_name: str, leading: LeadingMap | None) -> None:
    """Adds a tab that translates and shows the alignment."""
    model = load_model(AutoModelForSeq2SeqLM, name)
    tokenizer = load_tokenizer(name)
    target_tokenizer = find_target_tokenizer(model, tokenizer)
    has_attention = getattr(model.config, "attention_type", None) != "none"
    columns = sorted(getattr(model.config, "feature_values", None) or {})

    @errors_for_users()
    def translate(text: str, num_beams: int, *cells: str) -> tuple[str, str]:
        if len(text or "") > MAX_CHARACTERS:
            raise gr.Error(f"The text has {len(text)} characters; the maximum is {MAX_CHARACTERS}.")
        if not has_text(text, tokenizer):
            raise gr.Error("Enter a text or choose an example.")
        features = [dict(zip(columns, cells))] if columns else None
        options = {"num_beams": int(num_beams)}
        if has_attention:
            alignment = align(model, tokenizer, [text], None, target_tokenizer, features=features, **options)[0]
            if alignment.weights.size > MAX_CELLS:
                return alignment.target, "<p>This alignment has too many tokens to be shown.</p>"
            page = alignment_to_html(alignment)
            if leading is not None and leading.name not in (None, "attention"):
                best = leading.of_alignment(model, tokenizer, target_tokenizer, alignment)
                page = f"<p>{leading.name}:</p>{alignment_to_html(best)}<p>attention:</p>{page}"
            return alignment.target, page
        inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        inputs.update(encode_features(model, features))
        with eval_mode(model):
            ids = cast(GenerationMixin, model).generate(**inputs, **options)
        return ids_to_text(target_tokenizer, ids[0]), "<p>This model has no attention.</p>"

    def add_panel(example: str | None, **event: Any) -> gr.Textbox:
        """A source, its translation and their alignment."""
        text = gr.Textbox(label="Source", lines=2, value=example)
        fields = [gr.Textbox(label=column, info="Features of the source") for column in columns]
        beams = model.generation_config.num_beams or 1
        num_beams = gr.Slider(1, max(10, beams), value=beams, step=1, label="Beams")
        button = gr.Button("Translate", variant="primary")
        translation = gr.Textbox(label="Target", interactive=False)
        gr.Markdown(HINT, visible=has_attention)
        if leading is not None and has_attention:
            gr.Markdown(leading.reason)
        alignment_view = gr.HTML()
        inputs, outputs = [text, num_beams, *fields], [translation, alignment_view]
        button.click(translate, inputs, outputs, **event)
        text.submit(translate, inputs, outputs, api_visibility="private")
        return text

    with gr.Tab("Translate"):
        gr.Markdown(f"`{name}`")
        text = add_panel(texts[0] if texts else None, api_name=api_name)
        if texts:
            gr.Examples([[example] for example in texts], [text])
        with gr.Accordion("Compare with another source", open=False):
            add_panel(None, api_visibility="private")


def add_classification(name: str, images: list[Image.Image], api_name: str, leading: LeadingMap | None) -> None:
    """Adds a tab that classifies images and shows attention maps."""
    model = load_model(AutoModelForImageClassification, name)
    processor = load_image_processor(name)
    mode = MODES.get(getattr(model.config, "num_channels", 3), "RGB")
    layers, heads = (getattr(model.config, part, 0) for part in ("num_hidden_layers", "num_attention_heads"))
    first_name = None if leading is None else leading.name
    is_extra = first_name not in (None, *ALWAYS_SHOWN)

    @errors_for_users()
    def classify(image: Image.Image | None, layer: str, head: str) -> Classification:
        if image is None:
            raise gr.Error("Upload an image or choose an example.")
        check_size(*image.size)
        image = convert_mode(apply_exif_orientation([image])[0], mode)
        (pixels,) = saliency(model, processor, [image], method="integrated_gradients", steps=STEPS)
        gradients, first = save_picture(overlay(crop_like_processor(image, processor), pixels)), None
        if leading is not None and is_extra:
            pixels = leading.of_image(model, processor, image)
            first = save_picture(overlay(crop_like_processor(image, processor), pixels))
        try:
            attention = attention_maps(model, processor, [image])[0]
        except ValueError:  # the model has no attention maps
            with eval_mode(model), torch.no_grad():
                logits = model(**processor(image, return_tensors="pt")).logits
            known = class_probabilities(model.config, logits[0])
            return name_classes([] if known is None else known), None, None, None, gradients, first, None
        scores = name_classes([] if attention.probabilities is None else attention.probabilities)
        pool = None if attention.pooling_weights is None else show(attention, attention.pooling_map())
        return (
            scores,
            show_head(attention, layer, head),
            show(attention, attention.rollout()),
            pool,
            gradients,
            first,
            attention,
        )

    def name_classes(probabilities: Iterable[float]) -> dict[str, float]:
        return {label: float(value) for label, value in zip(class_names(model.config), probabilities)}

    def show(attention: ImageAttention, weights: np.ndarray) -> str:
        return save_picture(overlay(attention, weights * attention.num_tokens, scale=SCALE))

    @errors_for_users()
    def show_head(attention: ImageAttention | None, layer: str, head: str) -> str | None:
        if attention is None:
            return None
        index = None if head == MEAN else int(head.removeprefix("head ")) - 1
        return show(attention, attention.head_map(int(layer.removeprefix("layer ")) - 1, index))

    @errors_for_users()
    def show_position(attention: ImageAttention | None, layer: str, row: float, column: float) -> str | None:
        if attention is None:
            return None
        rows, columns = attention.grid
        place = (min(int(row), rows) - 1, min(int(column), columns) - 1)
        weights = attention.weights(int(layer.removeprefix("layer ")) - 1)
        values = weights[attention.num_prefix_tokens + place[0] * columns + place[1]]
        return mark(show(attention, attention.on_grid(values)), place, attention)

    def find_position(attention: ImageAttention | None, event: gr.SelectData) -> tuple[int, int]:
        """The row and column, from 1, of the position that was clicked in a map of the image."""
        if attention is None:
            return 1, 1
        size = overlay(attention.image, np.zeros((1, 1))).size
        row, column = attention.find_token(event.index[0] / size[0], event.index[1] / size[1])
        return row + 1, column + 1

    layer_names = [f"layer {layer + 1}" for layer in range(layers)]
    head_names = [MEAN, *(f"head {head + 1}" for head in range(heads))]

    def add_panel(examples: list[Image.Image], **event: Any) -> None:
        """An image, its classes and its maps."""
        with gr.Row():
            with gr.Column():
                image = gr.Image(
                    type="pil", image_mode=None, label="Image", height=280, alt_text="The image to classify"
                )
                vars(image)["preprocess"] = read_upload
                button = gr.Button("Classify", variant="primary")
                if examples:
                    gr.Examples([[example] for example in examples], [image])
            scores = gr.Label(num_top_classes=5, label="Class")
        if leading is not None:
            gr.Markdown(leading.reason)
        with gr.Row():
            first = add_map(str(first_name).capitalize(), visible=is_extra)
            maps = {
                "integrated gradients": add_map(
                    "For (red), against (blue)",
                    "Integrated gradients: for the class (red) or against it",
                    render=False,
                ),
                "attention rollout": add_map(
                    "Attention rollout", "Attention rollout through all layers", bool(layers), render=False
                ),
                "sequence pool": add_map("Sequence pool", visible=bool(layers), render=False),
            }
            for _, picture in sorted(maps.items(), key=lambda item: item[0] != first_name):
                picture.render()
            gradients, rollout, pool = maps.values()
        with gr.Row(visible=bool(layers)):
            layer = gr.Dropdown(layer_names, value=layer_names[-1] if layer_names else None, label="Layer")
            head = gr.Dropdown(head_names, value=MEAN, label="Head")
            row = gr.Number(1, label="Row of the position", minimum=1, precision=0)
            column = gr.Number(1, label="Column of the position", minimum=1, precision=0)
        gr.Markdown(POSITION_HINT, visible=bool(layers))
        with gr.Row(visible=bool(layers)):
            head_map = add_map("Attention through this head")
            position = add_map("Attention of the position, mean of the heads")
        gr.HTML(make_scale())
        attention = gr.State(time_to_live=HOUR)
        outputs = [scores, head_map, rollout, pool, gradients, first, attention]
        place = [attention, layer, row, column]
        shown = button.click(classify, [image, layer, head], outputs, **event)
        shown.then(show_position, place, position, api_visibility="private")
        for control in (layer, head):
            control.change(show_head, [attention, layer, head], head_map, api_visibility="private")
        for control in (layer, row, column):
            control.change(show_position, place, position, api_visibility="private")
        for picture in (gradients, rollout, pool, head_map, position):
            picture.select(find_position, attention, [row, column], api_visibility="private")

    with gr.Tab("Classify"):
        gr.Markdown(f"`{name}`")
        add_panel(images, api_name=api_name)
        with gr.Accordion("Compare with another image", open=False):
            add_panel([], api_visibility="private")


def add_map(label: str, description: str = "", visible: bool = True, render: bool = True) -> gr.Image:
    description = description or label
    return gr.Image(label=label, alt_text=description, interactive=False, height=260, visible=visible, render=render)


def mark(file: str, place: tuple[int, int], attention: ImageAttention) -> str:
    """Draws a frame around a position of a grid into a picture."""
    with Image.open(file) as picture:
        marked = picture.convert("RGB")
    (rows, columns), (left, top, right, bottom) = attention.grid, attention.grid_box
    edges = np.array([place[::-1], [place[1] + 1, place[0] + 1]]) / (columns, rows) * (right - left, bottom - top)
    edges = ((edges + (left, top)).clip(0, 1) * marked.size).astype(int) - [[0, 0], [1, 1]]
    corners = edges.ravel().tolist()
    ImageDraw.Draw(marked).rectangle(corners, outline="black", width=4)
    ImageDraw.Draw(marked).rectangle(corners, outline="cyan", width=2)
    return save_picture(marked)


__all__ = ["build_app", "launch_app"]
