# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Where a model that reads or describes an image looks, token by token."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from rich.table import Table
from rich.text import Text
from transformers import BaseImageProcessor, PreTrainedTokenizerBase, VisionEncoderDecoderModel

from .color_scale import DPI, ColorScale
from .fonts import find_fonts, readable_token
from .image_attention import apply_exif_orientation, crop_like_processor
from .model_modes import eager_attention, eval_mode
from .overlays import overlay
from .terminal import render_image
from .token_grid import WHOLE_IMAGE, Box, find_grid, find_grid_box


@dataclass
class Reading:
    """
    An image and the text that a model gave it, or was given.

    Attributes:
        image (`PIL.Image.Image`): the part of the image that the model saw.
        text (`str`): the text, without special tokens.
        tokens (`list[str]`): its T tokens, the end of the text included.
        maps (`np.ndarray` of shape `(T, rows, columns)`):
            The attention of each token over the grid of the encoder's tokens, mean over layers and heads. What goes to
            other tokens of the encoder, such as a class token, is left out, so a map may sum to less than 1.
        grid_box (`tuple[float, float, float, float]`): where the grid lies in the image; see [`ImageAttention`].
    """

    image: Image.Image
    text: str
    tokens: list[str]
    maps: np.ndarray
    grid_box: Box = WHOLE_IMAGE

    def centers(self) -> np.ndarray:
        """Returns the center of attention of each token, the mean position by weight: x, y in pixels, (T, 2)."""
        left, top, right, bottom = np.array(self.grid_box) * (2 * self.image.size)
        rows, columns = self.maps.shape[1:]
        total = self.maps.sum(axis=(1, 2)).clip(1e-12)
        x = self.maps.sum(axis=1) @ (np.arange(columns) + 0.5) / columns / total
        y = self.maps.sum(axis=2) @ (np.arange(rows) + 0.5) / rows / total
        return np.stack([left + x * (right - left), top + y * (bottom - top)], axis=1)


def read(
    model: VisionEncoderDecoderModel,
    image_processor: BaseImageProcessor,
    tokenizer: PreTrainedTokenizerBase,
    images: list[Image.Image],
    texts: Sequence[str] | None = None,
    batch_size: int = 32,
    **generation_options,
) -> list[Reading]:
    """
    Computes the attention of a vision encoder-decoder (transformers' `VisionEncoderDecoderModel`, with any encoder
    whose tokens form a grid) over images.

    Args:
        texts (`Sequence[str]`, *optional*): of which the attention is computed; by default those that the model
            generates.
        generation_options: of `generate`.

    Raises:
        `ValueError`: if `images` is not a list of PIL images, has not as many items as `texts`, or if the model
            returns no cross attention.
    """
    images = apply_exif_orientation(images)
    if texts is not None and len(texts) != len(images):
        raise ValueError(f"`texts` has {len(texts)} items, but `images` {len(images)}: give each image a text.")
    readings = []
    for start in range(0, len(images), batch_size):
        chunk = images[start : start + batch_size]
        pixel_values = image_processor(chunk, return_tensors="pt")["pixel_values"].to(model.device, model.dtype)
        with eval_mode(model), torch.no_grad(), eager_attention(model.decoder):
            if texts is None:
                ids = model.generate(pixel_values=pixel_values, **generation_options)[:, 1:]
            else:
                ids = [tokenizer(text)["input_ids"] for text in texts[start : start + batch_size]]
                ids = tokenizer.pad({"input_ids": ids}, padding_side="right", return_tensors="pt")["input_ids"]
            ids = ids.to(model.device)
            inputs = model.prepare_decoder_input_ids_from_labels(ids)
            states = model.encoder(pixel_values=pixel_values)  # whose own attention is not needed
            outputs = model(encoder_outputs=states, decoder_input_ids=inputs, output_attentions=True)
        if not outputs.cross_attentions or outputs.cross_attentions[0] is None:
            raise ValueError(
                f"{type(model).__name__} returned no `cross_attentions`: its decoder does not attend to the image."
            )
        weights = torch.stack([layer.float().mean(dim=1) for layer in outputs.cross_attentions]).mean(
            dim=0
        )  # (B, T, N)
        rows, columns = find_grid(model.encoder.config, pixel_values.shape[2:], weights.shape[-1])
        box = find_grid_box(model.encoder.config, pixel_values.shape[2:])
        maps = weights[:, :, weights.shape[-1] - rows * columns :].unflatten(-1, (rows, columns)).cpu().numpy()
        for image, row, row_maps in zip(chunk, ids.tolist(), maps):
            length = row.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in row else len(row)
            readings.append(
                Reading(
                    image=crop_like_processor(image, image_processor),
                    text=str(tokenizer.decode(row[:length], skip_special_tokens=True)),
                    tokens=list(tokenizer.convert_ids_to_tokens(row[:length])),
                    maps=row_maps[:length],
                    grid_box=box,
                )
            )
    return readings


def answer_to_reading(image: Image.Image, question: str, answer: dict) -> Reading:
    """
    Returns what [`~hf_attention.interpret.plot_reading`] plots: the question with its answer, and the map of each
    glimpse over the image.

    Args:
        answer (`dict`): of the pipeline `visual-question-answering-with-attention`.

    Raises:
        `ValueError`: for an answer without `attention`.
    """
    if "attention" not in answer:
        raise ValueError("The answer has no `attention`. Call the pipeline without `return_attention=False`.")
    maps = np.array(answer["attention"])
    glimpses = [f"glimpse {number}" for number in range(1, len(maps) + 1)]
    return Reading(image=image, text=f"{question} {answer['answer']}", tokens=glimpses, maps=maps)


def plot_reading(reading: Reading, width: float = 6.0) -> Figure:
    """
    Plots the image under what was read, then the map of each token over it, with its center; all maps have one color
    scale. `width` is in inches.
    """
    panels: list[tuple] = [("", None, None)]
    panels += zip(map(readable_token, reading.tokens), reading.maps, reading.centers())
    columns = max(1, min(len(panels), round(4 * reading.image.height / reading.image.width)))
    lines = -(-len(panels) // columns)
    height = (width / columns * reading.image.height / reading.image.width + 0.25) * lines
    scale = ColorScale.fit(list(reading.maps))
    heading = textwrap.fill(reading.text, int(13 * width))
    height += 0.2 * (1 + heading.count("\n"))
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    figure.suptitle(heading, fontsize=9, fontfamily=find_fonts(heading), parse_math=False)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (title, values, center) in zip(axes, panels):
        extent = (0, reading.image.width, reading.image.height, 0)
        shown = reading.image.convert("RGB") if values is None else overlay(reading, values, scale=scale)
        ax.imshow(np.asarray(shown), extent=extent)
        if center is not None:
            ax.plot(*center, marker="o", color="white", markeredgecolor="black")
        ax.set_title(title, fontsize=8, fontfamily=find_fonts(title), parse_math=False)
    scale.add_bar(axes, "attention")
    return figure


def render_reading(reading: Reading, width: int = 40) -> Table:
    """Returns a table for `rich.print`: the image, then each token and its map."""
    table = Table(show_header=False, box=None, padding=(0, 1))
    table.add_row("", render_image(reading.image, width=width))
    scale = ColorScale.fit(list(reading.maps))
    for token, values in zip(reading.tokens, reading.maps):
        picture = render_image(reading, values, width=width, scale=scale)
        table.add_row(Text(readable_token(token), style="bold"), picture)
    return table


__all__ = ["Reading", "answer_to_reading", "plot_reading", "read", "render_reading"]
