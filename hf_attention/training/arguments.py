# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Arguments that the training scripts share: from the command line, or from one YAML or JSON file."""

import difflib
import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import ClassVar

import torch
import yaml
from transformers import (
    CONFIG_MAPPING,
    HfArgumentParser,
    PreTrainedConfig,
    Seq2SeqTrainingArguments,
    TrainingArguments,
)

from ..data.embedded import EMBEDDED_IMAGES, EmbeddedImages


# what belongs to one run on one machine
OF_THE_PLACE = ("output_dir", "overwrite_output_dir", "resume_from_checkpoint", "run_name", "logging_dir", "use_cpu")
OF_THE_PLACE += ("dataloader_pin_memory", "local_rank", "push_to_hub", "hub_model_id", "disable_tqdm", "report_to")
OF_THE_PLACE += ("accelerator_config", "deepspeed", "fsdp", "fsdp_config", "trust_remote_code")
MADE_FALSE = ("activation_checkpointing", "gradient_checkpointing", "debug")  # by transformers, of None


@dataclass
class BaseModelArguments:
    """Which model to train: a new one (`model_type`), or one to fine-tune (`model_name_or_path`)."""

    model_name_or_path: str | None = field(
        default=None, metadata={"help": "Model to fine-tune: a Hub name or a folder. Without it a new one is made."}
    )
    config_overrides: str | None = field(
        default=None, metadata={"help": "Options of a new model: `hidden_size=256,num_hidden_layers=4`."}
    )
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit of the model."})
    trust_remote_code: bool = field(
        default=False, metadata={"help": "Whether to run code that comes with a model of the Hub."}
    )

    def __post_init__(self):
        if self.model_type not in CONFIG_MAPPING:
            close = difflib.get_close_matches(self.model_type, CONFIG_MAPPING, n=1)
            meant = f"; did you mean {close[0]!r}?" if close else "."
            raise ValueError(f"`model_type`: transformers knows no {self.model_type!r}{meant}")


@dataclass
class ModelArguments(BaseModelArguments):
    """The sequence-to-sequence model to train."""

    model_type: str = field(
        default="bahdanau", metadata={"help": "Model type of a new model: `bahdanau`, `marian`, or any other."}
    )
    preset: str | None = field(
        default=None, metadata={"help": "Preset of a new model, for `bahdanau`: tiny, mini, small, rnnsearch_50, ..."}
    )
    tokenizer_name: str | None = field(
        default=None, metadata={"help": "Tokenizer to use in place of the model's, or of one trained on the data."}
    )


@dataclass
class ImageModelArguments(BaseModelArguments):
    """The image classifier to train."""

    model_type: str = field(
        default="compact_vit", metadata={"help": "Model type of a new model: `compact_vit`, `vit`, or any other."}
    )
    preset: str | None = field(
        default=None, metadata={"help": "Preset of a new model, for `compact_vit`: cct_2_3x2, cct_7_3x1, cvt_7_4, ..."}
    )
    attn_implementation: str | None = field(
        default=None, metadata={"help": "Attention: eager, sdpa, flex_attention, flash_attention_2, ..."}
    )
    ignore_mismatched_sizes: bool = field(
        default=False, metadata={"help": "Whether to fine-tune with a new head where the classes are others."}
    )


def check_positive(arguments: object, *names: str):
    """Raises `ValueError` where one of these is given, but is no positive number."""
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value <= 0:
            raise ValueError(f"`{name}` must be at least 1, got {value}.")


