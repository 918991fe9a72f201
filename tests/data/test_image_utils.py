# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from PIL import Image
from transformers import DeiTImageProcessorPil

from hf_attention.data.image_utils import processed_size


@pytest.mark.parametrize("crops, side", [(True, 8), (False, 12)])
def test_processed_size(crops, side):
    sizes = {"size": {"height": 12, "width": 12}, "crop_size": {"height": 8, "width": 8}}
    processor = DeiTImageProcessorPil(do_center_crop=crops, **sizes)
    assert processed_size(processor) == {"height": side, "width": side}
    assert processor(Image.new("RGB", (20, 20)), return_tensors="pt")["pixel_values"].shape == (1, 3, side, side)
