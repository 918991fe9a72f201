# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import io

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from hf_attention.prediction.image_classifier import ImageClassifier


@pytest.fixture(scope="module")
def images():
    noise = np.random.default_rng(0).integers(0, 256, (5, 20, 30, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


def make_classifier(**options):
    torch.manual_seed(0)
    sizes = {"image_size": 16, "patch_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = ViTConfig(**sizes, intermediate_size=8, initializer_range=1.0, **{"num_labels": 7, **options})
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    return ImageClassifier(ViTForImageClassification(config), processor, batch_size=2)


def logits(classifier, image):
    with torch.no_grad():
        pixel_values = classifier.image_processor(image, return_tensors="pt")["pixel_values"]
        return classifier.model.eval()(pixel_values).logits[0]


def test_files_images_and_cells_are_the_same(images, tmp_path):
    classifier = make_classifier()
    images[0].save(tmp_path / "a.png")
    file = io.BytesIO()
    images[0].save(file, "png")
    cells = [{"bytes": file.getvalue(), "path": None}, {"bytes": None, "path": str(tmp_path / "a.png")}]
    first, *others = classifier.classify([images[0], str(tmp_path / "a.png"), *cells])
    assert others == [first] * 3
    assert first.labels[0] == f"LABEL_{logits(classifier, images[0]).argmax()}"


def test_numbers_have_their_names(images):
    classifier = make_classifier(num_labels=2, problem_type="regression", id2label={0: "width", 1: "height"})
    assert classifier.columns(5) == ["width", "height"]
    result = classifier.classify(images[:1])[0]
    assert result.labels == ["width", "height"]
    assert result.probabilities == pytest.approx(logits(classifier, images[0]).tolist(), abs=1e-5)


def test_an_image_that_cannot_be_read_has_its_reason(images):
    good, bad, other = make_classifier().classify([images[0], {"bytes": b"?", "path": None}, images[1]], top_k=2)
    assert good.error is other.error is None
    assert "cannot identify image file" in bad.error
    assert bad.labels == []


def test_invalid_options_are_named():
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        ImageClassifier(make_classifier().model, make_classifier().image_processor, batch_size=0)
    with pytest.raises(ValueError, match="`top_k` must be at least 1, got 0"):
        make_classifier().classify([], top_k=0)
