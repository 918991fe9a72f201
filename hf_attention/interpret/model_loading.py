# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Loading a model, and refusing weights that lack or exceed what it needs. Saved models include this code."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel
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
    try:
        model, info = auto_class.from_pretrained(name, **options)
    except SafetensorError as error:
        raise ValueError(f"The weights of {name} are truncated or damaged ({error}). Save the model again.") from error
    return model, describe_problem(model, info, name, new_head)


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
    problems = {
        f"lacks {shorten(missing)}, which {kind} needs": missing,
        f"holds {shorten(unexpected)}, which {kind} with this config does not have": unexpected,
        f"holds tensors of another shape than {kind} with this config: {shorten(mismatched)}": mismatched,
        f"holds values that are not finite (NaN or infinite) in {shorten(infinite)}": infinite,
    }
    for words, keys in problems.items():
        if keys:
            return f"{find_weights_file(name)} {words}. Save the model again, or use another checkpoint."
    return None


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
