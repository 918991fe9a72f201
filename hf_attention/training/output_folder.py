# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The output folder of a run: what it holds, and whether a run may write or resume there."""

import errno
import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi
from transformers import PreTrainedConfig
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, HubStrategy
from transformers.utils import CONFIG_NAME, logging

from ..hub.card import CARD, EVAL_RESULTS
from ..hub.card_merge import read_card
from ..hub.folder import TRAINING_ARGS, check_weights, read_text, write_text
from ..hub.publish import check_can_publish, list_files, publish_model
from ..hub.uploads import check_uploads
from .arguments import RunArguments
from .recipe_trainer import RecipeTrainer, read_step
from .run_checks import check_can_step, check_trained


logger = logging.get_logger(__name__)

RUN_FILES = ("all_results.json", "train_results.json", "eval_results.json", "test_results.json", TRAINER_STATE_NAME)
RUN_FILES += (TRAINING_ARGS, EVAL_RESULTS)
# options of a config that must not change when a run resumes
MODEL_OPTIONS = ("model_type", "vocab_size", "hidden_size", "d_model", "encoder_layers", "decoder_layers")
MODEL_OPTIONS += ("image_size", "num_channels", "num_hidden_layers", "tokenizer_type", "patch_size")
MODEL_OPTIONS += ("encoder_vocab_size", "source_lang", "target_lang")
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# safetensors and torch raise other errors, with these words
DISK_FULL_MESSAGES = (os.strerror(errno.ENOSPC), os.strerror(errno.EFBIG), "PytorchStreamWriter failed writing file")


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
        Returns the checkpoint to resume from: the folder that `resume_from_checkpoint` names, the newest complete one
        for `last`, or `None` for a run that does not resume.

        Raises `ValueError` if that folder is not a complete checkpoint, or there is none.
        """
        name = self.args.resume_from_checkpoint
        if not self.resumes or name is None:
            return None
        if name.lower() not in ("last", "true"):
            check_checkpoint(Path(name))
            return name
        for checkpoint in sorted(self.numbered_checkpoints(), key=step_of_name, reverse=True):
            try:
                check_checkpoint(checkpoint)
                return str(checkpoint)
            except ValueError as error:
                logger.warning(f"Skipping {checkpoint}: {error}")
        raise ValueError(f"`resume_from_checkpoint={name}`, but {self.path} holds no complete checkpoint.")

    def checkpoints(self) -> list[Path]:
        return list(self.path.glob(f"{PREFIX_CHECKPOINT_DIR}-*"))

    def numbered_checkpoints(self) -> list[Path]:
        """The Trainer's checkpoints. Those of another name are the user's."""
        return [folder for folder in self.checkpoints() if folder.name.rsplit("-", 1)[1].isdigit()]

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

    def check_no_metrics(self) -> None:
        """Raises `ValueError` if an evaluation alone would overwrite the metrics of a training run."""
        if (self.path / TRAINER_STATE_NAME).is_file():
            raise ValueError(
                f"`output_dir` ({self.path}) holds the metrics of a training run. Without `do_train`, name another."
            )

    def check_no_other_run(self, config: PreTrainedConfig) -> None:
        """
        Raises `ValueError` if the folder holds

        - a model or checkpoints, unless the run resumes or may overwrite them;
        - a model that differs from `config`, even if the run resumes;
        - a card that cannot be updated.
        """
        if self.path.is_file():
            raise ValueError(f"`output_dir` ({self.path}) is a file. Name a folder.")
        read_card(read_text(self.path / CARD) or "")
        if self.args.overwrite_output_dir:
            return
        folders = [folder for folder in (self.path, *self.checkpoints()) if (folder / CONFIG_NAME).is_file()]
        if folders and not self.resumes:
            raise ValueError(
                f"`output_dir` ({self.path}) holds another run ({folders[0] / CONFIG_NAME}). Name another folder, "
                "resume with `--resume_from_checkpoint last`, or replace it with `--overwrite_output_dir`."
            )
        for folder in folders:
            check_same_model(folder, config)

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

        Raises `ValueError` if the run cannot make a step, or diverges. A model that was in the folder stays.
        """
        check_can_step(trainer)
        with self.explain_full_disk():
            self.clear(parent)
            output = trainer.train(resume_from_checkpoint=checkpoint)
            check_trained(trainer, output)
            self.save_model(trainer)
            if trainer.is_world_process_zero():
                write_text(self.path / TRAINING_ARGS, json.dumps(options, indent=2, ensure_ascii=False))
        trainer.save_train_metrics(output)
        trainer.save_state()

    def clear(self, parent: str | None) -> None:
        """
        Removes checkpoints and metrics of the run that `overwrite_output_dir` replaces. Its model stays until the new
        one is saved. Its card stays and is updated. The checkpoint that is fine-tuned (`parent`) stays too.
        """
        if not self.args.overwrite_output_dir or self.resumes or not self.args.should_save:
            return
        for folder in self.numbered_checkpoints():
            if parent is None or Path(parent).resolve() != folder.resolve():
                shutil.rmtree(folder)
        for name in RUN_FILES:
            (self.path / name).unlink(missing_ok=True)

    def save_model(self, trainer: RecipeTrainer) -> None:
        """Saves atomically: a failure leaves the previous model as it was."""
        scratch = self.path / ".saving"
        try:
            trainer.save_model(str(scratch), _internal_call=True)  # an internal call neither pushes nor writes a card
            if trainer.is_world_process_zero():
                for file in (file for file in scratch.rglob("*") if file.is_file()):
                    target = self.path / file.relative_to(scratch)
                    target.parent.mkdir(exist_ok=True)
                    file.replace(target)
        finally:
            if trainer.is_world_process_zero():
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
    def explain_full_disk(self) -> Generator[None]:
        """
        If the disk is full, removes the incomplete checkpoint, and raises an `OSError` that names the last complete
        one.
        """
        before = set(self.checkpoints())
        try:
            yield
        except Exception as error:
            if not is_disk_full(error):
                raise
            for checkpoint in set(self.checkpoints()) - before:
                if not is_complete(checkpoint):
                    shutil.rmtree(checkpoint, ignore_errors=True)
            complete = sorted(filter(is_complete, self.numbered_checkpoints()), key=step_of_name)
            last = f"The last complete checkpoint is {complete[-1]}" if complete else "There is no checkpoint yet"
            raise OSError(
                errno.ENOSPC,
                f"No space left to save in `output_dir`. {last}: free some and run again with "
                "`--resume_from_checkpoint last` (or another `output_dir`).",
                str(self.path),
            ) from error

    def read_results(self) -> dict:
        """Returns the content of `all_results.json`, or an empty dictionary if there is none."""
        text = read_text(self.path / "all_results.json")
        return {} if text is None else json.loads(text)


