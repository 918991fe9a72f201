# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Translates many texts with a sequence-to-sequence model: batches of similar length, scores and alignments."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    BatchEncoding,
    GenerationMixin,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from ..hub.folder import TARGET_TOKENIZER
from ..interpret.alignments import (
    encode_features,
    get_eos_token_ids,
    has_text,
    ids_to_text,
    ids_to_tokens,
    select_layer,
    source_columns,
)
from ..interpret.model_loading import has_target_vocabulary, load_config, load_model, load_tokenizer
from ..interpret.model_modes import eager_attention, eval_mode
from .ensemble import EnsembleForSeq2SeqLM


logger = logging.get_logger(__name__)


@dataclass
class Translation:
    """
    One target of a source.

    Attributes:
        text (`str`): without special tokens.
        score (`float`):
            Log-probability of the target, its end included, divided by its length to the power of `length_penalty`.
            Beam search ranks by it; with `length_penalty=0` it is the log-probability itself.
        source_tokens (`list[str]` of length S), target_tokens (`list[str]` of length T), weights (`np.ndarray` of
            shape `(T, S)`): the alignment, if it was requested.
    """

    text: str
    score: float
    source_tokens: list[str] | None = None
    target_tokens: list[str] | None = None
    weights: np.ndarray | None = None


