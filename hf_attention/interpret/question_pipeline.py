# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The pipeline that answers questions about images, and returns where the model looked."""

from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoModelForVisualQuestionAnswering,
    BaseImageProcessor,
    BatchEncoding,
    Pipeline,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.image_utils import load_image
from transformers.pipelines import PIPELINE_REGISTRY

from .alignments import check_ids, has_text
from .model_loading import check_loaded_by_name, loaded_by_name
from .token_grid import find_grid


TASK = "visual-question-answering-with-attention"


class VisualQuestionAnsweringWithAttentionPipeline(Pipeline):
    """
    Answers questions about images with a model that returns the attention of its glimpses, `attentions[0]` of shape
    (batch, 1, glimpses, tokens), such as [`StackedAttentionForVisualQuestionAnswering`].

    >>> from transformers import pipeline
    >>> ask = pipeline("visual-question-answering-with-attention", model="outputs/sort-of-clevr")  # doctest: +SKIP
    >>> ask("shapes.png", "What is the shape of the red object?")[0]["answer"]  # doctest: +SKIP
    'circle'

    A call takes an image (a PIL image, a path or an address) and a question; or a dict, or a list of dicts, with
    `image` and `question`. It returns, for each question, a list of `top_k` dicts (1 by default), the likeliest first:
    `answer`, `score` (its probability), and, unless `return_attention=False`, `attention`: lists of floats (glimpses,
    rows, columns) of the model's grid over the image, the same for all answers.

    Raises `ValueError` for a question that is missing or empty, and for a `top_k` below 1.
    """

    _load_processor = False
    _load_image_processor = True
    _load_feature_extractor = False
    _load_tokenizer = True

    tokenizer: PreTrainedTokenizerBase  # never `None`, since they are loaded
    image_processor: BaseImageProcessor

    def __init__(self, model: PreTrainedModel, *args: Any, **kwargs: Any) -> None:
        check_loaded_by_name(model)
        super().__init__(model, *args, **kwargs)

    def __call__(  # ty: ignore[incompatible-method-override]  # which has no question
        self, image: str | Image.Image | dict | list[dict], question: str | None = None, **kwargs: Any
    ) -> list:
        inputs = {"image": image, "question": question} if isinstance(image, (str, Image.Image)) else image
        for place, item in enumerate(inputs) if isinstance(inputs, list) else [(0, inputs)]:
            if not isinstance(item, dict) or not {"image", "question"} <= set(item):
                raise ValueError(f"Pass an image and a question, or dicts of `image` and `question`, got {item!r}.")
            if not has_text(item["question"], self.tokenizer):
                where = f" at position {place}" if isinstance(inputs, list) else ""
                raise ValueError(f"A question must be a string that is not empty, got {item['question']!r}{where}.")
        return super().__call__(inputs, **kwargs) if inputs else []

    def _sanitize_parameters(
        self,
        top_k: int | None = None,
        return_attention: bool | None = None,
        timeout: float | None = None,
        **others: Any,
    ) -> tuple[dict, dict, dict]:
        if top_k is not None and (type(top_k) is not int or top_k < 1):
            raise ValueError(f"`top_k` must be a number of answers of 1 or more, got {top_k!r}.")
        if others:
            raise ValueError(f"The pipeline has no option {', '.join(map(repr, others))}.")
        options = {"top_k": top_k, "return_attention": return_attention}
        given = {name: value for name, value in options.items() if value is not None}
        return {} if timeout is None else {"timeout": timeout}, {}, given

    # the base class is annotated for dicts of tensors; BatchEncoding works too
    def preprocess(  # ty: ignore[incompatible-method-override]
        self, input_: dict, timeout: float | None = None
    ) -> BatchEncoding:
        batch = self.tokenizer(input_["question"], return_tensors="pt", return_token_type_ids=False)
        check_ids(self.model, self.tokenizer, batch["input_ids"])
        image = load_image(input_["image"], timeout=timeout)
        batch["pixel_values"] = self.image_processor(image, return_tensors="pt")["pixel_values"]
        return batch

    def _forward(  # ty: ignore[incompatible-method-override]
        self, input_tensors: BatchEncoding
    ) -> dict[str, torch.Tensor]:
        outputs = self.model(**input_tensors, output_attentions=True)
        weights = outputs.attentions[0].squeeze(1).float()  # (batch, glimpses, tokens)
        grid = find_grid(self.model.config, input_tensors["pixel_values"].shape[2:], weights.shape[-1])
        return {"scores": outputs.logits.float().softmax(dim=-1), "attention": weights.unflatten(-1, grid)}

    def postprocess(  # ty: ignore[incompatible-method-override]
        self, model_outputs: dict[str, torch.Tensor], top_k: int = 1, return_attention: bool = True
    ) -> list[dict]:
        scores = model_outputs["scores"][0]
        attention = {"attention": model_outputs["attention"][0].tolist()} if return_attention else {}
        best = scores.topk(min(top_k, len(scores)))
        names = self.model.config.id2label or {}
        return [
            {"answer": names[index], "score": score, **attention}
            for score, index in zip(best.values.tolist(), best.indices.tolist())
        ]


def register_question_pipeline() -> None:
    """Registers `pipeline("visual-question-answering-with-attention", ...)` with transformers."""
    if TASK not in PIPELINE_REGISTRY.get_supported_tasks():
        PIPELINE_REGISTRY.register_pipeline(
            TASK,
            pipeline_class=VisualQuestionAnsweringWithAttentionPipeline,
            pt_model=loaded_by_name(AutoModelForVisualQuestionAnswering),
            type="multimodal",
        )


__all__ = ["VisualQuestionAnsweringWithAttentionPipeline"]
