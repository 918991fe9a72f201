# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pickle

import torch
from datasets import Dataset

from hf_attention.data.cached_transform import CachedTransform


def halve(rows):
    halve.seen += rows["shade"]
    pixels = torch.tensor(rows["shade"]).float().reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2) / 255
    return {"pixel_values": pixels, "labels": torch.tensor(rows["shade"])}


def test_each_row_is_transformed_once_and_stays_the_same():
    halve.seen = []
    rows = Dataset.from_dict({"shade": [0, 7, 255], "row": [0, 1, 2]}).with_transform(CachedTransform(halve))
    for order in ([0, 1], [2, 1, 0], [1], [2, 2]):
        columns = rows[order]
        assert columns["labels"].tolist() == [[0, 7, 255][index] for index in order]
        assert torch.equal(columns["pixel_values"][:, 0, 0, 0] * 255, columns["labels"].float())
    assert sorted(halve.seen) == [0, 7, 255]


def test_beyond_the_limit_rows_are_transformed_again():
    halve.seen = []
    transform = CachedTransform(halve, limit=2 * 12)
    for _ in range(2):
        transform({"shade": [1, 2, 3], "row": [0, 1, 2]})
    assert sorted(halve.seen) == [1, 2, 3, 3]
    assert pickle.loads(pickle.dumps(transform)).cache == {}
