# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Train a stacked attention network to answer questions about images of colored shapes (Sort-of-CLEVR).

    python scripts/train_visual_question_answering.py                                     # the recipe sort-of-clevr
    python scripts/train_visual_question_answering.py sort-of-clevr --language ko         # one option changed
    python scripts/train_visual_question_answering.py --help

Where the package is installed, `hf-attention-train-visual-question-answering` is the same.
"""

from pathlib import Path

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import errors_in_one_line
from hf_attention.training.command_line import parse
from hf_attention.training.visual_question_answering import QuestionArguments, train_visual_question_answering


RECIPES = Path(__file__).parent / "recipes"


def default_recipe(args: QuestionArguments) -> str:
    """Returns the recipe of a command line that names none."""
    return "sort-of-clevr"


def train(arguments: list[str] | None = None) -> dict:
    """Trains as the command line says, and returns the results."""
    return train_visual_question_answering(*parse([QuestionArguments], arguments, RECIPES, default_recipe))


def main() -> None:
    with errors_in_one_line("train_visual_question_answering.py"):
        results = train()
    for name in ("accuracy_non_relational", "accuracy_relational", "pointing"):
        print(f"{name}: {results[f'test_{name}']:.4f}")


if __name__ == "__main__":
    main()
