# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from PIL import Image
from transformers import DeiTImageProcessorPil, Siglip2ImageProcessorPil

from hf_attention.data.image_utils import processed_size


@pytest.mark.parametrize("crops, side", [(True, 8), (False, 12)])
def test_processed_size(crops, side):
    sizes = {"size": {"height": 12, "width": 12}, "crop_size": {"height": 8, "width": 8}}
    processor = DeiTImageProcessorPil(do_center_crop=crops, **sizes)
    assert processed_size(processor) == {"height": side, "width": side}
    assert processor(Image.new("RGB", (20, 20)), return_tensors="pt")["pixel_values"].shape == (1, 3, side, side)


def test_an_image_processor_without_a_fixed_size_is_named():
    processor = Siglip2ImageProcessorPil(patch_size=4, max_num_patches=16)
    with pytest.raises(ValueError, match="Siglip2ImageProcessorPil has no `size`"):
        processed_size(processor)
