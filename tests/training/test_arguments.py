# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
import os

import pytest
from huggingface_hub.errors import StrictDataclassError

from hf_attention import AttentionCnnConfig, CompactVitConfig
from hf_attention.training.arguments import (
    ImageDataArguments,
    ModelArguments,
    ParallelDataArguments,
    TranslationTrainingArguments,
    describe_options,
    parse,
    parse_overrides,
)


TYPES = [ModelArguments, ParallelDataArguments, TranslationTrainingArguments]


@pytest.mark.parametrize("is_available", [False, True])
def test_bf16_stays_on_an_accelerator(tmp_path, monkeypatch, is_available):
    """Of whatever kind, as Apple's."""
    monkeypatch.setattr("torch.accelerator.is_available", lambda: is_available)
    monkeypatch.setattr("transformers.training_args.is_torch_bf16_gpu_available", lambda: is_available)
    args = TranslationTrainingArguments(output_dir=str(tmp_path), bf16=True)
    assert args.use_cpu != is_available and args.dataloader_pin_memory == is_available


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_a_file_and_options_after_it(tmp_path, kind):
    file = tmp_path / f"recipe.{kind}"
    if kind == "yaml":
        file.write_text("preset: tiny\nlearning_rate: 1e-3\ntrain_file: [a.de, a.en]\nmax_steps: 7\n")
    else:
        options = {"preset": "tiny", "learning_rate": 1e-3, "train_file": ["a.de", "a.en"], "max_steps": 7}
        file.write_text(json.dumps(options))
    model, data, training = parse(TYPES, [str(file), "--max_steps", "9", "--output_dir", str(tmp_path / "out")])
    assert model.preset == "tiny" and data.train_file == ["a.de", "a.en"]
    assert training.learning_rate == 1e-3 and training.max_steps == 9
    assert not data.uses_dates


def test_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, data, training = parse(TYPES, ["--run_name", "mine"])
    assert training.output_dir == "outputs/mine" and training.predict_with_generate and data.uses_dates
    assert model.model_type == "bahdanau"
    assert parse(TYPES, [])[2].output_dir == "outputs/translation"


def test_values_of_a_file_are_checked(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("train_file: pairs.csv\ndo_train: 'false'\nlr_scheduler_kwargs: {min_lr: 1.0e-5}\n")
    _, data, training = parse(TYPES, [str(file), "--output_dir", str(tmp_path / "out")])
    assert data.train_file == ["pairs.csv"] and training.do_train is False
    assert training.lr_scheduler_kwargs == {"min_lr": 1e-5}
    for content in ("", "- a\n- b\n"):
        file.write_text(content)
        with pytest.raises(ValueError, match="must hold options, one a line"):
            parse(TYPES, [str(file)])


def test_a_number_of_images_that_is_zero():
    with pytest.raises(ValueError, match="`max_eval_samples` must be at least 1, got 0"):
        parse([ImageDataArguments], ["--max_eval_samples", "0"])


def test_overrides_of_options_without_a_default():
    found = parse_overrides(AttentionCnnConfig(), "attention_type=se,attention_stages=[2,3],reduction_ratio=4", [])
    assert found == {"attention_type": "se", "attention_stages": [2, 3], "reduction_ratio": 4}
    assert AttentionCnnConfig(**found).attention_stages == [2, 3]
    with pytest.raises(StrictDataclassError, match="token_pruning_layers"):
        CompactVitConfig(**parse_overrides(CompactVitConfig(), "token_pruning_layers=first", []))


def test_unknown_options(tmp_path):
    (tmp_path / "recipe.yaml").write_text("learning_rat: 1e-3\n")
    with pytest.raises(ValueError, match="recipe.yaml has unknown options: learning_rat"):
        parse(TYPES, [str(tmp_path / "recipe.yaml")])
    with pytest.raises(ValueError, match="--learning_rat"):
        parse(TYPES, ["--learning_ratt", "3"])


def test_options_of_a_run_run_it_again(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    arguments = ["--preset", "mini", "--learning_rate", "3e-3", "--train_file", "a.de", "a.en", "--num_beams", "2"]
    arguments += ["--lr_scheduler_type", "cosine", "--eval_strategy", "steps", "--eval_steps", "7", "--bf16", "true"]
    arguments += ["--lr_scheduler_kwargs", '{"num_cycles": 0.5}', "--predict_with_generate", "false"]
    arguments += ["--hub_token", "hf_secret", "--output_dir", str(tmp_path / "a")]
    parts = parse(TYPES, arguments)
    options = describe_options(*parts)
    assert options.pop("lr_scheduler_kwargs") == {"num_cycles": 0.5}
    assert options == {
        "preset": "mini",
        "train_file": ["a.de", "a.en"],
        "num_beams": 2,
        "learning_rate": 3e-3,
        "lr_scheduler_type": "cosine",
        "eval_strategy": "steps",
        "eval_steps": 7,
        "do_eval": True,
        "bf16": True,
        "predict_with_generate": False,
    }
    # the token went where the client looks for it, and nowhere else
    assert os.environ["HF_TOKEN"] == "hf_secret" and parts[2].hub_token is None
    file = tmp_path / "training_args.json"
    file.write_text(json.dumps(describe_options(*parts)))
    again = parse(TYPES, [str(file), "--output_dir", str(tmp_path / "b")])
    assert describe_options(*again) == describe_options(*parts) and again[0] == parts[0] and again[1] == parts[1]
