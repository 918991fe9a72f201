# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Train or fine-tune any image classifier of transformers.

    python scripts/train_image_classification.py                                   # scikit-learn's digits, a tiny CCT
    python scripts/train_image_classification.py recipe.yaml --learning_rate 1e-3  # a recipe, one option changed
    python scripts/train_image_classification.py --help
"""

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.training.arguments import ImageDataArguments, ImageModelArguments, ImageTrainingArguments, parse
from hf_attention.training.image_classification import train_image_classification


def main(arguments: list[str] | None = None) -> dict:
    return train_image_classification(
        *parse([ImageModelArguments, ImageDataArguments, ImageTrainingArguments], arguments)
    )


if __name__ == "__main__":
    main()
