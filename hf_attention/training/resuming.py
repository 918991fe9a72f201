# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the `Trainer` lacks to go on with a run that has finished: to train no more, and to keep its figures."""

from transformers.trainer_utils import TrainOutput

from .checkpoints import read_results, read_step


class ResumingMixin:
    """
    For a `Trainer`, which does one more step when it resumes from the last checkpoint of a run, and would write that
    step's time over the run's.
    """

    first_step = 0  # of the checkpoint that training goes on from

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs) -> TrainOutput:
        if isinstance(resume_from_checkpoint, str):
            self.first_step = read_step(resume_from_checkpoint)
        return super().train(resume_from_checkpoint, **kwargs)

    def set_initial_training_values(self, args, dataloader):
        epochs, steps_per_epoch, *others, max_steps = super().set_initial_training_values(args, dataloader)
        if self.first_step >= max_steps:
            epochs = self.first_step // steps_per_epoch
        return epochs, steps_per_epoch, *others, max_steps

    def save_train_metrics(self, result: TrainOutput, **figures: float):
        """Saves what training gave, and `figures`, as `train_*`; of a run that had finished, what is there stays."""
        if result.global_step > self.first_step:
            self.save_metrics("train", {**result.metrics, **figures})
        elif not read_results(self.args.output_dir):  # it was stopped before it had any
            self.save_metrics("train", {"epoch": self.state.epoch})
