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
"""Character n-gram F-score (Popović 2015) by sacrebleu."""

import evaluate
import sacrebleu
from datasets import Features, Value


class ChrF(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` takes one reference a prediction and returns `chrf`, 0 to 100;
    `word_order=2` gives chrF++.
    """

    def _info(self):
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="Popović 2015, aclanthology W15-3049",
            inputs_description="predictions and references: strings",
            features=Features({"predictions": Value("string"), "references": Value("string")}),
        )

    def _compute(self, predictions, references, word_order: int = 0):
        return {"chrf": sacrebleu.CHRF(word_order=word_order).corpus_score(predictions, [references]).score}
