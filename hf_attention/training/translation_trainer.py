# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the `Seq2SeqTrainer` lacks: a loss that needs no logits, the model's own search, a tokenizer a side."""

import os
from contextlib import nullcontext

from torch.utils.data import SequentialSampler
from transformers import PreTrainedTokenizerBase, Seq2SeqTrainer, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from .resuming import ResumingMixin


TARGET_TOKENIZER = "target_tokenizer"  # sub-folder of a model whose sides have vocabularies of their own


class TranslationTrainer(ResumingMixin, Seq2SeqTrainer):
    """
    A `Seq2SeqTrainer` that leaves label smoothing in training to a model that can do it without logits, generates
    under autocast in mixed precision, encoder included, and evaluates in the data's order, even when training is
    grouped by length, so that a row keeps its reference.
    """

    def _get_eval_sampler(self, eval_dataset):
        return SequentialSampler(eval_dataset)

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


class SaveTargetTokenizer(TrainerCallback):
    """Completes each checkpoint of a model whose sides have vocabularies of their own."""

    def __init__(self, target_tokenizer: PreTrainedTokenizerBase):
        self.target_tokenizer = target_tokenizer

    def on_save(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            folder = os.path.join(args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}", TARGET_TOKENIZER)
            self.target_tokenizer.save_pretrained(folder)
