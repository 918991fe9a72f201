# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Arguments that the training scripts share: from the command line, or from one YAML or JSON file."""

import difflib
import json
import os
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import timedelta
from typing import ClassVar

import torch
import torch.distributed as dist
from transformers import CONFIG_MAPPING, TrainingArguments
from transformers.integrations import get_available_reporting_integrations
from transformers.utils import (
    SAFE_WEIGHTS_INDEX_NAME,
    SAFE_WEIGHTS_NAME,
    WEIGHTS_INDEX_NAME,
    WEIGHTS_NAME,
    has_file,
)

from ..hub.folder import check_weights, refuse_pickles
from .argument_ranges import check_ranges


# machine-specific arguments, which are not saved
LOCAL_ARGUMENTS = ("output_dir", "overwrite_output_dir", "resume_from_checkpoint", "run_name", "logging_dir")
LOCAL_ARGUMENTS += ("use_cpu", "dataloader_pin_memory", "local_rank", "push_to_hub", "hub_model_id", "disable_tqdm")
LOCAL_ARGUMENTS += ("report_to", "accelerator_config", "deepspeed", "fsdp", "fsdp_config", "trust_remote_code")
# arguments that transformers sets from None to a false value
FALSY_DEFAULTS = ("activation_checkpointing", "gradient_checkpointing", "debug")
# options of a recipe for something new, which the user replaces by naming a trained one
NEW_TOKENIZER = ("separate_vocabularies", "tokenizer_type", "vocab_size", "normalization")
NEW_TOKENIZER += ("source_separator", "target_separator", "extra_tokens")


