# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The translation pipeline: text in; text, score and alignment out. It travels with a saved model."""

import os

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
            loaded from the model's folder `target_tokenizer` where it is not given. Of a model on the Hub that is the
            default branch's, read with the token in use: `pipeline` hands on neither its `revision` nor its `token`.

    A call takes a string or a list of them, and any argument of `generate`. Each text gives a list of dicts, one for
    each returned sequence: `translation_text`, `score` (log-probability, as [`Alignment`] defines it), and, unless
    `return_alignment=False`, `source_tokens` (S), `target_tokens` (T) and `weights` (T lists of S floats).

    Raises `ValueError` for an empty text, for `num_beams` that is no number from 1, and for a model whose target's
    tokenizer is not found, or is of another revision.
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = True

    def __init__(self, *args, target_tokenizer=None, **kwargs):
        super().__init__(*args, **kwargs)
        if target_tokenizer is None and getattr(self.model.config, "encoder_vocab_size", None) is not None:
            target_tokenizer = self.load_target_tokenizer(self.model.config._name_or_path)
        self.target_tokenizer = target_tokenizer or self.tokenizer

    def load_target_tokenizer(self, name: str):
        remedy = 'give `target_tokenizer=AutoTokenizer.from_pretrained(..., subfolder="target_tokenizer")`.'
        if not name:
            raise ValueError(f"The model's target has a vocabulary of its own: {remedy}")
        try:
            found = AutoTokenizer.from_pretrained(name, subfolder="target_tokenizer")
            # tokenizers of the two sides are trained together, so one of another revision tells of the other
            beside = self.tokenizer if os.path.isdir(name) else AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise ValueError(f"The target's tokenizer is not found in {name} ({error}); {remedy}") from error
        if beside.get_vocab() != self.tokenizer.get_vocab():
            raise ValueError(f"The model is of another `revision` than {name}'s default: of that, {remedy}")
        return found

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, list):
            if not inputs:
                return []
            for index, text in enumerate(inputs):
                check_text(text, f" at position {index}")
        return super().__call__(inputs, *args, **kwargs)

    def _sanitize_parameters(self, return_alignment: bool | None = None, **generate_kwargs):
        postprocess = {} if return_alignment is None else {"return_alignment": return_alignment}
        return {}, generate_kwargs, postprocess

    def preprocess(self, text: str):
        check_text(text)
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


def check_text(text: str, where: str = ""):
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"A text to translate must be a string that is not empty, got {text!r}{where}.")


def register_pipeline() -> None:
    """Registers `pipeline("translation-with-alignment", ...)` with transformers."""
    if TASK not in PIPELINE_REGISTRY.get_supported_tasks():
        PIPELINE_REGISTRY.register_pipeline(
            TASK, pipeline_class=TranslationWithAlignmentPipeline, pt_model=AutoModelForSeq2SeqLM, type="text"
        )


__all__ = ["TranslationWithAlignmentPipeline"]
