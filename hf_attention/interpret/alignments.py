# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What an encoder-decoder attended to: one weight for each target and source token, of generated or given targets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from transformers import BatchEncoding, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging


logger = logging.get_logger(__name__)


@dataclass
class Alignment:
    """
    One sentence pair and the attention between its tokens.

    Attributes:
        source (`str`), target (`str`): the texts; the target decoded without special tokens.
        source_tokens (`list[str]` of length S), target_tokens (`list[str]` of length T): no padding, end included.
        weights (`np.ndarray` of shape `(T, S)`, float32): row i says what target token i looked at; sums to 1.
        score (`float`): log-probability of the target; of a beam, as `generate` ranks it, length penalty included.
    """

    source: str
    target: str
    source_tokens: list[str]
    target_tokens: list[str]
    weights: np.ndarray
    score: float


def align(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sources: list[str],
    targets: list[str] | None = None,
    target_tokenizer: PreTrainedTokenizerBase | None = None,
    batch_size: int = 32,
    layer: int = -1,
    head: int | None = None,
    **generate_kwargs,
) -> list[Alignment]:
    """
    The alignments of sentences with what the model makes of them, or with given targets (forced decoding).

    Works on any encoder-decoder of transformers that returns `cross_attentions`.

    Args:
        sources (`list[str]`): source sentences.
        targets (`list[str]`, *optional*): targets to align with; without them the model generates.
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*): where the target has a vocabulary of its own.
        layer (`int`, *optional*, defaults to -1), head (`int`, *optional*):
            Which cross-attention to read where a model has several; without `head` the mean over heads.
        generate_kwargs:
            Passed to `generate`, e.g. `num_beams=5`, `num_return_sequences=2`; of `decoder_input_ids`, a row a source,
            or one for all of them.

    Returns:
        `list[Alignment]`: one a source, or `num_return_sequences` a source, in order.

    Raises:
        `ValueError`: for a string in place of a list, an empty source, targets or `decoder_input_ids` that are not as
        many as the sources, `num_beams` that is no number from 1, a model without cross-attention, or a layer or head
        that it has not.
    """
    for name, texts in (("sources", sources), ("targets", targets)):
        if isinstance(texts, str):
            raise ValueError(f"`{name}` must be a list of sentences, got one string. Put it in a list.")
    for index, source in enumerate(sources):
        if not isinstance(source, str) or not source.strip():
            raise ValueError(f"`sources` holds no text at position {index}, but {source!r}. Leave it out.")
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1, got {batch_size}.")
    if targets is not None and len(targets) != len(sources):
        raise ValueError(f"`targets` ({len(targets)}) must be as many as `sources` ({len(sources)}).")
    prompts = generate_kwargs.pop("decoder_input_ids", None)
    if prompts is not None:
        if len(prompts) not in (1, len(sources)):
            raise ValueError(
                f"`decoder_input_ids` has {len(prompts)} rows; give one, or {len(sources)} for `sources`."
            )
        prompts = prompts.expand(len(sources), -1)
    target_tokenizer = target_tokenizer or tokenizer
    alignments = []
    with evaluation(model):
        for start in range(0, len(sources), batch_size):
            chunk = sources[start : start + batch_size]
            batch = tokenizer(  # on the right, or models with absolute positions would count the padding
                chunk, return_tensors="pt", padding=True, padding_side="right", return_token_type_ids=False
            ).to(model.device)
            with torch.no_grad(), eager_attention(model):
                if targets is None:
                    if prompts is not None:
                        generate_kwargs["decoder_input_ids"] = prompts[start : start + batch_size]
                    rows = generated(model, batch, layer, head, **generate_kwargs)
                else:
                    labels = target_tokenizer(  # on the right, or the decoder would read padding first
                        text_target=targets[start : start + batch_size],
                        return_tensors="pt",
                        padding=True,
                        padding_side="right",
                    )
                    rows = forced(model, batch, labels.to(model.device), layer, head)
                for index, token_ids, weights, score in rows:
                    keep = batch["attention_mask"][index].bool()
                    alignments.append(
                        Alignment(
                            source=chunk[index],
                            target=target_tokenizer.decode(token_ids, skip_special_tokens=True),
                            source_tokens=tokenizer.convert_ids_to_tokens(batch["input_ids"][index][keep].tolist()),
                            target_tokens=target_tokenizer.convert_ids_to_tokens(token_ids.tolist()),
                            weights=weights[:, keep].float().cpu().numpy(),
                            score=score,
                        )
                    )
    return alignments


Row = tuple[int, torch.Tensor, torch.Tensor, float]  # batch index, target ids (T), weights (T, S), score


