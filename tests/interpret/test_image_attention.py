# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import io

import numpy as np
import pytest
import torch
from PIL import Image
from small_vision_models import make_vit
from transformers import (
    BeitConfig,
    BeitForImageClassification,
    CLIPConfig,
    CLIPForImageClassification,
    Dinov2Config,
    Dinov2ForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from hf_attention import (
    AttentionCnnConfig,
    AttentionCnnForImageClassification,
    CompactVitConfig,
    CompactVitImageProcessorPil,
    CompactVitModel,
)
from hf_attention.interpret import attention_maps, crop_like_processor, saliency
from hf_attention.interpret.token_grid import find_grid


def rollout_loop(attentions, readout, residual=0.5):
    """Abnar and Zuidema 2020, section 4: A = (1 - r) W + r I, multiplied up from the first layer, row by row."""
    size = attentions.shape[-1]
    product = np.eye(size)
    for layer in attentions:
        mixed = np.zeros((size, size))
        for row in range(size):
            for column in range(size):
                mean = np.mean([head[row, column] for head in layer])
                mixed[row, column] = (1 - residual) * mean + residual * (row == column)
        product = mixed @ product
    return readout @ product


@pytest.mark.parametrize("pooling_type", ["sequence", "cls", "mean"])
@pytest.mark.parametrize("tokenizer_type", ["conv", "patch"])
def test_rollout_to_the_classifiers_input(color_images, pooling_type, tokenizer_type):
    model, processor = make_vit(pooling_type=pooling_type, tokenizer_type=tokenizer_type)
    results = attention_maps(model, processor, color_images, batch_size=2)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        outputs = model.eval()(**processor(color_images, return_tensors="pt"), output_attentions=True)
    for index, item in enumerate(results):
        attentions = np.stack([layer[index] for layer in outputs.attentions])
        np.testing.assert_allclose(item.attentions, attentions, atol=1e-5)
        size = attentions.shape[-1]
        assert item.num_prefix_tokens == (pooling_type == "cls")
        assert size == 4 * 4 * (4 if tokenizer_type == "conv" else 1) + (pooling_type == "cls")
        readout = {"cls": np.eye(size)[0], "mean": np.full(size, 1 / size)}.get(pooling_type)
        if pooling_type == "sequence":
            readout = outputs.pooling_weights[index].numpy()
            np.testing.assert_allclose(item.pooling_map().flatten(), readout, atol=1e-5)
            assert item.pooling_map().sum() == pytest.approx(1, abs=1e-5)
        for residual in (0.5, 0.2):
            expected = rollout_loop(attentions, readout, residual)[item.num_prefix_tokens :]
            np.testing.assert_allclose(item.rollout(residual).flatten(), expected, atol=1e-5)
        through = (readout @ attentions[-1, 1])[item.num_prefix_tokens :]
        np.testing.assert_allclose(item.head_map(-1, 1).flatten(), through, atol=1e-5)
        best = outputs.logits[index].softmax(-1)
        assert item.score == pytest.approx(float(best.max()))
        assert item.label == f"LABEL_{int(best.argmax())}"
        assert item.image.tobytes() == color_images[index].tobytes()


def test_rollout_of_uniform_attention_is_uniform():
    model, processor = make_vit()
    item = attention_maps(model, processor, [Image.new("RGB", (16, 16))])[0]
    item.attentions[:] = 1 / 64
    item.pooling_weights[:] = 1 / 64
    np.testing.assert_allclose(item.rollout(), np.full((8, 8), 1 / 64), atol=1e-7)
    with pytest.raises(ValueError, match="0 <= residual < 1, got 1"):
        item.rollout(residual=1)


def test_implementation_and_mode_are_restored(color_images):
    model, processor = make_vit()
    model.set_attn_implementation("sdpa")
    model.train()
    attention_maps(model, processor, color_images)
    assert model.config._attn_implementation == "sdpa"
    assert model.training


def test_transformers_vit(color_images):
    config = ViTConfig(image_size=16, patch_size=4, hidden_size=8, num_hidden_layers=2, num_attention_heads=2)
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    item = attention_maps(ViTForImageClassification(config), processor, color_images)[0]
    assert item.grid == (4, 4)
    assert item.num_prefix_tokens == 1
    assert item.pooling_weights is None
    np.testing.assert_allclose(item.rollout().flatten(), rollout_loop(item.attentions, np.eye(17)[0])[1:], atol=1e-6)
    with pytest.raises(ValueError, match="no sequence pool"):
        item.pooling_map()


@pytest.mark.parametrize("config_class", [CompactVitConfig, ViTConfig])
def test_the_grid_of_an_image_that_is_wider_than_high(config_class):
    options = {"tokenizer_type": "patch"} if config_class is CompactVitConfig else {}
    assert find_grid(config_class(patch_size=4, **options), (16, 24), 25) == (4, 6)


def test_beit_reads_the_mean_of_its_patches(color_images):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BeitForImageClassification(BeitConfig(image_size=16, patch_size=4, **sizes))
    item = attention_maps(model, make_vit()[1], color_images)[0]
    np.testing.assert_allclose(item.readout, [0, *[1 / 16] * 16])
    expected = item.attentions[0, 1, 1:, 1:].mean(axis=0).reshape(4, 4)
    np.testing.assert_allclose(item.head_map(0, 1), expected, rtol=1e-5)


def test_non_local_blocks_on_several_grids(color_images):
    config = AttentionCnnConfig(
        image_size=16, hidden_sizes=[4, 4, 4], depths=[1] * 3, attention_type="non_local", attention_stages=[2, 3]
    )
    item = attention_maps(AttentionCnnForImageClassification(config), make_vit()[1], color_images)[0]
    assert item.grid == (4, 4)
    assert item.attentions.shape == (1, 1, 16, 16)
    config.spatial_transformer, config.warped_size = "affine", 8
    with pytest.raises(ValueError, match="inside the window .* Use `windows`"):
        attention_maps(AttentionCnnForImageClassification(config), make_vit()[1], color_images)


def test_a_model_without_a_head(color_images):
    model, processor = make_vit()
    item = attention_maps(CompactVitModel(model.config), processor, color_images)[0]
    assert item.label == ""
    assert item.rollout().shape == (8, 8)


def test_models_layers_and_images_without_maps_are_errors(color_images):
    with pytest.raises(ValueError, match="load it with `token_keep_rate=1.0`"):
        attention_maps(*make_vit(token_keep_rate=0.5), color_images)
    item = attention_maps(*make_vit(), color_images)[0]
    with pytest.raises(ValueError, match="`layer` = 3, but the model has 3 layers"):
        item.head_map(3)
    with pytest.raises(ValueError, match="`head` = 5, but the model has 2 heads"):
        item.head_map(0, 5)
    model, processor = make_vit()
    for wrong in (color_images[0], ["a.png"]):
        with pytest.raises(ValueError, match="must be a list of PIL images"):
            attention_maps(model, processor, wrong)
    swin = SwinForImageClassification(
        SwinConfig(image_size=16, patch_size=2, embed_dim=4, depths=[1, 1], num_heads=[1, 2], window_size=4)
    )
    with pytest.raises(ValueError, match="SwinForImageClassification returned no `attentions` of one shape"):
        attention_maps(swin, processor, color_images)


def test_exif_orientation_is_applied_to_image_and_maps(color_images):
    model, processor = make_vit()
    exif = Image.Exif()
    exif[0x0112] = 6
    with io.BytesIO() as file:
        color_images[0].save(file, "PNG", exif=exif)
        turned = Image.open(io.BytesIO(file.getvalue()))
    upright = color_images[0].rotate(-90, expand=True)
    results, expected = attention_maps(model, processor, [turned]), attention_maps(model, processor, [upright])
    assert results[0].image.size == upright.size == (20, 24)
    np.testing.assert_array_equal(results[0].attentions, expected[0].attentions)


@pytest.mark.parametrize(
    "size, crop, box",
    [
        (None, (16, 32), (44, 8, 76, 24)),
        ({"shortest_edge": 16}, (16, 16), (44, 0, 76, 32)),
        ({"height": 32, "width": 30}, (16, 15), (28, 8, 88, 24)),
        ({"shortest_edge": 32, "longest_edge": 60}, (16, 60), (0, 0, 120, 32)),
        (None, (40, 120), (0, -4, 120, 36)),
    ],
)
def test_the_crop_is_what_the_image_processor_passes_on(size, crop, box):
    """A ramp, each pixel its own column: what the processor gives tells which columns it took."""
    columns = np.tile(np.arange(120, dtype=np.uint8), (32, 1))
    image = Image.fromarray(np.stack([columns] * 3, axis=-1))
    crop_size = {"height": crop[0], "width": crop[1]}
    options = {"do_resize": size is not None, **({"size": size} if size else {}), "resample": Image.Resampling.BOX}
    processor = CompactVitImageProcessorPil(do_center_crop=True, crop_size=crop_size, do_normalize=False, **options)
    seen = crop_like_processor(image, processor)
    assert seen.size == (box[2] - box[0], box[3] - box[1])
    given = 255 * processor(image, return_tensors="pt")["pixel_values"][0, 0].numpy()
    middle, step = given.shape[0] // 2, seen.width / given.shape[1]
    expected = box[0] + step * (np.arange(given.shape[1]) + 0.5) - 0.5
    np.testing.assert_allclose(given[middle], expected, atol=0.6)
    assert np.asarray(seen)[seen.height // 2, [0, -1], 0].tolist() == [max(box[0], 0), box[2] - 1]


@pytest.mark.parametrize("problem_type", ["multi_label_classification", "regression"])
def test_probabilities_are_those_of_the_problem_type(color_images, problem_type):
    model, processor = make_vit()
    model.config.problem_type = problem_type
    item = attention_maps(model, processor, color_images[:1])[0]
    with torch.no_grad():
        logits = model.eval()(**processor(color_images[:1], return_tensors="pt")).logits[0]
    if problem_type == "regression":
        assert (item.label, item.score, item.probabilities) == ("", 0.0, None)
    else:
        np.testing.assert_allclose(item.probabilities, logits.sigmoid().numpy(), atol=1e-6)
        assert item.score == pytest.approx(logits.max().sigmoid().item(), abs=1e-6)


def test_a_part_of_an_elongated_image_is_never_empty():
    size = {"height": 8, "width": 8}
    processor = CompactVitImageProcessorPil(do_center_crop=True, size={"shortest_edge": 8}, crop_size=size)
    assert crop_like_processor(Image.new("RGB", (1000, 1)), processor).size == (1, 1)
    assert crop_like_processor(Image.new("RGB", (1, 1000)), processor).size == (1, 1)


def test_maps_cover_the_crop(color_images):
    model, _ = make_vit()
    processor = CompactVitImageProcessorPil(
        do_center_crop=True, size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
    )
    item = attention_maps(model, processor, color_images[:1])[0]
    assert item.image.size == (20, 20)
    assert color_images[0].size == (24, 20)
    np.testing.assert_array_equal(np.asarray(item.image), np.asarray(color_images[0])[:, 1:21])


def test_readout_of_dinov2_and_clip(color_images):
    sizes = {"image_size": 16, "patch_size": 8, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    item = attention_maps(Dinov2ForImageClassification(Dinov2Config(**sizes)), processor, color_images[:1])[0]
    assert item.readout.tolist() == [0.5, *[0.125] * 4]
    clip = CLIPForImageClassification(CLIPConfig(vision_config={**sizes, "intermediate_size": 8}, num_labels=2))
    item = attention_maps(clip, processor, color_images[:1])[0]
    assert item.readout.tolist() == [0, *[0.25] * 4]
    assert item.grid == (2, 2)


def test_models_in_half_precision(color_images):
    config = BeitConfig(
        image_size=16, patch_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    model = BeitForImageClassification(config).to(torch.bfloat16)
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    assert attention_maps(model, processor, color_images[:1])[0].grid == (2, 2)
    assert saliency(model, processor, color_images[:1])[0].shape == (16, 16)


def test_rollout_of_negative_weights_is_an_error(color_images):
    options = {"num_labels": 2, "hidden_sizes": [8], "depths": [1]}
    config = AttentionCnnConfig(attention_type="non_local", pairwise_function="dot_product", **options)
    item = attention_maps(AttentionCnnForImageClassification(config), make_vit()[1], color_images[:1])[0]
    with pytest.raises(ValueError, match="weights that are not negative"):
        item.rollout()
