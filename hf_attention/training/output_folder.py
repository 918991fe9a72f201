# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The output folder of a run: what it holds, and whether a run may write or resume there."""

import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from accelerate.utils import gather_object
from huggingface_hub import HfApi
from transformers import PreTrainedConfig
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import HubStrategy
from transformers.utils import CONFIG_NAME, logging

from ..faithfulness.result import RESULT_FILE
from ..hub.card import CARD, EVAL_RESULTS
from ..hub.card_merge import read_card
from ..hub.faithfulness_section import LEADING_MAP
from ..hub.folder import TRAINING_ARGS, find_pickles, read_text, write_text
from ..hub.publish import check_can_publish, list_files, publish_model
from ..hub.uploads import check_uploads
from .arguments import RunArguments
from .checkpoints import (
    check_checkpoint,
    check_files,
    is_unfinished,
    numbered_checkpoints,
    read_state,
    remove_checkpoint,
    step_of_name,
)
from .recipe_trainer import RecipeTrainer
from .run_checks import check_trained


logger = logging.get_logger(__name__)

PREDICTIONS, IMAGE_PREDICTIONS = "predictions.tsv", "predictions.csv"
RUN_FILES = (
    PREDICTIONS,
    IMAGE_PREDICTIONS,
    "all_results.json",
    RESULT_FILE,
    "train_results.json",
    "eval_results.json",
    "test_results.json",
    "test_unseen_fonts_results.json",
    TRAINER_STATE_NAME,
)
RUN_FILES += (TRAINING_ARGS, EVAL_RESULTS, LEADING_MAP)
# options of a config that must not change when a run resumes
MODEL_OPTIONS = ("model_type", "vocab_size", "hidden_size", "d_model", "encoder_layers", "decoder_layers")
MODEL_OPTIONS += ("image_size", "num_channels", "num_hidden_layers", "tokenizer_type", "patch_size")
MODEL_OPTIONS += ("encoder_vocab_size", "source_lang", "target_lang")
# what a write raises if there is no space, or no permission (any more)
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)

T = TypeVar("T")


