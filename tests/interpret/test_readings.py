# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import io

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from small_readers import IDS, TOKENIZER, make_reader
from transformers import VisionEncoderDecoderModel

from hf_attention import (
    BahdanauConfig,
    BahdanauForCausalLM,
)
from hf_attention.interpret import Reading, plot_reading, read, render_reading


IMAGES = [Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 24), dtype=np.uint8)) for _ in range(3)]


@pytest.mark.parametrize("kind, grid", [("compact_vit", (4, 12)), ("trocr", (2, 6))])
def test_maps_are_the_cross_attention_of_the_text(kind, grid):
    model, processor = make_reader(kind)
    images = [image if kind == "compact_vit" else image.convert("RGB") for image in IMAGES]
    readings = read(model, processor, TOKENIZER, images, ["12", "7", "345"], batch_size=2)
    assert [reading.text for reading in readings] == ["12", "7", "345"]
    assert readings[2].tokens == ["3", "4", "5", "</s>"]
    for text, image, reading in zip(("12", "7", "345"), images, readings):
        ids = torch.tensor([[1, *TOKENIZER(text)["input_ids"][:-1]]])
        pixels = processor([image], return_tensors="pt")["pixel_values"]
        model.decoder.set_attn_implementation("eager")
        weights = model(pixel_values=pixels, decoder_input_ids=ids, output_attentions=True).cross_attentions
        expected = torch.stack(weights).mean(dim=(0, 2))[0, :, -grid[0] * grid[1] :].detach().numpy()
        assert reading.maps.shape == (len(text) + 1, *grid)
        np.testing.assert_allclose(reading.maps.reshape(len(text) + 1, -1), expected, rtol=1e-4, atol=1e-6)


def test_it_reads_what_the_model_generates():
    model, processor = make_reader("compact_vit")
    readings = read(model, processor, TOKENIZER, IMAGES, num_beams=2)
    pixels = processor(IMAGES, return_tensors="pt")["pixel_values"]
    ids = model.generate(pixels, num_beams=2)
    assert [reading.text for reading in readings] == TOKENIZER.batch_decode(ids, skip_special_tokens=True)
    assert all(len(reading.tokens) == len(reading.maps) <= 5 for reading in readings)


def test_the_center_of_attention_is_the_mean_position():
    maps = np.zeros((3, 2, 6))
    maps[0, 1, 0] = 0.5  # the rest is on other tokens
    maps[1, :, 2] = 0.5
    maps[2] = 1 / 12
    reading = Reading(Image.new("L", (24, 8)), "12", ["1", "2", "</s>"], maps)
    np.testing.assert_allclose(reading.centers(), [[2, 6], [10, 4], [12, 4]])


def test_pictures_of_a_reading():
    model, processor = make_reader("compact_vit")
    reading = read(model, processor, TOKENIZER, IMAGES[:1], ["12"])[0]
    figure = plot_reading(reading)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert figure.get_suptitle() == "12" and titles == ["1", "2", "</s>"]
    assert "attention" in [ax.get_ylabel() for ax in figure.axes]  # of the color bar
    output = io.StringIO()
    Console(file=output, width=100).print(render_reading(reading, width=12))
    assert output.getvalue().count("</s>") == 1


def test_invalid_calls_are_named():
    model, processor = make_reader("compact_vit")
    with pytest.raises(ValueError, match="`texts` has 1 items, but `images` 3"):
        read(model, processor, TOKENIZER, IMAGES, ["12"])
    with pytest.raises(ValueError, match="`images` must be a list of PIL images"):
        read(model, processor, TOKENIZER, ["digits.png"])
    blind = BahdanauForCausalLM(
        BahdanauConfig(
            **{**model.decoder.config.to_dict(), "attention_type": "none", "model_type": "bahdanau"},
        )
    )
    blind_reader = VisionEncoderDecoderModel(encoder=model.encoder, decoder=blind)
    blind_reader.config.update(IDS)
    with pytest.raises(ValueError, match="no `cross_attentions`: its decoder does not attend to the image"):
        read(blind_reader, processor, TOKENIZER, IMAGES, ["1", "2", "3"])
