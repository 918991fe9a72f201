# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The translation pipeline, which returns text, score and alignment. Saved models include its code."""

from typing import Any

from transformers import (
    AutoModelForSeq2SeqLM,
    BatchEncoding,
    Pipeline,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.pipelines import PIPELINE_REGISTRY

from .alignments import (
    align_generated,
    check_ids,
    encode_features,
    has_text,
    ids_to_text,
    ids_to_tokens,
    source_columns,
)
from .model_loading import check_loaded_by_name, find_target_tokenizer, loaded_by_name
from .model_modes import eager_attention


TASK = "translation-with-alignment"


class TranslationWithAlignmentPipeline(Pipeline):
    """
    Translates with a sequence-to-sequence model that returns cross-attentions.

    >>> from transformers import pipeline
    >>> translator = pipeline("translation-with-alignment", model="outputs/bahdanau-dates")  # doctest: +SKIP
    >>> translator("4. März 2005")[0]["translation_text"]  # doctest: +SKIP
    '2005-03-04'

    Args:
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*): the target's tokenizer, if the target has its own
            vocabulary; by default loaded from the model's folder `target_tokenizer`. For a model on the Hub that is
            the folder on the default branch, since `pipeline` passes neither its `revision` nor its `token` on.

    A call takes a string or a list of strings, and the arguments of `generate`. It returns a list of dicts for each
    text, one per returned sequence: `translation_text`, `score` (log-probability, see [`Alignment`]), and, unless
    `return_alignment=False`, `source_tokens` (S), `target_tokens` (T) and `weights` (T lists of S floats).

    Raises `ValueError` for an empty text, an invalid `num_beams`, and a target tokenizer that is missing or from
    another revision.
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = True

    tokenizer: PreTrainedTokenizerBase  # never `None`, since `_load_tokenizer` is set

    def __init__(
        self,
        model: PreTrainedModel,
        *args: Any,
        target_tokenizer: PreTrainedTokenizerBase | None = None,
        **kwargs: Any,
    ) -> None:
        check_loaded_by_name(model)
        super().__init__(model, *args, **kwargs)
        self.target_tokenizer = target_tokenizer or find_target_tokenizer(self.model, self.tokenizer)

    def __call__(self, inputs: str | dict | list, *args: Any, **kwargs: Any) -> list:
        if isinstance(inputs, list):
            if not inputs:
                return []
            for index, text in enumerate(inputs):
                self.check_text(text, f" at position {index}")
        return super().__call__(inputs, *args, **kwargs)

    def check_text(self, text: object, where: str = "") -> None:
        columns = sorted(getattr(self.model.config, "feature_values", None) or {})
        if columns:
            if not isinstance(text, dict) or not {"text", *columns} <= set(text):
                example = {"text": "...", **dict.fromkeys(columns, "...")}
                raise ValueError(f"The model reads features of the text: pass {example}, got {text!r}{where}.")
            text = text["text"]
        if not has_text(text, self.tokenizer):
            raise ValueError(f"A text to translate must be a string that is not empty, got {text!r}{where}.")

    def _sanitize_parameters(
        self, return_alignment: bool | None = None, **generate_kwargs: Any
    ) -> tuple[dict, dict, dict]:
        postprocess = {} if return_alignment is None else {"return_alignment": return_alignment}
        return {}, generate_kwargs, postprocess

    # the base class is annotated for dicts of tensors; BatchEncoding and dicts of lists work too
    def preprocess(  # ty: ignore[incompatible-method-override]
        self, input_: str | dict, **preprocess_parameters: Any
    ) -> BatchEncoding:
        self.check_text(input_)
        text, features = (input_["text"], [input_]) if isinstance(input_, dict) else (input_, None)
        batch = self.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        batch.update(encode_features(self.model, features))
        check_ids(self.model, self.tokenizer, batch["input_ids"])
        return batch

    def _forward(  # ty: ignore[incompatible-method-override]
        self, input_tensors: BatchEncoding, **generate_kwargs: Any
    ) -> dict[str, list]:
        with eager_attention(self.model):
            rows = list(align_generated(self.model, input_tensors, layer=-1, head=None, **generate_kwargs))
        sequences = [[] for _ in input_tensors["input_ids"]]
        for index, token_ids, weights, score in rows:
            source_tokens, keep = source_columns(self.model, self.tokenizer, input_tensors, index)
            sequences[index].append((source_tokens, token_ids, weights[:, keep].float(), score))
        return {"sequences": sequences}

    def postprocess(  # ty: ignore[incompatible-method-override]
        self, model_outputs: dict[str, list], return_alignment: bool = True, **postprocess_parameters: Any
    ) -> list[dict]:
        sequences = model_outputs["sequences"]
        if isinstance(sequences[0], list):  # a batch of one is not unrolled
            sequences = sequences[0]
        results = []
        for source_tokens, token_ids, weights, score in sequences:
            result = {
                "translation_text": ids_to_text(self.target_tokenizer, token_ids),
                "score": score,
            }
            if return_alignment:
                result["source_tokens"] = source_tokens
                result["target_tokens"] = ids_to_tokens(self.target_tokenizer, token_ids)
                result["weights"] = weights.tolist()
            results.append(result)
        return results


def register_pipeline() -> None:
    """Registers `pipeline("translation-with-alignment", ...)` with transformers."""
    if TASK not in PIPELINE_REGISTRY.get_supported_tasks():
        PIPELINE_REGISTRY.register_pipeline(
            TASK,
            pipeline_class=TranslationWithAlignmentPipeline,
            pt_model=loaded_by_name(AutoModelForSeq2SeqLM),
            type="text",
        )


__all__ = ["TranslationWithAlignmentPipeline"]
