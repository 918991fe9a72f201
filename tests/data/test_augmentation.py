# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch

from hf_attention.data.augmentation import BetaMixupGenerator, ImageAugmentation


def augment(pixel_values, labels, channels=3, **options):
    torch.manual_seed(0)
    size = pixel_values.shape[-1]
    augmentation = ImageAugmentation(size, 4, [0.5] * channels, [0.25] * channels, **options)
    return augmentation(pixel_values, labels)


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return torch.rand(20, 3, 16, 16), torch.arange(20) % 4


def test_without_options_it_only_normalizes(batch):
    pixel_values, labels = batch
    augmented, same = augment(pixel_values, labels)
    torch.testing.assert_close(augmented, (pixel_values - 0.5) / 0.25)
    assert torch.equal(same, labels)


def test_a_share_of_the_images_is_flipped():
    pixel_values = torch.rand(400, 3, 8, 8)
    augmented, _ = augment(pixel_values, torch.zeros(400, dtype=torch.long), horizontal_flip=0.25)
    plain = (pixel_values - 0.5) / 0.25
    flipped = [torch.allclose(image, source.flip(-1)) for image, source in zip(augmented, plain)]
    for image, source, is_flipped in zip(augmented, plain, flipped):
        assert is_flipped or torch.allclose(image, source)
    assert sum(flipped) / 400 == pytest.approx(0.25, abs=0.08)


def test_padded_crop_is_a_shift_by_at_most_the_padding(batch):
    augmented, _ = augment(*batch, crop_padding=2)
    padded = torch.nn.functional.pad((batch[0] - 0.5) / 0.25, (2, 2, 2, 2), value=-2.0)
    for image, source in zip(augmented, padded):
        shifts = [source[:, row : row + 16, column : column + 16] for row in range(5) for column in range(5)]
        assert any(torch.allclose(image, shifted, atol=1e-5) for shifted in shifts)
    assert not torch.allclose(augmented, (batch[0] - 0.5) / 0.25)


@pytest.mark.parametrize("scale, least, most", [((0.9, 1.0), 0.75, 1.0), ((0.2, 0.3), 0.35, 0.65)])
def test_crops_cover_the_given_share_of_the_image(scale, least, most):
    """Of a ramp over the columns; a crop of area a, 3/4 to 4/3 as wide as high, is sqrt(3a/4) to sqrt(4a/3) wide."""
    ramp = ((torch.arange(32) + 0.5) / 32).expand(200, 3, 32, 32).contiguous()
    augmented, _ = augment(ramp, torch.zeros(200, dtype=torch.long), crop_scale=scale)
    seen = (augmented.amax((1, 2, 3)) - augmented.amin((1, 2, 3))) * 0.25
    assert seen.min() > least
    assert seen.max() < most
    assert seen.std() > 0.01


def test_a_rectangle_is_erased(batch):
    augmented, _ = augment(*batch, random_erasing=0.5)
    plain = (batch[0] - 0.5) / 0.25
    changed = (augmented != plain).any(dim=1)
    assert 0 < changed.any(dim=(1, 2)).sum() < 20
    for image, source, where in zip(augmented, plain, changed):
        rectangle = where.any(dim=1, keepdim=True) & where.any(dim=0, keepdim=True)
        assert torch.equal(where, rectangle)
        assert torch.equal(image, source.masked_fill(where, 0))  # the mean pixel


@pytest.mark.parametrize("channels, operations", [(1, 13), (3, 15), (4, 13)])
def test_every_operation_of_randaugment_takes_the_images(channels, operations):
    pixel_values, labels = torch.rand(4, channels, 16, 16), torch.zeros(4, dtype=torch.long)
    augmented, _ = augment(pixel_values, labels, channels, randaugment_ops=operations)
    assert augmented.shape == pixel_values.shape
    assert augmented.isfinite().all()
    assert augmented.min() >= -2.001
    assert augmented.max() <= 2.001
    with pytest.raises(ValueError, match="number of sub-policies"):
        augment(pixel_values, labels, channels, randaugment_ops=operations + 1)


def test_number_and_strength_of_randaugments_operations(batch):
    augmentation = ImageAugmentation(
        16, 4, [0.5] * 3, [0.25] * 3, randaugment_ops=2, randaugment_magnitude=9.0, randaugment_std=0.0
    )
    augmentation(*batch)
    assert augmentation.randaugment.n == 2  # of kornia's 30
    assert augmentation.randaugment.m == 27

    class Strengths(torch.nn.Module):
        def forward(self, part):
            seen.append(self.m / 3)
            return part

    seen = []
    augmentation = ImageAugmentation(
        1, 4, [0.5], [0.25], randaugment_ops=1, randaugment_magnitude=5.0, randaugment_std=0.5
    )
    augmentation.randaugment = Strengths()
    torch.manual_seed(0)
    augmentation(torch.zeros(16 * 500, 1, 1, 1), torch.zeros(16 * 500, dtype=torch.long))
    assert len(seen) == 500
    assert np.mean(seen) == pytest.approx(5, abs=0.1)
    assert np.std(seen) == pytest.approx(0.5, abs=0.06)


