# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The translation recipe: pairs of texts -> tokenizer -> model -> `Seq2SeqTrainer` -> metrics -> saved folder."""

import math
import os
from functools import partial
from itertools import chain, islice

from babel import Locale
from datasets import Dataset, IterableDataset
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    set_seed,
)
from transformers.trainer_utils import EvalLoopOutput
from transformers.utils import logging

from ..data.dates import FIRST, LAST, LOCALES, load_dates
from ..data.features import FeatureCollator, collect_feature_values
from ..data.parallel import load_parallel, pair_with_each_reference, tokenize_pairs
from ..data.tokenizer import train_tokenizer, warn_of_lost_texts
from ..hub.card import write_model_card
from ..hub.folder import TARGET_TOKENIZER
from ..hub.translation_card import TranslationCardFacts
from ..interpret.alignments import align, has_text
from ..interpret.model_loading import has_target_vocabulary, load_model, load_tokenizer
from ..interpret.translation_pipeline import TranslationWithAlignmentPipeline
from ..models.bahdanau import BahdanauConfig
from ..prediction.translator import Translator
from .arguments import NEW_TOKENIZER, describe_options
from .command_line import parse_overrides
from .interruption import catch_signals
from .output_folder import PREDICTIONS, OutputFolder
from .run_checks import rehearse
from .sharding import full_model
from .splits import (
    Splits,
    check_has_train,
    check_streaming,
    describe_sizes,
    first_rows,
    in_memory,
    read_evaluation_splits,
)
from .translation_arguments import ModelArguments, ParallelDataArguments, TranslationTrainingArguments
from .translation_scores import (
    References,
    alignment_error,
    can_have_bleu,
    check_bleu_tokenize,
    compute_metrics,
    leading_metrics,
    write_predictions,
)
from .translation_trainer import TranslationTrainer


logger = logging.get_logger(__name__)


def load_data(args: ParallelDataArguments, train: bool = True, seed: int = 0) -> Splits:
    """
    Returns the splits of the data, with columns `source` and `target`, and `references` if rows to evaluate have
    several. Each reference of a row to train on is a pair.
    """
    if args.is_embedded:
        evaluated = args.max_eval_samples
        data = load_dates(args.max_train_samples or 40_000, evaluated or 1000, evaluated or 4000)
    else:
        name, config_name = (None, None) if args.files else (args.dataset_name, args.dataset_config_name)
        options = (args.source_lang, args.target_lang, args.streaming, args.feature_columns or ())
        data = load_parallel(name, config_name, args.files or None, *options, args.feature_separator)
    splits: Splits = {str(split): rows for split, rows in data.items()}
    if train:
        check_has_train(splits)
    for split, limit in args.limits.items():
        if split in splits and limit is not None and not args.is_embedded:  # files may be sorted
            buffer: dict = {"buffer_size": 10_000} if args.streaming else {}
            splits[split] = splits[split].shuffle(seed=0, **buffer).take(limit)
    if "train" in splits:
        splits["train"] = pair_with_each_reference(splits["train"])
    if args.streaming:
        splits = read_evaluation_splits({split: splits[split] for split in args.limits if split in splits})
        if isinstance(rows := splits.get("train"), IterableDataset):
            splits["train"] = rows.shuffle(seed=seed, buffer_size=10_000)
    return splits


