# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The image classification recipe: images -> image processor -> model -> `Trainer` -> accuracy -> saved folder."""

import os
from functools import partial
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    PreTrainedConfig,
    PreTrainedModel,
    TrainerCallback,
    default_data_collator,
    set_seed,
)
from transformers.trainer_utils import PredictionOutput
from transformers.utils import logging

from ..data.cached_transform import ROW, CachedTransform
from ..data.image_targets import PROBLEM_TYPES, reorder_targets
from ..data.image_utils import MODES, class_names
from ..data.images import align_labels, check_images, label_names, load_images, make_transform, open_image
from ..data.splits import split_off
from ..hub.card import write_model_card
from ..hub.image_card import ImageCardFacts
from ..interpret.model_loading import load_model
from ..interpret.samples import choose_samples
from ..interpret.views import plot_attention
from ..models.compact_vit import CompactVitConfig
from ..prediction.classification_file import write_classifications
from ..prediction.image_classifier import ImageClassifier
from .arguments import describe_options
from .command_line import parse_overrides
from .image_arguments import ImageDataArguments, ImageModelArguments, ImageTrainingArguments
from .image_inputs import (
    make_augmentation,
    make_image_processor,
    make_train_transform,
    whiten_pixels,
    with_statistics,
)
from .image_scores import METRICS, PREDICTIONS, describe_predictions, measure_coverage, predicted, score_classes
from .image_trainer import ImageClassificationTrainer, check_loss
from .interruption import catch_signals
from .output_folder import IMAGE_PREDICTIONS, OutputFolder
from .run_checks import rehearse
from .sharding import full_model
from .splits import (
    Splits,
    apply_transform,
    check_has_train,
    check_streaming,
    describe_sizes,
    in_memory,
    sample,
    shuffle_and_limit,
)


logger = logging.get_logger(__name__)

CARD_IMAGES = 256  # images that the figure of a card may be drawn from
CARD_ROWS = 8  # of the figure
CHOICE = " The images are drawn over all classes, up to half of them mistakes, so their share is not the error rate."


def load_data(args: ImageDataArguments, train: bool, seed: int = 0) -> Splits:
    """Returns the splits of the data, with columns `image` and `label`."""
    if args.embedded:
        data = args.embedded.load()
    else:
        data = load_images(
            None if args.files else args.dataset_name,
            args.dataset_config_name,
            args.files,
            args.image_column,
            args.label_column,
            args.streaming,
            problem_type=args.problem_type,
            label_columns=args.label_columns,
            label_separator=args.label_separator,
        )
    splits: Splits = {str(split): rows for split, rows in data.items()}
    if train:
        check_has_train(splits)
    if train and not args.streaming and "validation" not in splits and args.validation_share > 0:
        rows = in_memory(splits["train"])
        try:  # the same split for every seed, so that no run validates on what another was trained on
            splits["train"], splits["validation"] = split_off(rows, args.validation_share)
        except ValueError as error:
            raise ValueError(
                f"`validation_share` = {args.validation_share} of {len(rows)} images cannot be split off ({error}). "
                "Set it to 0, to another share, or name a `validation_file`."
            ) from error
    return shuffle_and_limit(splits, args, seed)


