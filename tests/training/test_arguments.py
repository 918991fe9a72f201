# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import os
from pathlib import Path

import pytest

from hf_attention.training.command_line import parse
from hf_attention.training.image_arguments import ImageDataArguments
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS, TranslationTrainingArguments


RECIPES = Path(__file__).parents[2] / "scripts" / "recipes"


@pytest.mark.parametrize("is_available", [False, True])
def test_bf16_stays_on_an_accelerator(tmp_path, monkeypatch, is_available):
    """On any kind, such as Apple's."""
    monkeypatch.setattr("torch.accelerator.is_available", lambda: is_available)
    monkeypatch.setattr("transformers.training_args.is_torch_bf16_gpu_available", lambda: is_available)
    args = TranslationTrainingArguments(output_dir=str(tmp_path), bf16=True)
    assert args.use_cpu != is_available
    assert args.dataloader_pin_memory == is_available


def test_the_default_is_a_bahdanau_model_of_the_dates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, data, training = parse(TRANSLATION_ARGUMENTS, ["--run_name", "mine"])
    assert training.output_dir == "outputs/mine"
    assert training.predict_with_generate
    assert data.is_embedded
    assert model.model_type == "bahdanau"
    assert parse(TRANSLATION_ARGUMENTS, [])[2].output_dir == "outputs/translation"


def test_zero_images_are_an_error():
    with pytest.raises(ValueError, match="`max_eval_samples` must be at least 1, got 0"):
        parse([ImageDataArguments], ["--max_eval_samples", "0"])


def test_a_token_goes_to_the_environment_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    args = TranslationTrainingArguments(output_dir=str(tmp_path), hub_token="hf_secret")
    assert os.environ["HF_TOKEN"] == "hf_other"  # the constructor changes nothing outside
    args.move_token_to_environment()
    assert os.environ["HF_TOKEN"] == "hf_secret"
    assert args.hub_token is None


@pytest.mark.parametrize("metric, is_score", [("chrf", True), ("character_error_rate", False), ("loss", False)])
def test_the_best_model_has_the_lowest_error_rate_or_loss_or_the_highest_score(metric, is_score):
    training = parse(TRANSLATION_ARGUMENTS, ["--metric_for_best_model", metric])[2]
    assert training.greater_is_better is is_score
