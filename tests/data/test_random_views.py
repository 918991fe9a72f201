# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch

from hf_attention.data.random_views import RandomView


def ramps(aspect_ratios, side=64):
    """Squeezed images of height 1 whose two channels are the original x and y."""
    y, x = torch.meshgrid(*[(torch.arange(side) + 0.5) / side] * 2, indexing="ij")
    return torch.stack([torch.stack([x * aspect, y]) for aspect in aspect_ratios])


def extents(views):
    """Width and height, in the original image, of what each view shows."""
    across = views[:, 0, :, -1] - views[:, 0, :, 0]
    down = views[:, 1, -1] - views[:, 1, 0]
    return across.mean(dim=1), down.mean(dim=1)


def test_parts_have_the_proportions_of_the_original_and_cover_the_given_share():
    torch.manual_seed(0)
    aspect_ratios = torch.tensor([0.5, 1.0, 2.0]).repeat(300)
    across, down = extents(RandomView(32, (0.3, 0.4))(ramps(aspect_ratios), aspect_ratios))
    ratios, shares = across / down, across * down / aspect_ratios * (32 / 31) ** 2
    assert ratios.min() > 3 / 4 - 0.02
    assert ratios.max() < 4 / 3 + 0.02
    assert shares.min() > 0.28
    assert shares.max() < 0.42
    assert shares.std() > 0.01


def test_a_part_that_would_not_fit_is_smaller():
    torch.manual_seed(0)
    aspect_ratios = torch.full((100,), 4.0)
    views = RandomView(32, (1.0, 1.0))(ramps(aspect_ratios), aspect_ratios)
    across, down = extents(views)
    assert (down > 0.9).all()
    assert (across < 4 / 3 + 0.02).all()
    assert views[:, 0].min() < 0.4  # parts of either end
    assert views[:, 0].max() > 3.6


def test_without_a_ratio_the_complete_image_is_kept():
    images = torch.rand(4, 3, 16, 16)
    torch.testing.assert_close(RandomView(16, ratio=None)(images), images)


def test_rotations_keep_lengths_in_images_that_are_not_square():
    torch.manual_seed(0)
    aspect_ratios = torch.full((200,), 2.0)
    views = RandomView(32, (0.1, 0.1), (1.0, 1.0), degrees=45.0)(ramps(aspect_ratios), aspect_ratios)
    inner = views[:, :, 8:24, 8:24]  # those at the edge may show repeated pixels
    step = inner[:, :, :, 1:] - inner[:, :, :, :-1]
    lengths, angles = step.norm(dim=1), torch.atan2(step[:, 1], step[:, 0]).rad2deg()
    expected = (2 * 0.1) ** 0.5 / 32
    assert lengths.median().item() == pytest.approx(expected, rel=0.02)
    middle = angles[:, 8, 8]
    assert -46 < middle.min() < -30
    assert 30 < middle.max() < 46