def make_model(model_args: ImageModelArguments, names: list[str], problem_type: str | None = None) -> PreTrainedModel:
    """Returns the model to fine-tune, or a new one, with the classes of the data, or the names of its numbers."""
    labels: dict = {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
    options = {"attn_implementation": model_args.attn_implementation} if model_args.attn_implementation else {}
    name = model_args.model_name_or_path
    if name is None:
        if model_args.model_type == "compact_vit":
            make = partial(CompactVitConfig.from_preset, model_args.preset or "cct_2_3x2")
        elif model_args.preset is not None:
            raise ValueError(f"`preset` is for `compact_vit`; size `{model_args.model_type}` with `config_overrides`.")
        else:
            make = partial(AutoConfig.for_model, model_args.model_type)
        overrides = parse_overrides(make(), model_args.config_overrides, from_data=["num_labels", *labels])
        config = make(**labels, **({"problem_type": problem_type} if problem_type else {}), **overrides)
        config.architectures = config.architectures or []  # transformers iterates over it
        return AutoModelForImageClassification.from_config(config, **options)

    source = {"revision": model_args.model_revision, "trust_remote_code": model_args.trust_remote_code}
    config = AutoConfig.from_pretrained(name, **source)
    trained = class_names(config)
    is_named = trained != [f"LABEL_{index}" for index in range(len(trained))]
    is_another = len(trained) != len(names) or (is_named and set(trained) != set(names))
    if is_another and not model_args.ignore_mismatched_sizes:
        raise ValueError(
            f"{name} has the {len(trained)} classes {shorten(trained)}, but the data the {len(names)} classes "
            f"{shorten(names)}. Use data with its classes, or set `ignore_mismatched_sizes` for a new head."
        )
    if config.problem_type in PROBLEM_TYPES and problem_type is None:
        raise ValueError(
            f"{name} has the `problem_type` {config.problem_type!r}, but the data has one class per image. Set "
            "`problem_type` and `label_columns`."
        )
    config.problem_type = problem_type or config.problem_type
    if set(trained) != set(names):
        config.id2label, config.label2id = labels["id2label"], labels["label2id"]
    model = load_model(
        AutoModelForImageClassification,
        name,
        new_head=model_args.ignore_mismatched_sizes and (is_another or not is_named),
        config=config,
        **source,
        **options,
    )
    if is_another and len(trained) == len(names):  # as many classes, so their head was loaded
        for part, module in model.named_modules():
            is_head = isinstance(module, torch.nn.Linear) and module.out_features == len(names)
            if is_head and not part.startswith(f"{model.base_model_prefix}."):
                module.reset_parameters()
    return model


def shorten(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def read_class_names(data: Splits) -> list[str]:
    """Returns the names of the classes. Raises `ValueError` if there is only one."""
    rows = next(iter(data.values()))
    names = label_names(rows)
    if len(names) < 2 and isinstance((rows.features or {})["label"], ClassLabel):
        raise ValueError(
            f"The data has one class, {shorten(names)}, and nothing to tell it from. `train_file` is a folder of "
            "folders, one a class: name the one above, or below."
        )
    return names


def align_to_model(data: Splits, names: list[str], config: PreTrainedConfig) -> Splits:
    """Gives the classes the numbers that the model has for them, if these differ."""
    label2id = {name: index for index, name in enumerate(class_names(config))}
    if list(label2id) == names:
        return data
    if not isinstance((next(iter(data.values())).features or {})["label"], ClassLabel):
        return {split: reorder_targets(in_memory(rows), list(label2id)) for split, rows in data.items()}
    return {split: align_labels(rows, label2id) for split, rows in data.items()}


@catch_signals()
def train_image_classification(
    model_args: ImageModelArguments,
    data_args: ImageDataArguments,
    training_args: ImageTrainingArguments,
    callbacks: list[TrainerCallback] | None = None,
) -> dict:
    """
    Trains, evaluates, tests and saves. Works with any `AutoModelForImageClassification` whose images have one size,
    on one process or under `torchrun`.

    Args:
        model_args, data_args, training_args: the options of the script.
        callbacks (`list[TrainerCallback]`, *optional*): of the Trainer, in addition to its own.

    Returns:
        `dict`: the content of `all_results.json` in the output folder: `train_*`, `eval_*` and `test_*` metrics.

    Raises:
        `ValueError`: if arguments, images, classes, model and output folder do not fit each other, before anything is
        written.
    """
    set_seed(training_args.seed)
    training_args.move_token_to_environment()
    options = describe_options(model_args, data_args, training_args)
    if not training_args.do_train and (model_args.model_name_or_path is None or model_args.ignore_mismatched_sizes):
        raise ValueError(
            "Without `do_train` a model must be named (`model_name_or_path`), and have the classes of the data "
            "(`ignore_mismatched_sizes` makes a new head)."
        )
    for name in ("label_smoothing_factor", "class_weights", "balanced_sampling"):
        if data_args.has_targets and getattr(training_args, name) not in (0, "none"):
            raise ValueError(f"`{name}` is for classes, but `problem_type` is {data_args.problem_type!r}.")
    check_streaming(data_args, training_args)
    model_args.check_model_to_tune()
    data = load_data(data_args, training_args.do_train, training_args.seed)
    if training_args.do_eval and "validation" not in data:
        raise ValueError(
            "`eval_strategy` needs a validation split; the data has none. Name a `validation_file`, or set "
            "`validation_share`."
        )
    folder = OutputFolder(training_args)
    checkpoint = folder.find_checkpoint()
    names = read_class_names(data)
    model = make_model(model_args, names, data_args.problem_type if data_args.has_targets else None)
    check_loss(model, training_args.class_weights)
    data = align_to_model(data, names, model.config)
    if data_args.measure_statistics and training_args.do_train:
        data_args = with_statistics(data_args, in_memory(data["train"]), model.config)
    image_processor = make_image_processor(model_args, data_args, model.config)
    augmentation = make_augmentation(
        data_args, image_processor, len(names), label_smoothing=training_args.label_smoothing_factor
    )
    folder.check(model.config, checkpoint)

    num_channels = getattr(model.config, "num_channels", 3)
    if data_args.verify_images and training_args.local_process_index == 0:
        for split, rows in data.items():
            if isinstance(rows, Dataset) and (split != "train" or training_args.do_train):
                check_images(rows, split, num_channels)
    transforms = {split: make_transform(image_processor, num_channels) for split in data}
    transforms["train"] = make_train_transform(image_processor, num_channels, data_args.crop_scale)
    features = {split: apply_transform(rows, transforms[split]) for split, rows in data.items()}
    has_bytes = getattr(image_processor, "rescale_factor", None) == 1 / 255
    if has_bytes and isinstance(rows := data.get("train"), Dataset):  # several epochs read each image
        numbered = rows.add_column(ROW, list(range(len(rows))))
        features["train"] = numbered.with_transform(CachedTransform(transforms["train"]))
    if training_args.do_train and model_args.model_name_or_path is None and checkpoint is None:
        whiten_pixels(model, image_processor, data["train"])
    trainer = ImageClassificationTrainer(
        model=model,
        args=training_args,
        train_dataset=features.get("train"),
        eval_dataset=features.get("validation"),
        processing_class=image_processor,
        data_collator=default_data_collator,
        callbacks=callbacks,
        compute_metrics=partial(METRICS[data_args.problem_type], num_labels=len(names)),
        preprocess_logits_for_metrics=PREDICTIONS[data_args.problem_type],
        augmentation=augmentation,
        mix_epochs=data_args.mix_epochs,
        small_image_size=data_args.small_image_size,
        small_epochs=data_args.small_epochs,
        **training_args.trainer_options(),
        class_weights=training_args.class_weights if training_args.do_train else "none",
        balanced_sampling=training_args.balanced_sampling,
        mirrors=training_args.test_time_augmentation == "flip",
        freezes=model_args.freeze,
        muon_learning_rate=training_args.muon_learning_rate,
        stream_transform=transforms["train"],
    )

    if training_args.do_train:
        rehearse(trainer, features)
        folder.train(trainer, checkpoint, model_args.model_name_or_path, options)
    if "validation" in features:
        folder.report(trainer, "eval", trainer.evaluate())
    split = next((split for split in ("test", "validation") if split in features), None)
    output = None
    if split is not None and (split == "test" or training_args.do_train):
        prefix = "test" if split == "test" else "eval"
        output = trainer.predict(features[split], metric_key_prefix=prefix)  # ty: ignore[invalid-argument-type]  # it takes those of `datasets` too
    if output is not None and split == "test":
        metrics = output.metrics or {}
        full = full_model(trainer)
        if trainer.is_world_process_zero():
            coverage = measure_coverage(full, image_processor, in_memory(data["test"]))
            metrics |= {f"test_{name}": value for name, value in coverage.items()}
            table = os.path.join(str(training_args.output_dir), IMAGE_PREDICTIONS)
            classifier = ImageClassifier(full, image_processor)
            results = describe_predictions(output, full.config)
            write_classifications(table, classifier, in_memory(data["test"]), results)
        folder.report(trainer, "test", metrics)
    classes = {}
    if output is not None:
        if data_args.problem_type != "regression":
            classes = score_classes(predicted(output), np.asarray(output.label_ids), class_names(model.config))
        prefix = "test" if split == "test" else "eval"
        scores = {f"{prefix}_{name}_{key}": value for name, row in classes.items() for key, value in row.items()}
        trainer.save_metrics(prefix, {**(output.metrics or {}), **scores})  # too many to log
    if training_args.do_train:
        full = full_model(trainer)
        if trainer.is_world_process_zero():
            with folder.explain_full_disk(trainer):
                write_card(trainer, full, model_args, data_args, training_args, data, split, output, classes)
            folder.push(trainer, model_args.trust_remote_code)
    return folder.read_results()


def write_card(
    trainer: ImageClassificationTrainer,
    model: PreTrainedModel,
    model_args: ImageModelArguments,
    data_args: ImageDataArguments,
    training_args: ImageTrainingArguments,
    data: Splits,
    split: str | None,
    output: PredictionOutput | None,
    classes: dict[str, dict[str, float]],
) -> None:
    """Writes the card, with the metrics of `split` (`test`, or else `validation`), or with none."""
    mode = MODES[getattr(model.config, "num_channels", 3)]
    rows, labels = sample(data[split or "train"], CARD_IMAGES), None
    if split is not None and output is not None and not data_args.has_targets:  # which have no mistakes to choose
        references, known = np.asarray(output.label_ids).tolist(), in_memory(data[split])
        rows = [known[index] for index in choose_samples(references, predicted(output).tolist(), CARD_ROWS)] + rows
        labels = [class_names(model.config)[row["label"]] for row in rows]
    images = [open_image(row["image"], mode=mode) for row in rows]
    try:
        attention = plot_attention(model, trainer.processing_class, images, CARD_ROWS, labels)
        attention.caption += CHOICE if labels else ""
    except ValueError as error:
        logger.warning(f"The card shows no attention: {error}")
        attention = None
    parent = model_args.model_name_or_path
    embedded = data_args.embedded
    origin_facts: dict[str, Any] = {"limits": embedded.limits, "license": embedded.license} if embedded else {}
    kind = {"regression": "numbers", "multi_label_classification": "labels"}.get(data_args.problem_type, "classes")
    origin = embedded.origin if embedded else ""
    facts = ImageCardFacts(
        data_name=data_args.name,
        data_description=f"{origin}{describe_sizes(data)} images, of {model.config.num_labels} {kind}.",
        split=split,
        dataset=data_args.dataset_name if data_args.is_on_hub else None,
        base_model=parent if parent and not os.path.isdir(parent) else None,  # a local folder is not on the Hub
        predictions=None if output is None or data_args.has_targets else predicted(output),
        references=None if output is None else np.asarray(output.label_ids),
        classes=classes,
        is_mirrored=training_args.test_time_augmentation == "flip",
        attention=attention,
        regularization=describe_regularization(data_args, training_args),
        **origin_facts,
    )
    write_model_card(str(training_args.output_dir), model, training_args, facts)


def describe_regularization(args: ImageDataArguments, training_args: ImageTrainingArguments) -> dict[str, object]:
    """Returns the non-default options of augmentation and EMA, and label smoothing."""
    defaults = ImageDataArguments()
    names = (
        "crop_mode",
        "crop_scale",
        "rotation_degrees",
        "crop_padding",
        "horizontal_flip",
        "randaugment_ops",
        "random_erasing",
    )
    names += ("mixup_alpha", "cutmix_alpha", "mix_epochs", "small_image_size", "small_epochs")
    options = {name: getattr(args, name) for name in names if getattr(args, name) != getattr(defaults, name)}
    if args.randaugment_ops:
        options["randaugment_magnitude"] = f"{args.randaugment_magnitude} ± {args.randaugment_std}"
    if training_args.class_weights != "none":
        options["class_weights"] = training_args.class_weights
    if training_args.balanced_sampling:
        options["balanced_sampling"] = True
    options["label_smoothing_factor"] = training_args.label_smoothing_factor
    return options if training_args.ema_decay is None else {**options, "ema_decay": training_args.ema_decay}
