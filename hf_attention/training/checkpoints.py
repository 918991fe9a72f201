# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What stands in an output folder, and whether a run may write or resume there."""

import errno
import glob
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi
from transformers import PreTrainedConfig, Trainer, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, HubStrategy
from transformers.utils import (
    CONFIG_NAME,
    SAFE_WEIGHTS_INDEX_NAME,
    SAFE_WEIGHTS_NAME,
    WEIGHTS_INDEX_NAME,
    WEIGHTS_NAME,
    has_file,
    logging,
)

from ..hub.card import CARD, EVAL_RESULTS
from ..hub.card_merge import read_card
from ..hub.folder import TRAINING_ARGS, check_secrets, check_weights, read_text, refuse_pickles, write_text
from ..hub.publish import check_can_publish, publish_model
from .arguments import ImageModelArguments, ImageTrainingArguments, ModelArguments, TranslationTrainingArguments


logger = logging.get_logger(__name__)

OF_A_RUN = ("all_results.json", "train_results.json", "eval_results.json", "test_results.json", TRAINER_STATE_NAME)
OF_A_RUN += (TRAINING_ARGS, EVAL_RESULTS)


def read_results(output_dir: str) -> dict:
    """What `all_results.json` holds; nothing where no process has written it here."""
    results = os.path.join(output_dir, "all_results.json")
    if not os.path.isfile(results):
        return {}
    with open(results, encoding="utf-8") as file:
        return json.load(file)


def check_model_to_tune(args: ModelArguments | ImageModelArguments):
    """Raises `ValueError` where options of a new model are set too, or weights are not whole, or a pickle."""
    if args.model_name_or_path is None:
        return
    if args.config_overrides or args.preset:
        raise ValueError(
            "`config_overrides` and `preset` are for a new model; one of `model_name_or_path` has its config."
        )
    if args.model_type != type(args).model_type:
        raise ValueError(f"`model_type` ({args.model_type}) is for a new model; `model_name_or_path` has a type.")
    if os.path.isdir(args.model_name_or_path):
        check_weights(args.model_name_or_path)
        return

    def holds(*names: str) -> bool:
        return any(has_file(args.model_name_or_path, name, revision=args.model_revision) for name in names)

    if not holds(SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME) and holds(WEIGHTS_NAME, WEIGHTS_INDEX_NAME):
        raise refuse_pickles(args.model_name_or_path, [WEIGHTS_NAME])


def find_checkpoint(output_dir: str, wanted: str) -> str:
    """
    The checkpoint to resume from: the folder `wanted`, or for `last` the newest whole one under `output_dir`.

    Raises `ValueError` where the folder named is no whole checkpoint, or none is there.
    """
    if wanted.lower() not in ("last", "true"):
        check_checkpoint(wanted)
        return wanted
    for folder in sorted(numbered_checkpoints(output_dir), key=lambda name: int(name.rsplit("-", 1)[1]), reverse=True):
        try:
            check_checkpoint(folder)
            return folder
        except ValueError as error:
            logger.warning(f"Passing over {folder}: {error}")
    raise ValueError(f"`resume_from_checkpoint={wanted}`, but {output_dir} holds no whole checkpoint.")


def list_checkpoints(output_dir: str) -> list[str]:
    return glob.glob(os.path.join(glob.escape(output_dir), f"{PREFIX_CHECKPOINT_DIR}-*"))


def numbered_checkpoints(output_dir: str) -> list[str]:
    """The Trainer's; one of another name is a person's."""
    return [name for name in list_checkpoints(output_dir) if name.rsplit("-", 1)[1].isdigit()]


def check_checkpoint(folder: str):
    if not os.path.isfile(os.path.join(folder, TRAINER_STATE_NAME)):
        raise ValueError(f"{folder} is no whole checkpoint: it has no {TRAINER_STATE_NAME}.")
    try:
        read_step(folder)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder} is no whole checkpoint: its {TRAINER_STATE_NAME} cannot be read.") from error
    check_weights(folder)


def read_step(checkpoint: str) -> int:
    """Of how many steps a checkpoint is."""
    return TrainerState.load_from_json(os.path.join(checkpoint, TRAINER_STATE_NAME)).global_step


def check_output_dir(output_dir: str, config: PreTrainedConfig, overwrite: bool, resume: bool):
    """
    Raises `ValueError` where `output_dir` holds a model or checkpoints that the run would write over: any, unless it
    resumes or is told to overwrite; and another model's, even where it resumes; and where it holds a card that cannot
    be renewed.
    """
    if os.path.isfile(output_dir):
        raise ValueError(f"`output_dir` ({output_dir}) is a file. Name a folder.")
    read_card(read_text(Path(output_dir, CARD)) or "")
    if not os.path.isdir(output_dir) or overwrite:
        return
    configs = [os.path.join(folder, CONFIG_NAME) for folder in (output_dir, *list_checkpoints(output_dir))]
    configs = [file for file in configs if os.path.isfile(file)]
    if configs and not resume:
        raise ValueError(
            f"`output_dir` ({output_dir}) holds another run ({configs[0]}). Name another folder, go on with "
            "`--resume_from_checkpoint last`, or replace it with `--overwrite_output_dir`."
        )
    for file in configs:
        check_same_model(os.path.dirname(file), config)