@dataclass
class ParallelDataArguments:
    """Which sentence pairs to train on; without a name or files, the embedded dates."""

    dataset_name: str = field(
        default="dates", metadata={"help": "`dates`, a dataset of the Hub, or a local dataset folder."}
    )
    dataset_config_name: str | None = field(default=None, metadata={"help": "The dataset's configuration."})
    train_file: list[str] | None = field(
        default=None, metadata={"help": "Training file: csv, tsv, json, jsonl, parquet, or two text files."}
    )
    validation_file: list[str] | None = field(default=None, metadata={"help": "Validation file, in the same forms."})
    test_file: list[str] | None = field(default=None, metadata={"help": "Test file, in the same forms."})
    source_lang: str = field(default="source", metadata={"help": "Key of the `translation` column, or a column."})
    target_lang: str = field(default="target", metadata={"help": "Key of the `translation` column, or a column."})
    streaming: bool = field(default=False, metadata={"help": "Read the data while training (needs `max_steps`)."})
    max_train_samples: int | None = field(default=None, metadata={"help": "Use this many training pairs."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Use this many validation and test pairs."})
    max_source_length: int = field(default=128, metadata={"help": "Longest source, in tokens."})
    max_target_length: int = field(default=128, metadata={"help": "Longest target, in tokens."})
    tokenizer_type: str | None = field(
        default=None, metadata={"help": "Tokenizer of a new model: unigram, bpe or char (the default for `dates`)."}
    )
    vocab_size: int = field(default=8000, metadata={"help": "Pieces of a new model's tokenizer."})
    separate_vocabularies: bool = field(
        default=False, metadata={"help": "Train a tokenizer for each side, not one for both (`bahdanau` alone)."}
    )
    bleu_tokenize: str = field(default="13a", metadata={"help": "sacrebleu's tokenizer: 13a, zh, ja-mecab, char, ..."})
    num_beams: int = field(default=5, metadata={"help": "Beams of the test and of the saved generation config."})

    def __post_init__(self):
        names = ("max_train_samples", "max_eval_samples", "max_source_length", "max_target_length")
        check_positive(self, *names, "vocab_size", "num_beams")
        if self.tokenizer_type not in (None, "unigram", "bpe", "char"):
            raise ValueError(f"`tokenizer_type` must be unigram, bpe or char, got {self.tokenizer_type!r}.")
        if self.source_lang == self.target_lang:
            raise ValueError(
                f"`source_lang` and `target_lang` are both {self.source_lang!r}: a model would learn to copy."
            )
        if self.dataset_name != "dates" and (self.train_file or self.validation_file or self.test_file):
            raise ValueError(
                f"`dataset_name` is {self.dataset_name}, but files are named too. Name one or the others."
            )

    @property
    def uses_dates(self) -> bool:
        return self.dataset_name == "dates" and not (self.train_file or self.validation_file or self.test_file)


@dataclass
class ImageDataArguments:
    """Which images to train on, and how they are varied; without a name or files, scikit-learn's digits."""

    dataset_name: str = field(
        default="digits",
        metadata={"help": "`digits`, `cluttered_digits`, a dataset of the Hub, or a local dataset folder."},
    )
    dataset_config_name: str | None = field(default=None, metadata={"help": "The dataset's configuration."})
    train_file: str | None = field(
        default=None, metadata={"help": "Training images: a parquet file, or a folder with a sub-folder a class."}
    )
    validation_file: str | None = field(default=None, metadata={"help": "Validation images, in the same forms."})
    test_file: str | None = field(default=None, metadata={"help": "Test images, in the same forms."})
    image_column: str | None = field(default=None, metadata={"help": "Column of the images, if there are several."})
    label_column: str | None = field(default=None, metadata={"help": "Column of the classes, if there are several."})
    validation_share: float = field(
        default=0.1, metadata={"help": "Share of the training images to validate on, where there is no such split."}
    )
    streaming: bool = field(default=False, metadata={"help": "Read the data while training (needs `max_steps`)."})
    max_train_samples: int | None = field(default=None, metadata={"help": "Use this many training images."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Use this many validation and test images."})
    verify_images: bool = field(
        default=True, metadata={"help": "Whether to decode every image once before training, to find bad ones."}
    )
    image_mean: list[float] | None = field(
        default=None, metadata={"help": "Mean of each channel, of pixels from 0 to 1, for a new model."}
    )
    image_std: list[float] | None = field(
        default=None, metadata={"help": "Standard deviation of each channel, for a new model."}
    )
    crop_scale: list[float] | None = field(
        default=None, metadata={"help": "Parts of the image's area, least and most, that a random crop takes."}
    )
    crop_padding: int = field(default=0, metadata={"help": "Pixels of padding that a random crop may reach into."})
    horizontal_flip: float = field(default=0.0, metadata={"help": "Probability of a horizontal flip."})
    randaugment_ops: int = field(default=0, metadata={"help": "RandAugment: operations an image."})
    randaugment_magnitude: float = field(default=9.0, metadata={"help": "RandAugment: their strength, of 10."})
    randaugment_std: float = field(default=0.5, metadata={"help": "RandAugment: the strength's deviation."})
    random_erasing: float = field(default=0.0, metadata={"help": "Probability of erasing a rectangle."})
    mixup_alpha: float = field(default=0.0, metadata={"help": "Alpha of mixup; 0 leaves it out."})
    cutmix_alpha: float = field(default=0.0, metadata={"help": "Alpha of cutmix; 0 leaves it out."})
    cutmix_probability: float = field(default=0.5, metadata={"help": "Of cutmix, where there is mixup too."})
    mix_epochs: float | None = field(
        default=None, metadata={"help": "Epochs after which mixup and cutmix stop; without it they never do."}
    )

    def __post_init__(self):
        check_positive(self, "max_train_samples", "max_eval_samples")

    @property
    def embedded(self) -> EmbeddedImages | None:
        """The embedded data set, where no files and no dataset of the Hub are named."""
        has_files = self.train_file or self.validation_file or self.test_file
        return None if has_files else EMBEDDED_IMAGES.get(self.dataset_name)


@dataclass
class RunArguments:
    """What both training scripts change of, or add to, transformers' training arguments."""

    default_run_name: ClassVar[str] = "run"

    output_dir: str | None = field(default=None, metadata={"help": "Defaults to `outputs/<run_name>`."})
    overwrite_output_dir: bool = field(
        default=False, metadata={"help": "Whether a folder that holds another run may be overwritten."}
    )
    early_stopping_patience: int | None = field(
        default=None, metadata={"help": "Stop after this many evaluations without a better metric."}
    )
    resume_from_checkpoint: str | None = field(
        default=None, metadata={"help": "A checkpoint folder, or `last` for the last whole one in `output_dir`."}
    )
    do_train: bool = field(default=True, metadata={"help": "Whether to train."})
    hub_strategy: str = field(
        default="end", metadata={"help": "When to push: `end`, once and checked, or as the Trainer does on its way."}
    )
    report_to: None | str | list[str] = field(default="none", metadata={"help": "Where to report: tensorboard, ..."})

    def __post_init__(self):
        if self.hub_token is not None:  # the Trainer saves and pushes its arguments, and a token is nobody's business
            os.environ["HF_TOKEN"] = self.hub_token
            self.hub_token = None
        if self.output_dir is None:
            self.output_dir = os.path.join("outputs", self.run_name or self.default_run_name)
        if not torch.accelerator.is_available():
            self.dataloader_pin_memory = False
            self.use_cpu = self.use_cpu or self.bf16  # a CPU has bf16 too; transformers asks to be told
        if self.early_stopping_patience is not None:
            if self.eval_strategy == "no":
                raise ValueError("`early_stopping_patience` counts evaluations; set `eval_strategy`.")
            self.metric_for_best_model = self.metric_for_best_model or "loss"
        super().__post_init__()


@dataclass
class TranslationTrainingArguments(RunArguments, Seq2SeqTrainingArguments):
    """`Seq2SeqTrainingArguments` with the defaults of this project and arguments of its own."""

    default_run_name: ClassVar[str] = "translation"

    predict_with_generate: bool = field(default=True, metadata={"help": "Whether to generate in evaluation."})
    generation_num_beams: int | None = field(
        default=1, metadata={"help": "Beams of evaluations on the validation split; the test has `num_beams`."}
    )
    train_sampling_strategy: str = field(
        default="group_by_length", metadata={"help": "Sampler: `random`, `sequential`, or `group_by_length`."}
    )


@dataclass
class ImageTrainingArguments(RunArguments, TrainingArguments):
    """`TrainingArguments` with the defaults of this project and arguments of its own."""

    default_run_name: ClassVar[str] = "image-classification"

    ema_decay: float | None = field(
        default=None, metadata={"help": "Evaluate and save a moving average of the weights, with this decay a step."}
    )
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Whether to drop columns before images are read."}
    )


def describe_options(*arguments: object) -> dict:
    """
    What of a run's arguments is not as by default, but for its place and its tokens: a file for [`parse`] that runs it
    again.
    """
    options = {}
    for part in arguments:
        given = part.to_dict() if isinstance(part, TrainingArguments) else asdict(part)
        for item in fields(part):
            if not item.init or item.name.endswith("_token") or item.name in OF_THE_PLACE:
                continue
            default = item.default if item.default_factory is MISSING else item.default_factory()
            value = given.get(item.name)
            is_derived = item.name in MADE_FALSE and not value
            if value != default and not is_derived and isinstance(value, (bool, int, float, str, list, dict)):
                options[item.name] = value
    return options


def parse(dataclass_types: list[type], arguments: list[str] | None = None) -> tuple:
    """
    Parses a command line whose first argument may be a YAML or JSON file; options after it replace the file's.

    Raises:
        `ValueError`: for a file with an option that no dataclass has.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = HfArgumentParser(dataclass_types)
    if arguments and os.path.splitext(arguments[0])[1] in (".yaml", ".yml", ".json"):
        with open(arguments[0], encoding="utf-8") as file:
            options = json.load(file) if arguments[0].endswith(".json") else yaml.safe_load(file)
        if not isinstance(options, dict):
            raise ValueError(f"{arguments[0]} must hold options, one a line, as in `learning_rate: 1e-3`.")
        known = {field.name for dataclass_type in dataclass_types for field in fields(dataclass_type) if field.init}
        if unknown := set(options) - known:
            raise ValueError(f"{arguments[0]} has unknown options: {', '.join(sorted(unknown))}.")
        # by way of the command line, so that every value is checked and gets its type
        written = []
        for name, value in options.items():
            values = value if isinstance(value, list) else [value]
            if value is not None:
                text = [json.dumps(item) if isinstance(item, dict) else str(item) for item in values]
                written += [f"--{name}", *text]
        arguments = [*written, *arguments[1:]]
    return parser.parse_args_into_dataclasses(arguments)


def parse_overrides(defaults: PreTrainedConfig, overrides: str | None, from_data: Iterable[str]) -> dict:
    """
    `a=1,b=true,c=[1,2]` with the types of a config's own values.

    Raises `ValueError` for an option the config has not, one that the tokenizer or the data decides, or a value of
    another type.
    """
    options = {}
    for pair in filter(None, re.split(r",(?![^\[]*\])", overrides or "")):  # commas inside a list part nothing
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not sign:
            raise ValueError(f"`config_overrides` is `option=value,option=value`, but {pair!r} has no `=`.")
        if name in from_data:
            raise ValueError(
                f"`config_overrides`: `{name}` comes from the tokenizer or the data; it is not set by hand."
            )
        if not hasattr(defaults, name):
            raise ValueError(f"`config_overrides`: {type(defaults).__name__} has no option {name}.")
        default = getattr(defaults, name)
        try:
            if isinstance(default, bool):
                options[name] = {"true": True, "false": False}[value.lower()]
            elif isinstance(default, str):
                options[name] = value
            else:
                options[name] = yaml.safe_load(value)
                kinds = (int, float, list if isinstance(default, tuple) else type(default))
                if default is not None and not isinstance(options[name], kinds):  # else the config knows
                    raise TypeError
        except (KeyError, TypeError, yaml.YAMLError):
            raise ValueError(f"`config_overrides`: {value!r} is no value for `{name}` (as in {default!r}).") from None
    return options
