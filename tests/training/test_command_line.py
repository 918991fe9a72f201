# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from pathlib import Path

import pytest
from huggingface_hub.errors import StrictDataclassError

from hf_attention import AttentionCnnConfig, CompactVitConfig
from hf_attention.training.arguments import describe_options
from hf_attention.training.command_line import parse, parse_overrides
from hf_attention.training.image_arguments import IMAGE_ARGUMENTS
from hf_attention.training.image_text_arguments import IMAGE_TEXT_ARGUMENTS
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS
from hf_attention.training.visual_question_answering import QuestionArguments


RECIPES = Path(__file__).parents[2] / "scripts" / "recipes"


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_options_replace_those_of_a_recipe_file(tmp_path, kind):
    file = tmp_path / f"recipe.{kind}"
    if kind == "yaml":
        file.write_text("preset: tiny\nlearning_rate: 1e-3\ntrain_file: [a.de, a.en]\nmax_steps: 7\n")
    else:
        options = {"preset": "tiny", "learning_rate": 1e-3, "train_file": ["a.de", "a.en"], "max_steps": 7}
        file.write_text(json.dumps(options))
    model, data, training = parse(
        TRANSLATION_ARGUMENTS, [str(file), "--max_steps", "9", "--output_dir", str(tmp_path / "out")]
    )
    assert model.preset == "tiny"
    assert data.train_file == ["a.de", "a.en"]
    assert not data.is_embedded
    assert training.learning_rate == 1e-3
    assert training.max_steps == 9


def test_a_trained_tokenizer_or_model_replaces_the_options_of_a_new_one_in_a_recipe(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("preset: tiny\nvocab_size: 99\nnormalization: nfkc\nmax_steps: 7\n")
    model, data, _ = parse(TRANSLATION_ARGUMENTS, [str(file), "--tokenizer_name", "user/tokenizer"])
    assert (model.preset, data.vocab_size, data.normalization) == ("tiny", 8000, "nfc")
    model, data, training = parse(TRANSLATION_ARGUMENTS, [str(file), "--model_name_or_path=user/model"])
    assert (model.preset, data.vocab_size, data.normalization) == (None, 8000, "nfc")
    assert training.max_steps == 7
    _, data, _ = parse(TRANSLATION_ARGUMENTS, [str(file), "--tokenizer_name", "x", "--normalization", "none"])
    assert data.normalization == "none"


@pytest.mark.parametrize("name", ["dates", "dates.yaml", str(RECIPES / "dates.yaml")])
def test_a_recipe_is_found_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, _, training = parse(TRANSLATION_ARGUMENTS, [name, "--max_steps", "9"], RECIPES)
    assert training.output_dir == "outputs/bahdanau-dates"
    assert training.learning_rate == 4e-3
    assert training.max_steps == 9


def test_a_file_of_the_user_precedes_a_recipe_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dates.yaml").write_text("run_name: mine\n")
    assert parse(TRANSLATION_ARGUMENTS, ["dates.yaml"], RECIPES)[2].run_name == "mine"
    (tmp_path / "dates").mkdir()
    assert parse(TRANSLATION_ARGUMENTS, ["dates"], RECIPES)[2].run_name == "bahdanau-dates"


def test_an_unknown_recipe_is_an_error_with_the_names_of_the_others():
    with pytest.raises(
        ValueError, match="'date' is not a YAML or JSON file, nor one of the recipes characters, dates, "
    ) as error:
        parse(TRANSLATION_ARGUMENTS, ["date"], RECIPES)
    assert "digits" not in str(error.value)  # which is of the other script
    with pytest.raises(ValueError, match=r"nor one of the recipes cct-200-epochs, .*digits") as error:
        parse(IMAGE_ARGUMENTS, ["gone.yaml"], RECIPES)
    assert "dates" not in str(error.value)
    with pytest.raises(ValueError, match=r"'gone.json' is not a YAML or JSON file\.$"):
        parse(TRANSLATION_ARGUMENTS, ["gone.json"])


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_can_be_parsed(recipe, tmp_path):
    is_text = "max_source_length" in recipe.read_text()
    others = {
        "digit-rows": IMAGE_TEXT_ARGUMENTS,
        "text-lines": IMAGE_TEXT_ARGUMENTS,
        "sort-of-clevr": [QuestionArguments],
    }
    arguments = others.get(recipe.stem, TRANSLATION_ARGUMENTS if is_text else IMAGE_ARGUMENTS)
    data = ["--train_file", "pairs.csv"] if is_text and recipe.stem != "dates" else []
    parse(arguments, [str(recipe), "--output_dir", str(tmp_path), *data])


def test_values_of_a_file_are_checked(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("train_file: pairs.csv\ndo_train: 'false'\nlr_scheduler_kwargs: {min_lr: 1.0e-5}\n")
    _, data, training = parse(TRANSLATION_ARGUMENTS, [str(file), "--output_dir", str(tmp_path / "out")])
    assert data.train_file == ["pairs.csv"]
    assert training.do_train is False
    assert training.lr_scheduler_kwargs == {"min_lr": 1e-5}
    for content in ("", "- a\n- b\n"):
        file.write_text(content)
        with pytest.raises(ValueError, match="must hold options, one a line"):
            parse(TRANSLATION_ARGUMENTS, [str(file)])


def test_overrides_of_options_whose_default_is_none():
    options = parse_overrides(AttentionCnnConfig(), "attention_type=se,attention_stages=[2,3],reduction_ratio=4", [])
    assert options == {"attention_type": "se", "attention_stages": [2, 3], "reduction_ratio": 4}
    assert AttentionCnnConfig(**options).attention_stages == [2, 3]
    with pytest.raises(StrictDataclassError, match="token_pruning_layers"):
        CompactVitConfig(**parse_overrides(CompactVitConfig(), "token_pruning_layers=first", []))


def test_an_unknown_option_is_named_in_the_error(tmp_path):
    (tmp_path / "recipe.yaml").write_text("learning_rat: 1e-3\n")
    with pytest.raises(ValueError, match="recipe.yaml has unknown options: learning_rat"):
        parse(TRANSLATION_ARGUMENTS, [str(tmp_path / "recipe.yaml")])
    with pytest.raises(ValueError, match="--learning_rat"):
        parse(TRANSLATION_ARGUMENTS, ["--learning_ratt", "3"])


def test_the_options_of_a_run_are_a_recipe_for_it(tmp_path):
    arguments = ["--preset", "mini", "--learning_rate", "3e-3", "--train_file", "a.de", "a.en", "--num_beams", "2"]
    arguments += ["--lr_scheduler_type", "cosine", "--eval_strategy", "steps", "--eval_steps", "7", "--bf16", "true"]
    arguments += ["--lr_scheduler_kwargs", '{"num_cycles": 0.5}', "--predict_with_generate", "false"]
    arguments += ["--hub_token", "hf_secret", "--output_dir", str(tmp_path / "a")]
    parts = parse(TRANSLATION_ARGUMENTS, arguments)
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
    file = tmp_path / "training_args.json"
    file.write_text(json.dumps(describe_options(*parts)))
    again = parse(TRANSLATION_ARGUMENTS, [str(file), "--output_dir", str(tmp_path / "b")])
    assert describe_options(*again) == describe_options(*parts)
    assert again[:2] == parts[:2]
