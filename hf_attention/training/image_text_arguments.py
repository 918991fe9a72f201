# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Options of the image-to-text recipe: model, data and training."""

import os
from dataclasses import dataclass, field
from typing import ClassVar

from ..data.embedded import EMBEDDED_IMAGE_TEXTS, EmbeddedImages
from .arguments import BaseDataArguments, BaseModelArguments
from .translation_arguments import TranslationTrainingArguments


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


IMAGE_TEXT_ARGUMENTS = (ImageTextModelArguments, ImageTextDataArguments, ImageTextTrainingArguments)
