# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from test_attention_maps import make as make_vit
from test_windows import images, make_cnn, make_processor, make_recurrent  # noqa: F401

from hf_attention.interpret import view


KINDS = {
    "look 1": (lambda: make_recurrent(), "where the model looked"),
    "what it saw": (lambda: make_cnn(spatial_transformer="affine", attention_type="se", reduction_ratio=2), "window"),
    "block 2: 6 channels": (lambda: make_cnn(attention_type="se", reduction_ratio=2), "over 3 images"),
    "what pixel 2 looked at": (lambda: make_cnn(attention_type="non_local"), "stands out most"),
}


@pytest.mark.parametrize("title", KINDS)
def test_each_kind_of_attention(images, title, tmp_path):  # noqa: F811
    make, words = KINDS[title]
    found = view(make(), make_processor(), images, shown=2)
    assert title in [ax.get_title() for ax in found.figure.axes] and words in found.caption
    found.figure.savefig(tmp_path / "view.png")


def test_a_transformer(images):  # noqa: F811
    model, processor = make_vit()
    found = view(model, processor, [image.convert("RGB") for image in images])
    assert "rollout" in [ax.get_title() for ax in found.figure.axes] and "rolled out" in found.caption


def test_a_model_that_says_nothing(images):  # noqa: F811
    with pytest.raises(ValueError, match="no `attentions`"):
        view(make_cnn(), make_processor(), images)
