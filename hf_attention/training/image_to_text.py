# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The image-to-text recipe: images and texts -> vision encoder-decoder -> `Seq2SeqTrainer` -> metrics -> folder."""

import os
from dataclasses import replace
from functools import partial
from typing import Any, cast

from datasets import Dataset, IterableDataset
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    BaseImageProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
    TrainerCallback,
    VisionEncoderDecoderModel,
    set_seed,
)
from transformers.trainer_utils import EvalLoopOutput
from transformers.utils import logging

from ..data.image_texts import ImageTextCollator, load_image_texts, make_transform
from ..data.image_utils import MODES
from ..data.images import open_image
from ..data.tokenizer import train_tokenizer, warn_of_lost_texts
from ..hub.card import write_model_card
from ..hub.image_text_card import ImageTextCardFacts
from ..interpret.image_attention import processed_part
from ..interpret.model_loading import load_model, load_tokenizer
from ..interpret.readings import Reading, read
from ..metrics import Pointing
from ..models.bahdanau import BahdanauConfig
from ..models.compact_vit import CompactVitConfig
from .arguments import describe_options
from .command_line import parse_overrides
from .image_inputs import make_image_processor
from .image_text_arguments import ImageTextDataArguments, ImageTextModelArguments, ImageTextTrainingArguments
from .interruption import catch_signals
from .output_folder import OutputFolder
from .run_checks import rehearse
from .sharding import full_model
from .splits import (
    Splits,
    apply_transform,
    check_has_train,
    check_streaming,
    describe_sizes,
    first_rows,
    in_memory,
    sample,
    shuffle_and_limit,
)
from .translation_scores import check_bleu_tokenize, compute_metrics
from .translation_trainer import TranslationTrainer


logger = logging.get_logger(__name__)

CARD_IMAGES = 4


def load_data(args: ImageTextDataArguments, train: bool, seed: int = 0) -> Splits:
    """Returns the splits of the data, with columns `image` and `text`, and `boxes` if they are known."""
    if args.embedded is not None:
        fonts = {"fonts": args.fonts, "test_fonts": args.test_fonts}
        data = args.embedded.load(**{name: value for name, value in fonts.items() if value is not None})
    else:
        name = None if args.files else args.dataset_name
        columns = (args.image_column, args.text_column)
        data = load_image_texts(name, args.dataset_config_name, args.files or None, *columns, args.streaming)
    splits: Splits = {str(split): rows for split, rows in data.items()}
    if train:
        check_has_train(splits)
    return shuffle_and_limit(splits, args, seed)


def make_tokenizer(
    model_args: ImageTextModelArguments, data_args: ImageTextDataArguments, data: Splits, checkpoint: str | None
) -> PreTrainedTokenizerBase:
    """Returns the tokenizer of the checkpoint, of the model to fine-tune, or one trained on the training split."""
    if name := checkpoint or model_args.tokenizer_name or model_args.model_name_or_path:
        options: dict = {} if checkpoint else {"trust_remote_code": model_args.trust_remote_code}
        if name == model_args.model_name_or_path:
            options["revision"] = model_args.model_revision
        return load_tokenizer(name, **options)
    texts = (row["text"] for row in first_rows(data["train"]).select_columns(["text"]))
    return train_tokenizer(texts, vocab_size=data_args.vocab_size, model_type=data_args.tokenizer_type)


def make_model(
    model_args: ImageTextModelArguments, data_args: ImageTextDataArguments, tokenizer: PreTrainedTokenizerBase
) -> VisionEncoderDecoderModel:
    """Returns the model to fine-tune, or a new decoder with the tokenizer's ids on a new or trained encoder."""
    source: dict = {"revision": model_args.model_revision, "trust_remote_code": model_args.trust_remote_code}
    ids = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": tokenizer.bos_token_id,
    }
    if model_args.model_name_or_path is not None:
        model = load_model(VisionEncoderDecoderModel, model_args.model_name_or_path, **source)
        assert isinstance(model, VisionEncoderDecoderModel)  # for type checkers
        size = model.decoder.config.vocab_size
        if len(tokenizer) > size:
            raise ValueError(
                f"The tokenizer has {len(tokenizer)} tokens, the model {size}. Use the tokenizer it was trained with."
            )
        ids = {name: getattr(model.generation_config, name) for name in ids}
    else:
        if model_args.encoder_name_or_path is not None:
            encoder = load_model(AutoModel, model_args.encoder_name_or_path, new_head=True, **source)
        else:
            encoder = AutoModel.from_config(make_encoder_config(model_args))
        if model_args.decoder_type == "bahdanau":
            make = partial(BahdanauConfig.from_preset, "tiny")
        else:
            make = partial(AutoConfig.for_model, model_args.decoder_type)
        options = {"vocab_size": len(tokenizer), **ids, "is_decoder": True, "add_cross_attention": True}
        if model_args.decoder_type == "bahdanau":
            options["cross_attention_hidden_size"] = encoder.config.hidden_size
        given = parse_overrides(make(), model_args.decoder_overrides, [*options], "decoder_overrides")
        decoder = AutoModelForCausalLM.from_config(make(**options, **given))
        model = VisionEncoderDecoderModel(encoder=encoder, decoder=decoder)
    # which the wrapper and the checks of folders read
    model.config.update({**ids, "vocab_size": model.decoder.config.vocab_size})
    model.generation_config.update(**ids, max_length=data_args.max_target_length, num_beams=data_args.num_beams)
    return model


