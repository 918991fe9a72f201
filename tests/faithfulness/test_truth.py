# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from PIL import Image
from small_image_models import SIZE, make_compact, make_images, make_processor
from small_text_models import SENTENCES, make_bahdanau

from hf_attention.faithfulness.images import make_image_examples
from hf_attention.faithfulness.text import make_text_examples
from hf_attention.faithfulness.truth import alignment_error, box_mask, coverage, pointing
from hf_attention.models.compact_vit import CompactVitImageProcessorPil


def test_alignment_error_counts_the_tokens_that_are_known(tokenizer):
    spans = [[[0, 2, 3, 5], [3, 4, 0, 1]]]  # the first two characters are from the last two, the fourth from the first
    model = make_bahdanau(len(tokenizer))
    (example,) = make_text_examples(model, tokenizer, tokenizer, SENTENCES[:1], ["dcba"], spans)
    weights = np.zeros((5, 6))
    weights[[0, 1, 3], [3, 0, 0]] = 1
    assert alignment_error(example, weights) == pytest.approx(1 / 3)
    example.possible = None
    assert alignment_error(example, weights) is None


def test_pointing_and_coverage():
    box = [4, 0, 8, 8]  # columns 4 to 7, rows 0 to 7
    (example,) = make_image_examples(make_compact(), make_processor(), make_images(1), [box])
    weights = np.zeros((SIZE, SIZE))
    weights[2, 5], weights[9, 5], weights[3, 3] = 3, 1, -5
    assert pointing(example, weights) == 1
    assert coverage(example, weights) == pytest.approx(0.75)
    weights[9, 5] = 3
    assert pointing(example, weights) == 0.5
    assert coverage(example, -np.abs(weights)) == 0
    example.box = None
    assert pointing(example, weights) is None and coverage(example, weights) is None


@pytest.mark.parametrize(
    "options",
    [
        {"size": {"height": 8, "width": 8}},
        {"size": {"shortest_edge": 8}, "do_center_crop": True, "crop_size": {"height": 8, "width": 8}},
        {"size": {"max_height": 8, "max_width": 8}, "do_pad": True, "pad_size": {"height": 8, "width": 8}},
    ],
    ids=["squeezed", "cropped", "padded"],
)
def test_a_box_is_where_the_model_sees_it(options):
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[4:12, 4:20] = 255
    processor = CompactVitImageProcessorPil(**options, resample=0)
    model = make_compact(image_size=8, num_channels=3)
    (example,) = make_image_examples(model, processor, [Image.fromarray(pixels)], [[4, 4, 20, 12]])
    assert np.array_equal(box_mask(example), example.pixel_values[0].numpy() > 0)
