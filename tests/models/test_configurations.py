# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What holds for the config of every family."""

import inspect
import json
import logging
import sys

import pytest
from transformers import AutoConfig

from hf_attention import (
    AttentionCnnConfig,
    BahdanauConfig,
    CompactVitConfig,
    RecurrentAttentionConfig,
    StackedAttentionConfig,
)
from hf_attention.models.bahdanau import checks_bahdanau


CONFIGS = [BahdanauConfig, CompactVitConfig, AttentionCnnConfig, RecurrentAttentionConfig, StackedAttentionConfig]
IMAGE_CONFIGS = CONFIGS[1:]


@pytest.mark.parametrize("config_class", CONFIGS)
def test_unknown_attributes_are_kept_with_a_warning(tmp_path, caplog, config_class):
    logging.Logger.warning_once.cache_clear()
    config = config_class(hiden_size=4, layer_norm_epsilon=1e-6, notes={"kept": True}, num_labels=3)
    assert "`hiden_size` is not an option of" in caplog.text
    assert "did you mean `hidden_size" in caplog.text
    assert "`notes` is not an option of" in caplog.text
    assert "`num_labels`" not in caplog.text
    config.bos_token_id = 1  # as the Trainer does
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is config_class
    assert (loaded.hiden_size, loaded.layer_norm_epsilon, loaded.notes) == (4, 1e-6, {"kept": True})
    assert "`auto_map`" not in caplog.text
    assert "`bos_token_id`" not in caplog.text


@pytest.mark.parametrize("config_class", IMAGE_CONFIGS)
def test_image_size_may_be_height_and_width(tmp_path, config_class):
    config = config_class(image_size=[40, 64])
    assert config.image_size == config.image_height_width == (40, 64)
    assert config_class(image_size=48).image_height_width == (48, 48)
    config.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["image_size"] == [40, 64]
    assert AutoConfig.from_pretrained(tmp_path).image_size == (40, 64)


@pytest.mark.parametrize("name", ["check_inherited_options", "warn_of_unknown_options", "check_range"])
def test_families_have_the_same_checks(name):
    modules = [sys.modules[config_class.__module__] for config_class in CONFIGS]
    if name == "check_range":
        modules[0] = checks_bahdanau
    assert len({inspect.getsource(getattr(module, name)) for module in modules}) == 1
