# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest

from hf_attention.metrics import Pointing


def test_the_share_of_points_in_their_boxes():
    points = [[1.0, 1.0], [5.0, 1.0], [9.0, 9.0], [2.0, 2.0]]
    boxes = [[0, 0, 2, 2], [0, 0, 2, 2], [8, 8, 10, 10], [2, 2, 3, 3]]
    scores = Pointing().compute(predictions=points, references=boxes)
    assert scores == {"pointing": 0.75, "pointing_by_chance": 0.5}  # the first and the last are in the next box


def test_nothing_to_score():
    with pytest.raises(ValueError, match="`predictions` is empty"):
        Pointing().compute(predictions=[], references=[])
