# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The translation recipe: pairs of texts -> tokenizer -> model -> `Seq2SeqTrainer` -> metrics -> saved folder."""

import os
from functools import partial
from itertools import islice

from babel import Locale
from datasets import Dataset, IterableDataset
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    set_seed,
)
from transformers.utils import logging

from ..data.dates import FIRST, LAST, LOCALES, load_dates
from ..data.parallel import load_parallel, tokenize_pairs
from ..data.tokenizer import train_tokenizer
from ..hub.translation_card import TranslationCardFacts, write_translation_card
from ..interpret.alignments import align
from ..interpret.translation_pipeline import TranslationWithAlignmentPipeline
from ..models.bahdanau import BahdanauConfig
from .arguments import (
    ModelArguments,
    ParallelDataArguments,
    TranslationTrainingArguments,
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
from .loader_share import LoaderShare
from .translation_scores import alignment_error, can_have_bleu, check_bleu_tokenize, compute_metrics
from .translation_trainer import TARGET_TOKENIZER, SaveTargetTokenizer, TranslationTrainer


logger = logging.get_logger(__name__)


def load_data(args: ParallelDataArguments, train: bool = True) -> dict[str, Dataset | IterableDataset]:
    """Columns `source` and `target`, in splits `train`, `validation` and `test` as far as the data has them."""
    if args.streaming and args.uses_dates:
        raise ValueError("`streaming` reads files or a dataset of the Hub; the embedded dates are made in memory.")
    files = {"train": args.train_file, "validation": args.validation_file, "test": args.test_file}
    files = {split: names for split, names in files.items() if names}
    if files:
        data = load_parallel(None, None, files, args.source_lang, args.target_lang, args.streaming)
    elif args.uses_dates:
        data = load_dates(
            args.max_train_samples or 40_000, args.max_eval_samples or 1000, args.max_eval_samples or 4000
        )
    else:
        data = load_parallel(
            args.dataset_name, args.dataset_config_name, None, args.source_lang, args.target_lang, args.streaming
        )
    if train and "train" not in data:
        raise ValueError(f"The data has no `train` split; it has {', '.join(data)}. Name a `train_file`.")
    limits = {"train": args.max_train_samples, "validation": args.max_eval_samples, "test": args.max_eval_samples}
    for split, limit in limits.items():
        if split in data and limit is not None:
            data[split] = data[split].take(limit)
    if args.streaming:  # every evaluation reads these again
        data = {
            split: rows if split == "train" else Dataset.from_list(list(rows))
            for split, rows in data.items()
            if split in limits
        }
    return data


def make_tokenizers(
    model_args: ModelArguments,
    data_args: ParallelDataArguments,
    data: dict[str, Dataset | IterableDataset],
    checkpoint: str | None = None,
) -> tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase | None]:
    """
    The tokenizer, and the target's where it has one: the checkpoint's, loaded with the model, or trained on the
    training split.
    """
    if checkpoint is not None:
        load = partial(AutoTokenizer.from_pretrained, trust_remote_code=model_args.trust_remote_code)
        folder = os.path.join(checkpoint, TARGET_TOKENIZER)
        return load(checkpoint), load(folder) if os.path.isdir(folder) else None
    name = model_args.tokenizer_name or model_args.model_name_or_path
    if name is not None:
        options = {"trust_remote_code": model_args.trust_remote_code}
        if model_args.tokenizer_name is None:
            options["revision"] = model_args.model_revision
        for option in ("separate_vocabularies", "tokenizer_type", "vocab_size"):
            if getattr(data_args, option) != getattr(ParallelDataArguments, option):
                raise ValueError(f"`{option}` is for a new tokenizer, but that of {name} is to be used.")
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
        if model_args.model_name_or_path is None:
            return tokenizer, None
        config = AutoConfig.from_pretrained(
            model_args.model_name_or_path,
            revision=model_args.model_revision,
            trust_remote_code=model_args.trust_remote_code,
        )
        if getattr(config, "encoder_vocab_size", None) is None:
            return tokenizer, None
        try:
            return tokenizer, AutoTokenizer.from_pretrained(name, subfolder=TARGET_TOKENIZER, **options)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"The two sides of {model_args.model_name_or_path} have vocabularies of their own, but {name} holds "
                f"no tokenizer of the target's in `{TARGET_TOKENIZER}`."
            ) from error
    if data_args.separate_vocabularies and model_args.model_type != "bahdanau":
        raise ValueError(f"`separate_vocabularies` is for `bahdanau`; `{model_args.model_type}` has one vocabulary.")
    kind = data_args.tokenizer_type or ("char" if data_args.uses_dates else "unigram")
    train = partial(train_tokenizer, vocab_size=data_args.vocab_size, model_type=kind)
    # a stream is read once for the tokenizer; its head is enough
    rows = list(data["train"].take(100_000)) if data_args.streaming else data["train"]
    sources, targets = [row["source"] for row in rows], [row["target"] for row in rows]
    marks = [f"<{locale}>" for locale in LOCALES] if data_args.uses_dates else []
    if data_args.separate_vocabularies:
        return train(sources, extra_tokens=marks), train(targets)
    return train([*sources, *targets], extra_tokens=marks), None


