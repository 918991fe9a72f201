# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the `Seq2SeqTrainer` lacks: a loss that needs no logits, the model's own search, a tokenizer a side."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch.utils.data import SequentialSampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Seq2SeqTrainer, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from .resuming import ResumingMixin


TARGET_TOKENIZER = "target_tokenizer"  # sub-folder of a model whose sides have vocabularies of their own


@contextmanager
def own_forward(model: PreTrainedModel) -> Iterator[None]:
    """
    While it lasts, `model.forward` is its class's again, where accelerate has put a wrapper for mixed precision in its
    place: a model with a search of its own searches only where nothing of it was replaced.
    """
    original = vars(model).get("_original_forward")
    if getattr(original, "__func__", None) is not type(model).forward:
        yield
        return
    wrapper = vars(model).pop("forward")
    try:
        yield
    finally:
        model.forward = wrapper


class TranslationTrainer(ResumingMixin, Seq2SeqTrainer):
    """
    A `Seq2SeqTrainer` that, in training, leaves smoothing the labels to a model that can: its loss needs no logits.
    And in mixed precision it generates as without: the model as it was written, encoder included, under autocast.
    It evaluates in the data's order, be training's by length, so that a row finds its own reference.
    """

    def _get_eval_sampler(self, eval_dataset):
        return SequentialSampler(eval_dataset)

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None, **gen_kwargs):
        step = partial(super().prediction_step, model, inputs, prediction_loss_only, ignore_keys, **gen_kwargs)
        if prediction_loss_only or not self.args.predict_with_generate:
            return step()
        generating = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        with own_forward(generating), self.accelerator.autocast():
            return step()

    def compute_loss(self, model, inputs, *args, **kwargs):
        if self.label_smoother is None or not model.training or not getattr(self.model, "smooths_labels", False):
            return super().compute_loss(model, inputs, *args, **kwargs)
        smoother, self.label_smoother = self.label_smoother, None
        try:
            inputs = {**inputs, "label_smoothing": self.args.label_smoothing_factor}
            return super().compute_loss(model, inputs, *args, **kwargs)
        finally:
            self.label_smoother = smoother


class SaveTargetTokenizer(TrainerCallback):
    """Completes each checkpoint of a model whose sides have vocabularies of their own."""

    def __init__(self, target_tokenizer: PreTrainedTokenizerBase):
        self.target_tokenizer = target_tokenizer

    def on_save(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            folder = os.path.join(args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}", TARGET_TOKENIZER)
            self.target_tokenizer.save_pretrained(folder)
