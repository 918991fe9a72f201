# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from datasets import Dataset
from PIL import Image

from hf_attention import (
    AttentionCnnConfig,
    AttentionCnnForImageClassification,
    CompactVitImageProcessorPil,
    RecurrentAttentionConfig,
    RecurrentAttentionForImageClassification,
)
from hf_attention.data.cluttered_digits import load_cluttered_digits
from hf_attention.data.images import load_digits
from hf_attention.training.image_scores import measure_coverage


@pytest.fixture(scope="module")
def rows():
    return load_cluttered_digits({"test": 30})["test"]


def make_processor():
    size = {"height": 60, "width": 60}
    return CompactVitImageProcessorPil(num_channels=1, size=size, image_mean=[0.1], image_std=[0.2])


def make_cnn(kind):
    torch.manual_seed(0)
    config = AttentionCnnConfig(num_channels=1, hidden_sizes=[2, 2], depths=[1, 1], spatial_transformer=kind)
    return AttentionCnnForImageClassification(config)


def test_a_window_over_everything_covers_everything(rows):
    result = measure_coverage(make_cnn("affine"), make_processor(), rows)
    assert result == {"coverage": 1.0, "coverage_by_chance": 1.0}


def look_left():
    model = make_cnn("affine")
    theta = model.model.spatial_transformer.theta
    with torch.no_grad():
        theta.bias.copy_(10 * (torch.tensor([0.5, 0, -0.5, 0, 1, 0]) - torch.tensor([1.0, 0, 0, 0, 1, 0])))
    return model


def test_a_box_in_an_image_that_is_wider_than_high(rows, tmp_path):
    Image.new("L", (40, 20)).save(tmp_path / "wide.png")
    cells = [{"bytes": None, "path": str(tmp_path / "wide.png")}] * 2
    boxes = [[0, 0, 20, 20], [20, 0, 40, 20]]  # the left half, and the right
    wide = Dataset.from_dict({"image": cells, "label": [0, 1], "box": boxes}, features=rows.features)
    for row, covered in enumerate((1.0, 0.0)):
        assert measure_coverage(look_left(), make_processor(), wide.select([row]))["coverage"] == covered


def test_a_window_over_the_left_half(rows):
    result = measure_coverage(look_left(), make_processor(), rows)
    shares = []
    for left, _, right, _ in rows["box"]:
        shares.append(sum(x < 30 for x in range(left, right)) / (right - left))
    assert result["coverage"] == pytest.approx(sum(shares) / 30, abs=0.02)
    assert result["coverage"] == pytest.approx(result["coverage_by_chance"])  # the same window for all


def test_a_glimpse_covers_the_pixels_inside_it(rows):
    config = RecurrentAttentionConfig(num_glimpses=1, glimpse_size=30, num_scales=1)
    result = measure_coverage(RecurrentAttentionForImageClassification(config), make_processor(), rows)
    shares = []
    for left, top, right, bottom in rows["box"]:
        inside = sum(15 <= x < 45 and 15 <= y < 45 for x in range(left, right) for y in range(top, bottom))
        shares.append(inside / ((right - left) * (bottom - top)))
    assert result["coverage"] == pytest.approx(sum(shares) / 30, abs=0.02)


def test_rows_without_boxes_have_no_score(rows):
    assert measure_coverage(make_cnn("none"), make_processor(), rows) == {}
    assert measure_coverage(make_cnn("affine"), make_processor(), load_digits()["test"].take(2)) == {}
