# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_attention import RecurrentAttentionConfig


def test_saved_config_loads_unchanged(tmp_path):
    config = RecurrentAttentionConfig(num_glimpses=3, cell_type="gru", num_eval_copies=4, num_labels=7)
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is RecurrentAttentionConfig
    assert loaded.num_labels == 7
    assert loaded.to_diff_dict() == config.to_diff_dict()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cell_type": "lstm"}, "cell_type"),
        ({"num_glimpses": 0}, "`num_glimpses` must be at least 1, got 0"),
        ({"num_train_copies": 0}, "`num_train_copies` must be at least 1, got 0"),
        ({"num_eval_copies": -1}, "`num_eval_copies` must be at least 0, got -1"),
        ({"location_std": 0.0}, "`location_std` must be above 0, got 0.0"),
        ({"reinforce_weight": -1.0}, "`reinforce_weight` must be at least 0, got -1.0"),
        ({"exploration": 1.0}, "`exploration` must be at least 0 and below 1"),
        ({"glimpse_channels": [4, 0]}, "`glimpse_channels` must be at least 1, got \\[4, 0\\]"),
        (
            {"glimpse_size": 31, "glimpse_stride": 2},
            r"`glimpse_size` \(31\) times `glimpse_stride` \(2\) is larger than",
        ),
    ],
)
def test_invalid_options_are_named_in_the_error(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        RecurrentAttentionConfig(**options)
