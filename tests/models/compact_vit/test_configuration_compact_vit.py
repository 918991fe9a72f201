# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_attention import CompactVitConfig
from hf_attention.models.compact_vit.configuration_compact_vit import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_saved_presets_load_unchanged(tmp_path, name):
    config = CompactVitConfig.from_preset(name, num_labels=7)
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is CompactVitConfig
    assert loaded.num_labels == 7
    assert loaded.to_diff_dict() == config.to_diff_dict()


@pytest.mark.parametrize("name, tokens", [("cct_7_3x1", 256), ("cct_7_3x2", 64), ("cct_7_7x2", 196), ("cvt_7_4", 64)])
def test_number_of_tokens_of_presets(name, tokens):
    assert CompactVitConfig.from_preset(name).num_patches == tokens


@pytest.mark.parametrize(
    "options, message",
    [
        ({"pooling_type": "max"}, "pooling_type"),
        ({"hidden_size": 10}, "must be a multiple of `num_attention_heads`"),
        ({"num_conv_layers": 0}, "`num_conv_layers` must be at least 1"),
        ({"drop_path_rate": 2}, "`drop_path_rate` must be a probability"),
        ({"tokenizer_type": "patch", "patch_size": 64}, "smaller than `patch_size`"),
        ({"out_features": ["stage9"]}, "out_features must be a subset"),
    ],
)
def test_invalid_options_are_named_in_the_error(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        CompactVitConfig(**options)


def test_unknown_preset_is_named_in_the_error():
    with pytest.raises(ValueError, match="no preset 'cct_1'"):
        CompactVitConfig.from_preset("cct_1")