def test_chunks_of_a_batch_get_different_operations():
    image = torch.rand(1, 3, 16, 16).expand(64, 3, 16, 16)
    augmentation = ImageAugmentation(16, 4, [0.5] * 3, [0.25] * 3, randaugment_ops=2)
    torch.manual_seed(0)
    augmented, _ = augmentation(image, torch.zeros(64, dtype=torch.long))
    first = [augmented[index] for index in (0, 16, 32, 48)]
    assert len({tuple(image.flatten().tolist()) for image in first}) > 1


def constant_images():
    """Each image is its label's shade, so that what it was mixed from can be read off."""
    labels = torch.arange(20) % 4
    return (labels / 4).reshape(-1, 1, 1, 1).expand(20, 3, 16, 16).contiguous(), labels


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("options", [{"mixup_alpha": 0.8}, {"cutmix_alpha": 1.0}])
def test_mixed_labels_are_the_shares_of_the_mixed_images(options, smoothing):
    pixel_values, labels = constant_images()
    augmented, probabilities = augment(pixel_values, labels, label_smoothing=smoothing, **options)
    assert probabilities.shape == (20, 4)
    assert probabilities.min().item() == pytest.approx(smoothing / 4, abs=1e-6)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(20))
    shares = (probabilities - smoothing / 4) / (1 - smoothing)
    shade = (augmented * 0.25 + 0.5).mean(dim=(1, 2, 3))
    torch.testing.assert_close(shade, shares @ (torch.arange(4) / 4), atol=1e-4, rtol=0)
    assert (shares.max(dim=1).values < 0.999).any()


@pytest.mark.parametrize("options, share", [({}, 0.5), ({"cutmix_probability": 0.1}, 0.1)])
def test_mixup_or_cutmix_or_none(options, share):
    pixel_values, labels = constant_images()
    augmentation = ImageAugmentation(16, 4, [0.5] * 3, [0.25] * 3, mixup_alpha=0.8, cutmix_alpha=1.0, **options)
    torch.manual_seed(0)
    # mixup leaves an even image even, in another shade
    mixed = [augmentation(pixel_values, labels)[0].std(dim=(1, 2, 3)) for _ in range(300)]
    assert sum(bool((spread > 1e-5).any()) for spread in mixed) / 300 == pytest.approx(share, abs=0.08)
    augmentation.mix = False
    assert torch.equal(augmentation(pixel_values, labels)[1], labels)
    augmentation.mix = True
    assert torch.equal(augmentation(pixel_values[:1], labels[:1])[1], labels[:1])  # nothing to mix with


def test_label_smoothing():
    pixel_values, labels = constant_images()
    _, probabilities = augment(pixel_values, labels, label_smoothing=0.2)
    assert probabilities[1].tolist() == pytest.approx([0.05, 0.85, 0.05, 0.05])


def test_mixing_weights_are_beta_distributed():
    torch.manual_seed(0)
    generator = BetaMixupGenerator(0.4)
    generator.make_samplers(torch.device("cpu"), torch.float32)
    weights = generator(torch.Size([20_000, 1]))["mixup_lambdas"]
    # the variance of Beta(a, a) is 1 / (4 (2 a + 1))
    assert weights.mean() == pytest.approx(0.5, abs=0.01)
    assert weights.var() == pytest.approx(1 / 7.2, abs=0.005)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"horizontal_flip": 1.5}, "`horizontal_flip` must be a probability between 0 and 1, got 1.5"),
        ({"label_smoothing": -0.1}, "`label_smoothing` must be a probability"),
        ({"mixup_alpha": -1.0}, "`mixup_alpha` must not be negative"),
        ({"randaugment_ops": 1, "randaugment_magnitude": 10}, "`randaugment_magnitude` must be between 0 and 10"),
        ({"mixup_alpha": float("nan")}, "`mixup_alpha` must not be negative, NaN or infinite, got nan"),
        ({"cutmix_alpha": float("inf")}, "`cutmix_alpha` must not be negative, NaN or infinite, got inf"),
        ({"randaugment_std": float("nan")}, "`randaugment_std` must not be negative, NaN or infinite, got nan"),
        ({"crop_scale": (0.5,)}, "`crop_scale` must be two shares of the area"),
        ({"crop_scale": (0.9, 0.5)}, "`crop_scale` must be two shares of the area"),
    ],
)
def test_options_out_of_range_are_named_in_the_error(options, message):
    with pytest.raises(ValueError, match=message):
        ImageAugmentation(16, 4, [0.5] * 3, [0.25] * 3, **options)
