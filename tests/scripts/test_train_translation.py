# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import pytest
from train_translation import RECIPES, default_recipe, train

from hf_attention.training.command_line import parse
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "dates"),
        (["--train_file", "pairs.csv"], "subwords"),
        (["--train_file", "pairs.csv", "--tokenizer_type", "bpe"], "subwords"),
        (["--train_file", "words.csv", "--tokenizer_type", "char"], "characters"),
        (["--train_file", "words.csv", "--target_separator", " "], "characters"),
        (["--train_file", "commands.csv", "--tokenizer_type", "word"], "words"),
        (["--dataset_name", "user/pairs", "--tokenizer_type", "char"], "characters"),
        (["--model_type", "marian"], None),
        (["--model_name_or_path", "outputs/my-model"], None),
    ],
)
def test_the_default_recipe_fits_the_data(options, name):
    assert default_recipe(*parse(TRANSLATION_ARGUMENTS, options, RECIPES)) == name


def test_options_replace_those_of_the_default_recipe():
    options = ["--train_file", "words.csv", "--tokenizer_type", "char", "--learning_rate", "0.01"]
    _, data, training = parse(TRANSLATION_ARGUMENTS, options, RECIPES, default_recipe)
    assert training.learning_rate == 0.01
    assert data.train_file == ["words.csv"]


def test_a_named_recipe_is_the_only_one(capsys):
    options = ["subwords", "--train_file", "pairs.csv", "--tokenizer_type", "char"]
    _, data, _ = parse(TRANSLATION_ARGUMENTS, options, RECIPES, default_recipe)
    assert data.tokenizer_type == "char"
    assert capsys.readouterr().out == ""


def test_a_file_is_enough(tmp_path, capsys):
    """Only the number of steps is lowered. The recipe is printed, and its model is trained."""
    words = [first + second for first in "abcdefgh" for second in "ijklmnop"]
    (tmp_path / "words.tsv").write_text("source\ttarget\n" + "".join(f"{word}\t{word.upper()}\n" for word in words))
    options = ["--train_file", str(tmp_path / "words.tsv"), "--tokenizer_type", "char"]
    train([*options, "--output_dir", str(tmp_path / "run"), "--max_steps", "3", "--disable_tqdm", "true"])
    assert "Recipe `characters`: tokenizer_type char, preset tiny" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "config.json").read_text())["dropout"] == 0.3
    assert (tmp_path / "run" / "README.md").is_file()
