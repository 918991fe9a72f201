# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Bad inputs of the pipeline, of `align`, of the ONNX translator and of the app: each is named, with the remedy."""

import io
from collections.abc import Callable
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import ImageData
from PIL import Image
from transformers import (
    Pipeline,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    pipeline,
)

from hf_attention.interpret import align, build_app, overlay
from hf_attention.interpret.html import alignment_to_html
from hf_attention.interpret.uploads import read_image, read_upload


@pytest.fixture(scope="module")
def translator(saved_model) -> Pipeline:
    return pipeline("translation-with-alignment", model=str(saved_model))


NO_TEXTS = ["", " ", "\n\t", "\u2003", None, 3, 2.5, b"a dog", True, ["a dog"], {"text": "a dog"}, np.array(["a"])]


@pytest.mark.parametrize("text", NO_TEXTS, ids=repr)
def test_what_is_not_a_text_is_refused_by_the_pipeline(translator, text):
    with pytest.raises(ValueError, match="must be a string that is not empty, got .* at position 1"):
        translator(["a dog", text])


@pytest.mark.parametrize("text", NO_TEXTS, ids=repr)
def test_what_is_not_a_text_is_refused_by_align(translator, text):
    with pytest.raises(ValueError, match="`sources` has .* at position 1, which is not a text"):
        align(translator.model, translator.tokenizer, ["a dog", text])


@pytest.mark.parametrize("text", ["a \ud800 dog", "\udfff", "dog\udc80"], ids=ascii)
def test_half_of_a_surrogate_pair_is_refused(translator, text):
    for use in (translator, lambda text: align(translator.model, translator.tokenizer, [text])):
        with pytest.raises(ValueError, match="has half of a surrogate pair, which is not a character. Remove it"):
            use(text)


@pytest.mark.parametrize(
    "text", ["a\x00dog", "\x1b[31mdog", "a\u202edog", "\U0001f600", "dog\r\n", "<b>&</b>", "x" * 2000]
)
def test_odd_texts_are_translated(translator, text):
    result = translator(text)[0]
    assert isinstance(result["translation_text"], str)
    assert len(result["weights"][0]) == len(result["source_tokens"])


@pytest.mark.parametrize("num_beams", [0, -1, "3", 2.5, None], ids=repr)
def test_invalid_beams_are_refused(translator, num_beams):
    if num_beams is None:
        assert translator("a dog", num_beams=num_beams)
        return
    with pytest.raises(ValueError, match=r"`num_beams` must be an integer of at least 1, got "):
        translator("a dog", num_beams=num_beams)


def test_markup_in_a_text_is_escaped_in_the_alignment(translator):
    text = "<script>alert('dog')</script>\"&"
    alignment = align(translator.model, translator.tokenizer, [text])[0]
    alignment.source_tokens = ["<script>", '"onhover=', "&"] + alignment.source_tokens[3:]
    page = alignment_to_html(alignment)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert '""onhover' not in page