def make_model(
    model_args: ModelArguments,
    data_args: ParallelDataArguments,
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase | None,
) -> PreTrainedModel:
    """A model to fine-tune, or a new one with the tokenizer's vocabulary and special tokens."""
    languages = {"source_lang": data_args.source_lang, "target_lang": data_args.target_lang}
    target = target_tokenizer or tokenizer
    if model_args.model_name_or_path is not None:
        model = AutoModelForSeq2SeqLM.from_pretrained(
            model_args.model_name_or_path,
            revision=model_args.model_revision,
            trust_remote_code=model_args.trust_remote_code,
            use_safetensors=True,
        )
        check_fit(model, tokenizer, target)
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
        if model_args.model_type == "bahdanau":
            make = partial(BahdanauConfig.from_preset, model_args.preset or "tiny")
        elif model_args.preset is not None:
            raise ValueError(f"`preset` is for `bahdanau`; size a `{model_args.model_type}` with `config_overrides`.")
        else:
            make = partial(AutoConfig.for_model, model_args.model_type)
        options |= parse_overrides(make(), model_args.config_overrides, from_data=[*options, "encoder_vocab_size"])
        config = make(**options)
        if model_args.model_type != "bahdanau":
            config.forced_eos_token_id = None
            config.decoder_vocab_size = len(target)
        model = AutoModelForSeq2SeqLM.from_config(config)
    if model_args.model_name_or_path is None or tuple(languages.values()) != ("source", "target"):  # no names
        model.config.update(languages)

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


def check_fit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, target: PreTrainedTokenizerBase):
    """Raises `ValueError` where a tokenizer's ids are not the model's."""
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
        wanted, found = getattr(config, name), getattr(target, name)
        if found not in (wanted if isinstance(wanted, list) else [wanted]):
            raise ValueError(
                f"The tokenizer's `{name}` is {found}, the model's {wanted}: they do not belong together."
            )


def check_bleu(references: dict[str, list[str]], tokenize: str, args: TranslationTrainingArguments):
    """Raises `ValueError` where the best model is to have the best BLEU, which these targets are too short for."""
    if not args.predict_with_generate:
        return
    short = [split for split, texts in references.items() if not can_have_bleu(texts, tokenize)]
    if not short:
        return
    reason = f"No target of {' and '.join(short)} has the four tokens that BLEU counts"
    if "validation" in short and (args.metric_for_best_model or "").removeprefix("eval_") == "bleu":
        raise ValueError(
            f"{reason}, so `metric_for_best_model` cannot be `bleu`: take `chrf` or `exact_match`, or count "
            "characters with `bleu_tokenize` `char`."
        )
    logger.warning(f"{reason}, so there is none: see chrF and exact match, or set `bleu_tokenize` to `char`.")


