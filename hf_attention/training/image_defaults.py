# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The options that the image recipe chooses from the images, where the command line does not set them."""

import os
from collections.abc import Iterable
from dataclasses import fields, replace

from transformers import CONFIG_MAPPING, AutoConfig
from transformers.utils import logging

from ..data.image_summary import ImageSummary, summarize_images
from ..data.image_utils import processed_size
from ..interpret.model_loading import load_image_processor
from ..models.attention_cnn import AttentionCnnConfig
from .command_line import split_overrides
from .image_arguments import IMAGE_ARGUMENTS, ImageDataArguments, ImageModelArguments, ImageTrainingArguments
from .image_classification import load_data
from .splits import in_memory


SIZES = (32, 48)  # of images, in pixels
PASSES = 50_000  # images to train on, each in as many views as there are epochs
EPOCHS = (10, 100)  # fewest and most
VALIDATION_SHARE, MOST_VALIDATION = 0.1, 0.25  # usual and greatest share of the images to validate on
VIEWS = ("crop_scale", "rotation_degrees", "horizontal_flip")
OWN_PROCESSOR = ("attention_cnn", "compact_vit", "recurrent_attention")
LEARNING_RATES = {"attention_cnn": 4e-3, "compact_vit": 1e-3}
FINE_TUNING_LEARNING_RATE, FROZEN_LEARNING_RATE = 5e-5, 5e-3  # the first is transformers' own


def choose_options(
    model_args: ImageModelArguments,
    data_args: ImageDataArguments,
    training_args: ImageTrainingArguments,
    given: Iterable[str],
) -> dict | None:
    """
    Returns the options for the images that the arguments name, except those that are `given`, and prints them.

    A new model is an attention CNN with squeeze-and-excitation unless the arguments name a model type, a preset, or
    options that this family does not have. Returns `None` for data that comes with the package, for streams, and if
    nothing is trained.

    Raises:
        `ValueError` and `OSError`: for images that cannot be loaded, as the recipe does.
    """
    if data_args.is_embedded or data_args.streaming or not training_args.do_train:
        return None
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # the recipe loads them again, and warns
    try:
        data = load_data(replace(data_args, validation_share=0.0), train=True)
    finally:
        logging.set_verbosity(verbosity)
    summary = summarize_images(in_memory(data["train"]))
    # argparse takes the beginning of a name too
    given = {name for name in known_options() if any(name.startswith(start) for start in given)}
    if model_args.model_name_or_path is None:
        options = new_model_options(model_args, summary, given)
    else:
        options = fine_tuning_options(model_args, summary)
    if data_args.problem_type == "regression":  # a mirror image may have other coordinates, and a part another size
        options = {name: value for name, value in options.items() if name not in VIEWS}
    options |= training_options(summary, training_args.time_limit)
    if data_args.has_targets:
        options["label_smoothing_factor"] = 0.0
    share = data_args.validation_share if "validation_share" in given else options["validation_share"]
    if "validation" in data or share > 0:
        options |= {"eval_strategy": "steps", "eval_steps": 0.1}
    given -= {"config_overrides"}  # which have the given ones
    options = {name: value for name, value in options.items() if name not in given}
    if os.environ.get("RANK", "0") == "0":
        kinds = {"regression": "numbers", "multi_label_classification": "labels"}
        described = summary.describe(kinds.get(data_args.problem_type, "classes"))
        print(f"{described}. Chosen for them; the command line can set each:")
        for name, value in options.items():
            print(f"    --{name} {' '.join(map(str, value)) if isinstance(value, (list, tuple)) else value}")
        print(end="", flush=True)
    return options


