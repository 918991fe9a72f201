# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import io

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTImageProcessorPil
from transformers.utils import is_torchvision_available

from hf_attention import CompactVitImageProcessorPil


def picture(mode="RGB", size=(40, 30)):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def process(image, **kwargs):
    return CompactVitImageProcessorPil(**kwargs)(image, return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("size", [(40, 30), (32, 32), (1, 1), (3, 500)])
def test_pixel_values_equal_those_of_the_vit_image_processor(size):
    options = {"size": {"height": 32, "width": 32}, "resample": 3}
    expected = ViTImageProcessorPil(**options)(picture(size=size), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(process(picture(size=size)), expected)


@pytest.mark.skipif(not is_torchvision_available(), reason="torchvision is not installed")
def test_pixel_values_are_close_to_those_of_the_torchvision_backend():
    from transformers import ViTImageProcessor

    expected = ViTImageProcessor(size={"height": 32, "width": 32}, resample=3)(picture(), return_tensors="pt")
    torch.testing.assert_close(process(picture()), expected["pixel_values"], atol=2 / 255 / 0.5, rtol=0)


def test_pixels_are_rescaled_and_normalized_as_computed_by_hand():
    pixels = np.arange(64 * 3, dtype=np.uint8).reshape(8, 8, 3)
    pixel_values = process(
        Image.fromarray(pixels), size={"height": 8, "width": 8}, image_mean=[0.1, 0.2, 0.3], image_std=0.5
    )
    expected = (pixels / 255 - np.array([0.1, 0.2, 0.3])) / 0.5
    np.testing.assert_allclose(pixel_values[0].permute(1, 2, 0), expected, atol=1e-6)


@pytest.mark.parametrize("num_channels", [1, 3, 4])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_every_mode_is_converted_to_the_number_of_channels(mode, num_channels):
    image = picture().convert("L").convert("PA") if mode == "PA" else picture(mode)
    pixel_values = process([image, picture()], num_channels=num_channels)
    assert pixel_values.shape == (2, num_channels, 32, 32)
    assert pixel_values.isfinite().all()


def test_palettes_are_looked_up():
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    pixel_values = process(image, size={"height": 1, "width": 2}, image_mean=0.0, image_std=1.0)
    assert pixel_values[0, :, 0].T.tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", ["P", "PA", "LA"])
def test_transparency_is_dropped(mode):
    pixels = np.array([[[200, 200, 200, 0], [90, 90, 90, 128]]], dtype=np.uint8)
    image = Image.fromarray(pixels).convert("LA")
    if mode != "LA":
        image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode="P")
        image.putpalette([200, 200, 200, 90, 90, 90])
        image.info["transparency"] = bytes([0, 128])
    pixel_values = process(image.convert(mode), size={"height": 1, "width": 2}, image_mean=0.0, image_std=1.0)
    assert (pixel_values[0, :, 0] * 255).round().tolist() == [[200, 90]] * 3


@pytest.mark.parametrize("num_channels", [1, 3, 4])
def test_sixteen_bits_are_scaled_instead_of_clipped(num_channels):
    values = np.array([[0, 32768], [256, 65535]], dtype=np.uint16)
    with io.BytesIO() as file:
        Image.fromarray(values).save(file, "PNG")
        image = Image.open(io.BytesIO(file.getvalue()))
    assert image.mode == "I;16"
    pixel_values = process(
        image, num_channels=num_channels, size={"height": 2, "width": 2}, image_mean=0.0, image_std=1.0
    )
    np.testing.assert_allclose(pixel_values[0, 0], [[0, 128 / 255], [1 / 255, 1]], atol=1e-6)


def test_exif_orientation_is_applied():
    image = picture(size=(6, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    with io.BytesIO() as file:
        image.save(file, "PNG", exif=exif)
        turned = Image.open(io.BytesIO(file.getvalue()))
    options = {"size": {"height": 6, "width": 4}}
    assert torch.equal(process(turned, **options), process(image.rotate(-90, expand=True), **options))


def test_arrays_and_tensors_give_the_pixel_values_of_the_image():
    pixels = np.asarray(picture())
    expected = process(picture())
    for image in (pixels, pixels.transpose(2, 0, 1), torch.from_numpy(pixels.copy()).permute(2, 0, 1)):
        torch.testing.assert_close(process(image), expected)


@pytest.mark.parametrize(
    "image, message",
    [
        (np.zeros((1, 8, 8), np.uint8), "has 1 channels, not `num_channels` = 3"),
        (np.zeros((8, 8, 4), np.uint8), "has 4 channels, not `num_channels` = 3"),
        (np.full((3, 8, 8), np.nan), "NaN or infinite pixels"),
        (np.full((3, 8, 8), np.inf, np.float32), "NaN or infinite pixels"),
        (Image.new("I", (4, 4)), "mode 'I' .* has no known range"),
        (Image.new("F", (4, 4)), "mode 'F' .* has no known range"),
    ],
)
def test_invalid_images_raise(image, message):
    with pytest.raises(ValueError, match=message):
        process(image)


def test_invalid_number_of_channels_raises():
    with pytest.raises(ValueError, match="`num_channels` must be 1, 3 or 4, got 2"):
        CompactVitImageProcessorPil(num_channels=2)


def test_image_std_of_zero_raises():
    with pytest.raises(ValueError, match=r"`image_std` must be above 0, got \(?\[?0.5, 0"):
        CompactVitImageProcessorPil(image_std=[0.5, 0.0, 0.5])


def test_saved_processor_loads_and_saves_the_same_file(tmp_path):
    processor = CompactVitImageProcessorPil(num_channels=1, size={"height": 8, "width": 8}, image_mean=[0.3])
    processor.save_pretrained(tmp_path)
    again = CompactVitImageProcessorPil.from_pretrained(tmp_path)
    assert again.to_dict() == processor.to_dict()
    assert again.num_channels == 1
    again.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "preprocessor_config.json").read_text() == (
        tmp_path / "preprocessor_config.json"
    ).read_text()
