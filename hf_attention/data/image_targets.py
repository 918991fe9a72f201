# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Images with several labels each, or with numbers to predict: columns of a table, as one column `label`."""

import math

from datasets import Dataset, Features, Image, Value


PROBLEM_TYPES = ("multi_label_classification", "regression")  # as transformers names them
TRUE, FALSE = ("1", "1.0", "true", "True"), ("0", "0.0", "false", "False")


def select_targets(
    rows: Dataset,
    split: str,
    problem_type: str,
    label_columns: list[str],
    label_separator: str = ";",
    names: list[str] | None = None,
) -> Dataset:
    """
    Returns columns `image` (encoded) and `label`, a number for each name.

    Args:
        rows (`Dataset`): with a column `image`.
        split (`str`): its name, for messages.
        problem_type (`str`): `regression` or `multi_label_classification`.
        label_columns (`list[str]`):
            The columns of numbers; for several labels columns of 0 and 1, or one of texts such as `cat;dog`.
        label_separator (`str`, *optional*, defaults to `";"`): separates the labels of such a text.
        names (`list[str]`, *optional*): the labels of the first split, which this one may not exceed.

    Raises:
        `ValueError`: for columns that are missing, values that are not numbers, 0 or 1, and unknown labels.
    """
    features = rows.features or {}
    for column in ("image", *label_columns):
        if column not in features:
            raise ValueError(f"`label_columns`: {split} has no column {column!r}; it has {', '.join(features)}.")
    if problem_type == "multi_label_classification" and len(label_columns) == 1:
        texts = [str(text or "").split(label_separator) for text in rows[label_columns[0]]]
        sets = [{label.strip() for label in text} - {""} for text in texts]
        known = names or sorted(set().union(*sets))
        if unknown := sorted(set().union(*sets) - set(known)):
            raise ValueError(f"The splits have different labels: {split} has {', '.join(unknown)} too.")
        labels = [{name: float(name in one) for name in known} for one in sets]
    else:
        known = label_columns
        parse = parse_number if problem_type == "regression" else parse_flag
        columns = [
            [parse(value, f"Row {row} of {split}, column {name!r},") for row, value in enumerate(rows[name], start=1)]
            for name in label_columns
        ]
        labels = [dict(zip(label_columns, values)) for values in zip(*columns)]
    if not known:
        raise ValueError(f"`label_columns`: {split} has no labels in {', '.join(label_columns)}.")
    return Dataset.from_dict(
        {"image": rows.cast_column("image", Image(decode=False))["image"][:], "label": labels},
        features=Features({"image": Image(decode=False), "label": {name: Value("float32") for name in known}}),
    )


def parse_number(value: object, where: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where} must be a number, got {value!r}.")
    return number


def parse_flag(value: object, where: str) -> float:
    if str(value) not in (*TRUE, *FALSE):
        raise ValueError(f"{where} must be 0 or 1, got {value!r}.")
    return float(str(value) in TRUE)


def reorder_targets(rows: Dataset, names: list[str]) -> Dataset:
    """Returns the rows with the labels in the order of a model's names."""
    labels = [{name: label[name] for name in names} for label in rows["label"]]
    kind = Features({"image": Image(decode=False), "label": {name: Value("float32") for name in names}})
    return Dataset.from_dict({"image": rows["image"][:], "label": labels}, features=kind)


__all__ = ["PROBLEM_TYPES", "reorder_targets", "select_targets"]