@pytest.fixture(scope="module")
def functions(saved_model, tmp_path_factory) -> dict[str, Callable]:
    """The app's functions by their endpoints."""
    folder = tmp_path_factory.mktemp("models") / "vit"
    vit = ViTConfig(image_size=8, patch_size=4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    ViTForImageClassification(vit).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(folder)
    app = build_app([str(saved_model), str(folder)])
    return {str(function.api_name): function.fn for function in app.fns.values() if function.fn is not None}


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "Enter a text"),
        (" \n", "Enter a text"),
        (None, "Enter a text"),
        ("x" * 1001, "has 1001 characters; the maximum is 1000"),
        ("x" * 100_000, "has 100000 characters"),
        ("a\ud800", "half of a surrogate pair"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_the_app_says_why_a_text_is_refused(functions, text, words):
    with pytest.raises(gr.Error, match=words):
        functions["translate"](text, 1)


@pytest.fixture(autouse=True)
def uploads(tmp_path, monkeypatch):
    """The folder that the app may read uploads from."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


def upload(path: Path) -> Image.Image | None:
    return read_upload(ImageData(path=str(path), orig_name=path.name))


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


REFUSED = {
    "too many pixels": (
        lambda folder: save(Image.new("1", (12_000, 12_000)), folder / "a.png"),
        "12000 x 12000 pixels",
    ),
    "a line": (lambda folder: save(Image.new("L", (10_000, 1)), folder / "a.png"), "10000 x 1 pixels: one side"),
    "a column": (lambda folder: save(Image.new("L", (2, 300)), folder / "a.png"), "2 x 300 pixels: one side"),
    "text": (lambda folder: write(folder / "a.png", b"This is text."), "not an image that can be read"),
    "nothing": (lambda folder: write(folder / "a.jpg", b""), "not an image that can be read"),
    "svg": (lambda folder: write(folder / "a.svg", b"<svg/>"), "not an image that can be read"),
    "cut": (
        lambda folder: write(
            folder / "a.png", save(Image.effect_noise((64, 64), 50), folder / "b.png").read_bytes()[:900]
        ),
        "not an image that can be read",
    ),
    "floats": (
        lambda folder: save(Image.fromarray(np.zeros((9, 9), dtype=np.float32)), folder / "a.tiff"),
        "mode 'F' .* no known range",
    ),
    "many bytes": (lambda folder: write(folder / "a.png", bytes(21 << 20)), "has 22 MB; the maximum is 21 MB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_app_says_why_an_upload_is_refused(tmp_path, name):
    make, words = REFUSED[name]
    with pytest.raises(gr.Error, match=words) as raised:
        upload(make(tmp_path))
    assert str(tmp_path) not in str(raised.value)


def test_the_app_refuses_data_that_is_not_an_image():
    with pytest.raises(gr.Error, match="not an image that can be read"):
        read_upload(ImageData(url="data:image/png;base64,aGVsbG8="))
    assert read_upload(None) is None


def test_the_app_reads_no_file_but_uploads(tmp_path, tmp_path_factory):
    secret = save(Image.effect_noise((8, 8), 50), tmp_path_factory.mktemp("elsewhere") / "secret.png")
    (tmp_path / "link.png").symlink_to(secret)
    detour = tmp_path / ".." / secret.relative_to(tmp_path.parent)
    assert detour.is_file()
    for path in (secret, detour, tmp_path / "link.png", tmp_path, tmp_path / "removed.png", f"file://{secret}", None):
        for options in ({}, {"meta": {}}, {"url": str(secret)}):
            with pytest.raises(gr.Error, match="not an upload, or was removed"):
                read_upload(ImageData(path=str(path) if path else None, **options))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_uploads_of_every_mode_are_reduced_and_classified(functions, tmp_path, mode):
    image = Image.new(mode, (2000, 500))
    image = upload(save(image, tmp_path / ("a.jpg" if mode == "YCbCr" else "a.tiff")))
    assert image is not None
    assert image.size == (1024, 256)
    scores, *maps, _ = functions["classify"](image, "layer 1", "head 1")
    assert sum(scores.values()) == pytest.approx(1, abs=1e-4)
    assert Image.open(maps[0]).size == (1024, 256)


def test_a_rotated_photo_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    image = Image.new("RGB", (3000, 2000))
    image.paste((255, 255, 255), (0, 0, 1500, 2000))
    upright = upload(save(image, tmp_path / "a.jpg", exif=exif))
    assert upright is not None
    assert upright.size == (683, 1024)
    assert upright.getpixel((300, 10))[0] > 250 > 10 > upright.getpixel((300, 1000))[0]  # ty: ignore[not-subscriptable]  # of a color image


def test_a_small_image_is_not_changed():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    assert (np.asarray(read_image(file, 100)) == pixels).all()


def test_an_overlay_of_a_thin_image_stays_small():
    assert overlay(Image.new("L", (1000, 1)), np.ones((2, 2))).size == (4000, 4)


@pytest.mark.parametrize("image", [None, "a.png", b"", np.zeros((2, 2))], ids=["none", "path", "bytes", "array"])
def test_the_app_names_what_is_not_an_image(functions, image):
    with pytest.raises(gr.Error, match="Upload an image|could not compute"):
        functions["classify"](image, "layer 1", "head 1")