def check_figures(output_dir: str):
    """Raises `ValueError` where an evaluation alone would write over the figures of a run that trained."""
    if os.path.isfile(os.path.join(output_dir, TRAINER_STATE_NAME)):
        raise ValueError(
            f"`output_dir` ({output_dir}) holds the figures of a run that trained. Without `do_train`, name another."
        )


def check_same_model(folder: str, config: PreTrainedConfig):
    """Raises `ValueError` where the model in `folder` is another than `config`'s, or translates another way."""
    found, _ = PreTrainedConfig.get_config_dict(folder)
    wanted = config.to_dict()
    names = ("model_type", "vocab_size", "hidden_size", "d_model", "encoder_layers", "decoder_layers")
    names += ("image_size", "num_channels", "num_hidden_layers", "tokenizer_type", "patch_size")
    names += ("encoder_vocab_size", "source_lang", "target_lang")
    different = [name for name in names if name in found and found[name] != wanted.get(name)]
    if different:
        details = ", ".join(f"{name} {found[name]} instead of {wanted.get(name)}" for name in different)
        file = os.path.join(folder, CONFIG_NAME)
        raise ValueError(f"{file} is of another model ({details}), so this run cannot go on from it.")


def clear_output_dir(args: ImageTrainingArguments | TranslationTrainingArguments, parent: str | None = None):
    """
    Removes checkpoints and figures of the run that `overwrite_output_dir` replaces, as training begins. Its model
    stays until the new one is saved, and so does its card, which is renewed but for what a person wrote, and the
    checkpoint that is trained on (`parent`).
    """
    if not args.overwrite_output_dir or args.resume_from_checkpoint is not None or not args.should_save:
        return
    for folder in numbered_checkpoints(args.output_dir):
        if parent is None or os.path.realpath(parent) != os.path.realpath(folder):
            shutil.rmtree(folder)
    for name in OF_A_RUN:
        Path(args.output_dir, name).unlink(missing_ok=True)


def save_model_whole(trainer: Trainer):
    """Saves beside, then moves into place, so that a save that fails leaves the model that was there."""
    scratch = os.path.join(trainer.args.output_dir, ".saving")
    try:
        trainer.save_model(scratch, _internal_call=True)  # so called, it does not push, nor write a card
        if trainer.is_world_process_zero():
            for name in os.listdir(scratch):
                os.replace(os.path.join(scratch, name), os.path.join(trainer.args.output_dir, name))
    finally:
        if trainer.is_world_process_zero():
            shutil.rmtree(scratch, ignore_errors=True)


def write_options(output_dir: str, options: dict):
    write_text(Path(output_dir, TRAINING_ARGS), json.dumps(options, indent=2, ensure_ascii=False))


def check_push(args: TrainingArguments, config: PreTrainedConfig):
    """Raises `ValueError` or `OSError` where the Hub would not take, at the end, what `push_to_hub` asks for."""
    if args.push_to_hub and args.process_index == 0:
        name = args.hub_model_id or os.path.basename(os.path.abspath(args.output_dir))
        check_can_publish(name, config.model_type, args.hub_private_repo, args.hub_revision)
        if args.hub_strategy != HubStrategy.END:  # on its way the Trainer pushes whatever the folder holds
            files = [str(file.relative_to(args.output_dir)) for file in Path(args.output_dir).rglob("*")]
            check_secrets(args.output_dir, [file for file in files if Path(args.output_dir, file).is_file()], HfApi())


def push(trainer: Trainer, trust_remote_code: bool):
    """
    Publishes the finished folder where `push_to_hub` asks for it: our card, and not the Trainer's, in one commit.

    Raises `OSError` where the Hub does not take it, `ValueError` where it cannot be shared; the folder is whole, and
    `scripts/publish.py` finishes.
    """
    args = trainer.args
    if not args.push_to_hub:
        return
    try:
        publish_model(
            args.output_dir,
            trainer.hub_model_id,
            private=args.hub_private_repo,
            revision=args.hub_revision,
            commit_message="End of training",
            trust_remote_code=trust_remote_code,
        )
    except (OSError, ValueError) as error:
        command = f"python scripts/publish.py {args.output_dir} {trainer.hub_model_id}"
        command += f" --revision {args.hub_revision}" if args.hub_revision else ""
        kind = OSError if isinstance(error, OSError) else ValueError
        raise kind(f"{error} The model is in {args.output_dir}; `{command}` uploads it.") from error


@contextmanager
def explained_full_disk(output_dir: str):
    """Where the disk is full, removes the checkpoint it was writing and says from which to go on (`OSError`)."""
    before = set(list_checkpoints(output_dir))
    try:
        yield
    except Exception as error:
        if not is_full_disk(error):
            raise
        for folder in set(list_checkpoints(output_dir)) - before:
            try:
                check_checkpoint(folder)
            except ValueError:
                shutil.rmtree(folder, ignore_errors=True)
        try:
            last = f"The last whole checkpoint is {find_checkpoint(output_dir, 'last')}"
        except ValueError:
            last = "There is no checkpoint yet"
        raise OSError(
            errno.ENOSPC,
            f"No room to save in `output_dir`. {last}: make room and run again with `--resume_from_checkpoint last` "
            "(or another `output_dir`).",
            output_dir,
        ) from error


def is_full_disk(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    # safetensors and torch tell it in words
    signs = (os.strerror(errno.ENOSPC), os.strerror(errno.EFBIG), "PytorchStreamWriter failed writing file")
    return any(sign in str(error) for sign in signs)
