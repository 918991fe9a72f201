# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Options of the translation recipe: model, data and training."""

import os
from dataclasses import dataclass, field
from typing import ClassVar

from transformers import Seq2SeqTrainingArguments

from .arguments import BaseDataArguments, BaseModelArguments, RunArguments


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


# what the command line of each script fills
TRANSLATION_ARGUMENTS = (ModelArguments, ParallelDataArguments, TranslationTrainingArguments)
