# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Train or fine-tune any sequence-to-sequence model of transformers on pairs of texts.

    python scripts/train_translation.py                                   # the embedded dates, a tiny Bahdanau model
    python scripts/train_translation.py --train_file pairs.csv            # your data, with the recipe that fits it
    python scripts/train_translation.py dates --learning_rate 1e-3        # a recipe of scripts/recipes, one change
    python scripts/train_translation.py recipe.yaml --learning_rate 1e-3  # a recipe of your own
    python scripts/train_translation.py --help

Where the package is installed, `hf-attention-train-translation` is the same.
"""

from pathlib import Path

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import errors_in_one_line
from hf_attention.training.command_line import parse
from hf_attention.training.translation import train_translation
from hf_attention.training.translation_arguments import (
    TRANSLATION_ARGUMENTS,
    ModelArguments,
    ParallelDataArguments,
    TranslationTrainingArguments,
)


RECIPES = Path(__file__).parent / "recipes"


def default_recipe(
    model_args: ModelArguments, data_args: ParallelDataArguments, training_args: TranslationTrainingArguments
) -> str | None:
    """Returns the recipe for a new Bahdanau model: that of the embedded dates, or of what the texts are split into."""
    if model_args.model_name_or_path is not None or model_args.model_type != "bahdanau":
        return None
    if data_args.is_embedded:
        return "dates"
    if data_args.tokenizer_type is None and (data_args.source_separator or data_args.target_separator):
        return "characters"
    return {"char": "characters", "word": "words"}.get(data_args.tokenizer_type or "", "subwords")


def train(arguments: list[str] | None = None) -> dict:
    """Trains as the command line says, and returns the results."""
    return train_translation(*parse(TRANSLATION_ARGUMENTS, arguments, RECIPES, default_recipe))


def main() -> None:
    with errors_in_one_line("train_translation.py"):
        train()


if __name__ == "__main__":
    main()