def make_encoder_config(model_args: ImageTextModelArguments) -> PreTrainedConfig:
    """Returns the config of a new encoder, of which the decoder reads the tokens, and no pooled vector."""
    if model_args.encoder_type == "compact_vit":
        make = partial(CompactVitConfig.from_preset, "cct_2_3x2", pooling_type="mean")
    else:
        make = partial(AutoConfig.for_model, model_args.encoder_type)
    return make(**parse_overrides(make(), model_args.encoder_overrides, ["pooling_type"], "encoder_overrides"))


def measure_pointing(
    readings: list[Reading], rows: Dataset, corners: list[tuple[int, int]] | None = None
) -> dict[str, float]:
    """
    Returns `pointing` and `pointing_by_chance` of readings of the rows' texts, or nothing for data without `boxes`,
    and for tokens that are not single characters.

    Args:
        corners (`list`, *optional*): x and y in each image where the part that the model saw begins; by default 0.
    """
    points, boxes = [], []
    corners = corners or [(0, 0)] * len(readings)
    for reading, row, corner in zip(readings, rows if "boxes" in rows.column_names else [], corners):
        if len(reading.tokens) - 1 == len(row["boxes"] or ()):  # the last one ends the text
            points += (reading.centers()[:-1] + corner).tolist()
            boxes += row["boxes"]
    return (Pointing().compute(predictions=points, references=boxes) or {}) if points else {}


