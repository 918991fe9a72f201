# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Malformed configs of every family: an error that names the option and its value, before a model is made."""

import json
import math

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_attention import (
    AttentionCnnConfig,
    BahdanauConfig,
    BahdanauForConditionalGeneration,
    CompactVitConfig,
    RecurrentAttentionConfig,
    StackedAttentionConfig,
)


BAHDANAU, VIT, CNN, GLIMPSES = BahdanauConfig, CompactVitConfig, AttentionCnnConfig, RecurrentAttentionConfig
STACKED = StackedAttentionConfig
HUGE = 10**12

# the config, an option, its value, and what the error must say besides the option's name
INVALID = [
    (BAHDANAU, "vocab_size", 0, "at least 1, got 0"),
    (BAHDANAU, "vocab_size", -5, "at least 1, got -5"),
    (BAHDANAU, "vocab_size", "30000", "expected int, got str"),
    (BAHDANAU, "vocab_size", True, "expected int, got bool"),
    (BAHDANAU, "vocab_size", None, "expected int"),
    (BAHDANAU, "vocab_size", HUGE, "at most 2147483647"),
    (BAHDANAU, "encoder_vocab_size", 0, "at least 1, got 0"),
    (BAHDANAU, "encoder_vocab_size", 1.5, "1.5"),
    (BAHDANAU, "embedding_size", math.nan, "expected int, got float"),
    (BAHDANAU, "embedding_size", -1, "at least 1, got -1"),
    (BAHDANAU, "hidden_size", [8], "expected int, got list"),
    (BAHDANAU, "encoder_hidden_size", 0, "at least 1, got 0"),
    (BAHDANAU, "attention_size", 0, "at least 1, got 0"),
    (BAHDANAU, "maxout_size", -2, "at least 1, got -2"),
    (BAHDANAU, "encoder_layers", HUGE, "at most 10000"),
    (BAHDANAU, "decoder_layers", HUGE, "at most 10000"),
    (BAHDANAU, "decoder_layers", 0, "at least 1, got 0"),
    (BAHDANAU, "bidirectional", "yes", "expected bool"),
    (BAHDANAU, "cell_type", "GRU", "GRU"),
    (BAHDANAU, "cell_type", None, "None"),
    (BAHDANAU, "attention_type", "multiplicative", "multiplicative"),
    (BAHDANAU, "num_attention_heads", 0, "at least 1, got 0"),
    (BAHDANAU, "num_attention_heads", 3, r"\(3\) must divide `attention_size` \(1000\)"),
    (BAHDANAU, "num_attention_heads", 2.0, "expected int, got float"),
    (BAHDANAU, "attention_function", "entmax", "entmax"),
    (BAHDANAU, "hard_attention", "hard", "hard"),
    (BAHDANAU, "hard_attention", "monotonic", "needs `attention_query='current'`.*got `attention_query='previous'`"),
    (BAHDANAU, "annotation_window", -1, "at least 0, got -1"),
    (BAHDANAU, "annotation_window", "6", "expected int"),
    (VIT, "tokenizer_type", "whitening", "whitening"),
    (VIT, "conv_block_depth", 0, "at least 1, got 0"),
    (VIT, "attention_window", -1, "at least 0, got -1"),
    (VIT, "attention_window", 1.5, "expected int"),
    (BAHDANAU, "recurrent_keys", True, "needs `annotation_window`"),
    (BAHDANAU, "initial_state_type", "copy", r"`encoder_layers=1` of 2000 units .* of `hidden_size=1000`"),
    (BAHDANAU, "max_jump", 0, "at least 1, got 0"),
    (BAHDANAU, "max_jump", 5, "is for `hard_attention='monotonic'`, got None"),
    (BAHDANAU, "local_attention", "local-m", "local-m"),
    (
        BAHDANAU,
        "local_attention",
        "predictive",
        "is for `attention_query='current'`.*got `attention_query='previous'`",
    ),
    (BAHDANAU, "local_window", 0, "at least 1, got 0"),
    (BAHDANAU, "attention_query", 1, "1"),
    (BAHDANAU, "readout_type", "softmax", "softmax"),
    (BAHDANAU, "dropout", -0.1, "between 0 and 1, got -0.1"),
    (BAHDANAU, "dropout", math.nan, "between 0 and 1, got nan"),
    (BAHDANAU, "dropout", True, "True"),
    (BAHDANAU, "dropout", "0.1", "0.1"),
    (BAHDANAU, "scheduled_sampling_probability", math.inf, "between 0 and 1, got inf"),
    (BAHDANAU, "initializer_range", -0.1, "at least 0, got -0.1"),
    (BAHDANAU, "initializer_range", math.nan, "at least 0, got nan"),
    (BAHDANAU, "attention_initializer_range", math.inf, "at most"),
    (BAHDANAU, "pad_token_id", -1, "-1"),
    (BAHDANAU, "pad_token_id", 30_000, "outside the vocabulary of 30000"),
    (BAHDANAU, "eos_token_id", [2, 40_000], "40000"),
    (BAHDANAU, "eos_token_id", "</s>", "</s>"),
    (BAHDANAU, "decoder_start_token_id", None, "expected int"),
    (BAHDANAU, "is_encoder_decoder", False, "needs `is_decoder=True`"),
    (BAHDANAU, "is_decoder", "yes", "expected bool"),
    (BAHDANAU, "cross_attention_hidden_size", 0, "at least 1, got 0"),
    (BAHDANAU, "initial_state_type", "last", "last"),
    (BAHDANAU, "tie_lm_head", True, "contradicts `tie_word_embeddings=False`"),
    (BAHDANAU, "copy_mechanism", "yes", "expected bool"),
    (BAHDANAU, "source_to_target_ids", [0, 1], "for `copy_mechanism=True` with separate vocabularies"),
    (BAHDANAU, "source_to_target_ids", [0, 1.5], "1.5"),
    (BAHDANAU, "feature_vocab_size", 1, "at least 2, got 1"),
    (BAHDANAU, "feature_values", {"tags": ["V", "V"]}, "a value of 'tags' twice"),
    (BAHDANAU, "feature_values", ["V"], "list"),
    (BAHDANAU, "feature_mode", "concat", "concat"),
    (BAHDANAU, "feature_separator", "", "is empty"),
    (BAHDANAU, "dtype", "floaty", "'floaty'"),
    (BAHDANAU, "dtype", "nn", "'nn'"),
    (BAHDANAU, "dtype", 32, "32"),
    (VIT, "image_size", 0, "at least 1, got 0"),
    (VIT, "image_size", (32, 0), r"at least 1, got \(32, 0\)"),
    (VIT, "image_size", [32], r"\(height, width\), got \(32,\)"),
    (VIT, "image_size", (1, 2, 3), r"\(height, width\), got \(1, 2, 3\)"),
    (VIT, "image_size", "32x32", "32x32"),
    (VIT, "image_size", (32.5, 32), "32.5"),
    (VIT, "num_channels", 0, "at least 1, got 0"),
    (VIT, "kernel_size", -3, "at least 1, got -3"),
    (VIT, "num_conv_layers", HUGE, "at most 10000"),
    (VIT, "conv_channels", 0, "at least 1, got 0"),
    (VIT, "num_hidden_layers", HUGE, "at most 10000"),
    (VIT, "num_hidden_layers", -1, "at least 1, got -1"),
    (VIT, "num_attention_heads", 3, r"\(3\)"),
    (VIT, "intermediate_size", False, "expected int, got bool"),
    (VIT, "hidden_act", "gelus", "'gelus'"),
    (VIT, "pooling_type", "max", "max"),
    (VIT, "layer_norm_eps", math.nan, "at least 0, got nan"),
    (VIT, "attention_probs_dropout_prob", 2, "between 0 and 1, got 2"),
    (VIT, "drop_path_rate", math.nan, "between 0 and 1, got nan"),
    (VIT, "token_keep_rate", 0, "above 0 and at most 1, got 0"),
    (VIT, "token_pruning_layers", [7], r"from 0 to 6, got \[7\]"),
    (VIT, "num_labels", -1, "got -1"),
    (VIT, "num_labels", HUGE, "got 1000000000000"),
    (VIT, "num_labels", "3", "got '3'"),
    (VIT, "problem_type", "ranking", "'ranking'"),
    (CNN, "image_size", -8, "at least 1, got -8"),
    (CNN, "image_size", [8, 8, 8], r"\(height, width\), got \(8, 8, 8\)"),
    (CNN, "hidden_sizes", [], "list of numbers"),
    (CNN, "hidden_sizes", [16, -1, 64], r"at least 1, got \[16, -1, 64\]"),
    (CNN, "hidden_sizes", ["16"], "16"),
    (CNN, "depths", [2, 2, HUGE], "at most 10000"),
    (CNN, "depths", [2, 2], r"\[2, 2\]"),
    (CNN, "embedding_stride", 0, "at least 1, got 0"),
    (CNN, "localization_hidden_size", 0, "at least 1, got 0"),
    (CNN, "localization_sizes", [0], r"at least 1, got \[0\]"),
    (CNN, "warped_size", -1, "at least 1, got -1"),
    (CNN, "pooled_size", HUGE, "at most"),
    (CNN, "hidden_dropout_prob", math.nan, "between 0 and 1, got nan"),
    (CNN, "spatial_transformer", "projective", "projective"),
    (GLIMPSES, "image_size", (60, 0), r"at least 1, got \(60, 0\)"),
    (GLIMPSES, "glimpse_size", 61, r"larger than `image_size` \(60\)"),
    (GLIMPSES, "num_glimpses", HUGE, "at most 10000"),
    (GLIMPSES, "num_scales", 40, "is too large: a pixel of the coarsest patch covers"),
    (GLIMPSES, "num_scales", 0, "at least 1, got 0"),
    (GLIMPSES, "glimpse_channels", [8, 0], r"at least 1, got \[8, 0\]"),
    (GLIMPSES, "location_std", math.nan, "above 0, got nan"),
    (GLIMPSES, "location_std", -0.1, "above 0, got -0.1"),
    (GLIMPSES, "exploration", math.nan, "below 1, got nan"),
    (GLIMPSES, "reinforce_weight", math.inf, "at most"),
    (GLIMPSES, "num_eval_copies", -1, "at least 0, got -1"),
    (GLIMPSES, "num_train_copies", 0, "at least 1, got 0"),
    (GLIMPSES, "problem_type", "regression", "'regression'"),
    (GLIMPSES, "num_labels", 0, "at least 2, got 0"),
    (STACKED, "num_glimpses", HUGE, "at most 10000"),
    (STACKED, "num_glimpses", True, "expected int, got bool"),
    (STACKED, "conv_channels", [], "one number of channels or more"),
    (STACKED, "conv_channels", [8, -1], r"at least 1, got \[8, -1\]"),
    (STACKED, "image_size", (64,), r"a number, or \(height, width\), got \(64,\)"),
    (STACKED, "update_type", "lstm", "lstm"),
    (STACKED, "pad_token_id", 100, "outside the vocabulary of 100"),
    (STACKED, "hidden_dropout_prob", math.nan, "from 0 to 1, got nan"),
    (STACKED, "problem_type", "regression", "'regression'"),
]


