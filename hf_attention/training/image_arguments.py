# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Options of the image classification recipe: model, data and training."""

import os
from dataclasses import dataclass, field
from typing import ClassVar

from ..data.embedded import EMBEDDED_IMAGES, EmbeddedImages
from .arguments import BaseDataArguments, BaseModelArguments, RunArguments


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
    small_image_size: int | None = field(
        default=None,
        metadata={"help": "Height and width of the training images in the first `small_epochs`, for speed."},
    )
    small_epochs: float = field(default=0.0, metadata={"help": "Epochs with images of `small_image_size`."})

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
        if (self.small_image_size is None) != (self.small_epochs == 0):
            raise ValueError(
                "`small_image_size` and `small_epochs` belong together: set both or neither, got "
                f"{self.small_image_size} and {self.small_epochs}."
            )
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
    muon_learning_rate: float | None = field(
        default=None,
        metadata={
            "help": "Train matrices and convolution kernels by Muon with this learning rate, such as 0.02, and what "
            "remains by AdamW. The default is AdamW for all."
        },
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
        if self.muon_learning_rate is not None and str(self.optim) != type(self).optim:
            raise ValueError(f"`muon_learning_rate` is for Muon and AdamW: leave out `optim` {str(self.optim)!r}.")
        if self.balanced_sampling and self.train_sampling_strategy != "random":
            raise ValueError(
                "`balanced_sampling` draws images at random: leave out `train_sampling_strategy` "
                f"{self.train_sampling_strategy!r}."
            )
        if self.train_sampling_strategy not in ("random", "sequential"):  # images have no lengths
            raise ValueError(
                f"`train_sampling_strategy` must be random or sequential, got {self.train_sampling_strategy!r}."
            )


IMAGE_ARGUMENTS = (ImageModelArguments, ImageDataArguments, ImageTrainingArguments)