def train_translation(
    model_args: ModelArguments,
    data_args: ParallelDataArguments,
    training_args: TranslationTrainingArguments,
    callbacks: list[TrainerCallback] | None = None,
) -> dict:
    """
    Trains, evaluates, tests and saves. Works with any `AutoModelForSeq2SeqLM`, on one process or under `torchrun`.

    Args:
        model_args, data_args, training_args: what the script's options say.
        callbacks (`list[TrainerCallback]`, *optional*): the Trainer's, beside its own.

    Returns:
        `dict`: what `all_results.json` of the output folder holds: `train_*`, `eval_*` and `test_*` figures.

    Raises:
        `ValueError`: for arguments, data, a tokenizer, a model and an output folder that do not fit each other, before
        anything is written.
    """
    set_seed(training_args.seed)
    options = describe_options(model_args, data_args, training_args)
    if not training_args.do_train and model_args.model_name_or_path is None:
        raise ValueError("Without `do_train` a model must be named: `model_name_or_path`.")
    check_model_to_tune(model_args)
    if training_args.predict_with_generate:
        check_bleu_tokenize(data_args.bleu_tokenize)
    data = load_data(data_args, training_args.do_train)
    if training_args.do_train and data_args.streaming and training_args.max_steps <= 0:
        raise ValueError("`streaming` has no end, so set `max_steps`.")
    resume = training_args.resume_from_checkpoint if training_args.do_train else None
    checkpoint = find_checkpoint(training_args.output_dir, resume) if resume else None
    tokenizer, target_tokenizer = make_tokenizers(model_args, data_args, data, checkpoint)
    for side in filter(None, (tokenizer, target_tokenizer)):
        side.padding_side = "right"  # or a decoder would read the padding before its target
    model = make_model(model_args, data_args, tokenizer, target_tokenizer)
    if checkpoint is not None:
        check_same_model(checkpoint, model.config)
    if training_args.do_train:
        check_output_dir(
            training_args.output_dir, model.config, training_args.overwrite_output_dir, resume is not None
        )
        check_push(training_args, model.config)
    else:
        check_figures(training_args.output_dir)

    features = {}
    with training_args.main_process_first(desc="tokenizing"):
        for split in ("train", "validation", "test"):
            if split in data and (split != "train" or training_args.do_train):
                features[split] = tokenize_pairs(
                    data[split],
                    tokenizer,
                    target_tokenizer,
                    data_args.max_source_length,
                    data_args.max_target_length,
                    drop=split == "train",
                )
                if split != "train":  # batches of like lengths, the longest first
                    lengths = list(features[split]["length"])
                    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
                    features[split] = features[split].select(order)
    if training_args.do_eval and "validation" not in features:
        raise ValueError("`eval_strategy` needs a validation split; the data has none. Name a `validation_file`.")

    target = target_tokenizer or tokenizer
    references = {split: list(rows["target"]) for split, rows in features.items() if split != "train"}
    check_bleu(references, data_args.bleu_tokenize, training_args)
    loader = LoaderShare()
    trainer = TranslationTrainer(
        model=model,
        args=training_args,
        train_dataset=features.get("train"),
        eval_dataset=features.get("validation"),
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
        callbacks=[loader, *(callbacks or [])],
        compute_metrics=partial(
            compute_metrics,
            tokenizer=target,
            references=references.get("validation"),
            bleu_tokenize=data_args.bleu_tokenize,
        )
        if training_args.predict_with_generate
        else None,
    )
    if target_tokenizer is not None:
        trainer.add_callback(SaveTargetTokenizer(target_tokenizer))
    if training_args.early_stopping_patience is not None:
        trainer.add_callback(EarlyStoppingCallback(training_args.early_stopping_patience))

    if training_args.do_train:
        with explained_full_disk(training_args.output_dir):
            clear_output_dir(training_args, model_args.model_name_or_path)
            result = trainer.train(resume_from_checkpoint=checkpoint)
            save_model_whole(trainer)
            if trainer.is_world_process_zero():
                write_options(training_args.output_dir, options)
                if target_tokenizer is not None:
                    target_tokenizer.save_pretrained(os.path.join(training_args.output_dir, TARGET_TOKENIZER))
        trainer.save_train_metrics(result, train_loader_share=round(loader.share, 4))
        trainer.save_state()
    if "validation" in features:
        metrics = trainer.evaluate()
        trainer.log_metrics("eval", metrics)
        trainer.save_metrics("eval", metrics)
    if "test" in features:
        if training_args.predict_with_generate:
            trainer.compute_metrics = partial(
                compute_metrics,
                tokenizer=target,
                references=references["test"],
                bleu_tokenize=data_args.bleu_tokenize,
                signature=True,
            )
        metrics = trainer.predict(features["test"], metric_key_prefix="test", num_beams=data_args.num_beams).metrics
        if "alignment" in data["test"].column_names and trainer.is_world_process_zero():
            error = alignment_error(
                trainer.accelerator.unwrap_model(trainer.model),
                tokenizer,
                target_tokenizer,
                data["test"],
                training_args.per_device_eval_batch_size,
            )
            metrics |= {} if error is None else {"test_alignment_error": error}
        trainer.log_metrics("test", metrics)
        trainer.save_metrics("test", metrics)
    if training_args.do_train and trainer.is_world_process_zero():
        with explained_full_disk(training_args.output_dir):
            finish(trainer, model_args, data_args, data, tokenizer, target_tokenizer)
        push(trainer, model_args.trust_remote_code)
    return read_results(training_args.output_dir)


