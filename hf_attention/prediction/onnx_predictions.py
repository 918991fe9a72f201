# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Translates many texts with exported models."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..hub.onnx_translator import ENCODER, OnnxTranslator, encode
from .translator import Translation, translate_by_length


class OnnxBatchTranslator:
    """
    What [`Translator`] is for PyTorch's models: greedy search with the files that `scripts/export_onnx.py` wrote.

    Args:
        folder (`str` or `Path`): the files' folder.
        quantized (`bool`): whether to run the int8 files.
        batch_size (`int`, *optional*, defaults to 64): sources per batch.

    Raises:
        `ValueError`: for a folder without these files, or without a tokenizer.
    """

    def __init__(self, folder: str | Path, quantized: bool = False, batch_size: int = 64) -> None:
        self.onnx, self.batch_size = OnnxTranslator(folder, quantized), batch_size
        if self.onnx.tokenizer is None:
            raise ValueError(f"{folder} holds no tokenizer.json: the exported model has no fast tokenizer.")
        self.tokenizer = self.onnx.tokenizer
        self.target_tokenizer = self.onnx.target_tokenizer or self.tokenizer

    def translate(
        self,
        texts: list[str],
        n_best: int = 1,
        alignments: bool = False,
        progress: Callable[[int], object] | None = None,
        features: Sequence[Mapping[str, object]] | None = None,
        max_length: int | None = None,
        **generate_kwargs: Any,
    ) -> list[list[Translation]]:
        """
        Translates texts in batches of similar length; see [`Translator.translate`].

        Raises:
            `ValueError`: for options that these files do not have: beams, several targets, alignments.
        """
        if n_best > 1 or alignments or generate_kwargs.pop("num_beams", 1) > 1 or generate_kwargs:
            raise ValueError(
                "ONNX files translate by greedy search, and `max_length` is their only option: for beams, `n_best` "
                "and `alignments` pass the folder of the model itself."
            )
        empty = self.tokenizer.num_special_tokens_to_add(is_pair=False)
        counts = [sum(encoding.attention_mask) for encoding in self.tokenizer.encode_batch(texts)]  # without padding
        lengths = [count if text.strip() and count > empty else 0 for text, count in zip(texts, counts)]

        def translate_rows(rows: list[int]) -> Iterator[list[Translation]]:
            chosen = None if features is None else [features[row] for row in rows]
            return self.translate_batch([texts[row] for row in rows], max_length, chosen)

        return translate_by_length(lengths, self.batch_size, translate_rows, progress)

    def translate_batch(
        self, texts: list[str], max_length: int | None, features: Sequence[Mapping[str, object]] | None
    ) -> Iterator[list[Translation]]:
        """Yields the translation of each text, with its score."""
        feature_ids = self.onnx.encode_features(features)
        ids, logits = self.onnx.generate(*encode(self.tokenizer, texts), max_length, feature_ids)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        log_probs = np.take_along_axis(log_probs, ids[:, 1:, None], axis=-1)[..., 0]  # (B, T - 1)
        decoded = self.target_tokenizer.decode_batch(ids.tolist(), skip_special_tokens=True)
        for text, row, scores in zip(decoded, ids[:, 1:], log_probs):
            ends = np.isin(row, self.onnx.eos_token_ids).nonzero()[0]
            length = int(ends[0]) + 1 if len(ends) else len(row)
            yield [Translation(text, float(scores[:length].sum()) / length)]


def is_onnx_folder(name: str) -> bool:
    """Whether `name` is a folder with exported encoders."""
    return any(Path(name).glob(f"{ENCODER}*.onnx"))


__all__ = ["OnnxBatchTranslator"]
