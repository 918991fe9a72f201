# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from PIL import Image
from small_vision_models import make_cnn
from transformers import SwinConfig, SwinForImageClassification, ViTImageProcessorPil

from hf_attention.interpret.classification_tab import MEAN, ClassificationTab


def make_swin():
    sizes = {"image_size": 8, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2]}
    return SwinForImageClassification(SwinConfig(**sizes, window_size=2, num_labels=3))


def make_tab(model, folder):
    model.save_pretrained(folder)
    size = getattr(model.config, "image_size", 8)
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    ViTImageProcessorPil(size={"height": height, "width": width}).save_pretrained(folder)
    return ClassificationTab(str(folder), None)


@pytest.mark.parametrize(
    ("make", "has_rollout"),
    [
        (make_swin, False),
        (lambda: make_cnn(num_channels=3, attention_type="non_local"), True),
        (lambda: make_cnn(num_channels=3, attention_type="non_local", pairwise_function="dot_product"), False),
    ],
    ids=["swin", "non_local", "dot_product"],
)
def test_a_model_without_layers_of_one_grid_classifies_without_their_maps(tmp_path, make, has_rollout):
    model = make()
    tab = make_tab(model, tmp_path)
    assert tab.layer_names == []
    scores, head_map, rollout, _, gradients, _, attention = tab.classify(Image.new("RGB", (9, 7)), None, MEAN)
    assert sum(scores.values()) == pytest.approx(1)
    assert head_map is None
    assert gradients is not None
    assert (rollout is not None) == (attention is not None) == has_rollout
    assert tab.show_position(attention, None, 1, None) is None
