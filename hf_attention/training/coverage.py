# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""How much a model's windows covered of what was to be found, where the data knows where it stands."""

import numpy as np
from datasets import Dataset
from transformers import BaseImageProcessor, PreTrainedModel

from ..data.images import open_image
from ..interpret.windows import look
from ..metrics import Coverage


def measure_coverage(model: PreTrainedModel, image_processor: BaseImageProcessor, rows: Dataset) -> dict[str, float]:
    """
    `coverage` and `coverage_by_chance` of images with a `box` (left, top, right, bottom, in pixels); nothing for a
    model that looks through no windows, and for data without boxes.
    """
    if "box" not in rows.features:
        return {}
    images = [open_image(cell) for cell in rows["image"]]
    try:
        found = look(model, image_processor, images, batch_size=256)
    except ValueError:  # it looks through no window
        return {}
    sizes = np.array([[*image.size] * 2 for image in images])  # (images, 4): width, height, width, height
    boxes = np.asarray(rows["box"]) * 2 / sizes - 1
    return Coverage().compute(predictions=[item.windows.tolist() for item in found], references=boxes.tolist())
