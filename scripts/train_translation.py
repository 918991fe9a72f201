# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Train or fine-tune any sequence-to-sequence model of transformers on pairs of texts.

    python scripts/train_translation.py                                   # the embedded dates, a tiny Bahdanau model
    python scripts/train_translation.py recipe.yaml --learning_rate 1e-3  # a recipe, one option changed
    python scripts/train_translation.py --help
"""

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.training.arguments import (
    ModelArguments,
    ParallelDataArguments,
    TranslationTrainingArguments,
    parse,
)
from hf_attention.training.translation import train_translation


def main(arguments: list[str] | None = None) -> dict:
    return train_translation(*parse([ModelArguments, ParallelDataArguments, TranslationTrainingArguments], arguments))


if __name__ == "__main__":
    main()
