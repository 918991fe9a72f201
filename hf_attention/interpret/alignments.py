# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Cross-attention of encoder-decoders: one weight per target and source token, for generated or given targets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, cast

import numpy as np
import torch
from transformers import BatchEncoding, GenerationConfig, GenerationMixin, PreTrainedModel, PreTrainedTokenizerBase

from .model_loading import find_target_tokenizer
from .model_modes import eager_attention, eval_mode


def has_text(text: object, tokenizer: PreTrainedTokenizerBase, ids: Sequence[int] | None = None) -> bool:
    """
    Whether a tokenizer makes tokens of a text, other than the special ones that it adds to every text. Some texts are
    empty for a tokenizer only, such as a zero-width space that it removes.

    Args:
        ids (`Sequence[int]`, *optional*): those of the text with special tokens, if it has been tokenized.

    Raises:
        `ValueError`: for a text with half of a surrogate pair, which cannot be tokenized.
    """
    if not isinstance(text, str) or not text.strip():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} has half of a surrogate pair, which is not a character. Remove it.") from None
    if ids is None:
        ids = tokenizer(text)["input_ids"]
    return len(ids) > tokenizer.num_special_tokens_to_add()


@dataclass
class Alignment:
    """
    One sentence pair and the attention between its tokens.

    Attributes:
        source (`str`), target (`str`): the texts, without special tokens.
        source_tokens (`list[str]` of length S), target_tokens (`list[str]` of length T): without padding; those of
            the source are followed by its features, as `column=value`, if the model attends to them.
        weights (`np.ndarray` of shape `(T, S)`, float32): row i is the attention of target token i; it sums to 1.
        score (`float`): log-probability of the target; for beam search the score that `generate` ranks by, with length
            penalty.
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
    features: Sequence[Mapping[str, object]] | None = None,
    **generate_kwargs: Any,
) -> list[Alignment]:
    """
    Aligns sentences with the targets that a model generates, or with given targets (forced decoding).

    Works with every encoder-decoder of transformers that returns `cross_attentions`.

    Args:
        sources (`list[str]`): source sentences.
        targets (`list[str]`, *optional*): targets to align with; by default the model generates them.
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*): if the target has its own vocabulary; by default
            loaded from the folder `target_tokenizer` where the model is from.
        batch_size (`int`, *optional*, defaults to 32): sentences per forward pass.
        layer (`int`, *optional*, defaults to -1), head (`int`, *optional*):
            Which cross-attention to return if the model has several; by default the mean over the heads.
        features (`Sequence[Mapping]`, *optional*):
            For each source its feature columns, if the model reads them; see its `encode_features`.
        generate_kwargs:
            Passed to `generate`, e.g. `num_beams=5`, `num_return_sequences=2`. `decoder_input_ids` has one row per
            source, or one row for all of them.

    Returns:
        `list[Alignment]`: one per source, or `num_return_sequences` per source, in order.

    Raises:
        `ValueError`: for a string instead of a list, an empty source, a number of targets or `decoder_input_ids` that
        differs from the number of sources, an invalid `num_beams`, a model without cross-attention, or a layer or head
        that does not exist.
    """
    for name, texts in (("sources", sources), ("targets", targets)):
        if isinstance(texts, str):
            raise ValueError(f"`{name}` must be a list of sentences, got one string. Put it in a list.")
    for index, source in enumerate(sources):
        if not has_text(source, tokenizer):
            raise ValueError(f"`sources` has {source!r} at position {index}, which is not a text. Remove it.")
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1, got {batch_size}.")
    if targets is not None and len(targets) != len(sources):
        raise ValueError(f"`targets` ({len(targets)}) must have the same length as `sources` ({len(sources)}).")
    prompts = generate_kwargs.pop("decoder_input_ids", None)
    if prompts is not None:
        if len(prompts) not in (1, len(sources)):
            raise ValueError(
                f"`decoder_input_ids` has {len(prompts)} rows; pass 1 row, or {len(sources)} for `sources`."
            )
        prompts = prompts.expand(len(sources), -1)
    target_tokenizer = target_tokenizer or find_target_tokenizer(model, tokenizer)
    alignments = []
    with eval_mode(model):
        for start in range(0, len(sources), batch_size):
            chunk = sources[start : start + batch_size]
            batch = tokenizer(  # on the right, so that absolute positions do not count the padding
                chunk, return_tensors="pt", padding=True, padding_side="right", return_token_type_ids=False
            ).to(model.device)
            check_ids(model, tokenizer, batch["input_ids"])
            batch.update(encode_features(model, None if features is None else features[start : start + batch_size]))
            with torch.no_grad(), eager_attention(model):
                if targets is None:
                    if prompts is not None:
                        generate_kwargs["decoder_input_ids"] = prompts[start : start + batch_size]
                    rows = align_generated(model, batch, layer, head, **generate_kwargs)
                else:
                    labels = target_tokenizer(  # on the right, so that the decoder does not start with padding
                        text_target=targets[start : start + batch_size],
                        return_tensors="pt",
                        padding=True,
                        padding_side="right",
                    )
                    rows = align_forced(model, batch, labels.to(model.device), layer, head)
                for index, token_ids, weights, score in rows:
                    source_tokens, keep = source_columns(model, tokenizer, batch, index)
                    alignments.append(
                        Alignment(
                            source=chunk[index],
                            target=ids_to_text(target_tokenizer, token_ids),
                            source_tokens=source_tokens,
                            target_tokens=ids_to_tokens(target_tokenizer, token_ids),
                            weights=weights[:, keep].float().cpu().numpy(),
                            score=score,
                        )
                    )
    return alignments


Row = tuple[int, torch.Tensor, torch.Tensor, float]  # batch index, target ids (T), weights (T, S), score


def encode_features(
    model: PreTrainedModel, features: Sequence[Mapping[str, object]] | None
) -> dict[str, torch.Tensor]:
    """
    Returns the input `feature_ids` of sources for a model that reads their features, and nothing for any other.

    Raises:
        `ValueError`: if the model reads features and there are none, or the other way round.
    """
    columns = sorted(getattr(model.config, "feature_values", None) or {})
    if columns and features is None:
        raise ValueError(
            f"The model reads features of its sources: pass `features`, with {', '.join(columns)} for each."
        )
    if features is None:
        return {}
    encode = getattr(model, "encode_features", None)
    if encode is None or not columns:
        raise ValueError("`features` are given, but the model reads none.")
    return {"feature_ids": encode(features)}


def source_columns(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch: Mapping[str, torch.Tensor], row: int
) -> tuple[list[str], torch.Tensor]:
    """Returns the tokens of a source and its attended features, and which columns of the attention (S) are theirs."""
    keep = batch["attention_mask"][row].bool()
    tokens, features = ids_to_tokens(tokenizer, batch["input_ids"][row][keep]), batch.get("feature_ids")
    if features is None or not getattr(model.config, "attends_to_features", False):
        return tokens, keep
    names = cast(Any, model).feature_names
    tokens += [names[index] for index in features[row].tolist() if index]
    return tokens, torch.cat([keep, features[row] != 0])


def ids_to_tokens(tokenizer: PreTrainedTokenizerBase, token_ids: torch.Tensor) -> list[str]:
    tokens = tokenizer.convert_ids_to_tokens(token_ids.tolist())
    return [tokens] if isinstance(tokens, str) else tokens


def ids_to_text(tokenizer: PreTrainedTokenizerBase, token_ids: torch.Tensor) -> str:
    """Decodes one sequence (T,), without special tokens."""
    text = tokenizer.decode(token_ids, skip_special_tokens=True)
    return text if isinstance(text, str) else "".join(text)


def check_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_ids: torch.Tensor) -> None:
    """Raises `ValueError` for ids that a model has no embedding for: those of another model's tokenizer."""
    size = getattr(model.get_input_embeddings(), "num_embeddings", None)
    largest = int(input_ids.max())
    if size is not None and largest >= size:
        raise ValueError(
            f"The tokenizer makes id {largest} of {tokenizer.convert_ids_to_tokens(largest)!r}, but the model has "
            f"{size} embeddings. Use the tokenizer it was trained with, or call `resize_token_embeddings`."
        )