def make_tokenizers(
    model_args: ModelArguments,
    data_args: ParallelDataArguments,
    data: Splits,
    checkpoint: str | None = None,
) -> tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase | None]:
    """
    Returns the tokenizer, and the target's if it is another one: of the checkpoint, of the model to fine-tune, or
    trained on the training split.
    """
    if checkpoint is not None:
        load = partial(load_tokenizer, trust_remote_code=model_args.trust_remote_code)
        folder = os.path.join(checkpoint, TARGET_TOKENIZER)
        return load(checkpoint), load(folder) if os.path.isdir(folder) else None
    name = model_args.tokenizer_name or model_args.model_name_or_path
    if name is not None:
        options = {"trust_remote_code": model_args.trust_remote_code}
        if model_args.tokenizer_name is None:
            options["revision"] = model_args.model_revision
        for option in NEW_TOKENIZER:
            if getattr(data_args, option) != getattr(ParallelDataArguments, option):
                raise ValueError(f"`{option}` is for a new tokenizer, but the run uses that of {name}. Leave it out.")
        tokenizer = load_tokenizer(name, **options)
        if model_args.model_name_or_path is None:
            return tokenizer, None
        config = AutoConfig.from_pretrained(
            model_args.model_name_or_path,
            revision=model_args.model_revision,
            trust_remote_code=model_args.trust_remote_code,
        )
        if not has_target_vocabulary(config):
            return tokenizer, None
        try:
            return tokenizer, load_tokenizer(name, subfolder=TARGET_TOKENIZER, **options)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"Source and target of {model_args.model_name_or_path} have separate vocabularies, but {name} holds "
                f"no tokenizer of the target in `{TARGET_TOKENIZER}`."
            ) from error
    if data_args.has_two_vocabularies and model_args.model_type != "bahdanau":
        raise ValueError(
            "`separate_vocabularies`, and separators that differ between source and target, are for `bahdanau`; "
            f"`{model_args.model_type}` has one vocabulary."
        )
    separators = (data_args.source_separator, data_args.target_separator)
    has_letters = data_args.is_embedded or separators != (None, None)
    extra_tokens = [f"<{locale}>" for locale in LOCALES] if data_args.is_embedded else []
    train = partial(
        train_tokenizer,
        vocab_size=data_args.vocab_size,
        model_type=data_args.tokenizer_type or ("char" if has_letters else "unigram"),
        extra_tokens=[*extra_tokens, *(data_args.extra_tokens or [])],
        normalization=data_args.normalization,
    )
    rows = first_rows(data["train"])
    sources, targets = [row["source"] for row in rows], [row["target"] for row in rows]
    if data_args.has_two_vocabularies:
        return train(sources, separator=separators[0]), train(targets, separator=separators[1])
    return train([*sources, *targets], separator=separators[0]), None


FROM_DATA = ("encoder_vocab_size", "source_to_target_ids", "feature_values", "feature_vocab_size", "feature_separator")


def match_tokens(source: PreTrainedTokenizerBase, target: PreTrainedTokenizerBase) -> list[int]:
    """Returns the target's id of each token of the source, -1 for a token that the target does not have."""
    ids = target.get_vocab()
    return [ids.get(token, -1) for token in source.convert_ids_to_tokens(list(range(len(source))))]


def make_model(
    model_args: ModelArguments,
    data_args: ParallelDataArguments,
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase | None,
    feature_values: dict[str, list[str]] | None = None,
) -> PreTrainedModel:
    """
    Returns the model to fine-tune, or a new one with the tokenizer's vocabulary and special tokens, and with the
    features of the data.
    """
    languages = {"source_lang": data_args.source_lang, "target_lang": data_args.target_lang}
    target = target_tokenizer or tokenizer
    if model_args.model_name_or_path is not None:
        model = load_model(
            AutoModelForSeq2SeqLM,
            model_args.model_name_or_path,
            revision=model_args.model_revision,
            trust_remote_code=model_args.trust_remote_code,
        )
        check_tokenizers(model, tokenizer, target)
        check_feature_columns(model, data_args)
        trained = {name: getattr(model.config, name, None) for name in languages}
        if (trained["source_lang"], trained["target_lang"]) == (data_args.target_lang, data_args.source_lang):
            raise ValueError(
                f"{model_args.model_name_or_path} translates {trained['source_lang']} to {trained['target_lang']}, "
                f"but `source_lang` is {data_args.source_lang} and `target_lang` {data_args.target_lang}: swap them."
            )
    else:
        options = {
            "vocab_size": len(target),
            "pad_token_id": target.pad_token_id,
            "bos_token_id": target.bos_token_id,
            "eos_token_id": target.eos_token_id,
            "decoder_start_token_id": target.bos_token_id,
        }
        if target_tokenizer is not None:
            options["encoder_vocab_size"] = len(tokenizer)
        if data_args.feature_columns and model_args.model_type != "bahdanau":
            raise ValueError(f"`feature_columns` is for `bahdanau`; a `{model_args.model_type}` has no features.")
        if model_args.model_type == "bahdanau":
            make = partial(BahdanauConfig.from_preset, model_args.preset or "tiny")
        elif model_args.preset is not None:
            raise ValueError(f"`preset` is for `bahdanau`; size a `{model_args.model_type}` with `config_overrides`.")
        else:
            make = partial(AutoConfig.for_model, model_args.model_type)
        options |= parse_overrides(make(), model_args.config_overrides, from_data=[*options, *FROM_DATA])
        if options.get("copy_mechanism") and target_tokenizer is not None:
            options["source_to_target_ids"] = match_tokens(tokenizer, target_tokenizer)
        if feature_values is not None:
            options |= {"feature_values": feature_values, "feature_separator": data_args.feature_separator}
        config = make(**options)
        if model_args.model_type != "bahdanau":
            config.forced_eos_token_id = None
            config.decoder_vocab_size = len(target)
        model = AutoModelForSeq2SeqLM.from_config(config)
    if model_args.model_name_or_path is None or tuple(languages.values()) != ("source", "target"):  # no names
        model.config.update(languages)

    positions = getattr(model.config, "max_position_embeddings", None) or math.inf
    for name in ("max_source_length", "max_target_length"):
        if getattr(data_args, name) > positions:
            raise ValueError(
                f"`{name}` is {getattr(data_args, name)}, but the model has {positions} positions "
                "(`max_position_embeddings`): lower it."
            )
    generation = model.generation_config
    generation.update(
        pad_token_id=model.config.pad_token_id,
        bos_token_id=model.config.bos_token_id,
        eos_token_id=model.config.eos_token_id,
        decoder_start_token_id=model.config.decoder_start_token_id,
        max_length=data_args.max_target_length,
        num_beams=data_args.num_beams,
    )
    return model


