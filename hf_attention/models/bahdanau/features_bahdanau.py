# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Features of a source, such as morphological tags, a language or a speaker: names to ids, and ids to annotations.

Ids are those of `config.feature_values`, column after column in alphabetical order (a saved config sorts its keys),
from 1 on; 0 is padding. Shapes: F features of a source; others are those of `layers_bahdanau`.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from transformers.utils import logging

from .configuration_bahdanau import BahdanauConfig


logger = logging.get_logger(__name__)


def split_features(cell: object, separator: str = ";") -> list[str]:
    """
    The values of a cell: a text with separators, or a list of texts.

    Raises `ValueError` for a cell that holds anything else.
    """
    values = [] if cell is None else cell.split(separator) if isinstance(cell, str) else cell
    if not isinstance(values, Sequence) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"Features must be text, or a list of texts, but one is {cell!r}. Store it in quotes.")
    return [value.strip() for value in values if value.strip()]


def feature_ids(
    feature_values: Mapping[str, Sequence[str]], rows: Sequence[Mapping[str, object]], separator: str = ";"
) -> list[list[int]]:
    """
    The ids of the features of each row.

    Args:
        feature_values (`Mapping[str, Sequence[str]]`): the known values of each column.
        rows (`Sequence[Mapping]`): each has the columns; see [`split_features`]. Unknown values are left out, with a
            warning.

    Raises:
        `ValueError`: for a row without one of the columns.
    """
    first, ids = 1, {}
    for column, values in sorted(feature_values.items()):
        ids[column] = {value: first + index for index, value in enumerate(values)}
        first += len(values)
    unknown: set[str] = set()
    encoded: list[list[int]] = []
    for row in rows:
        if missing := [column for column in ids if column not in row]:
            raise ValueError(
                f"The model reads the feature column {', '.join(missing)}, but a row has only {', '.join(row)}."
            )
        encoded.append([])
        for column, known in ids.items():
            values = split_features(row[column], separator)
            unknown.update(f"{value} ({column})" for value in values if value not in known)
            encoded[-1].extend(known[value] for value in values if value in known)
    if unknown:
        logger.warning(
            f"Features that the training data did not have are left out: {', '.join(sorted(unknown)[:10])}."
        )
    return encoded


def pad_features(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Ids of the features of each row to a tensor, (B, F), F at least 1, padded with 0."""
    length = max([1, *map(len, rows)])
    return torch.tensor([[*row, *[0] * (length - len(row))] for row in rows], dtype=torch.long)


def feature_names(config: BahdanauConfig) -> list[str]:
    """The name `column=value` of each feature id; that of 0 is empty."""
    values = config.feature_values or {}
    return ["", *(f"{column}={value}" for column, items in sorted(values.items()) for value in items)]


def check_features(config: BahdanauConfig, ids: torch.Tensor | None, num_sources: int) -> None:
    """Raises `ValueError` if the features of a batch are missing, do not fit its sources, or are not of the model."""
    if config.feature_vocab_size is None:
        if ids is not None:
            raise ValueError("`feature_ids` are given, but the model has no features (`config.feature_vocab_size`).")
        return
    if ids is None:
        columns = f" ({', '.join(sorted(config.feature_values))})" if config.feature_values else ""
        raise ValueError(
            f"The model reads features of the source{columns}: pass `feature_ids`, for example of "
            "`model.encode_features`."
        )
    if ids.dim() != 2 or ids.shape[0] != num_sources:  # `len` would fix the batch size in an exported graph
        raise ValueError(
            f"`feature_ids` must be of shape (batch, features) for {num_sources} sources, got {tuple(ids.shape)}."
        )


class BahdanauAttendedFeatures(nn.Embedding):
    """Embeddings of features as annotations, which the decoder attends to after those of the source."""

    def __init__(self, config: BahdanauConfig):
        assert config.feature_vocab_size is not None  # as the decoder checks
        super().__init__(config.feature_vocab_size, config.encoder_output_size, padding_idx=0)

    def append_to(
        self, annotations: torch.Tensor, mask: torch.Tensor | None, ids: torch.Tensor, dropout: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, S, D), (B, S) and (B, F) to (B, S + F, D) and (B, S + F)."""
        features = dropout(self(ids)).to(annotations.dtype)
        if mask is None:
            mask = ids.new_ones(annotations.shape[:2])
        return torch.cat([annotations, features], dim=1), torch.cat([mask, (ids != 0).to(mask.dtype)], dim=1)


__all__ = ["BahdanauAttendedFeatures"]
