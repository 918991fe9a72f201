# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from small_vision_models import make_cnn, make_gray_processor, make_recurrent, make_vit

from hf_attention import interpret
from hf_attention.interpret import plot_attention


KINDS = {
    "glimpse 1": (lambda: make_recurrent(), "the model's glimpses"),
    "window": (
        lambda: make_cnn(spatial_transformer="affine", attention_type="se", reduction_ratio=2),
        "spatial transformer",
    ),
    "block 2: 6 channels": (lambda: make_cnn(attention_type="se", reduction_ratio=2), "over 3 images"),
    "attention of pixel 2": (lambda: make_cnn(attention_type="non_local"), "most salient"),
}


@pytest.mark.parametrize("title", KINDS)
def test_the_plot_suits_the_kind_of_attention(gray_images, title, tmp_path):
    make, words = KINDS[title]
    view = plot_attention(make(), make_gray_processor(), gray_images, shown=2)
    assert title in [ax.get_title() for ax in view.figure.axes]
    assert words in view.caption
    view.figure.savefig(tmp_path / "view.png")


def test_a_transformer_is_plotted_as_attention_maps(gray_images):
    model, processor = make_vit()
    view = plot_attention(model, processor, [image.convert("RGB") for image in gray_images])
    assert "rollout" in [ax.get_title() for ax in view.figure.axes]
    assert "attention rollout" in view.caption
    assert "predicted class" in view.caption


def test_the_caption_of_a_model_of_numbers_names_no_class(gray_images):
    model = make_recurrent()
    model.config.problem_type = "regression"
    view = plot_attention(model, make_gray_processor(), gray_images)
    assert view.caption.startswith("Each row shows an image and the locations")


def test_true_classes_are_in_every_kind_of_picture(gray_images):
    models = [(make_cnn(attention_type="non_local"), make_gray_processor()), (make_recurrent(), make_gray_processor())]
    for model, processor in models:
        view = plot_attention(model, processor, gray_images, shown=2, labels=["a", "b", "c"])
        titles = [ax.get_title() for ax in view.figure.axes]
        assert sum(title.startswith(("true: a, WRONG\n", "true: b, WRONG\n")) for title in titles) == 2
        assert "its true and predicted class" in view.caption


def test_a_model_without_attention_is_an_error(gray_images):
    with pytest.raises(ValueError, match="no `attentions`"):
        plot_attention(make_cnn(), make_gray_processor(), gray_images)


def test_old_names_are_aliases():
    new_names = {
        "attend": "attention_maps",
        "look": "windows",
        "view": "plot_attention",
        "as_seen": "crop_like_processor",
    }
    for old, new in new_names.items():
        assert getattr(interpret, old) is getattr(interpret, new)
