# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Lexical shortlists of recurrent models, from their own alignments."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging

from ..interpret.alignments import encode_features, select_layer
from ..interpret.model_loading import find_target_tokenizer
from ..interpret.model_modes import eval_mode
from ..models.bahdanau import BahdanauForConditionalGeneration
from ..models.bahdanau.shortlist_bahdanau import BahdanauShortlist


SMALLEST_WEIGHT = 0.1  # of the attention that counts as a link
PENDING = 1 << 22  # links that are summed up together


def add_shortlist(
    model: BahdanauForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    sources: Sequence[str],
    targets: Sequence[str],
    shortlist_size: int = 50,
    min_probability: float = 0.01,
    target_tokenizer: PreTrainedTokenizerBase | None = None,
    features: Sequence[Mapping[str, object]] | None = None,
    batch_size: int = 64,
) -> None:
    """
    Adds a shortlist to a model, in place, or replaces it: for each source token the target tokens that its attention
    links to it in given translations, by forced decoding, and the most frequent target tokens.
    `generate(use_shortlist=True)` uses it, and `save_pretrained` saves it.

    Args:
        sources, targets (`Sequence[str]`): translations, such as those that the model was trained on.
        shortlist_size (`int`, *optional*, defaults to 50): the largest number of target tokens of a source token.
        min_probability (`float`, *optional*, defaults to 0.01):
            The smallest share of a source token's links that a target token has.
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*): if the target has its own vocabulary; by default
            loaded from the folder `target_tokenizer` where the model is from.
        features (`Sequence[Mapping]`, *optional*): for each source its feature columns, if the model reads them.
        batch_size (`int`, *optional*, defaults to 64): translations per forward pass.

    Raises:
        `ValueError`: for no translations, a model without attention or with hard attention, or a size out of range.
    """
    if not sources or len(sources) != len(targets):
        raise ValueError(
            f"`sources` ({len(sources)}) and `targets` ({len(targets)}) must have the same length, not 0."
        )
    if not 0 <= min_probability <= 1:
        raise ValueError(f"`min_probability` must be between 0 and 1, got {min_probability}.")
    config = copy.copy(model.config)
    config.shortlist_size = shortlist_size
    config.validate_architecture()
    keys, weights = count_links(model, tokenizer, sources, targets, target_tokenizer, features, batch_size)
    model.config.shortlist_size = shortlist_size
    model.shortlist = BahdanauShortlist(config).to(model.device)
    if not len(keys):  # all below the smallest weight
        return
    from_ids, to_ids = np.divmod(keys, config.vocab_size)
    order = np.lexsort((-weights, from_ids))
    from_ids, to_ids, weights = from_ids[order], to_ids[order], weights[order]
    ranks = np.arange(len(from_ids)) - np.searchsorted(from_ids, from_ids)
    shares = weights / np.bincount(from_ids, weights)[from_ids]
    kept = (ranks < shortlist_size) & (shares >= min_probability)
    places = torch.as_tensor(from_ids[kept]), torch.as_tensor(ranks[kept])
    model.shortlist.candidates[places] = torch.as_tensor(to_ids[kept], device=model.device)
    frequent = np.argsort(-np.bincount(to_ids, weights), kind="stable")[:shortlist_size]
    model.shortlist.common[: len(frequent)] = torch.as_tensor(frequent, device=model.device)


def count_links(
    model: BahdanauForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    sources: Sequence[str],
    targets: Sequence[str],
    target_tokenizer: PreTrainedTokenizerBase | None,
    features: Sequence[Mapping[str, object]] | None,
    batch_size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs of tokens, source id * vocab_size + target id, and the sums of their attention weights."""
    target_tokenizer = target_tokenizer or find_target_tokenizer(model, tokenizer)
    counted: list[tuple[torch.Tensor, torch.Tensor]] = []
    padding = {"return_tensors": "pt", "padding": True, "padding_side": "right"}
    with eval_mode(model), torch.no_grad():
        for start in logging.tqdm(range(0, len(sources), batch_size), unit=" batches", disable=None):
            rows = slice(start, start + batch_size)
            batch = tokenizer(list(sources[rows]), return_token_type_ids=False, **padding).to(model.device)
            batch.update(encode_features(model, None if features is None else features[rows]))
            labels = target_tokenizer(text_target=list(targets[rows]), **padding).to(model.device)
            is_target, is_source = labels["attention_mask"].bool(), batch["attention_mask"].bool()
            inputs = model.prepare_decoder_input_ids_from_labels(labels["input_ids"].masked_fill(~is_target, -100))
            outputs = model.model(**batch, decoder_input_ids=inputs, output_attentions=True)
            weights = select_layer(outputs.cross_attentions, -1, None)[..., : is_source.shape[1]]  # (B, T, S)
            links = (weights >= SMALLEST_WEIGHT) & is_target.unsqueeze(2) & is_source.unsqueeze(1)
            keys = batch["input_ids"].unsqueeze(1) * model.config.vocab_size + labels["input_ids"].unsqueeze(2)
            counted.append((keys[links].cpu(), weights[links].double().cpu()))
            if sum(len(keys) for keys, _ in counted) > PENDING:
                counted = [sum_up(counted)]
    keys, sums = sum_up(counted)
    return keys.numpy(), sums.numpy()


def sum_up(counted: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
    """From keys and weights to the keys without repetitions, and the sum of each one's weights."""
    keys, places = torch.cat([keys for keys, _ in counted]).unique(return_inverse=True)
    weights = torch.cat([weights for _, weights in counted])
    return keys, weights.new_zeros(len(keys)).scatter_add_(0, places, weights)


__all__ = ["add_shortlist"]
