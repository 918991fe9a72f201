# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The tab of the app for image classifiers."""

from collections.abc import Sequence
from html import escape

import gradio as gr
import numpy as np
import torch
from gradio.components import Component
from PIL import Image, ImageDraw
from transformers import AutoModelForImageClassification

from ..data.image_utils import MODES, class_names, class_probabilities
from .classifier_maps import SCALE
from .color_scale import SIGNED, ColorScale
from .image_attention import ImageAttention, attention_maps, crop_like_processor
from .input_gradients import saliency
from .leading_map import LeadingMap
from .model_loading import load_image_processor, load_model
from .model_modes import eval_mode
from .overlays import overlay
from .reading_html import to_source
from .scores_html import scores_to_html
from .uploads import HOUR, add_upload, errors_for_users, receive_image, save_picture


MEAN = "mean of the heads"
POSITION_HINT = "Click a position in one of the maps, or type its row and column, to see what it attended to."
ALWAYS_SHOWN = ("integrated gradients", "attention rollout", "sequence pool")
STEPS = 16  # of the integral of the gradients
SCALES = ("Attention, in multiples of an even map:", "For (red), against (blue), in multiples of the mean size:")
TOP = 5  # classes
SIGNED_SCALE = ColorScale(-SCALE.high, SCALE.high, None, SIGNED, is_cut=True)
# scores by class, files of maps (head, rollout, sequence pool, gradients, the leading one), and their source
Pictures = tuple[str | None, str | None, str | None, str | None, str | None]
Classification = tuple[dict[str, float], *Pictures, ImageAttention | None]


