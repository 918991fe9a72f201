# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Train or fine-tune any image classifier of transformers.

    python scripts/train_image_classification.py                                   # scikit-learn's digits, a tiny CCT
    python scripts/train_image_classification.py --train_file photos               # your images, options that fit them
    python scripts/train_image_classification.py digits --learning_rate 1e-3       # a recipe of scripts/recipes
    python scripts/train_image_classification.py recipe.yaml --learning_rate 1e-3  # a recipe of your own
    python scripts/train_image_classification.py --help

Where the package is installed, `hf-attention-train-image-classification` is the same.
"""

import sys
from functools import partial
from pathlib import Path

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import errors_in_one_line
from hf_attention.training.command_line import named_options, parse
from hf_attention.training.image_arguments import IMAGE_ARGUMENTS
from hf_attention.training.image_classification import train_image_classification
from hf_attention.training.image_defaults import choose_options


RECIPES = Path(__file__).parent / "recipes"


def train(arguments: list[str] | None = None) -> dict:
    """Trains as the command line says, and returns the results."""
    arguments = sys.argv[1:] if arguments is None else arguments
    choose = partial(choose_options, given=named_options(arguments))
    return train_image_classification(*parse(IMAGE_ARGUMENTS, arguments, RECIPES, choose))


def main() -> None:
    with errors_in_one_line("train_image_classification.py"):
        train()


if __name__ == "__main__":
    main()