def case_id(case):
    config_class, option, value, _ = case
    return f"{config_class.model_type}-{option}-{value}"


@pytest.mark.parametrize("config_class, option, value, words", INVALID, ids=map(case_id, INVALID))
def test_an_invalid_option_is_named_with_its_value(config_class, option, value, words):
    with pytest.raises((ValueError, StrictDataclassError), match=f"(?s){option}.*{words}"):
        config_class(**{option: value})


@pytest.mark.parametrize("config_class", [BAHDANAU, VIT])
@pytest.mark.parametrize("name", ["", "TINY", None, 3])
def test_an_unknown_preset_lists_those_there_are(config_class, name):
    with pytest.raises(ValueError, match="There is no preset .*; choose one of "):
        config_class.from_preset(name)


@pytest.mark.parametrize("config_class", [BAHDANAU, VIT, CNN, GLIMPSES, STACKED])
def test_an_option_spoiled_in_a_file_is_named(tmp_path, config_class):
    config_class().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    option = "hidden_sizes" if config_class is CNN else "hidden_size"
    file.write_text(json.dumps(json.loads(file.read_text()) | {option: "wide"}))
    with pytest.raises(StrictDataclassError, match=f"(?s){option}.*wide"):
        AutoConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["layer_norm_epsilon", "d_model", "_private", "num_heads", "hidden_dropout"])
@pytest.mark.parametrize("config_class", [BAHDANAU, VIT, CNN, GLIMPSES, STACKED])
def test_an_unknown_attribute_is_kept(config_class, name):
    assert getattr(config_class(**{name: 7}), name) == 7


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", torch.float16, None])
def test_a_dtype_may_be_a_name_or_a_torch_dtype(dtype):
    expected = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    assert BahdanauConfig(dtype=dtype).dtype is expected


def test_an_option_that_is_spoiled_later_is_found_when_a_model_is_made():
    config = BahdanauConfig.from_preset("tiny")
    config.maxout_size = -1
    with pytest.raises(ValueError, match="`maxout_size` must be at least 1, got -1"):
        BahdanauForConditionalGeneration(config)