class ClassificationTab:
    """Classifies images and shows attention maps."""

    verb, comparison = "Classify", "Compare images"

    def __init__(self, name: str, leading: LeadingMap | None) -> None:
        self.name, self.leading = name, leading
        self.model = load_model(AutoModelForImageClassification, name)
        self.processor = load_image_processor(name)
        config = self.model.config
        self.mode = MODES.get(getattr(config, "num_channels", 3), "RGB")
        layers, heads = (getattr(config, part, 0) for part in ("num_hidden_layers", "num_attention_heads"))
        if not isinstance(heads, int):  # a number for each stage, whose maps have different grids
            layers = heads = 0
        self.layer_names = [f"layer {layer + 1}" for layer in range(layers)]
        self.head_names = [MEAN, *(f"head {head + 1}" for head in range(heads))]
        self.first_name = None if leading is None else leading.name
        self.is_extra = self.first_name not in (None, *ALWAYS_SHOWN)

    def gradients(self, image: Image.Image) -> Image.Image:
        """Returns integrated gradients over the image, in multiples of their mean size."""
        (values,) = saliency(self.model, self.processor, [image], method="integrated_gradients", steps=STEPS)
        values = values / (abs(values).mean() or 1.0)
        return overlay(crop_like_processor(image, self.processor), values, scale=SIGNED_SCALE)

    def attend(self, image: Image.Image) -> tuple[dict[str, float], ImageAttention | None]:
        """Returns the probabilities of the classes, and the attention, if the model has attention maps."""
        try:
            attention = attention_maps(self.model, self.processor, [image])[0]
            attention.rollout()  # which negative weights do not have
            known = attention.probabilities
        except ValueError:
            attention = None
            with eval_mode(self.model), torch.no_grad():
                logits = self.model(**self.processor(image, return_tensors="pt")).logits
            known = class_probabilities(self.model.config, logits[0])
        names = class_names(self.model.config)
        return {label: float(value) for label, value in zip(names, [] if known is None else known)}, attention

    @errors_for_users()
    def classify(self, image: Image.Image | None, layer: str | None, head: str) -> Classification:
        image = receive_image(image, self.mode)
        gradients, first = save_picture(self.gradients(image)), None
        if self.leading is not None and self.is_extra:
            values = self.leading.of_image(self.model, self.processor, image)
            first = save_picture(overlay(crop_like_processor(image, self.processor), values))
        scores, attention = self.attend(image)
        if attention is None:
            return scores, None, None, None, gradients, first, None
        pool = None if attention.pooling_weights is None else show(attention, attention.pooling_map())
        rollout = show(attention, attention.rollout())
        return scores, self.show_head(attention, layer, head), rollout, pool, gradients, first, attention

    @errors_for_users()
    def show_head(self, attention: ImageAttention | None, layer: str | None, head: str) -> str | None:
        if attention is None or layer is None:  # of blocks that are not layers
            return None
        index = None if head == MEAN else int(head.removeprefix("head ")) - 1
        return show(attention, attention.head_map(int(layer.removeprefix("layer ")) - 1, index))

    @errors_for_users()
    def show_position(
        self, attention: ImageAttention | None, layer: str | None, row: float | None, column: float | None
    ) -> str | None:
        if attention is None or layer is None or not row or not column:
            return None
        rows, columns = attention.grid
        place = (min(int(row), rows) - 1, min(int(column), columns) - 1)
        weights = attention.weights(int(layer.removeprefix("layer ")) - 1)
        values = weights[attention.num_prefix_tokens + place[0] * columns + place[1]]
        return mark(show(attention, attention.on_grid(values)), place, attention)

    def add(self, images: list, api_name: str) -> None:
        has_layers = bool(self.layer_names)
        with gr.Row():
            with gr.Column():
                (image,) = self.add_inputs([self], images, "")
                button = gr.Button("Classify", variant="primary")
            scores = gr.Label(num_top_classes=TOP, label="Class")
        if self.leading is not None:
            gr.Markdown(self.leading.reason)
        with gr.Row():
            first = add_map(str(self.first_name).capitalize(), visible=self.is_extra)
            maps = {
                "integrated gradients": add_map(
                    "For (red), against (blue)",
                    "Integrated gradients: for the class (red) or against it",
                    render=False,
                ),
                "attention rollout": add_map(
                    "Attention rollout", "Attention rollout through all layers", has_layers, render=False
                ),
                "sequence pool": add_map("Sequence pool", visible=has_layers, render=False),
            }
            for _, picture in sorted(maps.items(), key=lambda item: item[0] != self.first_name):
                picture.render()
            gradients, rollout, pool = maps.values()
        with gr.Row(visible=has_layers):
            layer = gr.Dropdown(self.layer_names, value=self.layer_names[-1] if has_layers else None, label="Layer")
            head = gr.Dropdown(self.head_names, value=MEAN, label="Head")
            row = gr.Number(1, label="Row of the position", minimum=1, precision=0)
            column = gr.Number(1, label="Column of the position", minimum=1, precision=0)
        gr.Markdown(POSITION_HINT, visible=has_layers)
        with gr.Row(visible=has_layers):
            head_map = add_map("Attention through this head")
            position = add_map("Attention of the position, mean of the heads")
        with gr.Row():
            gr.HTML(f"<p>{SCALES[0]}</p>{SCALE.to_svg()}", visible=has_layers)
            gr.HTML(f"<p>{SCALES[1]}</p>{SIGNED_SCALE.to_svg()}")
        attention = gr.State(time_to_live=HOUR)
        outputs = [scores, head_map, rollout, pool, gradients, first, attention]
        place = [attention, layer, row, column]
        shown = button.click(self.classify, [image, layer, head], outputs, api_name=api_name)
        shown.then(self.show_position, place, position, api_visibility="private")
        for control in (layer, head):
            control.change(self.show_head, [attention, layer, head], head_map, api_visibility="private")
        for control in (layer, row, column):
            control.change(self.show_position, place, position, api_visibility="private")
        for picture in (gradients, rollout, pool, head_map, position):
            picture.select(find_position, attention, [row, column], api_visibility="private")

    @staticmethod
    def add_inputs(tabs: Sequence["ClassificationTab"], examples: list, side: str) -> list[Component]:
        return [add_upload(f"{side} image".strip().capitalize(), "The image to classify", examples)]

    @staticmethod
    def compare(tabs: Sequence["ClassificationTab"], sides: Sequence[tuple["ClassificationTab", list]]) -> list[str]:
        """Compares integrated gradients, and, if both models have attention maps, their rollouts."""
        images = [receive_image(*inputs, tab.mode) for tab, inputs in sides]
        results = [tab.attend(image) for (tab, _), image in zip(sides, images)]
        pages = []
        for (tab, _), image, (scores, attention) in zip(sides, images, results):
            best = dict(sorted(scores.items(), key=lambda item: -item[1])[:TOP])
            what = f"the class {next(iter(best))}" if best else "a higher number"
            words = f"Integrated gradients for {what} (red) or against it (blue), in multiples of their mean size"
            page = scores_to_html(best) + figure(tab.gradients(image), words, SIGNED_SCALE)
            if attention is not None and all(other is not None for _, other in results):
                rollout = attention.rollout() * attention.num_tokens
                words = "Attention rollout through all layers, in multiples of an even map"
                page += figure(overlay(attention, rollout, scale=SCALE), words, SCALE)
            pages.append(page)
        return pages


def show(attention: ImageAttention, weights: np.ndarray) -> str:
    return save_picture(overlay(attention, weights * attention.num_tokens, scale=SCALE))


def find_position(attention: ImageAttention | None, event: gr.SelectData) -> tuple[int, int]:
    """The row and column, from 1, of the position that was clicked in a map of the image."""
    if attention is None:
        return 1, 1
    size = overlay(attention.image, np.zeros((1, 1))).size
    row, column = attention.find_token(event.index[0] / size[0], event.index[1] / size[1])
    return row + 1, column + 1


def add_map(label: str, description: str = "", visible: bool = True, render: bool = True) -> gr.Image:
    description = description or label
    return gr.Image(label=label, alt_text=description, interactive=False, height=260, visible=visible, render=render)


def figure(picture: Image.Image, words: str, scale: ColorScale) -> str:
    """A picture with its caption and its color scale, as HTML."""
    shown = f'<img src="{to_source(picture)}" alt="{escape(words)}" style="max-width: 100%; max-height: 20rem">'
    return f'<figure style="margin: 1rem 0">{shown}<figcaption>{escape(words)}</figcaption>{scale.to_svg()}</figure>'


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


__all__ = []
