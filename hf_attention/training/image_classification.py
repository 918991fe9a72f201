# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The image classification recipe: images -> image processor -> model -> `Trainer` -> accuracy -> saved folder."""

import os
from functools import partial
from itertools import islice

import torch
from datasets import Dataset, IterableDataset
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    BaseImageProcessor,
    EarlyStoppingCallback,
    PreTrainedConfig,
    PreTrainedModel,
    default_data_collator,
    set_seed,
)
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING, AutoImageProcessor
from transformers.trainer_utils import PredictionOutput
from transformers.utils import logging

from ..data.augmentation import ImageAugmentation
from ..data.image_size import processed_size
from ..data.images import (
    align_labels,
    check_images,
    load_images,
    make_transform,
    open_image,
)
from ..hub.image_card import ImageCardFacts, write_image_classification_card
from ..interpret.views import view
from ..metrics import Accuracy
from ..models.compact_vit import CompactVitConfig
from ..models.compact_vit.image_processing_pil_compact_vit import MODES, convert_mode
from .arguments import (
    ImageDataArguments,
    ImageModelArguments,
    ImageTrainingArguments,
    describe_options,
    parse_overrides,
)
from .checkpoints import (
    check_figures,
    check_model_to_tune,
    check_output_dir,
    check_push,
    check_same_model,
    clear_output_dir,
    explained_full_disk,
    find_checkpoint,
    push,
    read_results,
    save_model_whole,
    write_options,
)
from .coverage import measure_coverage
from .image_trainer import ImageClassificationTrainer
from .loader_share import LoaderShare


logger = logging.get_logger(__name__)

SHOWN = 256  # images that a card's picture may draw on
Splits = dict[str, Dataset | IterableDataset]


def load_data(args: ImageDataArguments, train: bool, seed: int = 0) -> Splits:
    """Columns `image` and `label`, in splits `train`, `validation` and `test` as far as the data has them."""
    files = {"train": args.train_file, "validation": args.validation_file, "test": args.test_file}
    files = {split: path for split, path in files.items() if path}
    if args.streaming and args.embedded:
        raise ValueError(f"`streaming` reads files or a dataset of the Hub; {args.dataset_name!r} is in memory.")
    if args.embedded:
        data = args.embedded.load()
    else:
        data = load_images(
            None if files else args.dataset_name,
            args.dataset_config_name,
            files,
            args.image_column,
            args.label_column,
            args.streaming,
        )
    data = dict(data)
    if train and "train" not in data:
        raise ValueError("The data has no `train` split. Name a `train_file`.")
    if train and not args.streaming and "validation" not in data and args.validation_share > 0:
        try:  # the same split whatever the seed, so that no run validates on what another was trained on
            parts = data["train"].train_test_split(args.validation_share, stratify_by_column="label", seed=0)
        except ValueError as error:
            raise ValueError(
                f"`validation_share` = {args.validation_share} of {len(data['train'])} images cannot be split off "
                f"({error}). Set it to 0, to another share, or name a `validation_file`."
            ) from error
        data["train"], data["validation"] = parts["train"], parts["test"]
    limits = {"train": args.max_train_samples, "validation": args.max_eval_samples, "test": args.max_eval_samples}
    for split, limit in limits.items():
        if split not in data:
            continue
        # data sets are often sorted by class
        if args.streaming:
            data[split] = data[split].shuffle(seed=seed if split == "train" else 0, buffer_size=10_000)
        elif limit is not None:
            data[split] = data[split].shuffle(seed=0)
        if limit is not None:
            data[split] = data[split].take(limit)
    if args.streaming:  # every evaluation reads these again
        data = {
            split: rows if split == "train" else Dataset.from_list(list(rows), features=rows.features)
            for split, rows in data.items()
        }
    return data


