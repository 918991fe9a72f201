# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from transformers import AutoConfig, EfficientNetImageProcessorPil

from hf_attention import CompactVitConfig, CompactVitForImageClassification
from hf_attention.data.cached_transform import CachedTransform
from hf_attention.data.images import Image as ImageFeature
from hf_attention.interpret import crop_like_processor
from hf_attention.models.compact_vit import CompactVitImageProcessorPil
from hf_attention.training.image_arguments import ImageDataArguments, ImageModelArguments
from hf_attention.training.image_inputs import (
    make_augmentation,
    make_image_processor,
    make_train_transform,
    whiten_pixels,
)


@pytest.fixture
def halves():
    """An image of 32 x 16 pixels, red on the left and blue on the right, with a green frame of one pixel."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16, 0] = pixels[:, 16:, 2] = 255
    pixels[[0, -1]] = pixels[:, [0, -1]] = (0, 255, 0)
    return Image.fromarray(pixels)


def processor(crop_mode, **options):
    args = ImageDataArguments(crop_mode=crop_mode, **options)
    return make_image_processor(ImageModelArguments(), args, CompactVitConfig(image_size=16))


def pixels(image_processor, image):
    return image_processor([image], return_tensors="pt", do_normalize=False)["pixel_values"][0]


def test_an_image_is_cropped_padded_or_squeezed(halves):
    full = torch.from_numpy(np.array(halves)).permute(2, 0, 1) / 255
    torch.testing.assert_close(pixels(processor("center"), halves), full[:, :, 8:24])
    padded = pixels(processor("border"), halves)
    assert padded.shape == (3, 16, 16)
    for row in range(4):  # above and below, the green of the edges is repeated
        assert padded[1, row, 2:-2].min() > 0.3
    squeezed = pixels(processor("squash"), halves)
    assert squeezed[1, :, 0].min() > 0.3
    assert squeezed[0, 8, 3] > 0.9
    assert squeezed[2, 8, -4] > 0.9


def test_the_crop_mode_is_saved(tmp_path, halves):
    for mode in ("center", "border", "squash"):
        processor(mode).save_pretrained(tmp_path)
        again = type(processor(mode)).from_pretrained(tmp_path)
        assert torch.equal(pixels(again, halves), pixels(processor(mode), halves))


def test_what_is_shown_of_a_padded_image_is_what_the_model_sees(halves):
    seen = crop_like_processor(halves, processor("border"))
    assert seen.size == (32, 32)
    assert np.array_equal(np.array(seen)[8:24], np.array(halves))
    assert np.array_equal(np.array(seen)[0], np.array(halves)[0])
    gray = crop_like_processor(halves.convert("L"), processor("border"))
    assert gray.mode == "L"
    for mode in ("P", "CMYK", "YCbCr"):  # as in files of cameras and of printers
        image = halves.convert(mode)
        seen = crop_like_processor(image, processor("border")).convert("RGB")
        assert np.array_equal(np.array(seen)[8:24], np.array(image.convert("RGB")))


def test_random_crops_reach_all_of_an_image_that_evaluation_crops(halves):
    image_processor = processor("center")
    args = ImageDataArguments(crop_scale=[0.3, 0.5])
    transform = make_train_transform(image_processor, 3, args.crop_scale)
    rows = Dataset.from_dict({"image": [halves] * 64, "label": [0] * 64}).cast_column(
        "image", ImageFeature(decode=False)
    )
    columns = transform(rows[:])
    assert columns["aspect_ratios"].tolist() == [2.0] * 64
    side = int(np.ceil(16 / 0.4**0.5))
    assert columns["pixel_values"].shape == (64, 3, side, side)
    torch.manual_seed(0)
    augmentation = make_augmentation(args, image_processor, 2)
    views, _ = augmentation(columns["pixel_values"], columns["labels"], columns["aspect_ratios"])
    assert views.shape == (64, 3, 16, 16)
    red, blue = (views[:, channel].mean(dim=(1, 2)) for channel in (0, 2))
    assert ((red - blue) > 1).any()  # only of the left half
    assert ((blue - red) > 1).any()


def test_without_random_crops_training_sees_what_evaluation_sees(halves):
    rows = Dataset.from_dict({"image": [halves], "label": [0]}).cast_column("image", ImageFeature(decode=False))
    columns = make_train_transform(processor("center"), 3, None)(rows[:])
    torch.testing.assert_close(columns["pixel_values"][0], pixels(processor("center"), halves))


@pytest.mark.parametrize("include_top", [False, True])
def test_training_normalizes_as_efficientnet_does(halves, include_top):
    image_processor = EfficientNetImageProcessorPil(size={"height": 8, "width": 8}, include_top=include_top)
    rows = Dataset.from_dict({"image": [halves], "label": [0]}).cast_column("image", ImageFeature(decode=False))
    transform = CachedTransform(make_train_transform(image_processor, 3, None))  # which keeps 8 bits
    columns = transform({**rows[:], "row": [0]})
    values, _ = make_augmentation(ImageDataArguments(), image_processor, 2)(columns["pixel_values"], columns["labels"])
    expected = torch.tensor(image_processor([halves])["pixel_values"][0])
    torch.testing.assert_close(values[0], expected, atol=1e-4, rtol=1e-4)


def test_crop_modes_that_a_model_cannot_have_are_errors():
    with pytest.raises(ValueError, match="`crop_mode` border is for models with this package's image processor"):
        args = ImageDataArguments(crop_mode="border")
        make_image_processor(ImageModelArguments(), args, AutoConfig.for_model("vit", image_size=16))
    with pytest.raises(ValueError, match="`crop_mode` center is for a square `image_size`"):
        args = ImageDataArguments(crop_mode="center")
        make_image_processor(ImageModelArguments(), args, CompactVitConfig(image_size=(16, 32)))
    with pytest.raises(ValueError, match="`crop_mode` must be one of center, border, squash, got 'top'"):
        ImageDataArguments(crop_mode="top")
    with pytest.raises(ValueError, match="`crop_mode` is for a new model"):
        args = ImageDataArguments(crop_mode="center")
        make_image_processor(ImageModelArguments(model_name_or_path="x"), args, CompactVitConfig())


def test_a_new_model_whitens_the_training_images_as_it_reads_them(halves):
    rows = Dataset.from_dict({"image": [halves, halves.rotate(90)], "label": [0, 1]}).cast_column(
        "image", ImageFeature(decode=False)
    )
    sizes = {"image_size": 16, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "num_labels": 2}
    model = CompactVitForImageClassification(CompactVitConfig(tokenizer_type="whitened", **sizes))
    image_processor = processor("squash", image_mean=[0.2] * 3, image_std=[0.1] * 3)
    whiten_pixels(model, image_processor, rows)
    inputs = torch.stack(
        [image_processor([image], return_tensors="pt")["pixel_values"][0] for image in (halves, halves.rotate(90))]
    )
    outputs = model.get_input_embeddings().projection[0](inputs)[:, :12, :-1, :-1].transpose(0, 1).flatten(1)
    covariance = torch.cov(outputs[:3], correction=0)  # of the three largest: the others have hardly any variance
    torch.testing.assert_close(covariance, torch.eye(3), atol=1e-2, rtol=0)
    whiten_pixels(CompactVitForImageClassification(CompactVitConfig(**sizes)), image_processor, rows)  # nothing to do


@pytest.mark.parametrize("size", [{"height": 16, "width": 16}, {"height": 16, "width": 32}])
def test_small_images_are_smaller_than_square_ones(size):
    args = ImageDataArguments(small_image_size=16, small_epochs=1.0)
    with pytest.raises(ValueError, match=r"`small_image_size` = 16 must be less than the height and width"):
        make_augmentation(args, CompactVitImageProcessorPil(size=size), 2)
