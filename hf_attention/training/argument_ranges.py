# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The values that the arguments of both recipes may have: one table of intervals and one of names."""

import math
from collections.abc import Iterable
from dataclasses import fields
from numbers import Integral, Real
from typing import get_args

from accelerate.utils import DynamoBackend
from transformers import SchedulerType
from transformers.trainer_utils import HubStrategy, IntervalStrategy, SaveStrategy
from transformers.training_args import OptimizerNames, trainer_log_levels


# the interval of a number, or of each number of a list; round brackets exclude the bound, and so infinity
INTERVALS = {
    "[1, inf)": (
        "max_train_samples max_eval_samples vocab_size per_device_train_batch_size per_device_eval_batch_size "
        "gradient_accumulation_steps early_stopping_patience save_total_limit eval_accumulation_steps "
        "torch_empty_cache_steps dataloader_prefetch_factor ddp_bucket_cap_mb small_image_size"
    ),
    "[2, inf)": "max_source_length max_target_length generation_max_length",  # a token and the end of the sequence
    "[1, 1000]": "num_beams generation_num_beams",
    "[0, inf)": (
        "num_train_epochs warmup_steps weight_decay adam_epsilon max_grad_norm neftune_noise_alpha eval_delay "
        "crop_padding randaugment_std mixup_alpha cutmix_alpha mix_epochs small_epochs"
    ),
    "(0, inf)": "logging_steps eval_steps save_steps image_std time_limit",
    "[-1, inf)": "max_steps local_rank",
    "[0, 180]": "rotation_degrees",
    "[0, 100]": "learning_rate muon_learning_rate randaugment_ops",
    "(0, 10)": "randaugment_magnitude",
    "[0, 1]": "image_mean horizontal_flip random_erasing cutmix_probability",
    "(0, 1]": "crop_scale",
    "[0, 1)": "label_smoothing_factor validation_share adam_beta1 adam_beta2",
    "(0, 1)": "ema_decay",
    "[0, 4294967295]": "seed data_seed",  # numpy's
    "[0, 1024]": "dataloader_num_workers",
    "[1, 1000000000]": "ddp_timeout",
}
# shares of all steps if below 1, else numbers of steps
STEPS = ("warmup_steps", "logging_steps", "eval_steps", "save_steps")
CHOICES: dict[str, Iterable[str]] = {
    "tokenizer_type": ("unigram", "bpe", "char", "word"),
    "problem_type": ("single_label_classification", "multi_label_classification", "regression"),
    "class_weights": ("none", "balanced"),
    "test_time_augmentation": ("none", "flip"),
    "crop_mode": ("center", "border", "squash"),
    "normalization": ("nfc", "nfkc", "none"),
    "train_sampling_strategy": ("random", "sequential", "group_by_length"),
    "eval_strategy": IntervalStrategy,
    "logging_strategy": IntervalStrategy,
    "save_strategy": SaveStrategy,
    "hub_strategy": HubStrategy,
    "lr_scheduler_type": SchedulerType,
    "optim": OptimizerNames,
    "log_level": trainer_log_levels,
    "log_level_replica": trainer_log_levels,
    "torch_compile_backend": [backend.value.lower() for backend in DynamoBackend],
    "torch_compile_mode": ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
}
# `name: interval`
RANGES = {name: interval for interval, names in INTERVALS.items() for name in names.split()}


def check_ranges(arguments: object) -> None:
    """
    Raises `ValueError` for a value of a dataclass that is out of its range, of another type than its field, or empty.
    """
    for item in fields(arguments):  # ty: ignore[invalid-argument-type]  # any dataclass
        if not item.init:
            continue
        name, value = item.name, getattr(arguments, item.name)
        types = {item.type, *get_args(item.type)}
        if value is None:
            continue
        for entry in value if isinstance(value, (list, tuple)) else [value]:
            if entry == "" and item.default != "":
                raise ValueError(f"`{name}` is empty. Leave it out for the default ({item.default!r}).")
            if name in RANGES:
                check_number(name, entry, is_whole=int in types and float not in types)
        if name in CHOICES and value not in (choices := [str(getattr(each, "value", each)) for each in CHOICES[name]]):
            raise ValueError(f"`{name}` must be one of {', '.join(choices)}, got {value!r}.")


def check_number(name: str, value: object, is_whole: bool) -> None:
    """Raises `ValueError` if a value is not a number in the interval of the argument `name`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"`{name}` must be a number, got {value!r}.")
    if not is_in(RANGES[name], float(value)):
        raise ValueError(f"`{name}` must be {describe(RANGES[name], float(value))}, got {value!r}.")
    is_part = float(value) % 1 != 0
    if (is_whole and not isinstance(value, Integral)) or (name in STEPS and is_part and float(value) > 1):
        share = ", or a share of all steps below 1" if name in STEPS else ""
        raise ValueError(f"`{name}` must be a whole number{share}, got {value!r}.")


def is_in(interval: str, value: float) -> bool:
    """Returns whether a number is in an interval such as `[0, 1)`. NaN is in none."""
    low, high = map(float, interval[1:-1].split(","))
    is_above = value >= low if interval[0] == "[" else value > low
    is_below = value <= high if interval[-1] == "]" else value < high
    return is_above and is_below


def describe(interval: str, value: float) -> str:
    low, high = interval[1:-1].split(", ")
    words = f"at least {low}" if interval[0] == "[" else f"greater than {low}"
    if high != "inf":
        return f"{words} and {'at most' if interval[-1] == ']' else 'less than'} {high}"
    return words if math.isfinite(value) else f"{words} and finite"
