# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

from hf_attention import CompactVitConfig, CompactVitForImageClassification, CompactVitImageProcessorPil
from hf_attention.interpret import accuracy_by_kept, attention_maps, mutual_information, plot_kept, rank_patches


GRID = (2, 3)  # patches of 4 x 4 pixels


class BrightPatch(PreTrainedModel):
    """A classifier of which the answer is known: whether the patch in row 1, column 2 is lighter than the mean."""

    config_class = PreTrainedConfig

    def __init__(self):
        super().__init__(PreTrainedConfig(num_labels=2))
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.dropout = torch.nn.Dropout(0.9)  # in evaluation there is none

    def forward(self, pixel_values):
        light = self.dropout(pixel_values[:, 0, 4:, 8:].mean(dim=(1, 2)) * self.weight)
        return ImageClassifierOutput(logits=torch.stack([1e-4 - light, light], dim=1))


def make_images(count=80):
    """The class is in one patch; the others are noise."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (count, 8, 12)).astype(np.uint8)
    labels = [index % 2 for index in range(count)]
    for image, label in zip(pixels, labels):
        image[4:, 8:] = 230 if label else 20
    return [Image.fromarray(image) for image in pixels], labels


def make_processor():
    size = {"height": 8, "width": 12}
    return CompactVitImageProcessorPil(num_channels=1, size=size, image_mean=[0.5], image_std=[0.5])


def test_mutual_information_is_highest_for_the_patch_with_the_class():
    images, labels = make_images()
    information = mutual_information(images, labels, GRID)
    assert information.shape == GRID
    assert information.argmax() == 5
    assert information[1, 2] == pytest.approx(np.log(2), abs=0.1)  # the entropy of two classes
    assert np.delete(information.ravel(), 5).max() < 0.2


def test_accuracy_of_the_best_patches():
    images, labels = make_images()
    model, processor = BrightPatch().train(), make_processor()
    best = rank_patches("mutual_information", model, processor, images, GRID, known=(images, labels))
    assert best.shape == (80, 2, 3)
    kept = [0, 1, 3, 6]
    assert accuracy_by_kept(model, processor, images, labels, best, kept) == [0.5, 1.0, 1.0, 1.0]
    assert accuracy_by_kept(model, processor, images, labels, -best, kept, batch_size=7) == [0.5, 0.5, 0.5, 1.0]
    random = rank_patches("random", model, processor, images, GRID)
    accuracies = accuracy_by_kept(model, processor, images, labels, random, kept)
    assert accuracies[0] == 0.5
    assert accuracies[3] == 1
    assert 0.55 < accuracies[2] < 0.95
    figure = plot_kept(kept, {"mutual_information": [0.5, 1, 1, 1], "random": accuracies}, patches=6)
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["mutual information", "random"]
    np.testing.assert_allclose(lines[0].get_xdata(), [0, 100 / 6, 50, 100])
    np.testing.assert_allclose(lines[0].get_ydata(), [50, 100, 100, 100])


def test_saliency_and_attention_rank_the_patches_of_each_image():
    pixels = np.full((3, 8, 12), 30, dtype=np.uint8)
    for index, image in enumerate(pixels):
        image[1:3, 4 * index + 1 : 4 * index + 3] = 250
    images = [Image.fromarray(image) for image in pixels]
    ranked = rank_patches("saliency", BrightPatch(), make_processor(), images, GRID)
    assert ranked.reshape(3, -1).argmax(axis=1).tolist() == [0, 1, 2]
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    config = CompactVitConfig(image_size=12, num_channels=1, tokenizer_type="patch", patch_size=2, **sizes)
    model = CompactVitForImageClassification(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    processor = CompactVitImageProcessorPil(num_channels=1, size={"height": 12, "width": 12})
    ranked = rank_patches("attention", model, processor, images, (3, 3))
    for scores, item in zip(ranked, attention_maps(model, processor, images)):
        expected = item.rollout().reshape(3, 2, 3, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_wrong_arguments_are_named_in_the_error():
    images, labels = make_images(4)
    model, processor = BrightPatch(), make_processor()
    with pytest.raises(ValueError, match="`ranking` must be one of .*, got 'lasso'"):
        rank_patches("lasso", model, processor, images, GRID)
    with pytest.raises(ValueError, match="needs `known`"):
        rank_patches("mutual_information", model, processor, images, GRID)
    with pytest.raises(ValueError, match=r"`images` \(4\), `labels` \(4\) and `scores` \(3\) must have the same"):
        accuracy_by_kept(model, processor, images, labels, np.zeros((3, 2, 3)), [1])
    with pytest.raises(ValueError, match="`kept` has 7, but `scores` has 6 patches"):
        accuracy_by_kept(model, processor, images, labels, np.zeros((4, 2, 3)), [1, 7])
    with pytest.raises(ValueError, match=r"`labels` \(1\) must have the same length as `images` \(4\)"):
        mutual_information(images, [0], GRID)
    with pytest.raises(ValueError, match=r"`grid` = \(2, 13\) must have a pixel for each patch of images of 8 x 12"):
        mutual_information(images, labels, (2, 13))