class OutputFolder:
    """
    The output folder of a run. A recipe calls, in this order:

    1. `find_checkpoint`, before the data is tokenized;
    2. `check`, with the model's config, before anything is written;
    3. `train`, which trains, and saves the model;
    4. `explain_full_disk`, around the card, and `push`;
    5. `read_results`.

    Args:
        args (`RunArguments`): the training arguments of the run.
    """

    def __init__(self, args: RunArguments) -> None:
        self.args = args
        self.path = Path(str(args.output_dir))
        self.resumes = args.do_train and args.resume_from_checkpoint is not None

    def find_checkpoint(self) -> str | None:
        """
        Returns the checkpoint to resume from: the folder that `resume_from_checkpoint` names, or the newest complete
        one for `last` or `auto`. Returns `None` for a run that does not resume, and for `auto` if there is none. All
        processes return the same.

        Raises `ValueError` if that folder is not a complete checkpoint, there is none, or not on every host.
        """
        name = self.args.resume_from_checkpoint
        if not self.resumes or name is None:
            return None
        if name.lower() not in ("last", "true", "auto"):
            if problem := next(filter(None, self.on_every_host(self.problem_of(Path(name)))), None):
                raise ValueError(problem)
            return name
        problems: dict[Path, str] = {}
        newest = sys.maxsize
        while True:  # until all hosts have the same: one may have been killed while it saved
            steps = self.on_every_host(self.newest_complete(newest, problems))
            if len(set(steps)) == 1:
                break
            newest = min(steps)
        for problem in problems.values():
            logger.warning(f"Skipping a checkpoint: {problem}")
        if steps[0]:
            return str(next(path for path in numbered_checkpoints(self.path) if step_of_name(path) == steps[0]))
        if newest < sys.maxsize:
            raise ValueError(
                f"Only some hosts have complete checkpoints in `output_dir` ({self.path}). Use a folder that all "
                "hosts share, or, for a new run, set `--save_on_each_node true`."
            )
        if name.lower() == "auto":
            self.resumes = False
            return None
        reason = f" ({next(iter(problems.values()))})" if problems else ""
        raise ValueError(
            f"`resume_from_checkpoint={name}`, but {self.path} holds no complete checkpoint{reason}. "
            "`--resume_from_checkpoint auto` starts from the beginning then."
        )

    def on_every_host(self, value: T) -> list[T]:
        """Returns the value of each host's first process."""
        values = gather_object([(self.args.local_process_index, value)])
        return [value for index, value in values if index == 0]

    def newest_complete(self, newest: int, problems: dict[Path, str]) -> int:
        """
        Returns the step of the last complete checkpoint up to step `newest`, or 0. Adds what is wrong with later ones
        to `problems`. On a host's first process: the files are read.
        """
        if self.args.local_process_index == 0:
            for checkpoint in reversed(numbered_checkpoints(self.path)):
                if step_of_name(checkpoint) <= newest and checkpoint not in problems:
                    problem = self.problem_of(checkpoint)
                    if problem is None:
                        return step_of_name(checkpoint)
                    problems[checkpoint] = problem
        return 0

    def problem_of(self, checkpoint: Path) -> str | None:
        """Returns why training cannot resume from a checkpoint, if so: it is incomplete, or its best model is."""
        try:
            check_checkpoint(checkpoint)
            best = read_state(checkpoint).best_model_checkpoint
            if best and self.args.load_best_model_at_end:
                best = checkpoint.with_name(Path(best).name)
                if best != checkpoint:
                    check_files(best)
        except (OSError, ValueError) as error:
            return str(error)
        return None

    def check(self, config: PreTrainedConfig, checkpoint: str | None) -> None:
        """
        Raises `ValueError` or `OSError` if the run would fail at its end, or overwrite another run.

        Args:
            config (`PreTrainedConfig`): of the model to train.
            checkpoint (`str`, *optional*): what [`~OutputFolder.find_checkpoint`] returned.
        """
        if not self.args.do_train:
            self.check_no_metrics()
            return
        if checkpoint is not None:
            check_same_model(Path(checkpoint), config)
        self.check_no_other_run(config)
        self.check_push(config)
        self.check_writable()

    def check_no_metrics(self) -> None:
        """Raises `ValueError` if an evaluation alone would overwrite the metrics of a training run."""
        if (self.path / TRAINER_STATE_NAME).is_file():
            raise ValueError(
                f"`output_dir` ({self.path}) holds the metrics of a training run. Without `do_train`, name another."
            )

    def check_no_other_run(self, config: PreTrainedConfig) -> None:
        """
        Raises `ValueError` if the folder holds

        - a finished model or complete checkpoints, unless the run resumes or may overwrite them;
        - a model that differs from `config`, even if the run resumes;
        - a card that cannot be updated.
        """
        if self.path.is_file():
            raise ValueError(f"`output_dir` ({self.path}) is a file. Name a folder.")
        read_card(read_text(self.path / CARD) or "")
        if self.args.overwrite_output_dir:
            return
        folders = [self.path] if holds_model(self.path) else []
        if self.resumes:
            for folder in folders:
                check_same_model(folder, config)
            return
        folders += [folder for folder in numbered_checkpoints(self.path) if self.problem_of(folder) is None]
        if folders:
            raise ValueError(
                f"`output_dir` ({self.path}) holds another run ({folders[0] / CONFIG_NAME}). Name another folder, "
                "resume with `--resume_from_checkpoint last`, or replace it with `--overwrite_output_dir`."
            )

    def check_writable(self) -> None:
        """Raises `OSError` if this process cannot write into the folder, or create it."""
        folder = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        try:
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-"):
                pass
        except OSError as error:
            raise OSError(
                error.errno, f"Cannot write into `output_dir` ({error.strerror}). Name another folder", str(self.path)
            ) from error

    def check_push(self, config: PreTrainedConfig) -> None:
        """Raises `ValueError` or `OSError` if the Hub would refuse, at the end, what `push_to_hub` asks for."""
        args = self.args
        if args.push_to_hub and args.process_index == 0:
            name = args.hub_model_id or self.path.resolve().name
            check_can_publish(name, config.model_type, args.hub_private_repo, args.hub_revision)
            if args.hub_strategy != HubStrategy.END:  # during training the Trainer pushes everything in the folder
                check_uploads(self.path, list_files(self.path), HfApi())

    def train(self, trainer: RecipeTrainer, checkpoint: str | None, parent: str | None, options: dict) -> None:
        """
        Trains, and saves the model, the options and the metrics of training.

        Args:
            trainer (`RecipeTrainer`): its output folder is this one.
            checkpoint (`str`, *optional*): the checkpoint to resume from.
            parent (`str`, *optional*): the model that is fine-tuned.
            options (`dict`): what [`describe_options`] returned.

        Raises `ValueError` if the run makes no step, or diverges. A model that was in the folder stays.
        """
        with self.explain_full_disk(trainer):
            self.clear(parent)
            output = trainer.train(resume_from_checkpoint=checkpoint)
            check_trained(trainer, output)
            self.save_model(trainer)
            if trainer.is_world_process_zero():
                write_text(self.path / TRAINING_ARGS, json.dumps(options, indent=2, ensure_ascii=False))
            trainer.save_train_metrics(output)
            trainer.save_state()

    def report(self, trainer: RecipeTrainer, split: str, metrics: dict) -> None:
        """Logs the metrics of `split` and saves them in the folder."""
        with self.explain_full_disk(trainer):
            trainer.report_metrics(split, metrics)

    def clear(self, parent: str | None) -> None:
        """
        Removes checkpoints and metrics of the run that `overwrite_output_dir` replaces. Its model stays until the new
        one is saved. Its card stays and is updated. The checkpoint that is fine-tuned (`parent`) stays too.
        """
        if not self.args.overwrite_output_dir or self.resumes or not self.args.should_save:
            return
        for folder in numbered_checkpoints(self.path):
            if parent is None or Path(parent).resolve() != folder.resolve():
                remove_checkpoint(folder)
        for name in RUN_FILES:
            (self.path / name).unlink(missing_ok=True)

    def save_model(self, trainer: RecipeTrainer) -> None:
        """Saves atomically: a failure leaves the previous model as it was."""
        scratch = self.path / ".saving"
        trainer.is_saving = True
        try:
            trainer.save_model(str(scratch), _internal_call=True)  # an internal call neither pushes nor writes a card
            if self.args.should_save:
                # the config last: a folder without it is not a finished model
                files = (file for file in scratch.rglob("*") if file.is_file())
                for file in sorted(files, key=lambda file: file.name == CONFIG_NAME):
                    target = self.path / file.relative_to(scratch)
                    target.parent.mkdir(exist_ok=True)
                    file.replace(target)
            trainer.is_saving = False
        finally:
            if self.args.should_save:
                shutil.rmtree(scratch, ignore_errors=True)

    def push(self, trainer: RecipeTrainer, trust_remote_code: bool) -> None:
        """
        Publishes the finished folder if `push_to_hub` asks for it, with its own card instead of the Trainer's, in one
        commit.

        Raises `OSError` if the Hub refuses it, or `ValueError` if it cannot be shared. The folder is complete then,
        and `scripts/publish.py` can upload it.
        """
        args = self.args
        if not args.push_to_hub:
            return
        repo_id = str(trainer.hub_model_id)
        try:
            publish_model(
                str(self.path),
                repo_id,
                private=args.hub_private_repo,
                revision=args.hub_revision,
                commit_message="End of training",
                trust_remote_code=trust_remote_code,
            )
        except (OSError, ValueError) as error:
            command = f"python scripts/publish.py {self.path} {repo_id}"
            command += f" --revision {args.hub_revision}" if args.hub_revision else ""
            kind = OSError if isinstance(error, OSError) else ValueError
            raise kind(f"{error} The model is in {self.path}; `{command}` uploads it.") from error

    @contextmanager
    def explain_full_disk(self, trainer: RecipeTrainer) -> Generator[None]:
        """
        If the disk is full (or read-only, or fails), removes the unfinished checkpoint, and raises an `OSError` that
        names the last complete one.
        """
        try:
            yield
        except Exception as error:
            reason = self.why_not_written(trainer, error)
            if reason is None:
                raise
            for checkpoint in filter(is_unfinished, numbered_checkpoints(self.path)):
                shutil.rmtree(checkpoint, ignore_errors=True)
            last = self.newest_complete(sys.maxsize, {})
            resumed = "last" if last else "auto"
            last = f"The last complete checkpoint is that of step {last}" if last else "There is no checkpoint yet"
            raise OSError(
                reason,
                f"Cannot save in `output_dir` ({os.strerror(reason)}). {last}: free some space and run again with "
                f"`--resume_from_checkpoint {resumed}` (or another `output_dir`)",
                str(self.path),
            ) from error

    def why_not_written(self, trainer: RecipeTrainer, error: BaseException | None) -> int | None:
        """
        Returns the error number of a file that could not be written, if that is why a run failed. The errors of torch
        and safetensors have none, so if they are raised while saving, twice the size of the model, which is about that
        of the optimizer's state, is reserved on the disk.
        """
        while error is not None:
            if isinstance(error, OSError) and error.errno in CANNOT_WRITE:
                return error.errno
            error = error.__cause__ or error.__context__
        if not trainer.is_saving or trainer.model is None:
            return None
        size = 2 * sum(weight.numel() * weight.element_size() for weight in trainer.model.parameters())
        try:
            with tempfile.NamedTemporaryFile(dir=self.path, prefix=".probe-") as probe:
                os.posix_fallocate(probe.fileno(), 0, max(size, 1))
        except OSError as full:
            return full.errno if full.errno in CANNOT_WRITE else None
        return None

    def read_results(self) -> dict:
        """Returns the content of `all_results.json`, or an empty dictionary if there is none."""
        text = read_text(self.path / "all_results.json")
        return {} if text is None else json.loads(text)


def holds_model(folder: Path) -> bool:
    """Returns whether a folder holds a config and weights."""
    return (folder / CONFIG_NAME).is_file() and bool([*folder.glob("model*.safetensors"), *find_pickles(folder)])


def check_same_model(folder: Path, config: PreTrainedConfig) -> None:
    """Raises `ValueError` if the model in `folder` differs from `config`'s, or translates other languages."""
    saved, _ = PreTrainedConfig.get_config_dict(folder)
    new = config.to_dict()
    different = [name for name in MODEL_OPTIONS if name in saved and saved[name] != new.get(name)]
    if different:
        details = ", ".join(f"{name} {saved[name]} instead of {new.get(name)}" for name in different)
        raise ValueError(f"{folder / CONFIG_NAME} is of another model ({details}), so this run cannot resume from it.")


__all__ = ["OutputFolder"]
