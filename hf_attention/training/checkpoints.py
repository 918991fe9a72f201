# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""What stands in an output folder, and whether a run may write or resume there."""

import glob
import json
import os

from transformers import PreTrainedConfig
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import CONFIG_NAME, logging

from ..hub.folder import check_weights
from .arguments import ImageModelArguments, ModelArguments


logger = logging.get_logger(__name__)


def read_results(output_dir: str) -> dict:
    """What `all_results.json` holds; nothing where no process has written it here."""
    results = os.path.join(output_dir, "all_results.json")
    if not os.path.isfile(results):
        return {}
    with open(results, encoding="utf-8") as file:
        return json.load(file)


def check_model_to_tune(args: ModelArguments | ImageModelArguments):
    """Raises `ValueError` where options of a new model are set too, or a folder's weights are not whole."""
    if args.config_overrides or args.preset:
        raise ValueError(
            "`config_overrides` and `preset` are for a new model; one of `model_name_or_path` has its config."
        )
    if os.path.isdir(args.model_name_or_path):
        check_weights(args.model_name_or_path)


def find_checkpoint(output_dir: str, wanted: str) -> str:
    """
    The checkpoint to resume from: the folder `wanted`, or for `last` the newest whole one under `output_dir`.

    Raises `ValueError` where the folder named is no whole checkpoint, or none is there.
    """
    if wanted.lower() not in ("last", "true"):
        check_checkpoint(wanted)
        return wanted
    folders = glob.glob(os.path.join(output_dir, f"{PREFIX_CHECKPOINT_DIR}-*"))
    for folder in sorted(folders, key=lambda name: int(name.rsplit("-", 1)[1]), reverse=True):
        try:
            check_checkpoint(folder)
            return folder
        except ValueError as error:
            logger.warning(f"Passing over {folder}: {error}")
    raise ValueError(f"`resume_from_checkpoint={wanted}`, but {output_dir} holds no whole checkpoint.")


def check_checkpoint(folder: str):
    if not os.path.isfile(os.path.join(folder, TRAINER_STATE_NAME)):
        raise ValueError(f"{folder} is no whole checkpoint: it has no {TRAINER_STATE_NAME}.")
    check_weights(folder)


def check_output_dir(output_dir: str, config: PreTrainedConfig, overwrite: bool, resume: bool):
    """
    Raises `ValueError` where `output_dir` holds a model or checkpoints that the run would write over: any, unless it
    resumes or is told to overwrite; and another model's, even where it resumes.
    """
    if os.path.isfile(output_dir):
        raise ValueError(f"`output_dir` ({output_dir}) is a file. Name a folder.")
    if not os.path.isdir(output_dir) or overwrite:
        return
    configs = glob.glob(os.path.join(output_dir, CONFIG_NAME))
    configs += glob.glob(os.path.join(output_dir, f"{PREFIX_CHECKPOINT_DIR}-*", CONFIG_NAME))
    if configs and not resume:
        raise ValueError(
            f"`output_dir` ({output_dir}) holds another run ({configs[0]}). Name another folder, go on with "
            "`--resume_from_checkpoint last`, or replace it with `--overwrite_output_dir`."
        )
    for file in configs:
        found, _ = PreTrainedConfig.get_config_dict(os.path.dirname(file))
        wanted = config.to_dict()
        names = ("model_type", "vocab_size", "hidden_size", "d_model", "encoder_layers", "decoder_layers")
        names += ("image_size", "num_channels", "num_hidden_layers", "tokenizer_type", "patch_size")
        different = [name for name in names if name in found and found[name] != wanted.get(name)]
        if different:
            details = ", ".join(f"{name} {found[name]} instead of {wanted.get(name)}" for name in different)
            raise ValueError(f"{file} is of another model ({details}), so this run cannot go on from it.")
