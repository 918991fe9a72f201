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
"""The translation pipeline: text in; text, score and alignment out. It travels with a saved model."""

from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, Pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from .alignments import eager_attention, generated


TASK = "translation-with-alignment"


class TranslationWithAlignmentPipeline(Pipeline):
    """
    Translates with any sequence-to-sequence model that returns cross-attentions.

    >>> from transformers import pipeline
    >>> translator = pipeline("translation-with-alignment", model="outputs/bahdanau-dates")  # doctest: +SKIP
    >>> translator("4. März 2005")[0]["translation_text"]  # doctest: +SKIP
    '2005-03-04'

    Args:
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*): the target's, where it has a vocabulary of its own;
            loaded from the model's folder `target_tokenizer` where it is not given.

    A call takes a string or a list of them, and any argument of `generate`. Each text gives a list of dicts, one for
    each returned sequence: `translation_text`, `score` (log-probability, as [`Alignment`] defines it), and, unless
    `return_alignment=False`, `source_tokens` (S), `target_tokens` (T) and `weights` (T lists of S floats).

    Raises `ValueError` for an empty text.
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = True

    def __init__(self, *args, target_tokenizer=None, **kwargs):
        super().__init__(*args, **kwargs)
        if target_tokenizer is None and getattr(self.model.config, "encoder_vocab_size", None) is not None:
            if not self.model.config._name_or_path:
                raise ValueError("The model's target has a vocabulary of its own: give its `target_tokenizer`.")
            target_tokenizer = AutoTokenizer.from_pretrained(
                self.model.config._name_or_path, subfolder="target_tokenizer"
            )
        self.target_tokenizer = target_tokenizer or self.tokenizer

    def _sanitize_parameters(self, return_alignment: bool | None = None, **generate_kwargs):
        postprocess = {} if return_alignment is None else {"return_alignment": return_alignment}
        return {}, generate_kwargs, postprocess

    def preprocess(self, text: str):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"A text to translate must be a string that is not empty, got {text!r}.")
        return self.tokenizer(text, return_tensors="pt", return_token_type_ids=False)

    def _forward(self, inputs, **generate_kwargs):
        with eager_attention(self.model):
            rows = list(generated(self.model, inputs, layer=-1, head=None, **generate_kwargs))
        sequences = [[] for _ in inputs["input_ids"]]
        for index, token_ids, weights, score in rows:
            keep = inputs["attention_mask"][index].bool()
            sequences[index].append((inputs["input_ids"][index][keep], token_ids, weights[:, keep].float(), score))
        return {"sequences": sequences}

    def postprocess(self, outputs, return_alignment: bool = True):
        sequences = outputs["sequences"]
        if isinstance(sequences[0], list):  # a batch of one is not unrolled
            sequences = sequences[0]
        results = []
        for source_ids, token_ids, weights, score in sequences:
            result = {
                "translation_text": self.target_tokenizer.decode(token_ids, skip_special_tokens=True),
                "score": score,
            }
            if return_alignment:
                result["source_tokens"] = self.tokenizer.convert_ids_to_tokens(source_ids.tolist())
                result["target_tokens"] = self.target_tokenizer.convert_ids_to_tokens(token_ids.tolist())
                result["weights"] = weights.tolist()
            results.append(result)
        return results


def register():
    """Makes `pipeline("translation-with-alignment", ...)` known to transformers."""
    if TASK not in PIPELINE_REGISTRY.get_supported_tasks():
        PIPELINE_REGISTRY.register_pipeline(
            TASK, pipeline_class=TranslationWithAlignmentPipeline, pt_model=AutoModelForSeq2SeqLM, type="text"
        )


__all__ = ["TranslationWithAlignmentPipeline"]
