# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
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