def align_generated(
    model: PreTrainedModel, batch: BatchEncoding, layer: int, head: int | None, **generate_kwargs: Any
) -> Iterator[Row]:
    """Generates targets; the attention of each is collected from the beams that produced its tokens."""
    num_beams = generate_kwargs.get("num_beams")
    if num_beams is None:
        generate_kwargs.pop("num_beams", None)
    elif not (isinstance(num_beams, Integral) and num_beams > 0):
        raise ValueError(f"`num_beams` must be an integer of at least 1, got {num_beams!r}.")
    outputs = cast(GenerationMixin, model).generate(
        **batch,
        **{
            **generate_kwargs,
            "output_attentions": True,
            "output_scores": True,
            "output_logits": True,
            "return_dict_in_generate": True,
        },
    )
    steps = [select_layer(step, layer, head)[:, -1] for step in outputs.cross_attentions]  # each (rows, S)
    beam_indices = outputs.get("beam_indices")
    # other beams may be longer than the best one
    max_length = len(steps) if beam_indices is None else beam_indices.shape[1]
    prompt = outputs.sequences.shape[1] - max_length  # `generate` may have added a start token to the given one
    ends = get_eos_token_ids(model, **generate_kwargs).to(outputs.sequences.device)
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


def get_eos_token_ids(
    model: PreTrainedModel, generation_config: GenerationConfig | None = None, **kwargs: Any
) -> torch.Tensor:
    """The `eos_token_id`s that `generate` uses: those of its arguments, of a `generation_config`, or of the model."""
    ends = getattr(generation_config, "eos_token_id", None)
    ends = kwargs.get("eos_token_id", model.generation_config.eos_token_id if ends is None else ends)
    return torch.as_tensor([] if ends is None else ends, dtype=torch.long).view(-1)


