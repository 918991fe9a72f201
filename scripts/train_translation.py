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
