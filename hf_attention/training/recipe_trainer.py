# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What both recipes add to the `Trainer`: streams, resuming a finished run, the share of time waiting for data."""

import os
import time
from collections.abc import Callable

from accelerate.data_loader import prepare_data_loader
from datasets import IterableDataset
from huggingface_hub import HfApi
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import HubStrategy, TrainOutput
from transformers.utils import logging

from ..hub.publish import list_files
from ..hub.uploads import check_uploads
from .run_checks import FiniteCallback
from .streams import StreamedBatches


logger = logging.get_logger(__name__)

# of a data loader, whatever it loads
LOADER_OPTIONS = ("collate_fn", "num_workers", "pin_memory", "persistent_workers", "prefetch_factor", "in_order")
LOADER_OPTIONS += ("worker_init_fn", "multiprocessing_context")


class DataWaitCallback(TrainerCallback):
    """
    Measures the share of training time that any `Trainer` spends waiting for its next batch.

    The wait lasts from the end of a step (or of the logging, evaluation and saving after it) to the start of the next.
    Without workers it is the data loader's work; with workers it includes their start. On a GPU, which continues
    working during the wait, it is an upper bound.
    """

    def __init__(self) -> None:
        self.waited = self.worked = 0.0
        self.mark = 0.0

    @property
    def share(self) -> float:
        """The wait divided by the sum of wait and steps, from 0 to 1; 0 before the first step."""
        total = self.waited + self.worked
        return self.waited / total if total else 0.0

    def start_waiting(self, args, state, control, **kwargs) -> None:
        self.mark = time.perf_counter()

    on_epoch_begin = on_log = on_evaluate = on_save = start_waiting

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        now = time.perf_counter()
        self.waited += now - self.mark
        self.mark = now

    def on_step_end(self, args, state, control, **kwargs) -> None:
        now = time.perf_counter()
        self.worked += now - self.mark
        self.mark = now


class RecipeTrainer(Trainer):
    """
    A `Trainer` that trains no further when it resumes from the last checkpoint of a finished run. transformers' does
    one more step, and would replace the run's metrics by that step's. It reads streams by [`StreamedBatches`], and
    resumes in any epoch of one.

    Args:
        stream_transform (`Callable`, *optional*): `transform` of [`StreamedBatches`].
        kwargs: of `Trainer`.
    """

    first_step = 0  # the global step of the checkpoint that training resumes from

    def __init__(
        self,
        *args,
        callbacks: list[TrainerCallback] | None = None,
        stream_transform: Callable[[dict], dict] | None = None,
        **kwargs,
    ) -> None:
        self.data_wait = DataWaitCallback()
        self.stream_transform = stream_transform
        super().__init__(*args, callbacks=[self.data_wait, *(callbacks or [])], **kwargs)
        self.add_callback(FiniteCallback(self))  # the last, since another may ask for a checkpoint

    def train(self, resume_from_checkpoint: str | bool | None = None, *args, **kwargs) -> TrainOutput:
        if isinstance(resume_from_checkpoint, str):
            self.first_step = read_step(resume_from_checkpoint)
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def get_train_dataloader(self) -> DataLoader:
        loader = super().get_train_dataloader()
        if not isinstance(self.train_dataset, IterableDataset):
            return loader
        args = self.args
        batches = StreamedBatches(
            self.train_dataset,
            self._train_batch_size,
            args.world_size,
            args.process_index,
            args.gradient_accumulation_steps,
            self.stream_transform,
            args.dataloader_drop_last,
        )
        loader = DataLoader(batches, batch_size=None, **{name: getattr(loader, name) for name in LOADER_OPTIONS})
        return prepare_data_loader(
            loader, args.device, num_processes=1, process_index=0, put_on_device=True, dispatch_batches=False
        )

    def _init_training_state(
        self, max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint, trial
    ) -> tuple[int, int]:
        """
        Returns the epoch, and how many batches of it the checkpoint was trained on. transformers takes a stream, whose
        length it does not know, for one epoch of `max_steps`, and would resume at the start of the second.
        """
        epochs, batches = super()._init_training_state(
            max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint, trial
        )
        if isinstance(self.train_dataset, IterableDataset) and 0 < self.first_step < max_steps:
            # the epoch of a checkpoint grows by 1 / max_steps a step, and to the next number at the end of the stream
            saved = read_state(resume_from_checkpoint)
            epochs, steps = divmod(round(saved.epoch * saved.max_steps), saved.max_steps)
            batches = 0 if self.args.ignore_data_skip else steps * self.args.gradient_accumulation_steps
        return epochs, batches

    def set_initial_training_values(self, args, dataloader):
        epochs, steps_per_epoch, *others, max_steps = super().set_initial_training_values(args, dataloader)
        if self.first_step >= max_steps:
            epochs = self.first_step // steps_per_epoch
        return epochs, steps_per_epoch, *others, max_steps

    def save_train_metrics(self, output: TrainOutput) -> None:
        """Saves the metrics of training as `train_*`. If the run had already finished, its own metrics stay."""
        if output.global_step > self.first_step:
            share = {"train_loader_share": round(self.data_wait.share, 4)}
            self.save_metrics("train", {**output.metrics, **share})
        elif not os.path.isfile(os.path.join(str(self.args.output_dir), "all_results.json")):
            self.save_metrics("train", {"epoch": self.state.epoch})

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Pushes what is in the output folder, unless it may not become public: then the training continues."""
        folder = str(self.args.output_dir)
        if self.is_world_process_zero() and self.args.hub_strategy != HubStrategy.END:
            try:
                check_uploads(folder, list_files(folder), HfApi())
            except ValueError as error:
                logger.warning(f"Step {self.state.global_step} is not pushed to the Hub: {error}")
                return
        super()._push_from_checkpoint(checkpoint_folder)

    def report_metrics(self, split: str, metrics: dict) -> None:
        """Logs the metrics of `split` and saves them in the output folder."""
        self.log_metrics(split, metrics)
        self.save_metrics(split, metrics)


def read_state(checkpoint: str) -> TrainerState:
    return TrainerState.load_from_json(os.path.join(checkpoint, TRAINER_STATE_NAME))


def read_step(checkpoint: str) -> int:
    """Returns the checkpoint's global step."""
    return read_state(checkpoint).global_step


__all__ = ["DataWaitCallback", "RecipeTrainer"]