def finish(
    trainer: TranslationTrainer,
    model_args: ModelArguments,
    data_args: ParallelDataArguments,
    data: dict[str, Dataset | IterableDataset],
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase | None,
):
    """
    Completes the folder: the pipeline that travels with the model, and the card, with the figures of the test split or
    else of the validation split, or with none.
    """
    output_dir = trainer.args.output_dir
    model = trainer.accelerator.unwrap_model(trainer.model)
    if model.is_remote_code():  # its code travels, so the pipeline's does too
        TranslationWithAlignmentPipeline(
            model=model, tokenizer=tokenizer, target_tokenizer=target_tokenizer
        ).save_pretrained(output_dir)
    split = next((split for split in ("test", "validation") if split in data), None)
    num_beams = data_args.num_beams if split == "test" else trainer.args.generation_num_beams or 1
    examples = list(islice((row["source"] for row in data[split or "train"] if row["source"].strip()), 3))
    has_attention = getattr(model.config, "attention_type", None) != "none"
    parent = model_args.model_name_or_path
    languages = find_languages(data_args.source_lang, data_args.target_lang)
    description = {"data_name": data_args.dataset_name, "data_description": describe_data(data_args, data)}
    if data_args.uses_dates:
        languages = sorted(find_languages(*LOCALES))
        description |= {"limits": DATES_LIMITS, "license": "apache-2.0"}
    elif data_args.train_file:
        description["data_name"] = os.path.basename(data_args.train_file[0])
    elif os.path.isdir(data_args.dataset_name):
        description["data_name"] = os.path.basename(os.path.abspath(data_args.dataset_name))
    else:
        description["dataset"] = data_args.dataset_name
    facts = TranslationCardFacts(
        alignments=align(model, tokenizer, examples, target_tokenizer=target_tokenizer, num_beams=data_args.num_beams)
        if has_attention
        else [],
        example=examples[0],
        test_size=len(data[split]) if split else None,
        num_beams=num_beams,
        split=split,
        languages=languages or None,
        base_model=parent if parent and not os.path.isdir(parent) else None,  # the Hub knows no local folder
        **description,
    )
    write_translation_card(output_dir, model, trainer.args, facts)


DATES_LIMITS = (
    "It reads Gregorian dates from 1950 to 2049 in the patterns above, and outputs a date for any input: text without "
    "a date, other calendars and misspellings were not in the training data. A date in digits alone, such as 3/4/05, "
    "means different days in different countries: put the locale before it (`<en_US> 3/4/05`)."
)


def find_languages(*names: str) -> list[str]:
    """The ISO 639 codes that names such as `de`, `pt_BR` and `ckb` begin with; none of those CLDR does not know."""
    codes = dict.fromkeys(name.replace("-", "_").split("_")[0].lower() for name in names)
    return [code for code in codes if code in Locale("en").languages]


def describe_data(data_args: ParallelDataArguments, data: dict[str, Dataset | IterableDataset]) -> str:
    sizes = {
        split: "streamed" if isinstance(rows, IterableDataset) else f"{len(rows):,}" for split, rows in data.items()
    }
    sizes = ", ".join(f"{split} {size}" for split, size in sizes.items()) + " pairs."
    if data_args.uses_dates:
        return (
            f"Dates from {FIRST.year} to {LAST.year} written in the CLDR patterns of {', '.join(LOCALES)} (with "
            f"Babel), each with its ISO 8601 form; no calendar date occurs in two splits: {sizes}"
        )
    return f"{data_args.source_lang} to {data_args.target_lang}. {sizes}"