def generated(
    model: PreTrainedModel, batch: BatchEncoding, layer: int, head: int | None, **generate_kwargs
) -> Iterator[Row]:
    """Generates, and follows each sequence back through the beams whose attention made its tokens."""
    num_beams = generate_kwargs.get("num_beams")
    if num_beams is not None and not (isinstance(num_beams, Integral) and num_beams > 0):
        raise ValueError(f"`num_beams` must be a whole number from 1, got {num_beams!r}.")
    outputs = model.generate(
        **batch,
        **{
            **generate_kwargs,
            "output_attentions": True,
            "output_scores": True,
            "output_logits": True,
            "return_dict_in_generate": True,
        },
    )
    steps = [read_layer(step, layer, head)[:, -1] for step in outputs.cross_attentions]  # each (rows, S)
    beam_indices = outputs.get("beam_indices")
    # beams may go on for longer than the sequence that wins
    longest = len(steps) if beam_indices is None else beam_indices.shape[1]
    prompt = outputs.sequences.shape[1] - longest  # `generate` may have put a start before the one given
    ends = find_ends(model, **generate_kwargs).to(outputs.sequences.device)
    per_source = len(outputs.sequences) // len(batch["input_ids"])
    for row, sequence in enumerate(outputs.sequences):
        token_ids = sequence[prompt:]
        if beam_indices is None:
            stops = torch.isin(token_ids, ends).nonzero()
            length = int(stops[0]) + 1 if len(stops) else len(token_ids)
            weights = torch.stack([step[row] for step in steps[:length]])
            log_probs = torch.stack([step[row] for step in outputs.logits[:length]]).float().log_softmax(dim=-1)
            score = float(log_probs.gather(1, token_ids[:length, None]).sum())
        else:
            length = int((beam_indices[row] >= 0).sum())
            weights = torch.stack([step[beam] for step, beam in zip(steps[:length], beam_indices[row])])
            score = float(outputs.sequences_scores[row])
        yield row // per_source, token_ids[:length], weights, score


def find_ends(model: PreTrainedModel, generation_config: GenerationConfig | None = None, **kwargs) -> torch.Tensor:
    """The `eos_token_id`s that `generate` goes by, of its arguments, of a config among them, or else of the model."""
    ends = getattr(generation_config, "eos_token_id", None)
    ends = kwargs.get("eos_token_id", model.generation_config.eos_token_id if ends is None else ends)
    return torch.as_tensor([] if ends is None else ends, dtype=torch.long).view(-1)


def forced(
    model: PreTrainedModel, batch: BatchEncoding, labels: BatchEncoding, layer: int, head: int | None
) -> Iterator[Row]:
    """Reads the attention while the model is given the targets."""
    mask = labels["attention_mask"].bool()
    outputs = model(**batch, labels=labels["input_ids"].masked_fill(~mask, -100), output_attentions=True)
    weights = read_layer(outputs.cross_attentions, layer, head)  # (B, T, S)
    log_probs = outputs.logits.float().log_softmax(dim=-1)
    log_probs = log_probs.gather(-1, labels["input_ids"].unsqueeze(-1)).squeeze(-1)
    for row, keep in enumerate(mask):
        yield row, labels["input_ids"][row][keep], weights[row][keep], float(log_probs[row][keep].sum())


def read_layer(cross_attentions: tuple[torch.Tensor] | None, layer: int, head: int | None) -> torch.Tensor:
    """(B, heads, T, S) of one layer to (B, T, S)."""
    if not cross_attentions:
        raise ValueError(
            "The model returned no `cross_attentions`: it has no attention between source and target "
            "(`attention_type='none'`?), so there is nothing to align."
        )
    if not -len(cross_attentions) <= layer < len(cross_attentions):
        raise ValueError(f"`layer` is {layer}, but the model has {len(cross_attentions)} layers of cross-attention.")
    weights = cross_attentions[layer]
    if head is not None and not -weights.shape[1] <= head < weights.shape[1]:
        raise ValueError(f"`head` is {head}, but the layer has {weights.shape[1]} heads.")
    return weights.mean(dim=1) if head is None else weights[:, head]


@contextmanager
def evaluation(model: PreTrainedModel):
    """Puts a model into evaluation mode for the time; then each module, frozen ones too, is back in its own."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def eager_attention(model: PreTrainedModel):
    """Fused attention returns no weights, so a model that uses it goes over to `eager` for the time."""
    implementation = model.config._attn_implementation
    if implementation in (None, "eager"):
        yield
        return
    logger.info(f"Reading attention weights with `eager` in place of `{implementation}` attention.")
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(implementation)


__all__ = ["Alignment", "align"]
