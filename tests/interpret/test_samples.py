# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from hf_attention.interpret import choose_samples


def kinds(references, predictions, chosen):
    wrong = [index for index in chosen if references[index] != predictions[index]]
    return {references[index] for index in chosen}, len(wrong)


def test_all_classes_and_half_mistakes_even_of_sorted_data():
    references = np.repeat(np.arange(8), 50)
    predictions = references.copy()
    predictions[::10] = 7 - predictions[::10]
    chosen = choose_samples(references.tolist(), predictions.tolist(), 8)
    assert kinds(references, predictions, chosen) == (set(range(8)), 4)
    assert references[chosen].tolist() == sorted(references[chosen])
    assert chosen == choose_samples(references.tolist(), predictions.tolist(), 8)


def test_few_mistakes_are_all_shown():
    references, predictions = [0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 2, 2]
    chosen = choose_samples(references, predictions, 4)
    assert kinds(references, predictions, chosen) == ({0, 1, 2}, 1)
    assert len(set(chosen)) == 4


def test_a_model_that_is_always_wrong_and_fewer_images_than_requested():
    assert choose_samples([0, 1], [1, 0], 8) == [0, 1]
    assert choose_samples([], [], 3) == []
    with pytest.raises(ValueError, match="must have the same length"):
        choose_samples([0], [], 3)
