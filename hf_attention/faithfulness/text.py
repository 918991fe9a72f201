# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A source and its target as an encoder-decoder reads them, for the measures and the maps."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..interpret.alignments import check_ids


TEXT_BASELINES = ("mask", "unknown")


@dataclass
class TextExample:
    """
    One source of S tokens with the target of T tokens that is explained (forced decoding). Special tokens of the
    source are never removed, and those of the target not explained. See
    [`~hf_attention.faithfulness.removal.Explained`].

    Attributes:
        input_ids (`torch.Tensor` of shape `(1, S)`), labels (`(1, T)`).
        units (`np.ndarray` of shape `(U,)`): positions of the source's tokens that can be removed.
        outputs (`np.ndarray` of shape `(O,)`): positions of the target's tokens that are explained.
        unknown_id (`int`): the id that replaces a token with the baseline `unknown`; with `mask` it is masked.
        possible (`list[set[int]]`, *optional*): for each token of the target the tokens of the source that it is known
            to come from; an empty set where that is not known.
    """

    model: PreTrainedModel
    input_ids: torch.Tensor
    labels: torch.Tensor
    units: np.ndarray
    outputs: np.ndarray
    unknown_id: int
    possible: list[set[int]] | None = None
    batch_size: int = 256
    cells: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.cells = np.arange(len(self.units))

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    def select(self, weights: np.ndarray) -> np.ndarray:
        """The weights of the units and outputs: (T, S) to (O, U)."""
        return weights[np.ix_(self.outputs, self.units)]

    def predict(self, keep: np.ndarray, baseline: str) -> np.ndarray:
        """See [`~hf_attention.faithfulness.removal.Explained`]; (n, U) to (n, O)."""
        kept = torch.ones(len(keep), self.input_ids.shape[1], dtype=torch.bool)
        kept[:, torch.from_numpy(self.units)] = torch.from_numpy(keep)
        probabilities = []
        for rows in kept.to(self.model.device).split(self.batch_size):
            input_ids = self.input_ids.expand(len(rows), -1)
            mask = torch.ones_like(input_ids)
            if baseline == "mask":
                mask = rows.long()
            else:
                input_ids = input_ids.masked_fill(~rows, self.unknown_id)
            with torch.no_grad():
                log_probs, _ = self.run(input_ids, mask)
            probabilities.append(log_probs.exp().cpu().numpy())
        return np.concatenate(probabilities)[:, self.outputs]

    def run(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **options: Any
    ) -> tuple[torch.Tensor, Any]:
        """The log-probabilities (n, T) of the target's tokens for sources (n, S), and the model's outputs."""
        labels = self.labels.repeat(len(input_ids), 1)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        outputs = self.model(input_ids=input_ids, attention_mask=mask, labels=labels, **options)
        return outputs.logits.float().log_softmax(dim=-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1), outputs

    def log_odds(self, copies: int = 1, **options: Any) -> tuple[torch.Tensor, Any]:
        """
        log p / (1 - p) of each token of the target, as row i of T equal rows is read at position i, (copies, T), and
        the outputs of the copies * T rows. (The probability itself hardly has a gradient where it is almost 1.)
        """
        size = self.labels.shape[1]
        labels = self.labels.repeat(copies * size, 1)
        input_ids = self.input_ids.repeat(copies * size, 1)
        mask = torch.ones_like(input_ids)
        outputs = self.model(input_ids=input_ids, attention_mask=mask, labels=labels, **options)
        rows = torch.arange(copies * size, device=labels.device)
        logits = outputs.logits.float()[rows, rows % size]  # (copies * T, vocab)
        targets = self.labels.T.repeat(copies, 1)
        others = logits.scatter(1, targets, -torch.inf).logsumexp(dim=1)
        return (logits.gather(1, targets).squeeze(1) - others).view(copies, size), outputs

    @contextmanager
    def embedded(self, change: Any) -> Generator[None, None, None]:
        """Changes the embeddings (n, S, E) of the source by a function."""
        embedding = find_embedding(self.model)
        changed: list[bool] = []

        def hook(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
            if changed:  # a decoder that shares the table reads it after the encoder
                return output
            changed.append(True)
            return change(output)

        handle = embedding.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()


def find_embedding(model: PreTrainedModel) -> nn.Module:
    """The module that embeds the source's tokens."""
    encoder: Any = model.get_encoder()
    return getattr(encoder, "embed_tokens", None) or encoder.get_input_embeddings()


def make_text_examples(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase,
    sources: Sequence[str],
    targets: Sequence[str],
    spans: Sequence[list[list[int]]] | None = None,
) -> list[TextExample]:
    """
    Tokenizes pairs.

    Args:
        spans (`Sequence`, *optional*): for each pair what is known of its alignment, as the column `alignment` of
            [`~hf_attention.data.dates.make_dates`] has it; it needs tokenizers that know offsets.
    """
    examples = []
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
    for index, (source, target) in enumerate(zip(sources, targets)):
        options: dict[str, Any] = {"return_tensors": "pt", "return_offsets_mapping": spans is not None}
        encoded = tokenizer(source, **options)
        decoded = target_tokenizer(text_target=target, **options)
        input_ids, labels = encoded["input_ids"].to(model.device), decoded["input_ids"].to(model.device)
        check_ids(model, tokenizer, input_ids)
        possible = None
        if spans is not None:
            offsets = [part["offset_mapping"][0].tolist() for part in (encoded, decoded)]
            possible = link_spans(spans[index], *offsets)
        examples.append(
            TextExample(
                model,
                input_ids,
                labels,
                units=ordinary_tokens(tokenizer, input_ids),
                outputs=ordinary_tokens(target_tokenizer, labels),
                unknown_id=unknown or 0,
                possible=possible,
            )
        )
    return examples


def ordinary_tokens(tokenizer: PreTrainedTokenizerBase, token_ids: torch.Tensor) -> np.ndarray:
    """The positions of what a text itself consists of: without end, padding and the like, but with unknown tokens."""
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    return np.array([place for place, token in enumerate(token_ids[0].tolist()) if token not in special], dtype=int)


def link_spans(
    spans: list[list[int]], source_offsets: list[list[int]], target_offsets: list[list[int]]
) -> list[set[int]]:
    """
    Returns for each token of the target the tokens of the source that overlap the span that it comes from.

    Args:
        spans (`list`): `[target_start, target_end, source_start, source_end]` each, in characters, ends exclusive.
        source_offsets, target_offsets (`list`): start and end of each token, in characters.
    """
    return [
        {
            place
            for target_start, target_end, source_start, source_end in spans
            if start < target_end and end > target_start
            for place, (left, right) in enumerate(source_offsets)
            if left < source_end and right > source_start
        }
        for start, end in target_offsets
    ]


__all__ = []