def new_model_options(model_args: ImageModelArguments, summary: ImageSummary, given: set[str]) -> dict:
    """Returns the options of a new model, its image processor, and the views of images that suit both."""
    pairs = split_overrides(model_args.config_overrides)
    own = {name.strip(): value.strip() for name, _, value in (pair.partition("=") for pair in pairs if pair.strip())}
    model_type = model_args.model_type
    if not {"model_type", "preset"} & given and own.keys() <= AttentionCnnConfig().to_dict().keys():
        model_type = "attention_cnn"
    shorter = min(summary.width, summary.height)
    size = next((size for size in SIZES if size >= shorter), SIZES[-1])
    channels = 1 if summary.is_gray else 3
    if own.get("image_size", "").isdecimal():
        size = int(own["image_size"])
    if own.get("num_channels", "").isdecimal():
        channels = int(own["num_channels"])
    overrides: dict = {"image_size": size, "num_channels": channels}
    if model_type == "attention_cnn":
        # the first stage has 32 or 24 positions a side
        overrides |= {"embedding_stride": 1 if size <= 32 else 2, "hidden_sizes": [32, 64, 128], "depths": [2, 2, 2]}
        overrides |= {"attention_type": "se", "reduction_ratio": 8}
    elif model_type in CONFIG_MAPPING and model_type != "compact_vit":
        config = AutoConfig.for_model(model_type)
        if isinstance(getattr(config, "patch_size", None), int):
            overrides["patch_size"] = max(size // 8, 1)
        overrides = {name: value for name, value in overrides.items() if hasattr(config, name)}
    has_size = "image_size" in overrides and "[" not in own.get("image_size", "")  # height and width may differ
    pads = summary.has_even_edges and model_type in OWN_PROCESSOR
    chosen = [f"{name}={value}".replace(" ", "") for name, value in overrides.items() if name not in own]
    options: dict = {"model_type": model_type, "config_overrides": ",".join([*chosen, *pairs])}
    if channels == len(summary.mean):
        options |= {"image_mean": list(summary.mean), "image_std": list(summary.std)}
    elif channels == 3:
        options |= {"image_mean": [*summary.mean] * 3, "image_std": [*summary.std] * 3}
    options["learning_rate"] = LEARNING_RATES.get(model_type, 5e-4)
    if has_size:
        options["crop_mode"] = "border" if pads else "center"
    return options | view_options(summary, has_size)


def fine_tuning_options(model_args: ImageModelArguments, summary: ImageSummary) -> dict:
    """Returns the learning rate, and the views of images that suit the image processor of the model to fine-tune."""
    learning_rate = FROZEN_LEARNING_RATE if model_args.freeze else FINE_TUNING_LEARNING_RATE
    try:
        image_processor = load_image_processor(
            str(model_args.model_name_or_path),
            revision=model_args.model_revision,
            trust_remote_code=model_args.trust_remote_code,
        )
    except (OSError, ValueError):  # which the recipe raises, after the errors of the model
        return {}
    size = processed_size(image_processor)
    is_square = size.get("height") is not None and size["height"] == size["width"]
    return {"learning_rate": learning_rate, **view_options(summary, is_square)}


def view_options(summary: ImageSummary, has_square_size: bool) -> dict:
    """Returns the random views of training images."""
    options: dict = {}
    if has_square_size:
        options["crop_scale"] = [0.5, 1.0] if summary.has_even_edges else [0.35, 1.0]
        if summary.has_even_edges:
            options["rotation_degrees"] = 15.0
    if not (summary.is_gray and summary.has_even_edges):  # the mirror image of a letter is another
        options["horizontal_flip"] = 0.5
    return options


def training_options(summary: ImageSummary, time_limit: float | None) -> dict:
    """Returns the length of the training, its optimizer, and the share of the images to validate on."""
    count, classes = summary.count, len(summary.classes)
    share = max(VALIDATION_SHARE, round(2 * classes / count, 2))  # at least two images a class, or none
    options: dict = {
        "validation_share": share if share <= MOST_VALIDATION else 0.0,
        "per_device_train_batch_size": 32 if count >= 200 else 16,
        "per_device_eval_batch_size": 64,
    }
    if time_limit is None:
        options["num_train_epochs"] = min(max(round(PASSES / count), EPOCHS[0]), EPOCHS[1])
    options |= {"lr_scheduler_type": "cosine", "warmup_steps": 0.05, "weight_decay": 0.05}
    options |= {"label_smoothing_factor": 0.1}
    return options | {"save_steps": 0.1, "save_total_limit": 1, "logging_steps": 0.02}


def known_options() -> set[str]:
    return {item.name for arguments in IMAGE_ARGUMENTS for item in fields(arguments)}


__all__ = ["choose_options"]
