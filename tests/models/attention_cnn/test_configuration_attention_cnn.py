# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_attention import AttentionCnnConfig


def test_round_trip(tmp_path):
    config = AttentionCnnConfig(attention_type="se", reduction_ratio=4, attention_stages=[2], num_labels=7)
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is AttentionCnnConfig and loaded.num_labels == 7
    assert loaded.to_diff_dict() == config.to_diff_dict()


def test_where_attention_stands_by_default():
    assert AttentionCnnConfig(attention_type="se").attended_stages == [1, 2, 3]
    assert AttentionCnnConfig(attention_type="non_local").attended_stages == [3]


@pytest.mark.parametrize(
    "options, size, positions",
    [
        ({}, 32, 8),
        ({"attention_stages": [1, 2]}, 33, 17),
        ({"embedding_stride": 2, "attention_stages": [1]}, 60, 30),
        ({"spatial_transformer": "affine", "warped_size": 20, "attention_stages": [2]}, 60, 10),
    ],
)
def test_positions(options, size, positions):
    assert AttentionCnnConfig(attention_type="non_local", **options).grid_size(size) == positions


@pytest.mark.parametrize(
    "options, message",
    [
        ({"hiden_sizes": [4]}, "`hiden_sizes` is not an option of AttentionCnnConfig; did you mean `hidden_sizes`"),
        ({"attention_type": "cbam"}, "attention_type"),
        ({"pairwise_function": "cosine"}, "pairwise_function"),
        ({"depths": [1, 2]}, r"`depths` \(\[1, 2\]\) must be as many as `hidden_sizes`"),
        ({"hidden_sizes": [4, 0, 4]}, "`hidden_sizes` must be one or more numbers of at least 1"),
        ({"attention_type": "se", "reduction_ratio": 17}, r"`reduction_ratio` \(17\) is more than the 16 channels"),
        (
            {"attention_type": "se", "attention_stages": []},
            "`attention_stages` is empty",
        ),
        (
            {"attention_type": "se", "attention_stages": [4]},
            "`attention_stages` has 4, but `hidden_sizes` has stages 1 to 3",
        ),
        ({"attention_type": "non_local", "hidden_sizes": [1, 1, 1]}, "halves the channels, but stage 3 has 1"),
        ({"warped_size": 0}, "`warped_size` must be at least 1, got 0"),
        ({"pooled_size": 0}, "`pooled_size` must be at least 1, got 0"),
        ({"pooled_size": 9}, r"`pooled_size` \(9\) is more than the 8 positions along a side of the last stage"),
        ({"hidden_dropout_prob": 1.5}, "`hidden_dropout_prob` is a probability"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        AttentionCnnConfig(**options)