def make_model(model_args: ImageModelArguments, names: list[str]) -> PreTrainedModel:
    """A model to fine-tune, or a new one, that has the classes of the data."""
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
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
        config = make(**labels, **overrides)
        config.architectures = config.architectures or []  # transformers looks through it where there are several
        return AutoModelForImageClassification.from_config(config, **options)

    source = {"revision": model_args.model_revision, "trust_remote_code": model_args.trust_remote_code}
    config = AutoConfig.from_pretrained(name, **source)
    trained = [config.id2label[index] for index in range(config.num_labels)]
    is_named = trained != [f"LABEL_{index}" for index in range(config.num_labels)]
    is_another = len(trained) != len(names) or (is_named and set(trained) != set(names))
    if is_another and not model_args.ignore_mismatched_sizes:
        raise ValueError(
            f"{name} has the {len(trained)} classes {shorten(trained)}, but the data the {len(names)} classes "
            f"{shorten(names)}. Use data with its classes, or set `ignore_mismatched_sizes` for a new head."
        )
    if set(trained) != set(names):
        config.id2label, config.label2id = labels["id2label"], labels["label2id"]
    model = AutoModelForImageClassification.from_pretrained(
        name,
        config=config,
        ignore_mismatched_sizes=model_args.ignore_mismatched_sizes,
        use_safetensors=True,
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


def make_image_processor(
    model_args: ImageModelArguments, data_args: ImageDataArguments, config: PreTrainedConfig
) -> BaseImageProcessor:
    """The processor of the model to fine-tune, or one of the new model's size and channels."""
    num_channels = getattr(config, "num_channels", 3)
    stats = {"image_mean": data_args.image_mean, "image_std": data_args.image_std}
    stats = {name: values for name, values in stats.items() if values is not None}
    for name, values in stats.items():
        if len(values) != num_channels:
            raise ValueError(f"`{name}` has {len(values)} values, but the model's `num_channels` is {num_channels}.")
    if model_args.model_name_or_path is not None:
        return AutoImageProcessor.from_pretrained(
            model_args.model_name_or_path,
            revision=model_args.model_revision,
            trust_remote_code=model_args.trust_remote_code,
            **stats,
        )
    if type(config) not in IMAGE_PROCESSOR_MAPPING:
        raise ValueError(f"transformers has no image processor for `model_type` = {config.model_type!r}.")
    processor_class = IMAGE_PROCESSOR_MAPPING[type(config)]["pil"]
    if hasattr(processor_class, "num_channels"):  # ours, which brings images to any number of channels
        stats["num_channels"] = num_channels
    elif not stats:
        stats = {"image_mean": [0.5] * num_channels, "image_std": [0.5] * num_channels}
    size = getattr(config, "image_size", None)
    if size is None:  # a convolutional network takes any: what its processor has by default
        return processor_class(**stats)
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    size = {"height": height, "width": width}
    if getattr(processor_class, "do_center_crop", None):
        stats["crop_size"] = size
    elif "shortest_edge" in (getattr(processor_class, "size", None) or {}):  # ConvNeXt's, which takes nothing else
        size = {"shortest_edge": min(height, width)}
    return processor_class(size=size, **stats)


def make_augmentation(
    data_args: ImageDataArguments,
    training_args: ImageTrainingArguments,
    image_processor: BaseImageProcessor,
    num_labels: int,
) -> ImageAugmentation:
    size = processed_size(image_processor)
    crops = data_args.crop_scale is not None or data_args.crop_padding > 0
    if crops and (size.get("height") is None or size["height"] != size["width"]):
        raise ValueError(f"Random crops need images of one square size, but the image processor's is {size}.")
    if not image_processor.do_rescale:
        raise ValueError("Augmentation takes pixels from 0 to 1, but the image processor's `do_rescale` is False.")
    num_channels = len(image_processor.image_mean or [0.5] * 3)
    mean, std = [0.0] * num_channels, [1.0] * num_channels
    if image_processor.do_normalize:
        mean, std = list(image_processor.image_mean), list(image_processor.image_std)
    smoothing, training_args.label_smoothing_factor = training_args.label_smoothing_factor, 0.0
    return ImageAugmentation(
        image_size=size.get("height") or 0,
        num_labels=num_labels,
        image_mean=mean,
        image_std=std,
        crop_scale=data_args.crop_scale,
        crop_padding=data_args.crop_padding,
        horizontal_flip=data_args.horizontal_flip,
        randaugment_ops=data_args.randaugment_ops,
        randaugment_magnitude=data_args.randaugment_magnitude,
        randaugment_std=data_args.randaugment_std,
        random_erasing=data_args.random_erasing,
        mixup_alpha=data_args.mixup_alpha,
        cutmix_alpha=data_args.cutmix_alpha,
        cutmix_probability=data_args.cutmix_probability,
        label_smoothing=smoothing,
    )


def apply_transform(rows: Dataset | IterableDataset, transform) -> Dataset | IterableDataset:
    if isinstance(rows, IterableDataset):
        return rows.map(transform, batched=True, remove_columns=["image", "label"])
    return rows.with_transform(transform)


def predicted_classes(logits: torch.Tensor | tuple, labels: torch.Tensor) -> torch.Tensor:
    """What evaluation keeps of a batch: (B, num_labels) to (B,)."""
    return (logits[0] if isinstance(logits, tuple) else logits).argmax(dim=-1)


def compute_metrics(prediction) -> dict[str, float]:
    return Accuracy().compute(predictions=prediction.predictions, references=prediction.label_ids)


def train_image_classification(
    model_args: ImageModelArguments, data_args: ImageDataArguments, training_args: ImageTrainingArguments
) -> dict:
    """
    Trains, evaluates, tests and saves. Works with any `AutoModelForImageClassification` whose images have one size,
    on one process or under `torchrun`.

    Returns:
        `dict`: what `all_results.json` of the output folder holds: `train_*`, `eval_*` and `test_*` figures.

    Raises:
        `ValueError`: for arguments, images, classes, a model and an output folder that do not fit each other, before
        anything is written.
    """
    set_seed(training_args.seed)
    options = describe_options(model_args, data_args, training_args)
    if not training_args.do_train and (model_args.model_name_or_path is None or model_args.ignore_mismatched_sizes):
        raise ValueError(
            "Without `do_train` a model must be named (`model_name_or_path`), and have the classes of the data "
            "(`ignore_mismatched_sizes` makes a new head)."
        )
    if training_args.do_train and data_args.streaming and training_args.max_steps <= 0:
        raise ValueError("`streaming` has no end, so set `max_steps`.")
    check_model_to_tune(model_args)
    data = load_data(data_args, training_args.do_train, training_args.seed)
    if training_args.do_eval and "validation" not in data:
        raise ValueError(
            "`eval_strategy` needs a validation split; the data has none. Name a `validation_file`, or set "
            "`validation_share`."
        )
    names = next(iter(data.values())).features["label"].names
    if len(names) < 2:
        raise ValueError(
            f"The data has one class, {shorten(names)}, and nothing to tell it from. `train_file` is a folder of "
            "folders, one a class: name the one above, or below."
        )
    model = make_model(model_args, names)
    config = model.config
    label2id = {name: index for index, name in config.id2label.items()}
    if [config.id2label[index] for index in range(len(names))] != names:  # the same names in another order
        data = {split: align_labels(rows, label2id) for split, rows in data.items()}
    image_processor = make_image_processor(model_args, data_args, config)
    augmentation = make_augmentation(data_args, training_args, image_processor, config.num_labels)
    resume = training_args.resume_from_checkpoint
    if training_args.do_train:
        check_output_dir(training_args.output_dir, config, training_args.overwrite_output_dir, resume is not None)
        check_push(training_args, config)
    else:
        check_figures(training_args.output_dir)
    checkpoint = find_checkpoint(training_args.output_dir, resume) if resume else None
    if checkpoint is not None:
        check_same_model(checkpoint, config)
    num_channels = getattr(config, "num_channels", 3)
    if data_args.verify_images and training_args.local_process_index == 0:
        for split, rows in data.items():
            if isinstance(rows, Dataset) and (split != "train" or training_args.do_train):
                check_images(rows, split, num_channels)

    evaluated = make_transform(image_processor, num_channels)
    features = {
        split: apply_transform(
            rows, evaluated if split != "train" else make_transform(image_processor, num_channels, do_normalize=False)
        )
        for split, rows in data.items()
    }
    trainer = ImageClassificationTrainer(
        model=model,
        args=training_args,
        train_dataset=features.get("train"),
        eval_dataset=features.get("validation"),
        processing_class=image_processor,
        data_collator=default_data_collator,
        compute_metrics=compute_metrics,
        preprocess_logits_for_metrics=predicted_classes,
        augmentation=augmentation,
        mix_epochs=data_args.mix_epochs,
        ema_decay=training_args.ema_decay if training_args.do_train else None,
    )
    if checkpoint is not None and trainer.average is not None:
        trainer.load_average(checkpoint)
    if training_args.early_stopping_patience is not None:
        trainer.add_callback(EarlyStoppingCallback(training_args.early_stopping_patience))

    if training_args.do_train:
        loader = LoaderShare()
        trainer.add_callback(loader)
        with explained_full_disk(training_args.output_dir):
            clear_output_dir(training_args, model_args.model_name_or_path)
            result = trainer.train(resume_from_checkpoint=checkpoint)
            trainer.settle_on_average()
            save_model_whole(trainer)
            if trainer.is_world_process_zero():
                write_options(training_args.output_dir, options)
        trainer.save_train_metrics(result, train_loader_share=round(loader.share, 4))
        trainer.save_state()
    if "validation" in features:
        metrics = trainer.evaluate()
        trainer.log_metrics("eval", metrics)
        trainer.save_metrics("eval", metrics)
    split = next((split for split in ("test", "validation") if split in features), None)
    predictions = None
    if split is not None and (split == "test" or training_args.do_train):
        prefix = "test" if split == "test" else "eval"
        predictions = trainer.predict(features[split], metric_key_prefix=prefix)
    if split == "test":
        if trainer.is_world_process_zero():
            covered = measure_coverage(trainer.accelerator.unwrap_model(model), image_processor, data["test"])
            predictions.metrics.update({f"test_{name}": value for name, value in covered.items()})
        trainer.log_metrics("test", predictions.metrics)
        trainer.save_metrics("test", predictions.metrics)
    if training_args.do_train and trainer.is_world_process_zero():
        with explained_full_disk(training_args.output_dir):
            write_card(trainer, model_args, data_args, data, split, predictions)
        push(trainer, model_args.trust_remote_code)
    return read_results(training_args.output_dir)


def write_card(
    trainer: ImageClassificationTrainer,
    model_args: ImageModelArguments,
    data_args: ImageDataArguments,
    data: Splits,
    split: str | None,
    predictions: PredictionOutput | None,
):
    """With the figures of `split` (`test`, or else `validation`), or with none."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    mode = MODES[getattr(model.config, "num_channels", 3)]
    shown = islice(data[split or "train"], SHOWN)
    images = [convert_mode(open_image(row["image"]), mode) for row in shown]
    try:
        attention = view(model, trainer.processing_class, images)
    except ValueError as error:
        logger.warning(f"The card shows no attention: {error}")
        attention = None
    parent = model_args.model_name_or_path
    data_name, description = os.path.basename(os.path.normpath(data_args.dataset_name)), {}
    if data_args.embedded:
        data_name = data_args.dataset_name
        description = {"limits": data_args.embedded.limits, "license": data_args.embedded.license}
    elif data_args.train_file:
        data_name = os.path.basename(os.path.dirname(os.path.abspath(data_args.train_file)))
    elif not os.path.isdir(data_args.dataset_name):
        data_name, description = data_args.dataset_name, {"dataset": data_args.dataset_name}
    sizes = {
        split: "streamed" if isinstance(part, IterableDataset) else f"{len(part):,}" for split, part in data.items()
    }
    sizes = ", ".join(f"{split} {size}" for split, size in sizes.items())
    origin = data_args.embedded.origin if data_args.embedded else ""
    facts = ImageCardFacts(
        attention=attention,
        regularization=describe_regularization(data_args, trainer.args, trainer.augmentation.label_smoothing),
        predictions=None if predictions is None else predictions.predictions,
        references=None if predictions is None else predictions.label_ids,
        split=split,
        data_name=data_name,
        data_description=f"{origin}{sizes} images, of {model.config.num_labels} classes.",
        base_model=parent if parent and not os.path.isdir(parent) else None,  # the Hub knows no local folder
        **description,
    )
    write_image_classification_card(trainer.args.output_dir, model, trainer.args, facts)


def describe_regularization(
    args: ImageDataArguments, training_args: ImageTrainingArguments, label_smoothing: float
) -> dict[str, object]:
    """What varies images, labels and weights, as far as it was asked for."""
    defaults = ImageDataArguments()
    names = ("crop_scale", "crop_padding", "horizontal_flip", "randaugment_ops", "random_erasing")
    names += ("mixup_alpha", "cutmix_alpha", "mix_epochs")
    chosen = {name: getattr(args, name) for name in names if getattr(args, name) != getattr(defaults, name)}
    if args.randaugment_ops:
        chosen["randaugment_magnitude"] = f"{args.randaugment_magnitude} ± {args.randaugment_std}"
    chosen["label_smoothing_factor"] = label_smoothing
    return chosen if training_args.ema_decay is None else {**chosen, "ema_decay": training_args.ema_decay}
