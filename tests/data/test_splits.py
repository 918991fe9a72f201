# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

from collections import Counter

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from hf_attention.data.splits import split_off


def images(labels: list[int]) -> Dataset:
    kind = Features({"image": Value("int64"), "label": ClassLabel(names=["ant", "bee", "cow", "dog"])})
    return Dataset.from_dict({"image": range(len(labels)), "label": labels}, features=kind)


def test_both_parts_have_the_classes_shares():
    train, validation = split_off(images([0] * 60 + [1] * 30), 0.1)
    assert Counter(train["label"]) == {0: 54, 1: 27}
    assert Counter(validation["label"]) == {0: 6, 1: 3}
    assert sorted([*train["image"], *validation["image"]]) == list(range(90))


def test_classes_with_one_image_are_trained_on_and_named(caplog):
    rows = images([2] + [0] * 60 + [3] + [1] * 30)
    train, validation = split_off(rows, 0.1)
    assert Counter(train["label"]) == {0: 54, 1: 27, 2: 1, 3: 1}
    assert Counter(validation["label"]) == {0: 6, 1: 3}
    assert "Classes with one image, which is not validated on: cow, dog." in caplog.text
    again = split_off(rows, 0.1)
    assert again[1]["image"] == validation["image"]


@pytest.mark.parametrize(
    "labels, share, message", [([0, 0, 1, 1], 0.1, "number of classes"), ([0, 1], 0.5, "every class has one image")]
)
def test_too_few_images_are_an_error(labels, share, message):
    with pytest.raises(ValueError, match=message):
        split_off(images(labels), share)