class Translator:
    """
    Translates texts with any encoder-decoder of transformers, or with several as an ensemble.

    Args:
        model (`PreTrainedModel`): the model, or an [`EnsembleForSeq2SeqLM`].
        tokenizer (`PreTrainedTokenizerBase`): of the source.
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*): if the target has its own vocabulary.
        batch_size (`int`, *optional*, defaults to 64): sources per call of `generate`.
        max_source_length (`int`, *optional*): in tokens; by default the tokenizer's `model_max_length`.

    Example:

    ```python
    >>> import hf_attention
    >>> from hf_attention.prediction.translator import Translator

    >>> translator = Translator.from_pretrained("model_cards/bahdanau-dates")
    >>> translator.translate(["4. März 2005", "2031년 12월 25일 목요일"], num_beams=3)[1][0].text
    '2031-12-25'

    ```
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        target_tokenizer: PreTrainedTokenizerBase | None = None,
        batch_size: int = 64,
        max_source_length: int | None = None,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("max_source_length", max_source_length)):
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}.")
        self.model, self.batch_size = model, batch_size
        self.max_source_length = max_source_length or tokenizer.model_max_length
        self.tokenizer, self.target_tokenizer = tokenizer, target_tokenizer or tokenizer

    @classmethod
    def from_pretrained(
        cls,
        names: str | list[str],
        batch_size: int = 64,
        max_source_length: int | None = None,
        device: str | None = None,
        **kwargs: Any,
    ) -> "Translator":
        """
        Loads a model, or several as an ensemble, from folders or names on the Hub.

        Args:
            names (`str` or `list[str]`): of models that have the same tokenizers.
            device (`str`, *optional*): by default a GPU if there is one.
            kwargs: passed to `from_pretrained` (`trust_remote_code`, `revision`, `token`).

        Raises:
            `OSError`: for a folder without a model.
            `ValueError`: for models with different tokenizers.
        """
        names = [names] if isinstance(names, str) else names
        if not names:
            raise ValueError("`names` is empty: name at least one model.")
        tokenizers = [load_tokenizers(name, **kwargs) for name in names]
        vocabularies = [[tokenizer.get_vocab() for tokenizer in pair if tokenizer is not None] for pair in tokenizers]
        for name, vocabulary in zip(names, vocabularies):
            if vocabulary != vocabularies[0]:
                raise ValueError(
                    f"{names[0]} and {name} have different tokenizers, so their predictions cannot be averaged: train "
                    f"the second with `--tokenizer_name {names[0]}`."
                )
        models = [load_model(AutoModelForSeq2SeqLM, name, **kwargs) for name in names]
        model = models[0] if len(models) == 1 else EnsembleForSeq2SeqLM(models)
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model.to(device), *tokenizers[0], batch_size=batch_size, max_source_length=max_source_length)

    def translate(
        self,
        texts: list[str],
        n_best: int = 1,
        alignments: bool = False,
        progress: Callable[[int], object] | None = None,
        features: Sequence[Mapping[str, object]] | None = None,
        **generate_kwargs: Any,
    ) -> list[list[Translation]]:
        """
        Translates texts in batches of similar length.

        Args:
            texts (`list[str]`): an empty one has no translation.
            features (`Sequence[Mapping]`, *optional*): for each text its feature columns, if the model reads them.
            n_best (`int`, *optional*, defaults to 1): targets per text, best first; more than 1 needs as many beams.
            alignments (`bool`, *optional*, defaults to `False`):
                Whether to return the last layer's cross-attention, averaged over its heads.
            progress (`Callable`, *optional*): called with the number of texts translated since the last call.
            generate_kwargs: passed to `generate` (`num_beams`, `max_length`, `length_penalty`, ...).

        Returns:
            for each text, in order, a list of `n_best` [`Translation`]s, or an empty list.
        """
        beams = self.model.generation_config.num_beams or 1
        options = {"num_beams": beams, "length_penalty": self.length_penalty, **generate_kwargs}
        if not 1 <= n_best <= options["num_beams"]:
            raise ValueError(
                f"`n_best` is {n_best}, but must be between 1 and `num_beams`, which is {options['num_beams']}."
            )
        options["num_return_sequences"] = n_best
        ids = self.encode(texts)
        lengths = [len(row) if has_text(text, self.tokenizer, row) else 0 for text, row in zip(texts, ids)]

        def translate_rows(rows: list[int]) -> Iterator[list[Translation]]:
            return self.translate_batch(self.pad([ids[row] for row in rows], encoded, rows), alignments, options)

        encoded = encode_features(self.model, features)
        with eval_mode(self.model), torch.no_grad():
            return translate_by_length(lengths, self.batch_size, translate_rows, progress)

    @property
    def length_penalty(self) -> float:
        """The exponent of the length by which scores are divided; 1 by default, as in `generate`."""
        penalty = self.model.generation_config.length_penalty
        return 1.0 if penalty is None else penalty

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Returns the ids of each text, cut to `max_source_length`, and warns of texts that were cut."""
        ids = self.tokenizer(texts)["input_ids"] if texts else []
        limit = self.max_source_length
        too_long = sum(len(row) > limit for row in ids)
        if too_long:
            logger.warning(f"{too_long} of {len(texts)} texts were cut to {limit} tokens (`max_source_length`).")
            ids = self.tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        return ids

    def translate_batch(
        self, batch: BatchEncoding, alignments: bool, options: dict[str, Any]
    ) -> Iterator[list[Translation]]:
        """Generates the targets of a batch, and reads their scores and attention (see [`~Translator.read`])."""
        sequences = cast(GenerationMixin, self.model).generate(**batch, **options)  # (B * n, 1 + T)
        if not isinstance(sequences, torch.Tensor):
            sequences = sequences.sequences
        n_best = options["num_return_sequences"]
        sources = {name: tensor.repeat_interleave(n_best, dim=0) for name, tensor in batch.items()}
        translations = list(self.read(sources, sequences, alignments, options))
        for start in range(0, len(translations), n_best):
            yield translations[start : start + n_best]

    def read(
        self, sources: dict[str, torch.Tensor], sequences: torch.Tensor, alignments: bool, options: dict[str, Any]
    ) -> Iterator[Translation]:
        """
        Yields generated sequences, (B, 1 + T), as text, with scores and attention from one forward pass over all
        their tokens, which is faster than to collect them from the steps of the search.
        """
        targets = sequences[:, 1:]
        with ExitStack() as stack:
            if alignments:
                for model in getattr(self.model, "models", [self.model]):
                    stack.enter_context(eager_attention(model))
            outputs = self.model(
                **sources, decoder_input_ids=sequences[:, :-1], output_attentions=alignments, use_cache=False
            )
        lengths = target_lengths(targets, get_eos_token_ids(self.model, **options).to(targets.device))
        log_probs = outputs.logits.float().log_softmax(dim=-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        log_probs = log_probs * (torch.arange(targets.shape[1], device=targets.device) < lengths.unsqueeze(1))
        scores = log_probs.sum(dim=1) / lengths.float() ** options["length_penalty"]
        weights = select_layer(outputs.cross_attentions, -1, None) if alignments else None
        for row, (target, length, score) in enumerate(zip(targets, lengths.tolist(), scores.tolist())):
            target = target[:length]
            translation = Translation(ids_to_text(self.target_tokenizer, target), score)
            if weights is not None:
                translation.source_tokens, keep = source_columns(self.model, self.tokenizer, sources, row)
                translation.target_tokens = ids_to_tokens(self.target_tokenizer, target)
                translation.weights = weights[row, :length, keep].float().cpu().numpy()
            yield translation

    def read_generated(
        self, texts: list[str], sequences: torch.Tensor, features: Sequence[Mapping[str, object]] | None = None
    ) -> list[Translation]:
        """
        Returns what `generate` gave for texts before, with its scores.

        Args:
            texts (`list[str]`): the sources, best in order of length.
            sequences (`torch.Tensor` of shape `(B, 1 + T)`): the start token and the target of each, padded.
            features (`Sequence[Mapping]`, *optional*): for each text its feature columns, if the model reads them.
        """
        options = {"length_penalty": self.length_penalty}
        ids, encoded = self.encode(texts), encode_features(self.model, features)
        translations: list[Translation] = []
        with eval_mode(self.model), torch.no_grad():
            for start in range(0, len(texts), self.batch_size):
                rows = list(range(start, min(start + self.batch_size, len(ids))))
                batch = self.pad([ids[row] for row in rows], encoded, rows)
                targets = sequences[start : start + self.batch_size].to(self.model.device)
                translations.extend(self.read(dict(batch), targets, False, options))
        return translations

    def pad(self, ids: list[list[int]], encoded: dict[str, torch.Tensor], rows: list[int]) -> BatchEncoding:
        """
        Sources to a batch, padded on the right, so that absolute positions do not count the padding, with their rows
        of the encoded features.
        """
        batch = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt", padding_side="right")
        batch.update({name: tensor[rows] for name, tensor in encoded.items()})
        return batch.to(self.model.device)


def translate_by_length(
    lengths: list[int],
    batch_size: int,
    translate: Callable[[list[int]], Iterable[list[Translation]]],
    progress: Callable[[int], object] | None,
) -> list[list[Translation]]:
    """
    Translates texts in batches of similar length.

    Args:
        lengths (`list[int]`): of each text; 0 for one without content, which has no translation.
        translate (`Callable`): returns the translations of the texts with these indices.
        progress (`Callable`, *optional*): called with the number of texts translated since the last call.
    """
    results: list[list[Translation]] = [[] for _ in lengths]
    rows = sorted((row for row, length in enumerate(lengths) if length), key=lengths.__getitem__)
    if progress is not None:
        progress(len(lengths) - len(rows))
    for start in range(0, len(rows), batch_size):
        chunk = rows[start : start + batch_size]
        for row, translations in zip(chunk, translate(chunk)):
            results[row] = translations
        if progress is not None:
            progress(len(chunk))
    return results


def target_lengths(targets: torch.Tensor, eos_token_ids: torch.Tensor) -> torch.Tensor:
    """Targets, (B, T), to their lengths, (B), the first end of sequence included."""
    is_end = torch.isin(targets, eos_token_ids)
    return torch.where(is_end.any(dim=1), is_end.int().argmax(dim=1) + 1, targets.shape[1])


def load_tokenizers(name: str, **kwargs: Any) -> tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase | None]:
    """Returns the source's tokenizer, and the target's where the target has its own vocabulary."""
    has_target = has_target_vocabulary(load_config(name, **kwargs))
    target = load_tokenizer(name, subfolder=TARGET_TOKENIZER, **kwargs) if has_target else None
    return load_tokenizer(name, **kwargs), target


__all__ = ["Translation", "Translator"]