def check_feature_columns(model: PreTrainedModel, data_args: ParallelDataArguments) -> None:
    """Raises `ValueError` if the features of the model to fine-tune are not those of the data."""
    known, given = sorted(getattr(model.config, "feature_values", None) or {}), sorted(data_args.feature_columns or [])
    if known != given:
        raise ValueError(
            f"`feature_columns` is {given or None}, but the model reads the features {known or None}: name the same."
        )
    if known and data_args.feature_separator != model.config.feature_separator:
        raise ValueError(
            f"`feature_separator` is {data_args.feature_separator!r}, but that of the model is "
            f"{model.config.feature_separator!r}: convert the data."
        )


def check_tokenizers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, target: PreTrainedTokenizerBase
) -> None:
    """Raises `ValueError` if a tokenizer has ids that the model does not have."""
    config = model.config
    sizes = {
        "source": (len(tokenizer), getattr(config, "encoder_vocab_size", None) or config.vocab_size),
        "target": (len(target), config.vocab_size),
    }
    for side, (tokens, embeddings) in sizes.items():
        if tokens > embeddings:
            raise ValueError(
                f"The {side} tokenizer has {tokens} tokens, the model {embeddings}. Use the tokenizer the model was "
                "trained with, or call `resize_token_embeddings` and save the model first."
            )
    for name in ("pad_token_id", "eos_token_id"):
        model_id, tokenizer_id = getattr(config, name), getattr(target, name)
        if tokenizer_id not in (model_id if isinstance(model_id, list) else [model_id]):
            raise ValueError(
                f"The tokenizer's `{name}` is {tokenizer_id}, the model's {model_id}: they do not belong together."
            )


def check_metrics(
    references: dict[str, References],
    tokenize: str,
    tokenizer: PreTrainedTokenizerBase,
    args: TranslationTrainingArguments,
) -> None:
    """Raises `ValueError` if the metric that is to choose the best model does not fit these targets."""
    if not args.predict_with_generate:
        return
    best = (args.metric_for_best_model or "loss").removeprefix("eval_")
    has_symbols = tokenizer.init_kwargs.get("tokenizer_type") == "symbol"
    if best in (("bleu", "chrf", "character_error_rate") if has_symbols else ("symbol_error_rate",)):
        fitting = "symbol_error_rate" if has_symbols else "character_error_rate"
        have = "have" if has_symbols else "have no"
        raise ValueError(f"`metric_for_best_model` is {best}, but the targets {have} separators: take `{fitting}`.")
    short = [split for split, texts in references.items() if not can_have_bleu(texts, tokenize, tokenizer)]
    if not short or has_symbols:
        return
    reason = f"No target of {' and '.join(short)} has the four tokens that BLEU counts"
    if tokenizer.init_kwargs.get("tokenizer_type") == "char":
        reason = reason.replace("No target", "Less than half of the targets").replace("has", "have")
    if "validation" in short and best == "bleu":
        raise ValueError(
            f"{reason}, so `metric_for_best_model` cannot be `bleu`: take `chrf` or `exact_match`, or count "
            "characters with `bleu_tokenize` `char`."
        )
    logger.warning(f"{reason}, so BLEU is skipped: use chrF or exact match, or set `bleu_tokenize` to `char`.")


