# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A `Seq2SeqTrainer` for recipes that generate text: metrics per split, a second tokenizer, a loss without logits."""

import os
from collections.abc import Callable
from contextlib import nullcontext

from torch.utils.data import SequentialSampler
from transformers import BaseImageProcessor, PreTrainedTokenizerBase, Seq2SeqTrainer, Seq2SeqTrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from ..hub.folder import TARGET_TOKENIZER
from .recipe_trainer import RecipeTrainer


class TranslationTrainer(RecipeTrainer, Seq2SeqTrainer):
    """
    A `Seq2SeqTrainer` that leaves label smoothing in training to a model that can do it without logits, generates
    under autocast in mixed precision, encoder included, and evaluates in the data's order, even when training is
    grouped by length, so that a row keeps its reference.

    Args:
        compute_split_metrics (`Callable`, *optional*):
            The metrics of an `EvalLoopOutput` and a split's metric prefix (`eval` or `test`), if the model is to
            generate. `compute_metrics` of `Trainer` does not know which split it is for.
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*): of a model with separate vocabularies, to be saved.
        image_processor (`BaseImageProcessor`, *optional*): of a model that reads images, to be saved.
        kwargs: of `Seq2SeqTrainer`.
    """

    args: Seq2SeqTrainingArguments
    processing_class: PreTrainedTokenizerBase

    def __init__(
        self,
        *args,
        compute_split_metrics: Callable[[EvalLoopOutput, str], dict[str, float | str]] | None = None,
        target_tokenizer: PreTrainedTokenizerBase | None = None,
        image_processor: BaseImageProcessor | None = None,
        **kwargs,
    ) -> None:
        self.compute_split_metrics = compute_split_metrics
        self.target_tokenizer, self.image_processor = target_tokenizer, image_processor
        super().__init__(*args, **kwargs)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        super().save_model(output_dir, _internal_call)
        folder = output_dir or str(self.args.output_dir)
        if self.image_processor is not None and self.args.should_save:
            self.image_processor.save_pretrained(folder)
        if self.target_tokenizer is not None and self.args.should_save:
            self.target_tokenizer.save_pretrained(os.path.join(folder, TARGET_TOKENIZER))

    def _get_eval_sampler(self, eval_dataset):
        return SequentialSampler(eval_dataset)

    def evaluation_loop(
        self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"
    ) -> EvalLoopOutput:
        self.gather_function = self.accelerator.gather_for_metrics  # `Seq2SeqTrainer`'s keeps rows that are repeated
        if self.compute_split_metrics is None:
            return super().evaluation_loop(
                dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
            )
        output = super().evaluation_loop(dataloader, description, False, ignore_keys, metric_key_prefix)
        scores = self.compute_split_metrics(output, metric_key_prefix)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in scores.items()} | (output.metrics or {})
        return output._replace(metrics=metrics)  # ty: ignore[invalid-argument-type]  # sacrebleu's signature is a string

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None, **gen_kwargs):
        generates = self.args.predict_with_generate and not prediction_loss_only
        with self.accelerator.autocast() if generates else nullcontext():
            return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys, **gen_kwargs)

    def compute_loss(self, model, inputs, *args, **kwargs):
        if self.label_smoother is None or not model.training or not getattr(self.model, "accepts_smoothing", False):
            return super().compute_loss(model, inputs, *args, **kwargs)
        smoother, self.label_smoother = self.label_smoother, None
        try:
            inputs = {**inputs, "smoothing": self.args.label_smoothing_factor}
            return super().compute_loss(model, inputs, *args, **kwargs)
        finally:
            self.label_smoother = smoother


__all__ = ["TranslationTrainer"]
