# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_attention import AttentionCnnConfig


def test_saved_config_loads_unchanged(tmp_path):
    config = AttentionCnnConfig(attention_type="se", reduction_ratio=4, attention_stages=[2], num_labels=7)
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is AttentionCnnConfig
    assert loaded.num_labels == 7
    assert loaded.to_diff_dict() == config.to_diff_dict()


def test_default_attention_stages():
    assert AttentionCnnConfig(attention_type="se").resolved_attention_stages == [1, 2, 3]
    assert AttentionCnnConfig(attention_type="non_local").resolved_attention_stages == [3]
    assert AttentionCnnConfig(attention_type="non_local").attended_stages == [3]  # old name


@pytest.mark.parametrize(
    "options, size, positions",
    [
        ({}, 32, 8),
        ({"attention_stages": [1, 2]}, 33, 17),
        ({"embedding_stride": 2, "attention_stages": [1]}, 60, 30),
        ({"spatial_transformer": "affine", "warped_size": 20, "attention_stages": [2]}, 60, 10),
    ],
)
def test_grid_size_counts_the_positions_of_the_last_stage_with_attention(options, size, positions):
    assert AttentionCnnConfig(attention_type="non_local", **options).grid_size(size) == positions


@pytest.mark.parametrize(
    "options, message",
    [
        ({"attention_type": "cbam"}, "attention_type"),
        ({"pairwise_function": "cosine"}, "pairwise_function"),
        ({"depths": [1, 2]}, r"`depths` \(\[1, 2\]\) must have the same length as `hidden_sizes`"),
        ({"hidden_sizes": [4, 0, 4]}, r"`hidden_sizes` must be at least 1, got \[4, 0, 4\]"),
        ({"attention_type": "se", "reduction_ratio": 17}, r"`reduction_ratio` \(17\) is larger than the 16 channels"),
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
        ({"pooled_size": 9}, r"`pooled_size` \(9\) is larger than the 8 positions per side of the last stage"),
        ({"hidden_dropout_prob": 1.5}, "`hidden_dropout_prob` must be a probability"),
    ],
)
def test_invalid_options_are_named_in_the_error(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        AttentionCnnConfig(**options)
