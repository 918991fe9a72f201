# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_attention import StackedAttentionConfig


def test_saved_config_loads_unchanged(tmp_path):
    config = StackedAttentionConfig(num_glimpses=3, update_type="gru", conv_channels=[8, 8], num_labels=7)
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is StackedAttentionConfig
    assert loaded.num_labels == 7
    assert loaded.to_diff_dict() == config.to_diff_dict()


def test_the_grid_has_the_size_of_the_encoded_image():
    config = StackedAttentionConfig(image_size=75, conv_channels=[4, 4, 4])
    assert config.grid_height_width == (9, 9)
    assert config.grid_extent(75) == (0, 72)
    assert StackedAttentionConfig(image_size=(16, 40), conv_channels=[4, 4]).grid_height_width == (4, 10)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"update_type": "lstm"}, "update_type"),
        ({"num_glimpses": 0}, "`num_glimpses` must be at least 1, got 0"),
        ({"vocab_size": 0}, "`vocab_size` must be at least 1, got 0"),
        ({"conv_channels": []}, "`conv_channels` must have one number of channels or more"),
        ({"conv_channels": [8, 0]}, "`conv_channels` must be at least 1, got \\[8, 0\\]"),
        ({"image_size": [8, 8, 8]}, "`image_size` must be a number, or"),
        ({"hidden_dropout_prob": 1.5}, "`hidden_dropout_prob` is a probability from 0 to 1, got 1.5"),
        ({"hidden_size": 2}, "`hidden_size` must be at least 3, got 2"),
        ({"image_size": [64, 7]}, "`image_size` .* must be at least 8 pixels, because each of the 3 convolutions"),
        ({"pad_token_id": 100}, "`pad_token_id` \\(100\\) is outside the vocabulary of 100"),
        ({"problem_type": "regression"}, "must be 'single_label_classification', got 'regression'"),
    ],
)
def test_invalid_options_are_named_in_the_error(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        StackedAttentionConfig(**options)