@dataclass
class BaseModelArguments:
    """Which model to train: a new one (`model_type`), or one to fine-tune (`model_name_or_path`)."""

    model_type: str = field(default="", metadata={"help": "Model type of a new model."})
    preset: str | None = field(default=None, metadata={"help": "Preset of a new model."})
    model_name_or_path: str | None = field(
        default=None, metadata={"help": "Model to fine-tune: a Hub name or a folder. The default is a new model."}
    )
    config_overrides: str | None = field(
        default=None, metadata={"help": "Options of a new model: `hidden_size=256,num_hidden_layers=4`."}
    )
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit of the model."})
    trust_remote_code: bool = field(
        default=False, metadata={"help": "Whether to run code that comes with a model of the Hub."}
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.model_type not in CONFIG_MAPPING:
            close = difflib.get_close_matches(self.model_type, CONFIG_MAPPING, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise ValueError(f"`model_type`: transformers has no model type {self.model_type!r}{hint}")

    def check_model_to_tune(self) -> None:
        """
        Raises `ValueError` if options of a new model are set in addition to `model_name_or_path`, or if the weights of
        the model to fine-tune are incomplete or a pickle.
        """
        if self.model_name_or_path is None:
            return
        if self.config_overrides or self.preset:
            raise ValueError(
                "`config_overrides` and `preset` are for a new model; one of `model_name_or_path` has its config."
            )
        if self.model_type != type(self).model_type:
            raise ValueError(f"`model_type` ({self.model_type}) is for a new model; `model_name_or_path` has a type.")
        if os.path.isdir(self.model_name_or_path):
            check_weights(self.model_name_or_path)
        elif not self.has_model_file(SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME) and self.has_model_file(
            WEIGHTS_NAME, WEIGHTS_INDEX_NAME
        ):
            raise refuse_pickles(self.model_name_or_path, [WEIGHTS_NAME])

    def has_model_file(self, *names: str) -> bool:
        return any(has_file(str(self.model_name_or_path), name, revision=self.model_revision) for name in names)


@dataclass
class BaseDataArguments:
    """Which examples to train on."""

    dataset_name: str = field(default="", metadata={"help": "A dataset of the Hub, or a local dataset folder."})
    dataset_config_name: str | None = field(default=None, metadata={"help": "The dataset's configuration."})
    streaming: bool = field(default=False, metadata={"help": "Read the data while training (needs `max_steps`)."})
    max_train_samples: int | None = field(default=None, metadata={"help": "Use this many training examples."})
    max_eval_samples: int | None = field(
        default=None, metadata={"help": "Use this many validation and this many test examples."}
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def files(self) -> dict:
        """The arguments `train_file`, `validation_file` and `test_file` by split, if they are set."""
        files = {split: getattr(self, f"{split}_file") for split in ("train", "validation", "test")}
        return {split: names for split, names in files.items() if names}

    @property
    def limits(self) -> dict[str, int | None]:
        """The largest number of examples by split; `None` for all."""
        return {"train": self.max_train_samples, "validation": self.max_eval_samples, "test": self.max_eval_samples}

    @property
    def is_on_hub(self) -> bool:
        """Whether `dataset_name` is a data set of the Hub, and not embedded or local."""
        return not self.is_embedded and not self.files and not os.path.isdir(self.dataset_name)

    @property
    def is_embedded(self) -> bool:
        """Whether the data comes with the package."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The data's name in a sentence."""
        if self.is_embedded or self.is_on_hub:
            return self.dataset_name
        return os.path.basename(os.path.abspath(self.dataset_name))


@dataclass
class RunArguments(TrainingArguments):
    """What both training scripts change or add to transformers' `TrainingArguments`."""

    default_run_name: ClassVar[str] = "run"
    # the recipes depend on the defaults of these
    fixed: ClassVar[tuple[str, ...]] = ("eval_do_concat_batches", "batch_eval_metrics", "prediction_loss_only")
    fixed += ("remove_unused_columns", "label_names", "length_column_name")

    output_dir: str | None = field(default=None, metadata={"help": "Defaults to `outputs/<run_name>`."})
    overwrite_output_dir: bool = field(
        default=False, metadata={"help": "Whether a folder that holds another run may be overwritten."}
    )
    early_stopping_patience: int | None = field(
        default=None, metadata={"help": "Stop after this many evaluations without a better metric."}
    )
    time_limit: float | None = field(
        default=None,
        metadata={
            "help": "End training after this many seconds, with the learning rate run down by then. The default of "
            "`num_train_epochs` is 100 then."
        },
    )
    ema_decay: float | None = field(
        default=None, metadata={"help": "Evaluate and save a moving average of the weights, with this decay a step."}
    )
    resume_from_checkpoint: str | None = field(
        default=None,
        metadata={
            "help": "A checkpoint folder, `last` for the last complete one in `output_dir`, or `auto` for that if "
            "there is one, and a new run otherwise."
        },
    )
    do_train: bool = field(default=True, metadata={"help": "Whether to train."})
    hub_strategy: str = field(
        default="end",
        metadata={"help": "When to push: `end`, once and checked, or during training as the Trainer does."},
    )
    report_to: None | str | list[str] = field(default="none", metadata={"help": "Where to report: tensorboard, ..."})
    logging_nan_inf_filter: bool = field(
        default=False, metadata={"help": "Whether to leave losses that are not finite out of the logged ones."}
    )

    debug: str = field(  # ty: ignore[incompatible-mutable-override]  # it is turned into a list
        default="",
        metadata={
            "help": "Show the traceback of an error, or `underflow_overflow`: find infinite values too.",
            "nargs": "?",
            "const": "",
        },
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        self.check_dependent()
        if self.output_dir is None:
            self.output_dir = os.path.join("outputs", self.run_name or self.default_run_name)
        if not torch.accelerator.is_available():
            self.dataloader_pin_memory = False
            # transformers requires it on a CPU for bf16, and for several processes, which would not know of each other
            self.use_cpu = self.use_cpu or self.bf16 or dist.is_torchelastic_launched()
        self.join_processes()
        if self.time_limit is not None and self.num_train_epochs == TrainingArguments.num_train_epochs:
            self.num_train_epochs = 100.0
        if self.early_stopping_patience is not None:
            self.metric_for_best_model = self.metric_for_best_model or "loss"
        super().__post_init__()

    def trainer_options(self) -> dict:
        """Returns the options of [`RecipeTrainer`] that are not of transformers' `Trainer`."""
        return {
            "ema_decay": self.ema_decay if self.do_train else None,
            "time_limit": self.time_limit,
            "early_stopping_patience": self.early_stopping_patience,
        }

    def check_dependent(self) -> None:
        """Raises `ValueError` for arguments that do not fit each other, or what the recipes do."""
        defaults = {item.name: item.default for item in fields(self)}
        for name in self.fixed:
            if getattr(self, name) != defaults[name]:
                raise ValueError(f"`{name}` must be {defaults[name]} in this recipe, got {getattr(self, name)!r}.")
        if self.do_train and self.max_steps == 0:
            raise ValueError("`max_steps` 0 trains nothing: set it to 1 or more, or leave it out.")
        if self.do_train and self.max_steps < 0 and self.num_train_epochs == 0:
            raise ValueError("`num_train_epochs` 0 trains nothing: set it above 0, or set `max_steps`.")
        if self.dataloader_persistent_workers and self.dataloader_num_workers == 0:
            raise ValueError("`dataloader_persistent_workers` needs workers: set `dataloader_num_workers` above 0.")
        if self.eval_strategy == "no":
            needs = {"early_stopping_patience": self.early_stopping_patience is not None}
            needs |= {"load_best_model_at_end": self.load_best_model_at_end}
            needs |= {"save_strategy` `best": self.save_strategy == "best"}
            for name in (name for name, is_set in needs.items() if is_set):
                raise ValueError(f"`{name}` compares evaluations; set `eval_strategy` to `steps` or `epoch`.")
        if self.save_strategy == "best" and self.metric_for_best_model is None:
            raise ValueError("`save_strategy` `best` needs `metric_for_best_model`, such as `loss`.")
        installed = {"all", "none", *get_available_reporting_integrations()}
        for name in [self.report_to] if isinstance(self.report_to, str) else self.report_to or []:
            if isinstance(name, str) and name not in installed:
                known = ", ".join(sorted(installed))
                raise ValueError(f"`report_to` {name!r} is unknown or not installed; there are {known}.")
        for name in self._VALID_DICT_FIELDS:
            value = getattr(self, name)
            if isinstance(value, str) and value.startswith("{"):
                try:
                    json.loads(value)
                except ValueError as error:
                    raise ValueError(f"`{name}` is not valid JSON ({error}): {value}") from None

    def join_processes(self) -> None:
        """
        Connects the processes of `torchrun` on CPUs, where transformers leaves out `ddp_timeout`, and torch gives
        restarted processes the addresses of those before (pytorch/pytorch#135712).
        """
        is_gloo = self.use_cpu and self.ddp_backend in (None, "gloo")
        if is_gloo and dist.is_torchelastic_launched() and not dist.is_initialized():
            timeout = timedelta(seconds=self.ddp_timeout)
            store, rank, size = next(dist.rendezvous("env://", timeout=timeout))
            if os.environ.get("LOCAL_WORLD_SIZE") == str(size):  # each host counts its own restarts
                store = dist.PrefixStore(f"restart {os.environ.get('TORCHELASTIC_RESTART_COUNT')}", store)
            dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timeout)

    @property
    def device(self) -> torch.device:
        """The device of this process. torch restores no checkpoint to `cpu:0`, which is accelerate's name of a CPU."""
        device = super().device
        return torch.device("cpu") if device.type == "cpu" else device

    def check_best_metric(self, names: Iterable[str]) -> None:
        """Raises `ValueError` if `metric_for_best_model` is not `loss` or among the metrics of an evaluation."""
        known = ["loss", *names]
        if self.metric_for_best_model and self.metric_for_best_model.removeprefix("eval_") not in known:
            raise ValueError(
                f"`metric_for_best_model` must be one of {', '.join(known)}, got {self.metric_for_best_model!r}."
            )

    def move_token_to_environment(self) -> None:
        """Moves `hub_token` to `HF_TOKEN`, which all clients read: the Trainer saves and pushes its arguments."""
        if self.hub_token is not None:
            os.environ["HF_TOKEN"] = self.hub_token
            self.hub_token = None


Arguments = BaseModelArguments | BaseDataArguments | RunArguments


def describe_options(*arguments: Arguments) -> dict:
    """Returns the non-default arguments, excluding local paths and tokens: the content of a recipe for [`parse`]."""
    options = {}
    for part in arguments:
        values = part.to_dict() if isinstance(part, RunArguments) else asdict(part)
        for item in fields(part):
            if not item.init or item.name.endswith("_token") or item.name in LOCAL_ARGUMENTS:
                continue
            default = item.default if item.default_factory is MISSING else item.default_factory()
            value = values.get(item.name)
            is_derived = item.name in FALSY_DEFAULTS and not value
            if value != default and not is_derived and isinstance(value, (bool, int, float, str, list, dict)):
                options[item.name] = value
    return options
