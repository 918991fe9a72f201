# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Features of the sources (tags, a language, a speaker) from columns of the data, and the collator that pads them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import DataCollatorForSeq2Seq

from ..models.bahdanau.features_bahdanau import pad_features, split_features


def read_features(row: Mapping[str, Any], columns: Sequence[str], separator: str) -> dict[str, str]:
    """
    Returns the features of a row as text, by column.

    Raises:
        `ValueError`: for a column that the row does not have, or a cell that is neither text nor a list of texts.
    """
    if missing := [column for column in columns if column not in row]:
        raise ValueError(
            f"There is no column {', '.join(missing)}; the columns are {', '.join(row)}. Set `feature_columns` to "
            "some of them"
        )
    return {column: separator.join(split_features(row[column], separator)) for column in columns}


def collect_feature_values(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], separator: str
) -> dict[str, list[str]]:
    """
    Returns the values of each column, in alphabetical order.

    Args:
        rows (`Iterable[Mapping]`): with `features` of [`read_features`].

    Raises:
        `ValueError`: for columns without any value.
    """
    values: dict[str, set[str]] = {column: set() for column in columns}
    for row in rows:
        for column in columns:
            values[column].update(split_features(row["features"][column], separator))
    if empty := [column for column in columns if not values[column]]:
        raise ValueError(f"`feature_columns`: {', '.join(empty)} has no value in the training data. Leave it out.")
    return {column: sorted(values[column]) for column in columns}


class FeatureCollator(DataCollatorForSeq2Seq):
    """A `DataCollatorForSeq2Seq` that pads the column `feature_ids` too, with 0."""

    def __call__(self, features: list[dict[str, Any]], return_tensors: str | None = None) -> Any:
        rows = [dict(feature) for feature in features]
        ids = [row.pop("feature_ids", None) for row in rows]
        batch = super().__call__(rows, return_tensors)
        if all(row is not None for row in ids):
            batch["feature_ids"] = pad_features(ids)
        return batch


__all__ = ["FeatureCollator", "collect_feature_values", "read_features"]
