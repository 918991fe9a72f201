# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Loading models and tokenizers: weights that lack or exceed what the model needs are refused, damaged files are named.

Saved models include this code.
"""

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BaseImageProcessor,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from transformers.utils import CONFIG_NAME, GENERATION_CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME


JSON_FILES = (CONFIG_NAME, GENERATION_CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, "tokenizer.json", "tokenizer_config.json")
JSON_FILES += ("special_tokens_map.json", "preprocessor_config.json", "processor_config.json")


def load_model(auto_class: Any, name: str | os.PathLike, new_head: bool = False, **options: Any) -> PreTrainedModel:
    """
    Loads a model as `auto_class.from_pretrained` does, but refuses weights that transformers would replace by random
    numbers or leave out.

    Args:
        auto_class (`type`): an Auto class, or a model's class.
        name (`str` or `Path`): a folder, or a name on the Hub.
        new_head (`bool`): whether the model may get a new head, as for fine-tuning with other classes.
        options: of `from_pretrained`.

    Raises:
        `ValueError`: for weights that are damaged, incomplete, of another shape, too many or not finite.
    """
    model, problem = load_with_problem(auto_class, name, new_head, **{"use_safetensors": True, **options})
    if problem is not None:
        raise ValueError(problem)
    return model


def load_with_problem(
    auto_class: Any, name: str | os.PathLike, new_head: bool = False, **options: Any
) -> tuple[PreTrainedModel, str | None]:
    """Returns the model, and what is wrong with its weights; `None` if nothing is."""
    check_json_files(name)
    options |= {"ignore_mismatched_sizes": True, "output_loading_info": True}
    with name_errors("model", name):
        model, info = auto_class.from_pretrained(name, **options)
    return model, describe_problem(model, info, name, new_head)


def loaded_by_name(auto_class: Any) -> type:
    """
    Returns the class with which `pipeline` loads a model of an Auto class by its name. What is wrong with the weights
    is kept for the pipeline to raise with [`check_loaded_by_name`]: `pipeline` would put an error of
    `from_pretrained` into a traceback of its own.
    """

    def from_pretrained(cls: type, name: str | os.PathLike, *model_args: Any, **kwargs: Any) -> PreTrainedModel:
        try:
            model, problem = load_with_problem(auto_class, name, **kwargs)
        except (OSError, ValueError) as error:
            problem = str(error)
            options = {option: kwargs[option] for option in ("revision", "trust_remote_code") if option in kwargs}
            with torch.device("meta"):
                model = auto_class.from_config(AutoConfig.from_pretrained(name, **options))
        vars(model)["weights_problem"] = problem
        return model

    # with the name that saved folders give to transformers
    return type(auto_class.__name__, (auto_class,), {"from_pretrained": classmethod(from_pretrained)})


def check_loaded_by_name(model: PreTrainedModel) -> None:
    """Raises `ValueError` for what [`loaded_by_name`] kept."""
    if (problem := getattr(model, "weights_problem", None)) is not None:
        raise ValueError(problem)


def load_tokenizer(name: str | os.PathLike, **options: Any) -> PreTrainedTokenizerBase:
    """Loads a tokenizer. Raises `ValueError` if there is none, or a damaged one."""
    folder = Path(name, options.get("subfolder", ""))
    check_json_files(folder)
    with name_errors("tokenizer", folder):
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
    if tokenizer is None:
        raise ValueError(f"{folder} has no tokenizer. Save it there with its `save_pretrained`.")
    return tokenizer


def load_config(name: str | os.PathLike, **options: Any) -> PreTrainedConfig:
    """Loads a config. Raises `ValueError` if it is damaged, and `OSError` if there is none."""
    check_json_files(name)
    with name_errors("config", name):
        return AutoConfig.from_pretrained(name, **options)


def load_image_processor(name: str | os.PathLike, **options: Any) -> BaseImageProcessor:
    """Loads an image processor. Raises `ValueError` if it is damaged, and `OSError` if there is none."""
    check_json_files(name)
    with name_errors("image processor", name):
        return AutoImageProcessor.from_pretrained(name, **options)


@contextmanager
def name_errors(part: str, name: str | os.PathLike) -> Generator[None]:
    """Turns what models and tokenizers raise for damaged files into a `ValueError` that has the name."""
    try:
        yield
    except (OSError, ImportError):
        raise
    except SafetensorError as error:
        raise ValueError(f"The weights of {name} are truncated or damaged ({error}). Save the model again.") from error
    except Exception as error:
        reason = " ".join(str(error).split())
        if isinstance(error, ValueError) and str(name) in reason:
            raise
        raise ValueError(
            f"The {part} of {name} cannot be loaded ({type(error).__name__}: {reason[:300]}). Save it again with its "
            "`save_pretrained`."
        ) from error


def has_target_vocabulary(config: PreTrainedConfig) -> bool:
    """Whether the vocabulary of the target is not that of the source."""
    return getattr(config, "encoder_vocab_size", None) is not None


def find_target_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """
    Returns the tokenizer of a model's target: `tokenizer`, or, for a target with its own vocabulary, the one in the
    folder `target_tokenizer` of the model's folder or repository.

    Raises `ValueError` if that is missing, or from another revision.
    """
    if not has_target_vocabulary(model.config):
        return tokenizer
    name = model.config._name_or_path
    remedy = 'pass `target_tokenizer=AutoTokenizer.from_pretrained(..., subfolder="target_tokenizer")`.'
    if not name:
        raise ValueError(f"The model's target has its own vocabulary: {remedy}")
    try:
        target_tokenizer = load_tokenizer(name, subfolder="target_tokenizer")
        # source and target tokenizers are trained together, so a different one shows a different revision
        source_tokenizer = tokenizer if os.path.isdir(name) else load_tokenizer(name)
    except (OSError, ValueError) as error:
        raise ValueError(f"The target's tokenizer is missing in {name} ({error}); {remedy}") from error
    if source_tokenizer.get_vocab() != tokenizer.get_vocab():
        raise ValueError(f"The model is from another `revision` than {name}'s default branch: {remedy}")
    return target_tokenizer


def check_json_files(name: str | os.PathLike) -> None:
    """Raises `ValueError` if `name` is a folder in which a JSON file that transformers reads is damaged."""
    for file in (Path(name, file) for file in JSON_FILES):
        if file.is_file():
            try:
                content = json.loads(file.read_text("utf-8"))
            except ValueError as error:  # of another encoding too
                raise ValueError(f"{file} is not valid JSON ({error}). Save the model again.") from error
            if not isinstance(content, dict):
                raise ValueError(f"{file} does not hold a JSON object. Save the model again.")
            if file.name == SAFE_WEIGHTS_INDEX_NAME and not Path(name, SAFE_WEIGHTS_NAME).is_file():
                check_index(file, content)


def check_index(file: Path, content: dict) -> None:
    """Raises `ValueError` for an index of weights that is damaged, or that names files which are not next to it."""
    parts = content.get("weight_map")
    if not (isinstance(parts, dict) and parts and isinstance(content.get("metadata"), dict)):
        raise ValueError(f"{file} has no valid `weight_map` and `metadata`. Save the model again.")
    names = {entry.name for entry in file.parent.iterdir() if entry.is_file()}
    if missing := sorted(str(part) for part in parts.values() if part not in names):
        raise ValueError(
            f"{file.parent} lacks weights named in its index: {shorten(list(dict.fromkeys(missing)))}. Copy or save "
            "the model again."
        )


def describe_problem(
    model: PreTrainedModel, info: dict[str, Any], name: str | os.PathLike, new_head: bool
) -> str | None:
    """Compares what was loaded (the loading info of `from_pretrained`) with what the model needs."""
    kind = type(model).__name__
    # a new head is on a base model, saved alone or under another head
    is_from_other = new_head and kind not in (model.config.architectures or [])

    def is_needed(key: str) -> bool:
        is_base = key.startswith(f"{model.base_model_prefix}.")
        return not new_head or (is_base and not (is_from_other and ".pooler." in key))

    missing = [key for key in info["missing_keys"] if is_needed(key)]
    unexpected = [] if is_from_other else list(info["unexpected_keys"])
    mismatched = [
        f"{key} {tuple(saved)} instead of {tuple(needed)}"
        for key, saved, needed in info["mismatched_keys"]
        if is_needed(key)
    ]
    infinite = [key for key, value in model.named_parameters() if not is_finite(value)]
    generation = [] if not model.can_generate() else check_generation(model)
    problems = {
        f"lacks {shorten(missing)}, which {kind} needs": missing,
        f"holds {shorten(unexpected)}, which {kind} with this config does not have": unexpected,
        f"holds tensors of another shape than {kind} with this config: {shorten(mismatched)}": mismatched,
        f"holds values that are not finite (NaN or infinite) in {shorten(infinite)}": infinite,
    }
    if generation:
        return f"{Path(name, GENERATION_CONFIG_NAME)} has {', '.join(generation)}. Fix it, or save the model again."
    for words, keys in problems.items():
        if keys:
            return f"{find_weights_file(name)} {words}. Save the model again, or use another checkpoint."
    return None


def check_generation(model: PreTrainedModel) -> list[str]:
    """Returns what is invalid in the generation config of a model, in words."""
    config = model.generation_config
    invalid = []
    for name in ("num_beams", "max_length", "max_new_tokens", "num_return_sequences"):
        value = getattr(config, name, None)
        if value is not None and not (isinstance(value, int) and value > 0):
            invalid.append(f"`{name}` = {value!r}, which is not an integer of at least 1")
    start, size = config.decoder_start_token_id, getattr(model.config, "vocab_size", None)
    if isinstance(start, int) and size is not None and not 0 <= start < size:
        invalid.append(f"`decoder_start_token_id` = {start}, but the vocabulary has {size} tokens")
    return invalid


def is_finite(value: torch.Tensor) -> bool:
    """Whether all values are finite; quantized tensors and those without values (on `meta`) are taken to be."""
    if value.is_meta or not value.numel() or not value.is_floating_point() or value.element_size() < 2:
        return True
    if type(value.data) is not torch.Tensor:
        return True
    return all(bound.isfinite() for bound in torch.aminmax(value.detach()))  # NaN is both the least and the greatest


def find_weights_file(name: str | os.PathLike) -> str:
    """Where the weights are, for a message."""
    if not os.path.isdir(name):
        return f"{SAFE_WEIGHTS_NAME} of {name}"
    has_index = os.path.isfile(os.path.join(name, SAFE_WEIGHTS_INDEX_NAME))
    is_single = os.path.isfile(os.path.join(name, SAFE_WEIGHTS_NAME))
    return os.path.join(name, SAFE_WEIGHTS_INDEX_NAME if has_index and not is_single else SAFE_WEIGHTS_NAME)


def shorten(keys: list[str], most: int = 4) -> str:
    keys = sorted(keys)
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more


__all__ = ["load_model"]