@catch_signals()
def train_image_to_text(
    model_args: ImageTextModelArguments,
    data_args: ImageTextDataArguments,
    training_args: ImageTextTrainingArguments,
    callbacks: list[TrainerCallback] | None = None,
) -> dict:
    """
    Trains, evaluates, tests and saves. Works with any `VisionEncoderDecoderModel`, on one process or under
    `torchrun`.

    Args:
        model_args, data_args, training_args: the options of the script.
        callbacks (`list[TrainerCallback]`, *optional*): of the Trainer, in addition to its own.

    Returns:
        `dict`: the content of `all_results.json` in the output folder: `train_*`, `eval_*` and `test_*` metrics.

    Raises:
        `ValueError`: if arguments, data, tokenizer, model and output folder do not fit each other, before anything is
        written.
    """
    set_seed(training_args.seed)
    training_args.move_token_to_environment()
    options = describe_options(model_args, data_args, training_args)
    if not training_args.do_train and model_args.model_name_or_path is None:
        raise ValueError("Without `do_train` a model must be named: `model_name_or_path`.")
    check_streaming(data_args, training_args)
    model_args.check_model_to_tune()
    check_bleu_tokenize(data_args.bleu_tokenize)
    data = load_data(data_args, training_args.do_train, training_args.seed)
    if training_args.do_eval and "validation" not in data:
        raise ValueError("`eval_strategy` needs a validation split; the data has none. Name a `validation_file`.")
    folder = OutputFolder(training_args)
    checkpoint = folder.find_checkpoint()
    tokenizer = make_tokenizer(model_args, data_args, data, checkpoint)
    if training_args.do_train and checkpoint is None and training_args.process_index == 0:
        texts = (row["text"] for row in first_rows(data["train"]).select_columns(["text"]))
        warn_of_lost_texts(texts, tokenizer, max_length=data_args.max_target_length)
    model = make_model(model_args, data_args, tokenizer)
    trained = model_args.model_name_or_path or model_args.encoder_name_or_path
    image_processor = make_image_processor(
        replace(model_args, model_name_or_path=trained, encoder_name_or_path=None, decoder_overrides=None)
        if trained
        else model_args,
        data_args,
        model.encoder.config,
    )
    folder.check(model.config, checkpoint)

    num_channels = getattr(model.encoder.config, "num_channels", 3)
    transform = make_transform(image_processor, tokenizer, num_channels, data_args.max_target_length)
    features = {split: apply_transform(rows, transform) for split, rows in data.items()}
    references = {split: list(rows["text"]) for split, rows in data.items() if split != "train"}

    def compute_split_metrics(output: EvalLoopOutput, prefix: str) -> dict[str, float | str]:
        return compute_metrics(
            output,
            tokenizer=tokenizer,
            references=references.get(prefix, references.get("validation", [])),
            bleu_tokenize=data_args.bleu_tokenize,
        )

    trainer = TranslationTrainer(
        model=model,
        args=training_args,
        train_dataset=features.get("train"),
        eval_dataset=features.get("validation"),
        processing_class=tokenizer,
        image_processor=image_processor,
        data_collator=ImageTextCollator(model),
        callbacks=callbacks,
        compute_split_metrics=compute_split_metrics if training_args.predict_with_generate else None,
        **training_args.trainer_options(),
        stream_transform=transform,
    )
    # the model's loss is a mean, whose number of tokens it does not take from the Trainer, which would scale it
    trainer.model_accepts_loss_kwargs = False

    if training_args.do_train:
        rehearse(trainer, features)
        folder.train(trainer, checkpoint, model_args.model_name_or_path, options)
    if "validation" in features:
        folder.report(trainer, "eval", trainer.evaluate())
    for split in (split for split in features if split.startswith("test")):
        output = trainer.predict(features[split], metric_key_prefix=split, num_beams=data_args.num_beams)  # ty: ignore[invalid-argument-type]  # it takes those of `datasets` too
        metrics, full = output.metrics or {}, cast(VisionEncoderDecoderModel, full_model(trainer))
        rows = in_memory(data[split])
        if "boxes" in rows.column_names and trainer.is_world_process_zero():
            images = [open_image(cell, mode=MODES[num_channels]) for cell in rows["image"]]
            readings = read(full, image_processor, tokenizer, images, list(rows["text"]), batch_size=256)
            corners = [processed_part(image.size, image_processor)[:2] for image in images]
            scores = measure_pointing(readings, rows, corners)
            metrics |= {f"{split}_{name}": value for name, value in scores.items()}
        folder.report(trainer, split, metrics)
    if training_args.do_train:
        full = cast(VisionEncoderDecoderModel, full_model(trainer))
        if trainer.is_world_process_zero():
            with folder.explain_full_disk(trainer):
                write_card(full, image_processor, tokenizer, model_args, data_args, training_args, data)
            folder.push(trainer, model_args.trust_remote_code)
    return folder.read_results()


def write_card(
    model: VisionEncoderDecoderModel,
    image_processor: BaseImageProcessor,
    tokenizer: PreTrainedTokenizerBase,
    model_args: ImageTextModelArguments,
    data_args: ImageTextDataArguments,
    training_args: ImageTextTrainingArguments,
    data: dict[str, Dataset | IterableDataset],
) -> None:
    """Writes the card, with the metrics of the test split, or else of the validation split, or with none."""
    split = next((split for split in ("test", "validation") if split in data), None)
    mode = MODES[getattr(model.encoder.config, "num_channels", 3)]
    images = [open_image(row["image"], mode=mode) for row in sample(data[split or "train"], CARD_IMAGES)]
    try:
        readings = read(model, image_processor, tokenizer, images)
    except ValueError as error:
        logger.warning(f"The card shows no attention: {error}")
        readings = []
    parent = model_args.model_name_or_path or model_args.encoder_name_or_path
    embedded = data_args.embedded
    origin_facts: dict[str, Any] = {"limits": embedded.limits, "license": embedded.license} if embedded else {}
    facts = ImageTextCardFacts(
        data_name=data_args.name.replace("_", " "),
        data_description=f"{embedded.origin if embedded else ''}{describe_sizes(data)} images.",
        split=split,
        dataset=data_args.dataset_name if data_args.is_on_hub else None,
        base_model=parent if parent and not os.path.isdir(parent) else None,  # a local folder is not on the Hub
        readings=readings,
        test_size=len(in_memory(data[split])) if split else None,
        num_beams=data_args.num_beams if split == "test" else training_args.generation_num_beams or 1,
        **origin_facts,
    )
    write_model_card(str(training_args.output_dir), model, training_args, facts)
