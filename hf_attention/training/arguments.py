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
from transformers import (
    CONFIG_MAPPING,
    Seq2SeqTrainingArguments,
    TrainingArguments,
)
from transformers.integrations import get_available_reporting_integrations
from transformers.utils import (
    SAFE_WEIGHTS_INDEX_NAME,
    SAFE_WEIGHTS_NAME,
    WEIGHTS_INDEX_NAME,
    WEIGHTS_NAME,
    has_file,
)

from ..data.embedded import EMBEDDED_IMAGE_TEXTS, EMBEDDED_IMAGES, EmbeddedImages
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
class ModelArguments(BaseModelArguments):
    """The sequence-to-sequence model to train."""

    model_type: str = field(
        default="bahdanau", metadata={"help": "Model type of a new model: `bahdanau`, `marian`, or any other."}
    )
    preset: str | None = field(
        default=None, metadata={"help": "Preset of a new model, for `bahdanau`: tiny, mini, small, rnnsearch_50, ..."}
    )
    tokenizer_name: str | None = field(
        default=None, metadata={"help": "Tokenizer to use instead of the model's, or of one trained on the data."}
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
        default=False, metadata={"help": "Whether to fine-tune with a new head if the classes differ."}
    )
    freeze: bool = field(default=False, metadata={"help": "Whether to train only the head of the model to fine-tune."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.freeze and self.model_name_or_path is None:
            raise ValueError("`freeze` keeps what `model_name_or_path` has learned, but no model is named.")


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
class ParallelDataArguments(BaseDataArguments):
    """Which sentence pairs to train on. Without a name or files, these are the embedded dates."""

    dataset_name: str = field(
        default="dates", metadata={"help": "`dates`, a dataset of the Hub, or a local dataset folder."}
    )
    train_file: list[str] | None = field(
        default=None, metadata={"help": "Training file: csv, tsv, json, jsonl, parquet, or two text files."}
    )
    validation_file: list[str] | None = field(default=None, metadata={"help": "Validation file, in the same forms."})
    test_file: list[str] | None = field(default=None, metadata={"help": "Test file, in the same forms."})
    source_lang: str = field(default="source", metadata={"help": "Key of the `translation` column, or a column."})
    target_lang: str = field(default="target", metadata={"help": "Key of the `translation` column, or a column."})
    feature_columns: list[str] | None = field(
        default=None, metadata={"help": "Columns that describe the source: tags, a language, a speaker (`bahdanau`)."}
    )
    feature_separator: str = field(default=";", metadata={"help": "Separates the values in a cell of these columns."})
    max_source_length: int = field(default=128, metadata={"help": "Longest source, in tokens."})
    max_target_length: int = field(default=128, metadata={"help": "Longest target, in tokens."})
    tokenizer_type: str | None = field(
        default=None,
        metadata={
            "help": "Tokenizer of a new model: unigram, bpe, word, or char, for texts without a separator. The "
            "default is unigram, and char for `dates` or if one side has a separator."
        },
    )
    source_separator: str | None = field(
        default=None,
        metadata={"help": "What separates the symbols of a source, each of which is a token; `\\t` is the tab."},
    )
    target_separator: str | None = field(
        default=None,
        metadata={
            "help": "What separates the symbols of a target, as the space in `K AE1 T`. If it is not the source's, "
            "each has its own vocabulary."
        },
    )
    extra_tokens: list[str] | None = field(
        default=None, metadata={"help": "Words that a new tokenizer never splits, such as `<ko>`."}
    )
    vocab_size: int = field(default=8000, metadata={"help": "Pieces or words of a new model's tokenizer."})
    normalization: str = field(
        default="nfc",
        metadata={
            "help": "How a new tokenizer normalizes texts: nfc, nfkc (also replaces similar characters) or none."
        },
    )
    separate_vocabularies: bool = field(
        default=False, metadata={"help": "Train a tokenizer each for source and target (`bahdanau` only)."}
    )
    bleu_tokenize: str = field(default="13a", metadata={"help": "sacrebleu's tokenizer: 13a, zh, ja-mecab, char, ..."})
    num_beams: int = field(default=5, metadata={"help": "Beams of the test and of the saved generation config."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source_lang == self.target_lang:
            raise ValueError(
                f"`source_lang` and `target_lang` are both {self.source_lang!r}: a model would learn to copy."
            )
        if self.feature_columns and self.is_embedded:
            raise ValueError(f"`feature_columns` is {self.feature_columns}, but the embedded dates have no features.")
        if not self.feature_separator:
            raise ValueError("`feature_separator` is empty: it must be one character or more, such as ';'.")
        if self.dataset_name != "dates" and self.files:
            raise ValueError(
                f"`dataset_name` is {self.dataset_name}, but files are named too. Name one or the others."
            )
        # as a shell passes it
        self.source_separator, self.target_separator = (
            separator and separator.replace("\\t", "\t")
            for separator in (self.source_separator, self.target_separator)
        )

    @property
    def is_embedded(self) -> bool:
        return self.dataset_name == "dates" and not self.files

    @property
    def has_two_vocabularies(self) -> bool:
        """Whether a new model has a tokenizer each for source and target."""
        return self.separate_vocabularies or self.source_separator != self.target_separator

    @property
    def name(self) -> str:
        return os.path.basename(self.train_file[0]) if self.train_file else super().name


@dataclass
class ImageDataArguments(BaseDataArguments):
    """Which images to train on, and how to augment them. Without a name or files, these are scikit-learn's digits."""

    dataset_name: str = field(
        default="digits",
        metadata={"help": "`digits`, `cluttered_digits`, a dataset of the Hub, or a local dataset folder."},
    )
    train_file: str | None = field(
        default=None, metadata={"help": "Training images: a parquet file, or a folder with a sub-folder a class."}
    )
    validation_file: str | None = field(default=None, metadata={"help": "Validation images, in the same forms."})
    test_file: str | None = field(default=None, metadata={"help": "Test images, in the same forms."})
    image_column: str | None = field(default=None, metadata={"help": "Column of the images, if there are several."})
    label_column: str | None = field(default=None, metadata={"help": "Column of the classes, if there are several."})
    problem_type: str = field(
        default="single_label_classification",
        metadata={
            "help": "single_label_classification; or multi_label_classification or regression, with `label_columns`."
        },
    )
    label_columns: list[str] | None = field(
        default=None,
        metadata={
            "help": "Columns of the numbers to predict; for several labels columns of 0 and 1, or one of texts."
        },
    )
    label_separator: str = field(default=";", metadata={"help": "Separates the labels of a text, as in `cat;dog`."})
    validation_share: float = field(
        default=0.1, metadata={"help": "Share of the training images to validate on, if there is no such split."}
    )
    verify_images: bool = field(
        default=True, metadata={"help": "Whether to decode every image once before training, to find bad ones."}
    )
    image_mean: list[float] | None = field(
        default=None, metadata={"help": "Mean of each channel, of pixels from 0 to 1, for a new model."}
    )
    image_std: list[float] | None = field(
        default=None, metadata={"help": "Standard deviation of each channel, for a new model."}
    )
    measure_statistics: bool = field(
        default=False,
        metadata={"help": "Whether to measure `image_mean` and `image_std` of a new model in the training images."},
    )
    crop_mode: str | None = field(
        default=None,
        metadata={
            "help": "How a new model's images become square: center (cropped), border (padded) or squash. The default "
            "is squash, or what the image processor does."
        },
    )
    crop_scale: list[float] | None = field(
        default=None, metadata={"help": "Parts of the image's area, least and most, that a random crop takes."}
    )
    rotation_degrees: float = field(default=0.0, metadata={"help": "Greatest angle of a random rotation."})
    crop_padding: int = field(default=0, metadata={"help": "Pixels of padding that a random crop may reach into."})
    horizontal_flip: float = field(default=0.0, metadata={"help": "Probability of a horizontal flip."})
    randaugment_ops: int = field(default=0, metadata={"help": "RandAugment: operations an image."})
    randaugment_magnitude: float = field(default=9.0, metadata={"help": "RandAugment: their strength, of 10."})
    randaugment_std: float = field(default=0.5, metadata={"help": "RandAugment: the strength's deviation."})
    random_erasing: float = field(default=0.0, metadata={"help": "Probability of erasing a rectangle."})
    mixup_alpha: float = field(default=0.0, metadata={"help": "Alpha of mixup; 0 leaves it out."})
    cutmix_alpha: float = field(default=0.0, metadata={"help": "Alpha of cutmix; 0 leaves it out."})
    cutmix_probability: float = field(default=0.5, metadata={"help": "Probability of cutmix when mixup is on too."})
    mix_epochs: float | None = field(
        default=None, metadata={"help": "Epochs after which mixup and cutmix stop. The default is never."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.label_columns is not None) != self.has_targets:
            raise ValueError(
                f"`label_columns` is {self.label_columns} for `problem_type` {self.problem_type!r}: name columns for "
                "multi_label_classification and regression only (`label_column` names that of one class per image)."
            )
        if self.has_targets and (self.streaming or self.is_embedded):
            raise ValueError(f"`problem_type` {self.problem_type!r} is for files and data sets that are not streamed.")
        if self.has_targets and (self.mixup_alpha or self.cutmix_alpha):
            raise ValueError(f"`mixup_alpha` and `cutmix_alpha` mix classes; `problem_type` is {self.problem_type!r}.")
        if not self.label_separator:
            raise ValueError("`label_separator` is empty: it must be one character or more, such as ';'.")
        if self.measure_statistics and self.streaming:
            raise ValueError("`measure_statistics` reads images before training, which `streaming` does not.")
        if self.crop_scale is not None and (len(self.crop_scale) != 2 or self.crop_scale[0] > self.crop_scale[1]):
            raise ValueError(f"`crop_scale` must be two shares of the area, least and most, got {self.crop_scale}.")

    @property
    def has_targets(self) -> bool:
        """Whether images have several labels, or numbers, instead of one class."""
        return self.problem_type != "single_label_classification"

    @property
    def embedded(self) -> EmbeddedImages | None:
        """The embedded data set, if neither files nor a dataset of the Hub are named."""
        return None if self.files else EMBEDDED_IMAGES.get(self.dataset_name)

    @property
    def is_embedded(self) -> bool:
        return self.embedded is not None

    @property
    def name(self) -> str:
        return os.path.basename(os.path.dirname(os.path.abspath(self.train_file))) if self.train_file else super().name


@dataclass
class ImageTextModelArguments(BaseModelArguments):
    """The vision encoder-decoder to train: an image encoder, and a decoder that attends to its tokens."""

    model_type: str = field(default="vision-encoder-decoder", metadata={"help": "Leave it as it is."})
    encoder_type: str = field(
        default="compact_vit", metadata={"help": "Model type of a new encoder: `compact_vit`, `vit`, or any other."}
    )
    encoder_name_or_path: str | None = field(
        default=None, metadata={"help": "Trained encoder to begin with: a Hub name or a folder."}
    )
    encoder_overrides: str | None = field(default=None, metadata={"help": "Options of a new encoder."})
    decoder_type: str = field(
        default="bahdanau",
        metadata={"help": "Model type of the new decoder: `bahdanau`, `bert`, `gpt2`, `trocr`, ..."},
    )
    decoder_overrides: str | None = field(default=None, metadata={"help": "Options of the new decoder."})
    tokenizer_name: str | None = field(
        default=None, metadata={"help": "Tokenizer to use instead of the model's, or of one trained on the data."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model_type != "vision-encoder-decoder" or self.preset or self.config_overrides:
            raise ValueError(
                "`model_type`, `preset` and `config_overrides` have no effect on a vision encoder-decoder: set "
                "`encoder_type`, `decoder_type`, `encoder_overrides` and `decoder_overrides`."
            )
        if self.model_name_or_path and (self.encoder_name_or_path or self.encoder_overrides or self.decoder_overrides):
            raise ValueError(
                "`encoder_name_or_path`, `encoder_overrides` and `decoder_overrides` are for a new model; one of "
                "`model_name_or_path` has its own parts."
            )
        if self.encoder_name_or_path and self.encoder_overrides:
            raise ValueError("`encoder_overrides` is for a new encoder; one of `encoder_name_or_path` has its config.")


@dataclass
class ImageTextDataArguments(BaseDataArguments):
    """Which images and texts to train on. Without a name or files, these are rows of scikit-learn's digits."""

    dataset_name: str = field(
        default="digit_rows",
        metadata={"help": "`digit_rows`, `text_lines`, a dataset of the Hub, or a local dataset folder."},
    )
    fonts: str | None = field(
        default=None, metadata={"help": "Font, or folder of fonts, that `text_lines` are drawn in."}
    )
    test_fonts: str | None = field(
        default=None, metadata={"help": "Font, or folder of fonts, of another test split, `test_unseen_fonts`."}
    )
    train_file: str | None = field(default=None, metadata={"help": "Training file: parquet."})
    validation_file: str | None = field(default=None, metadata={"help": "Validation file, in the same form."})
    test_file: str | None = field(default=None, metadata={"help": "Test file, in the same form."})
    image_column: str | None = field(default=None, metadata={"help": "Column of the images, if there are several."})
    text_column: str | None = field(default=None, metadata={"help": "Column of the texts, if there are several."})
    image_mean: list[float] | None = field(
        default=None, metadata={"help": "Mean of each channel, of pixels from 0 to 1, for a new encoder."}
    )
    image_std: list[float] | None = field(
        default=None, metadata={"help": "Standard deviation of each channel, for a new encoder."}
    )
    crop_mode: str | None = field(
        default=None,
        metadata={
            "help": "How a new model's images become square: center (cropped), border (padded) or squash. The default "
            "is squash, or what the image processor does."
        },
    )
    tokenizer_type: str = field(
        default="char", metadata={"help": "Tokenizer of a new model: char, unigram, bpe, word."}
    )
    vocab_size: int = field(default=8000, metadata={"help": "Pieces or words of a new model's tokenizer."})
    max_target_length: int = field(default=128, metadata={"help": "Longest text, in tokens; longer ones are cut."})
    num_beams: int = field(default=5, metadata={"help": "Beams of the test and of the saved generation config."})
    bleu_tokenize: str = field(default="13a", metadata={"help": "sacrebleu's tokenizer: 13a, zh, ja-mecab, char, ..."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.fonts or self.test_fonts) and (self.files or self.dataset_name != "text_lines"):
            raise ValueError("`fonts` and `test_fonts` are those of `dataset_name` 'text_lines'; leave them out.")

    @property
    def limits(self) -> dict[str, int | None]:
        return {**super().limits, "test_unseen_fonts": self.max_eval_samples}

    @property
    def embedded(self) -> EmbeddedImages | None:
        """The embedded data set, if neither files nor a dataset of the Hub are named."""
        return None if self.files else EMBEDDED_IMAGE_TEXTS.get(self.dataset_name)

    @property
    def is_embedded(self) -> bool:
        return self.embedded is not None

    @property
    def name(self) -> str:
        return os.path.basename(self.train_file) if self.train_file else super().name


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


@dataclass
class TranslationTrainingArguments(RunArguments, Seq2SeqTrainingArguments):
    """`Seq2SeqTrainingArguments` with this project's defaults and additional arguments."""

    default_run_name: ClassVar[str] = "translation"

    per_device_train_batch_size: int = field(default=64, metadata={"help": "Batch size per device in training."})
    per_device_eval_batch_size: int = field(default=128, metadata={"help": "Batch size per device in evaluation."})
    predict_with_generate: bool = field(default=True, metadata={"help": "Whether to generate in evaluation."})
    generation_num_beams: int | None = field(
        default=1, metadata={"help": "Beams of evaluations on the validation split; the test has `num_beams`."}
    )
    train_sampling_strategy: str = field(
        default="group_by_length", metadata={"help": "Sampler: `random`, `sequential`, or `group_by_length`."}
    )

    def check_dependent(self) -> None:
        super().check_dependent()
        names = ["bleu", "chrf", "exact_match", "character_error_rate", "symbol_error_rate", "word_error_rate"]
        self.check_best_metric(names if self.predict_with_generate else [])
        if (self.metric_for_best_model or "").endswith("error_rate"):
            self.greater_is_better = False  # transformers takes all but losses for scores


@dataclass
class ImageTrainingArguments(RunArguments):
    """`TrainingArguments` with this project's defaults and additional arguments."""

    default_run_name: ClassVar[str] = "image-classification"

    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Whether to drop columns before images are read."}
    )
    class_weights: str = field(
        default="none",
        metadata={"help": "Weights of the classes in the training loss: none, or balanced (rare classes weigh more)."},
    )
    balanced_sampling: bool = field(
        default=False, metadata={"help": "Whether to draw training images of all classes equally often."}
    )
    test_time_augmentation: str = field(
        default="none",
        metadata={"help": "What evaluation averages: none, or flip (the image and its mirror image)."},
    )

    def check_dependent(self) -> None:
        super().check_dependent()
        self.check_best_metric(["accuracy", "macro_f1", "top_5_accuracy", "exact_match", "mae", "rmse"])
        if (self.metric_for_best_model or "").endswith(("mae", "rmse")):
            self.greater_is_better = False  # transformers takes all but losses for scores
        if self.balanced_sampling and self.train_sampling_strategy != "random":
            raise ValueError(
                "`balanced_sampling` draws images at random: leave out `train_sampling_strategy` "
                f"{self.train_sampling_strategy!r}."
            )
        if self.train_sampling_strategy not in ("random", "sequential"):  # images have no lengths
            raise ValueError(
                f"`train_sampling_strategy` must be random or sequential, got {self.train_sampling_strategy!r}."
            )


@dataclass
class ImageTextTrainingArguments(TranslationTrainingArguments):
    """`TranslationTrainingArguments` for images."""

    default_run_name: ClassVar[str] = "image-to-text"

    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Whether to drop columns before images are read."}
    )
    train_sampling_strategy: str = field(default="random", metadata={"help": "Sampler: `random` or `sequential`."})

    def check_dependent(self) -> None:
        super().check_dependent()
        if self.train_sampling_strategy not in ("random", "sequential"):
            raise ValueError(
                f"`train_sampling_strategy` must be random or sequential, got {self.train_sampling_strategy!r}."
            )


# what the command line of each script fills
TRANSLATION_ARGUMENTS = (ModelArguments, ParallelDataArguments, TranslationTrainingArguments)
IMAGE_ARGUMENTS = (ImageModelArguments, ImageDataArguments, ImageTrainingArguments)
IMAGE_TEXT_ARGUMENTS = (ImageTextModelArguments, ImageTextDataArguments, ImageTextTrainingArguments)
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
