# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from small_vision_models import make_cnn, make_gray_processor

from hf_attention.interpret import gates_by_class, plot_gates


def test_gates_are_averaged_by_class(gray_images):
    model, processor = make_cnn(attention_type="se", reduction_ratio=2), make_gray_processor()
    class_means = gates_by_class(model, processor, gray_images, labels=[0, 2, 0], batch_size=2)
    with torch.no_grad():
        outputs = model.eval()(processor(gray_images, return_tensors="pt")["pixel_values"])
    assert [means.shape for means in class_means] == [(3, 4), (3, 6)]
    for means, gates in zip(class_means, outputs.gates):
        np.testing.assert_allclose(means[0], (gates[0] + gates[2]) / 2, rtol=1e-4)
        np.testing.assert_allclose(means[2], gates[1], rtol=1e-4)
        assert np.isnan(means[1]).all()
    own = gates_by_class(model, processor, gray_images)
    classes = outputs.logits.argmax(-1).tolist()
    np.testing.assert_allclose(own[0], gates_by_class(model, processor, gray_images, labels=classes)[0])
    figure = plot_gates(class_means, ["ant", "b$x^^$", "cow"])
    assert [ax.get_title() for ax in figure.axes[:2]] == ["block 1: 4 channels", "block 2: 6 channels"]
    shown = figure.axes[0].images[0].get_array()
    order = np.argsort(-np.nan_to_num(class_means[0]).std(axis=0))
    np.testing.assert_allclose(np.ma.filled(shown, np.nan), class_means[0][:, order])


def test_models_without_gates_and_missing_labels_are_errors(gray_images):
    with pytest.raises(ValueError, match="returned no `gates`"):
        gates_by_class(make_cnn(), make_gray_processor(), gray_images)
    with pytest.raises(ValueError, match=r"`labels` \(1\) must have the same length as `images` \(3\)"):
        gates_by_class(
            make_cnn(attention_type="se", reduction_ratio=2), make_gray_processor(), gray_images, labels=[0]
        )
    with pytest.raises(ValueError, match="`gates` is empty"):
        plot_gates([], [])