def align_forced(
    model: PreTrainedModel, batch: BatchEncoding, labels: BatchEncoding, layer: int, head: int | None
) -> Iterator[Row]:
    """Runs the model on given targets (forced decoding)."""
    mask = labels["attention_mask"].bool()
    outputs = model(**batch, labels=labels["input_ids"].masked_fill(~mask, -100), output_attentions=True)
    weights = select_layer(outputs.cross_attentions, layer, head)  # (B, T, S)
    log_probs = outputs.logits.float().log_softmax(dim=-1)
    log_probs = log_probs.gather(-1, labels["input_ids"].unsqueeze(-1)).squeeze(-1)
    for row, keep in enumerate(mask):
        yield row, labels["input_ids"][row][keep], weights[row][keep], float(log_probs[row][keep].sum())


def select_layer(cross_attentions: tuple[torch.Tensor, ...] | None, layer: int, head: int | None) -> torch.Tensor:
    """Selects a layer, and a head or the mean over its heads: L tensors (B, heads, T, S) to (B, T, S)."""
    if not cross_attentions:
        raise ValueError(
            "The model returned no `cross_attentions`: it has no attention between source and target (for example "
            "`attention_type='none'`)."
        )
    if not -len(cross_attentions) <= layer < len(cross_attentions):
        raise ValueError(f"`layer` is {layer}, but the model has {len(cross_attentions)} layers of cross-attention.")
    weights = cross_attentions[layer]
    if head is not None and not -weights.shape[1] <= head < weights.shape[1]:
        raise ValueError(f"`head` is {head}, but the layer has {weights.shape[1]} heads.")
    return weights.mean(dim=1) if head is None else weights[:, head]


__all__ = ["Alignment", "align"]
