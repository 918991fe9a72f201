# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What both recipes add to the `Trainer`: streams, resuming a finished run, the share of time waiting for data."""

import json
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate.data_loader import prepare_data_loader
from accelerate.utils import broadcast
from datasets import IterableDataset
from huggingface_hub import HfApi
from torch.utils.data import DataLoader, RandomSampler, Sampler
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainerState
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, EvalLoopOutput, HubStrategy, TrainOutput
from transformers.utils import logging

from ..hub.folder import load_json, write_text
from ..hub.publish import list_files
from ..hub.uploads import check_uploads
from .averaged_weights import AveragedWeights
from .checkpoints import begin_checkpoint, check_files, last_complete, read_state, remove_oldest, write_file_list
from .epoch_sampler import EpochSampler
from .interruption import IgnoreSignals, Interruption, Stopped, catch_signals, say
from .run_checks import FiniteCallback, check_weights_finite
from .run_totals import RunTotals
from .sharding import check_sharding, own_class
from .streams import StreamedBatches
from .time_limit import TimeLimit


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

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.waited = self.worked = 0.0

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
        ema_decay (`float`, *optional*):
            Decay per step of an exponential moving average of the weights. The average is evaluated, and it is in the
            model when training ends. Checkpoints hold it in addition to the weights.
        time_limit (`float`, *optional*): seconds after which training ends, as in [`TimeLimit`].
        early_stopping_patience (`int`, *optional*): evaluations without a better metric after which training ends.
        kwargs: of `Trainer`.
    """

    checkpoint: str | None = None  # that training resumes from
    first_step = 0  # its global step
    saved_step = last_step = -1  # of the last checkpoint, and of the last call of `_maybe_log_save_evaluate`
    has_stopped = False  # early, in that checkpoint
    is_saving = False
    sampler: EpochSampler | None = None
    interruption: Interruption

    def __init__(
        self,
        *args,
        callbacks: list[TrainerCallback] | None = None,
        stream_transform: Callable[[dict], dict] | None = None,
        ema_decay: float | None = None,
        time_limit: float | None = None,
        early_stopping_patience: int | None = None,
        **kwargs,
    ) -> None:
        self.data_wait = DataWaitCallback()
        self.stream_transform = stream_transform
        self.totals = RunTotals(self)
        super().__init__(*args, callbacks=[self.data_wait, self.totals, *(callbacks or [])], **kwargs)
        check_sharding(self)
        self.average = None if ema_decay is None else AveragedWeights(self, ema_decay)
        if self.average is not None:
            self.add_callback(self.average)
        self.time_limit = None if time_limit is None else TimeLimit(self, time_limit)
        if self.time_limit is not None:
            self.add_callback(self.time_limit)
        if early_stopping_patience is not None:
            self.add_callback(EarlyStoppingCallback(early_stopping_patience))
        self.add_callback(FiniteCallback(self))  # the last, since another may ask for a checkpoint

    def train(self, resume_from_checkpoint: str | bool | None = None, *args, **kwargs) -> TrainOutput:
        if resume_from_checkpoint is True:
            resume_from_checkpoint = last_complete(Path(str(self.args.output_dir))) or True  # then transformers raises
        self.checkpoint = resume_from_checkpoint if isinstance(resume_from_checkpoint, str) else None
        self.first_step, self.has_stopped = 0, False
        if self.checkpoint is not None:
            state = read_state(self.checkpoint)
            self.first_step, self.has_stopped = state.global_step, self.restore_patience(state)
            if self.time_limit is not None:
                self.has_stopped |= self.totals.read(state).get("runtime", 0) >= self.time_limit.seconds
        self.is_saving, self.saved_step, self.last_step = False, -1, -1
        with catch_signals(is_training=True) as self.interruption:
            output = super().train(resume_from_checkpoint, *args, **kwargs)
        if self.average is not None:
            self.average.finish()
        return self.totals.complete(output)

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None):
        is_new = self.lr_scheduler is None
        scheduler = super().create_scheduler(num_training_steps, optimizer)
        if self.time_limit is not None and is_new:
            self.time_limit.limit_schedule(scheduler, num_training_steps)
        return scheduler

    def evaluation_loop(self, *args, **kwargs) -> EvalLoopOutput:
        # the statistics of batch normalization have each process's last batch; the main process's are saved
        broadcast(list(self.accelerator.unwrap_model(self.model).buffers()))
        with self.average.applied() if self.average is not None else nullcontext():
            return super().evaluation_loop(*args, **kwargs)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """
        Saves the average too. A checkpoint without it has no trainer state yet, so it is not taken for a complete one.
        """
        super().save_model(output_dir, _internal_call)
        if self.average is not None and self.args.should_save:
            self.average.save(output_dir or str(self.args.output_dir))

    def _maybe_log_save_evaluate(self, tr_loss, grad_norm, model, trial, *args, **kwargs) -> None:
        """
        Ends the run after a signal, when a checkpoint is saved. A signal in the last step of an epoch waits for what
        is done at the end of the epoch, which a resumed run would leave out.
        """
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, trial, *args, **kwargs)
        step, is_epoch_end = self.state.global_step, self.last_step == self.state.global_step
        self.last_step = step
        number = self.interruption.agree()
        if not number or (float(self.state.epoch or 0).is_integer() and not is_epoch_end):
            return
        if self.saved_step != step:
            check_weights_finite(self)
            self._save_checkpoint(model, trial)
        if self.is_world_process_zero():
            say(f"Stopped at step {step}. The same command with `--resume_from_checkpoint last` resumes there.")
        raise Stopped(number)

    def _save_checkpoint(self, model, trial) -> None:
        """Saves a checkpoint whose last file lists the others. Only then older ones are removed, and it is pushed."""
        self.totals.store()
        args = self.args
        folder = Path(self._get_output_dir(trial), f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
        limit, args.save_total_limit = args.save_total_limit, None
        self.is_saving = True
        try:
            if args.should_save:
                begin_checkpoint(folder)
            self.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)
        finally:
            args.save_total_limit = limit
        self.accelerator.wait_for_everyone()
        if args.should_save:
            torch.save(args, folder / TRAINING_ARGS_NAME)  # with the limit
            write_file_list(folder)
        self.is_saving, self.saved_step = False, self.state.global_step
        if args.push_to_hub:
            self._push_from_checkpoint(str(folder))
        if args.should_save:
            best = {os.path.basename(self.state.best_model_checkpoint or "")}
            remove_oldest(folder.parent, limit, best | {folder.name})
        self.accelerator.wait_for_everyone()

    def _load_best_model(self) -> None:
        """Loads the best model. Raises `ValueError` if its checkpoint is damaged."""
        check_files(Path(str(self.state.best_model_checkpoint)))
        super()._load_best_model()

    def _get_dataloader(self, *args, **kwargs) -> DataLoader:
        loader = super()._get_dataloader(*args, **kwargs)
        loader.worker_init_fn = IgnoreSignals(loader.worker_init_fn)
        return loader

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
        if self.state.best_global_step and self.state.best_model_checkpoint is None:  # the folder was moved
            best = Path(str(resume_from_checkpoint)).with_name(
                f"{PREFIX_CHECKPOINT_DIR}-{self.state.best_global_step}"
            )
            self.state.best_model_checkpoint = str(best) if best.is_dir() else None
        return epochs, batches

    def _get_train_sampler(self, *args, **kwargs):
        sampler = super()._get_train_sampler(*args, **kwargs)
        is_random = isinstance(sampler, (RandomSampler, LengthGroupedSampler))
        return self.make_epoch_sampler(sampler) if is_random else sampler

    def make_epoch_sampler(self, sampler: Sampler) -> EpochSampler:
        """Gives a random sampler an order that depends on the seed and the epoch alone."""
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        self.sampler = EpochSampler(sampler, seed)
        return self.sampler

    def _run_epoch(self, model, epoch, *args, **kwargs) -> None:
        if self.sampler is not None:
            self.sampler.set_epoch(epoch)
        super()._run_epoch(model, epoch, *args, **kwargs)

    def restore_patience(self, state: TrainerState) -> bool:
        """
        Gives early stopping the number of evaluations without a better metric before the checkpoint. Returns whether
        the run has stopped there.
        """
        callbacks: dict = state.stateful_callbacks or {}  # ty: ignore[invalid-assignment]  # a list only when it is made
        saved = callbacks.get(EarlyStoppingCallback.__name__)
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, EarlyStoppingCallback) and isinstance(saved, dict):
                callback.early_stopping_patience_counter = saved["attributes"]["early_stopping_patience_counter"]
                return callback.early_stopping_patience_counter >= callback.early_stopping_patience
        return False

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        model = self.accelerator.unwrap_model(self.model)
        if self.args.save_on_each_node:  # transformers saves the weights on the first host alone
            vars(model)["should_save_on_this_rank"] = bool
        with own_class(model):
            super()._save(output_dir, state_dict)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        # in evaluation it counts the items of all processes' batches, but every batch has its own mean
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch if model.training else None)

    def prediction_step(self, model, inputs, *args, **kwargs):
        return super().prediction_step(model, self.ignore_repeated_rows(inputs), *args, **kwargs)

    def ignore_repeated_rows(self, inputs: dict) -> dict:
        """
        Takes from the loss the rows at the end of a split that accelerate repeats, for all processes to have equally
        many. They are dropped from predictions and labels, but are in the mean loss of their batch.
        """
        state, labels = self.accelerator.gradient_state, inputs.get("labels")
        if labels is None or labels.is_floating_point() or not state.end_of_dataloader or state.remainder <= 0:
            return inputs
        first_repeated = max(state.remainder - self.args.process_index * len(labels), 0)
        labels = labels.clone()
        labels[first_repeated:] = -100
        return {**inputs, "labels": labels}

    def set_initial_training_values(self, args, dataloader):
        epochs, steps_per_epoch, *others, max_steps = super().set_initial_training_values(args, dataloader)
        if self.first_step >= max_steps or self.has_stopped:
            logger.warning(f"Nothing is left to train: the checkpoint of step {self.first_step} is the run's last.")
            epochs = self.first_step // steps_per_epoch
        return epochs, steps_per_epoch, *others, max_steps

    def save_train_metrics(self, output: TrainOutput) -> None:
        """Saves the metrics of training as `train_*`. If the run had already finished, its own metrics stay."""
        results = Path(str(self.args.output_dir), "all_results.json")
        if output.global_step > self.first_step:
            if self.is_world_process_zero():
                results.unlink(missing_ok=True)  # of earlier weights
            share = {"train_loader_share": round(self.data_wait.share, 4)}
            self.save_metrics("train", {**output.metrics, **share})
        elif not results.is_file():
            self.save_metrics("train", {"epoch": self.state.epoch, **output.metrics})

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """
        Pushes what is in the output folder when the checkpoint is complete, unless it may not become public: then the
        training continues.
        """
        if self.is_saving:
            return
        folder = str(self.args.output_dir)
        if self.is_world_process_zero() and self.args.hub_strategy != HubStrategy.END:
            try:
                check_uploads(folder, list_files(folder), HfApi())
            except ValueError as error:
                logger.warning(f"Step {self.state.global_step} is not pushed to the Hub: {error}")
                return
        super()._push_from_checkpoint(checkpoint_folder)

    def save_metrics(self, split: str, metrics: dict, combined: bool = True) -> None:
        """Saves as the `Trainer` does, but atomically: a run that is killed leaves no part of a file."""
        if not self.is_world_process_zero():
            return
        folder = Path(str(self.args.output_dir))
        files = {f"{split}_results.json": metrics}
        if combined:
            files["all_results.json"] = {**load_json(folder / "all_results.json"), **metrics}
        for name, content in files.items():
            write_text(folder / name, json.dumps(content, indent=4, sort_keys=True) + "\n")

    def report_metrics(self, split: str, metrics: dict) -> None:
        """Logs the metrics of `split` and saves them in the output folder."""
        self.log_metrics(split, metrics)
        self.save_metrics(split, metrics)


__all__ = ["DataWaitCallback", "RecipeTrainer"]
