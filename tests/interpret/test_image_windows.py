# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from PIL import Image
from small_vision_models import make_cnn, make_gray_processor, make_recurrent

from hf_attention import (
    CompactVitImageProcessorPil,
)
from hf_attention.interpret import plot_windows, windows


def test_the_window_of_a_spatial_transformer(gray_images):
    model = make_cnn(spatial_transformer="affine", warped_size=6)
    with torch.no_grad():  # the upper right quarter, turned by a right angle
        theta = model.model.spatial_transformer.theta
        theta.bias.copy_((torch.tensor([0, -0.5, 0.5, 0.5, 0, -0.5]) - torch.tensor([1.0, 0, 0, 0, 1, 0])) / 0.1)
    results = windows(model, make_gray_processor(), gray_images, batch_size=2)
    assert [item.image.size for item in results] == [(24, 20)] * 3
    for item in results:
        assert item.windows.shape == (1, 2, 3)
        assert item.seen.shape == (1, 1, 6, 6, 1)
        # x_s = -0.5 y_t + 0.5, y_s = 0.5 x_t - 0.5: the window's upper left corner is the quarter's upper right
        corners = [(23.5, -0.5), (23.5, 9.5), (11.5, 9.5), (11.5, -0.5)]
        np.testing.assert_allclose(item.corners()[0], corners, atol=1e-5)
        assert item.seen.min() >= 0
        assert item.seen.max() <= 1
        assert item.label.startswith("LABEL_")
        assert 1 / 3 <= item.score <= 1


def test_glimpses_are_at_the_models_locations(gray_images):
    model = make_recurrent(glimpse_stride=2)
    results = windows(model, make_gray_processor(), gray_images)
    with torch.no_grad():
        outputs = model.eval()(make_gray_processor()(gray_images, return_tensors="pt")["pixel_values"])
    for row, item in enumerate(results):
        assert item.windows.shape == (3, 2, 3)
        assert item.seen.shape == (3, 2, 4, 4, 1)
        np.testing.assert_allclose(item.windows[:, :, 2], outputs.locations[row], atol=1e-5)
        widths = np.ptp(item.corners()[..., 0], axis=1), np.ptp(item.corners()[..., 1], axis=1)
        np.testing.assert_allclose(widths[0], 8 * 24 / 20, rtol=1e-5)  # 4 x 2 pixels of 20
        np.testing.assert_allclose(widths[1], 8, rtol=1e-5)
        expected = (outputs.glimpses[row].numpy() * 0.2 + 0.4).clip(0, 1).transpose(0, 1, 3, 4, 2)
        np.testing.assert_allclose(item.seen, expected, atol=1e-5)
    assert not model.training


def test_glimpses_of_images_of_another_shape(gray_images):
    processor = CompactVitImageProcessorPil(num_channels=1, size={"height": 40, "width": 80}, do_normalize=False)
    black = [Image.new("L", (160, 80))]
    item = windows(make_recurrent(glimpse_stride=2), processor, black)[0]
    corners = item.corners()
    np.testing.assert_allclose(np.ptp(corners, axis=1), [[16, 16]] * 3, rtol=1e-5)  # 8 pixels, twice as large there
    assert not item.seen.any()


@pytest.mark.parametrize("kind", ["glimpses", "window"])
def test_the_figure_shows_images_and_windows(gray_images, kind, tmp_path):
    model = make_recurrent() if kind == "glimpses" else make_cnn(spatial_transformer="attention")
    figure = plot_windows(windows(model, make_gray_processor(), gray_images[:2]))
    titles = [ax.get_title() for ax in figure.axes]
    assert sum(title.startswith("predicted: LABEL_") for title in titles) == 2
    assert titles.count("glimpse 3" if kind == "glimpses" else "window") == 2
    figure.savefig(tmp_path / "windows.png")
    assert len(set(Image.open(tmp_path / "windows.png").convert("L").get_flattened_data())) > 20
    with pytest.raises(ValueError, match="`items` is empty"):
        plot_windows([])


def test_a_model_without_windows_is_an_error(gray_images):
    with pytest.raises(ValueError, match="returned neither `locations` nor `theta`"):
        windows(make_cnn(), make_gray_processor(), gray_images)
    with pytest.raises(ValueError, match="must be a list of PIL images"):
        windows(make_recurrent(), make_gray_processor(), gray_images[0])
