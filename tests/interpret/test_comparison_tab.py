# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The app's tabs that compare, through their functions; test_app.py has them in a browser."""

import re
import shutil

import numpy as np
import pytest
import torch
from gradio import Error
from PIL import Image
from small_readers import TOKENIZER, make_reader
from transformers import (
    AutoModelForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.interpret import ColorScale, build_app, read, reading_to_html
from hf_attention.interpret.classifier_maps import SCALE


NOISE = [Image.fromarray(pixels) for pixels in np.random.default_rng(0).integers(0, 255, (2, 8, 24), dtype=np.uint8)]


def find_function(app, name):
    return next(function.fn for function in app.fns.values() if getattr(function.fn, "__name__", "") == name)


def compare(app, *values):
    """The sections of a comparison, one per side."""
    page = find_function(app, "compare")(*values)
    sides = page.split("<section>")[1:]
    assert len(sides) == 2 and page.startswith('<div class="pair">')
    return sides


def save_classifier(model, folder):
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(folder)
    return str(folder)


def make_vit(patch_size):
    torch.manual_seed(patch_size)
    sizes = {"image_size": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_labels": 7}
    return ViTForImageClassification(ViTConfig(**sizes, patch_size=patch_size, initializer_range=0.5))


def test_two_inputs_of_a_translator_and_an_empty_one(small_run):
    app = build_app([str(small_run[0])], ["4. März 2005"])
    translate = find_function(app, "translate")
    name = str(small_run[0])
    beams = next(block.value for block in app.blocks.values() if getattr(block, "label", "") == "Beams")
    for text in ("5. Mai 2006", "", None):
        pages = compare(app, name, "4. März 2005", name, text)
        for side, page, source in zip(("First", "Second"), pages, ("4. März 2005", text or "4. März 2005")):
            target, alignment = translate(source, beams)
            assert f">{side}</h3>" in page
            assert f"<strong>{target}</strong>" in page and alignment in page
    with pytest.raises(Error, match="Enter a text"):
        compare(app, name, "", name, "5. Mai 2006")


def test_translators_have_the_features_of_both_and_use_their_own(tmp_path):
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    values = {"one": {"tags": ["V"]}, "two": {"speaker": ["a", "b"], "tags": ["V"]}}
    for name, feature_values in values.items():
        torch.manual_seed(0)
        config = BahdanauConfig.from_preset("tiny", vocab_size=len(TOKENIZER), feature_values=feature_values, **ids)
        for part in (BahdanauForConditionalGeneration(config), TOKENIZER):
            part.save_pretrained(tmp_path / name)
    names = [str(tmp_path / name) for name in values]
    app = build_app(names)
    labels = [str(getattr(block, "label", "")) for block in app.blocks.values()]
    assert [label for label in labels if label.startswith("Second")] == [
        f"Second {name}" for name in ("model", "source", "speaker", "tags")
    ]
    first, second = compare(app, names[0], "123", "b", "V", names[1], "", "a", "")
    assert "tags=V" in first and "speaker" not in first
    assert "tags=V" in second and "speaker=a" in second


def test_two_readers_have_one_color_scale(tmp_path):
    readers = {}
    for kind in ("compact_vit", "vit"):
        model, processor = make_reader(kind)
        for part in (model, processor, TOKENIZER):
            part.save_pretrained(tmp_path / kind)
        image = NOISE[0] if kind == "compact_vit" else NOISE[0].convert("RGB")
        readers[str(tmp_path / kind)] = read(model, processor, TOKENIZER, [image])[0]
    maps = [reading.maps * reading.maps[0].size for reading in readers.values()]  # the grids have different sizes
    assert maps[0].shape[1:] != maps[1].shape[1:]
    scale = ColorScale.fit(maps, even=1.0)
    first, second = readers
    for page, (name, reading) in zip(
        compare(build_app(list(readers)), first, NOISE[0], second, None), readers.items()
    ):
        assert f"<bdi>{name}</bdi>" in page
        assert reading_to_html(reading, scale) in page and scale.to_svg() in page


def test_two_classifiers_are_compared_by_maps_that_both_have(tmp_path):
    resnet = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic", num_labels=7)
    models = {"fine": make_vit(2), "coarse": make_vit(4), "resnet": ResNetForImageClassification(resnet)}
    names = [save_classifier(model, tmp_path / name) for name, model in models.items()]
    app = build_app(names)
    labels = [block.label for block in app.blocks.values() if type(block).__name__ == "Tab"]
    assert labels == ["Classify: fine", "Classify: coarse", "Classify: resnet", "Compare images"]
    image = NOISE[0].convert("RGB")
    for second, count in ((1, 2), (2, 1)):  # integrated gradients, and, if both are transformers, rollout
        pages = compare(app, names[0], image, names[second], None)
        for name, page in zip((names[0], names[second]), pages):
            assert page.count("<figure") == page.count('alt="') == count
            assert ("Attention rollout" in page) == (SCALE.to_svg() in page) == (count == 2)
            processor, model = AutoImageProcessor.from_pretrained(name), AutoModelForImageClassification
            with torch.no_grad():
                logits = model.from_pretrained(name).eval()(**processor(image, return_tensors="pt")).logits[0]
            best = logits.softmax(-1).sort(descending=True)
            assert re.findall("<bdi>LABEL_([0-9])", page) == [str(int(index)) for index in best.indices[:5]]
            assert f"<td>{best.values[0]:.3f}</td>" in page
            assert f"for the class LABEL_{int(best.indices[0])} (red)" in page
    with pytest.raises(Error, match="Upload an image"):
        compare(app, names[0], None, names[1], image)


def test_models_of_different_kinds_are_not_compared_with_each_other(small_run, small_vision_run, tmp_path):
    other = str(shutil.copytree(small_run[0], tmp_path / "other"))
    app = build_app([str(small_run[0]), str(small_vision_run[0]), other])
    labels = [block.label for block in app.blocks.values() if type(block).__name__ == "Tab"]
    assert labels[2::2] == ["Compare translations", "Compare images"]
    dropdowns = [block for block in app.blocks.values() if "model" in str(getattr(block, "label", ""))]
    choices = [[value for value, _ in block.choices] for block in dropdowns]
    pair, alone = [str(small_run[0]), other], [str(small_vision_run[0])]
    assert choices == [pair, pair, alone, alone]
