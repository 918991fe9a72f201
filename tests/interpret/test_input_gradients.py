# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from PIL import Image
from small_vision_models import make_vit
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from hf_attention.interpret import saliency


def logit(model, pixel_values, target):
    with torch.no_grad():
        return model.double().eval()(pixel_values=pixel_values.double()).logits[0, target]


def test_gradient_equals_finite_differences_of_the_logit(color_images):
    model, processor = make_vit()
    pixel_map = saliency(model, processor, color_images[:1], targets=[2])[0]
    pixel_values = processor(color_images[:1], return_tensors="pt")["pixel_values"].double()
    assert pixel_map.shape == (16, 16)
    for row, column in ((0, 0), (7, 3), (15, 15)):
        slopes = []
        for channel in range(3):
            step = torch.zeros_like(pixel_values)
            step[0, channel, row, column] = 1e-5
            rise = logit(model, pixel_values + step, 2) - logit(model, pixel_values - step, 2)
            slopes.append(abs(float(rise)) / 2e-5)
        assert pixel_map[row, column] == pytest.approx(max(slopes), rel=1e-2, abs=1e-4)


def test_integrated_gradients_sum_to_the_difference_of_the_logits(color_images):
    model, processor = make_vit()
    for parameter in model.parameters():
        parameter.data *= 0.5  # smooth enough for a sum of 256 steps
    maps = saliency(model, processor, color_images, targets=[0, 1, 2], method="integrated_gradients", steps=256)
    for target, (image, pixel_map) in enumerate(zip(color_images, maps)):
        pixel_values = processor([image], return_tensors="pt")["pixel_values"]
        gain = logit(model, pixel_values, target) - logit(model, torch.zeros_like(pixel_values), target)
        assert pixel_map.sum() == pytest.approx(float(gain), rel=0.02, abs=0.01)


def test_one_step_uses_the_gradient_at_the_midpoint(color_images):
    model, processor = make_vit()
    pixel_map = saliency(model, processor, color_images[:1], targets=[1], method="integrated_gradients", steps=1)[0]
    pixel_values = processor(color_images[:1], return_tensors="pt")["pixel_values"]
    halfway = (pixel_values / 2).requires_grad_()
    (gradient,) = torch.autograd.grad(model.eval()(pixel_values=halfway).logits[0, 1], halfway)
    np.testing.assert_allclose(pixel_map, (pixel_values * gradient)[0].sum(dim=0), rtol=1e-3, atol=1e-5)


def test_the_predicted_class_is_the_default_and_the_mode_is_restored(color_images):
    model, processor = make_vit()
    model.train()
    with torch.no_grad():
        best = model.eval()(**processor(color_images, return_tensors="pt")).logits.argmax(-1).tolist()
    model.train()
    for one, other in zip(
        saliency(model, processor, color_images), saliency(model, processor, color_images, targets=best)
    ):
        np.testing.assert_allclose(one, other)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_transformers_vit(color_images):
    config = ViTConfig(image_size=16, patch_size=4, hidden_size=8, num_hidden_layers=2, num_attention_heads=2)
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    maps = saliency(ViTForImageClassification(config), processor, color_images, method="integrated_gradients", steps=4)
    assert [pixel_map.shape for pixel_map in maps] == [(16, 16)] * 3


def test_wrong_arguments_are_named_in_the_error(color_images):
    model, processor = make_vit()
    for arguments, message in (
        ({"method": "grad_cam"}, "`method` must be one of gradient, integrated_gradients, got 'grad_cam'"),
        ({"targets": [1]}, r"`targets` \(1\) must have the same length as `images` \(3\)"),
        ({"targets": [0, 1, 3]}, "`targets` has 3, but the model's classes are 0 to 2"),
    ):
        with pytest.raises(ValueError, match=message):
            saliency(model, processor, color_images, **arguments)
    with pytest.raises(ValueError, match="must be a list of PIL images"):
        saliency(model, processor, Image.new("RGB", (4, 4)))