def step_of_name(checkpoint: Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1])


def check_checkpoint(folder: Path) -> None:
    """Raises `ValueError` if the folder is not a complete checkpoint."""
    if not (folder / TRAINER_STATE_NAME).is_file():
        raise ValueError(f"{folder} is not a complete checkpoint: it has no {TRAINER_STATE_NAME}.")
    try:
        read_step(str(folder))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder} is not a complete checkpoint: invalid {TRAINER_STATE_NAME}.") from error
    check_weights(str(folder))


def is_complete(checkpoint: Path) -> bool:
    try:
        check_checkpoint(checkpoint)
    except ValueError:
        return False
    return True


def check_same_model(folder: Path, config: PreTrainedConfig) -> None:
    """Raises `ValueError` if the model in `folder` differs from `config`'s, or translates other languages."""
    saved, _ = PreTrainedConfig.get_config_dict(folder)
    new = config.to_dict()
    different = [name for name in MODEL_OPTIONS if name in saved and saved[name] != new.get(name)]
    if different:
        details = ", ".join(f"{name} {saved[name]} instead of {new.get(name)}" for name in different)
        raise ValueError(f"{folder / CONFIG_NAME} is of another model ({details}), so this run cannot resume from it.")


def is_disk_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    return any(message in str(error) for message in DISK_FULL_MESSAGES)


__all__ = ["OutputFolder"]