@catch_signals()
def train_translation(
    model_args: ModelArguments,
    data_args: ParallelDataArguments,
    training_args: TranslationTrainingArguments,
    callbacks: list[TrainerCallback] | None = None,
) -> dict:
    """
    Trains, evaluates, tests and saves. Works with any `AutoModelForSeq2SeqLM`, on one process or under `torchrun`.

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
    if training_args.predict_with_generate:
        check_bleu_tokenize(data_args.bleu_tokenize)
    data = load_data(data_args, training_args.do_train, training_args.seed)
    if training_args.do_eval and "validation" not in data:
        raise ValueError("`eval_strategy` needs a validation split; the data has none. Name a `validation_file`.")
    folder = OutputFolder(training_args)
    checkpoint = folder.find_checkpoint()
    tokenizer, target_tokenizer = make_tokenizers(model_args, data_args, data, checkpoint)
    target = target_tokenizer or tokenizer
    if training_args.do_train and checkpoint is None and training_args.process_index == 0:
        warn_of_lost_texts((row["target"] for row in first_rows(data["train"])), target)
    tokenizer.padding_side = target.padding_side = "right"  # a decoder must not read padding before its target
    values = None
    if data_args.feature_columns and model_args.model_name_or_path is None:
        columns, rows = data_args.feature_columns, first_rows(data["train"])
        values = collect_feature_values(rows, columns, data_args.feature_separator)
    model = make_model(model_args, data_args, tokenizer, target_tokenizer, values)
    described = (getattr(model.config, "feature_values", None), data_args.feature_separator)
    folder.check(model.config, checkpoint)

    features = {}
    with training_args.main_process_first(desc="tokenizing"):
        for split in ("train", "validation", "test"):
            if split in data and (split != "train" or training_args.do_train):
                lengths = (data_args.max_source_length, data_args.max_target_length)
                rows = tokenize_pairs(data[split], tokenizer, target_tokenizer, *lengths, split == "train", *described)
                features[split] = rows if split == "train" else sort_by_length(in_memory(rows))
    if data_args.streaming and training_args.do_train and next(iter(features["train"]), None) is None:
        raise ValueError(
            "No pair of the stream is left to train on: each has an empty text, or one that is longer than "
            "`max_source_length` or `max_target_length`."
        )
    references = {
        split: list(rows["references" if "references" in (rows.column_names or []) else "target"])
        for split, rows in features.items()
        if split != "train"
    }
    check_metrics(references, data_args.bleu_tokenize, target, training_args)

    def compute_split_metrics(output: EvalLoopOutput, prefix: str) -> dict[str, float | str]:
        return compute_metrics(
            output,
            tokenizer=target,
            references=references["test" if prefix == "test" else "validation"],
            bleu_tokenize=data_args.bleu_tokenize,
            signature=prefix == "test",
        )

    trainer = TranslationTrainer(
        model=model,
        args=training_args,
        train_dataset=features.get("train"),
        eval_dataset=features.get("validation"),
        processing_class=tokenizer,
        target_tokenizer=target_tokenizer,
        data_collator=FeatureCollator(tokenizer, model=model),
        callbacks=callbacks,
        compute_split_metrics=compute_split_metrics if training_args.predict_with_generate else None,
        **training_args.trainer_options(),
    )

    if training_args.do_train:
        rehearse(trainer, features)
        folder.train(trainer, checkpoint, model_args.model_name_or_path, options)
    if "validation" in features:
        folder.report(trainer, "eval", trainer.evaluate())
    worst = []
    if "test" in features:
        rows = features["test"]
        output = trainer.predict(rows, metric_key_prefix="test", num_beams=data_args.num_beams)  # ty: ignore[invalid-argument-type]  # it takes those of `datasets` too
        metrics = output.metrics or {}
        test, full = in_memory(data["test"]), full_model(trainer)
        if "alignment" in test.column_names and trainer.is_world_process_zero():
            error = alignment_error(
                full,
                tokenizer,
                target_tokenizer,
                test,
                training_args.per_device_eval_batch_size,
            )
            metrics |= {} if error is None else {"test_alignment_error": error}
        folder.report(trainer, "test", metrics)
        if training_args.predict_with_generate and trainer.is_world_process_zero():
            size = training_args.per_device_eval_batch_size
            translator = Translator(full, tokenizer, target_tokenizer, size, data_args.max_source_length)
            file = os.path.join(str(training_args.output_dir), PREDICTIONS)
            with folder.explain_full_disk(trainer):
                worst = write_predictions(file, translator, in_memory(rows), references["test"], output)
    if training_args.do_train:
        full = full_model(trainer)
        if trainer.is_world_process_zero():
            with folder.explain_full_disk(trainer):
                write_pipeline_and_card(trainer, full, model_args, data_args, training_args, data, worst)
            folder.push(trainer, model_args.trust_remote_code)
    return folder.read_results()


def sort_by_length(rows: Dataset) -> Dataset:
    """Returns the rows with the longest first, so that a batch has rows of similar length, and their `position`."""
    lengths = list(rows["length"])
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    return rows.select(order).add_column("position", order)


def write_pipeline_and_card(
    trainer: TranslationTrainer,
    model: PreTrainedModel,
    model_args: ModelArguments,
    data_args: ParallelDataArguments,
    training_args: TranslationTrainingArguments,
    data: Splits,
    worst: list[tuple[str, str, str]],
) -> None:
    """
    Completes the folder with the code of the pipeline, if that of the model is in it, and with the card. The card has
    the metrics of the test split, or else of the validation split, or none.
    """
    output_dir = str(training_args.output_dir)
    tokenizer, target_tokenizer = trainer.processing_class, trainer.target_tokenizer
    if model.is_remote_code():
        TranslationWithAlignmentPipeline(
            model=model, tokenizer=tokenizer, target_tokenizer=target_tokenizer
        ).save_pretrained(output_dir)
    split = next((split for split in ("test", "validation") if split in data), None)
    rows = chain.from_iterable(data[name] for name in (split, "train") if name is not None)  # one may have no text
    examples = list(islice((row for row in rows if has_text(row["source"], tokenizer)), 3))
    features = [row["features"] for row in examples] if data_args.feature_columns else None
    alignments = []
    if getattr(model.config, "attention_type", None) != "none":
        alignments = align(
            model,
            tokenizer,
            [row["source"] for row in examples],
            target_tokenizer=target_tokenizer,
            features=features,
            num_beams=data_args.num_beams,
        )
    parent = model_args.model_name_or_path
    languages = find_languages(data_args.source_lang, data_args.target_lang)
    if data_args.is_embedded:
        languages = sorted(find_languages(*LOCALES))
    facts = TranslationCardFacts(
        data_name=data_args.name,
        data_description=describe_data(data_args, data),
        split=split,
        leading_metrics=leading_metrics(target_tokenizer or tokenizer),
        dataset=data_args.dataset_name if data_args.is_on_hub else None,
        base_model=parent if parent and not os.path.isdir(parent) else None,  # a local folder is not on the Hub
        example=examples[0]["source"],
        features=features[0] if features else None,
        test_size=len(in_memory(data[split])) if split else None,
        num_beams=data_args.num_beams if split == "test" else training_args.generation_num_beams or 1,
        alignments=alignments,
        worst=worst,
        languages=languages or None,
        **({"limits": DATES_LIMITS, "license": "apache-2.0"} if data_args.is_embedded else {}),
    )
    write_model_card(output_dir, model, training_args, facts)


DATES_LIMITS = (
    "It reads Gregorian dates from 1950 to 2049 in the patterns above, and outputs a date for any input: text without "
    "a date, other calendars and misspellings were not in the training data. A date in digits alone, such as 3/4/05, "
    "means different days in different countries: put the locale before it (`<en_US> 3/4/05`)."
)


def find_languages(*names: str) -> list[str]:
    """Returns the ISO 639 codes that names such as `de`, `pt_BR` and `ckb` begin with, without unknown ones."""
    codes = dict.fromkeys(name.replace("-", "_").split("_")[0].lower() for name in names)
    return [code for code in codes if code in Locale("en").languages]


def describe_data(data_args: ParallelDataArguments, data: Splits) -> str:
    sizes = f"{describe_sizes(data)} pairs."
    if data_args.is_embedded:
        return (
            f"Dates from {FIRST.year} to {LAST.year} written in the CLDR patterns of {', '.join(LOCALES)} (with "
            f"Babel), each with its ISO 8601 form; no calendar date occurs in two splits: {sizes}"
        )
    return f"{data_args.source_lang} to {data_args.target_lang}. {sizes}"
