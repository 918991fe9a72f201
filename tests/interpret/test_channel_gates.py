# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from test_windows import images, make_cnn, make_processor  # noqa: F401

from hf_attention.interpret import gates_by_class, plot_gates


def test_means_of_each_class(images):  # noqa: F811
    model, processor = make_cnn(attention_type="se", reduction_ratio=2), make_processor()
    found = gates_by_class(model, processor, images, labels=[0, 2, 0], batch_size=2)
    with torch.no_grad():
        outputs = model.eval()(processor(images, return_tensors="pt")["pixel_values"])
    assert [means.shape for means in found] == [(3, 4), (3, 6)]
    for means, gates in zip(found, outputs.gates):
        np.testing.assert_allclose(means[0], (gates[0] + gates[2]) / 2, rtol=1e-4)
        np.testing.assert_allclose(means[2], gates[1], rtol=1e-4)
        assert np.isnan(means[1]).all()
    own = gates_by_class(model, processor, images)
    classes = outputs.logits.argmax(-1).tolist()
    np.testing.assert_allclose(own[0], gates_by_class(model, processor, images, labels=classes)[0])
    figure = plot_gates(found, ["ant", "b$x^^$", "cow"])
    assert [ax.get_title() for ax in figure.axes[:2]] == ["block 1: 4 channels", "block 2: 6 channels"]
    shown = figure.axes[0].images[0].get_array()
    order = np.argsort(-np.nan_to_num(found[0]).std(axis=0))
    np.testing.assert_allclose(np.ma.filled(shown, np.nan), found[0][:, order])


def test_bad_input(images):  # noqa: F811
    with pytest.raises(ValueError, match="returned no `gates`"):
        gates_by_class(make_cnn(), make_processor(), images)
    with pytest.raises(ValueError, match=r"`labels` \(1\) must be as many as `images` \(3\)"):
        gates_by_class(make_cnn(attention_type="se", reduction_ratio=2), make_processor(), images, labels=[0])
    with pytest.raises(ValueError, match="`gates` is empty"):
        plot_gates([], [])
