# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Train or fine-tune a vision encoder-decoder of transformers on images and their texts: to read or to describe them.

    python scripts/train_image_to_text.py                                 # rows of scikit-learn's digits
    python scripts/train_image_to_text.py text-lines                      # names and dates in printed fonts
    python scripts/train_image_to_text.py --dataset_name NAME_OR_FOLDER   # a column of images and one of texts
    python scripts/train_image_to_text.py digit-rows --learning_rate 1e-3 # a recipe of scripts/recipes, one change
    python scripts/train_image_to_text.py --help

Where the package is installed, `hf-attention-train-image-to-text` is the same.
"""

from pathlib import Path

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import errors_in_one_line
from hf_attention.training.command_line import parse
from hf_attention.training.image_text_arguments import (
    IMAGE_TEXT_ARGUMENTS,
    ImageTextDataArguments,
    ImageTextModelArguments,
    ImageTextTrainingArguments,
)
from hf_attention.training.image_to_text import train_image_to_text


RECIPES = Path(__file__).parent / "recipes"


def default_recipe(
    model_args: ImageTextModelArguments, data_args: ImageTextDataArguments, training_args: ImageTextTrainingArguments
) -> str | None:
    """Returns the recipe of the embedded data for a new model of the default types."""
    is_new = model_args.model_name_or_path is None and model_args.encoder_name_or_path is None
    is_default = is_new and data_args.is_embedded and model_args.encoder_type == "compact_vit"
    return data_args.dataset_name.replace("_", "-") if is_default else None


def train(arguments: list[str] | None = None) -> dict:
    """Trains as the command line says, and returns the results."""
    return train_image_to_text(*parse(IMAGE_TEXT_ARGUMENTS, arguments, RECIPES, default_recipe))


def main() -> None:
    with errors_in_one_line("train_image_to_text.py"):
        train()


if __name__ == "__main__":
    main()
