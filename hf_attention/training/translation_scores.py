# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The metrics of the translation recipe: of generated texts against references, of alignments against gold spans."""

import numpy as np
from datasets import Dataset
from sacrebleu import BLEU
from transformers import EvalPrediction, PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_utils import EvalLoopOutput

from ..interpret.alignments import align, has_text
from ..metrics import AlignmentError, Bleu, ChrF, ExactMatch


def check_bleu_tokenize(name: str) -> None:
    """Raises `ValueError` for a tokenizer that sacrebleu does not have, or whose dependencies are not installed."""
    if name not in BLEU.TOKENIZERS:
        raise ValueError(f"`bleu_tokenize` must be one of {', '.join(BLEU.TOKENIZERS)}, got {name!r}.")
    try:
        BLEU(tokenize=name)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"`bleu_tokenize` {name!r} cannot be used: {' '.join(str(error).split())}") from error


def can_have_bleu(references: list[str], tokenize: str) -> bool:
    """Returns whether a reference has the four tokens without which corpus BLEU is 0 for any prediction."""
    metric = BLEU(tokenize=tokenize)
    return any(len(metric.tokenizer(reference).split()) >= metric.max_ngram_order for reference in references)


def compute_metrics(
    prediction: EvalPrediction | EvalLoopOutput,
    tokenizer: PreTrainedTokenizerBase,
    references: list[str],
    bleu_tokenize: str,
    signature: bool = False,
) -> dict[str, float | str]:
    """
    Returns BLEU, chrF and exact match of generated ids against the texts of the data, not against decoded labels. BLEU
    is left out if every reference is too short for it.

    Args:
        prediction (`EvalPrediction` or `EvalLoopOutput`):
            Of the rows in order. Rows at the end that several processes repeat, to have equally many, do not count,
            nor do references of rows that `dataloader_drop_last` drops.
        tokenizer (`PreTrainedTokenizerBase`): of the target.
        references (`list[str]`): the target of each row.
        bleu_tokenize (`str`): sacrebleu's tokenizer.
        signature (`bool`, *optional*): whether to return sacrebleu's signature too.
    """
    token_ids = np.asarray(prediction.predictions)[: len(references)]
    token_ids = np.where(token_ids < 0, tokenizer.pad_token_id, token_ids)
    texts = {
        "predictions": tokenizer.batch_decode(token_ids, skip_special_tokens=True),
        "references": references[: len(token_ids)],
    }
    scores = (ChrF().compute(**texts) or {}) | (ExactMatch().compute(**texts) or {})
    if can_have_bleu(references, bleu_tokenize):
        scores |= Bleu().compute(**texts, tokenize=bleu_tokenize) or {}
        if not signature:
            scores.pop("signature")
    return scores


def alignment_error(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase | None,
    data: Dataset,
    batch_size: int,
) -> float | None:
    """
    Returns the alignment error of forced decoding against gold spans, or `None` if no row has spans. The most attended
    source token of each target token must overlap the span that the target token's characters come from.
    """
    data = data.filter(lambda row: row["alignment"] and has_text(row["source"], tokenizer))
    if len(data) == 0:
        return None
    alignments = align(model, tokenizer, data["source"], data["target"], target_tokenizer, batch_size=batch_size)
    predictions, references = [], []
    for alignment, source, target, spans in zip(alignments, data["source"], data["target"], data["alignment"]):
        source_offsets = tokenizer(source, return_offsets_mapping=True)["offset_mapping"]
        target_offsets = (target_tokenizer or tokenizer)(target, return_offsets_mapping=True)["offset_mapping"]
        possible = [
            [target_index, source_index]
            for target_start, target_end, source_start, source_end in spans
            for target_index, (start, end) in enumerate(target_offsets)
            if start < target_end and end > target_start
            for source_index, (left, right) in enumerate(source_offsets)
            if left < source_end and right > source_start
        ]
        aligned = {target_index for target_index, _ in possible}
        predictions.append([[index, int(alignment.weights[index].argmax())] for index in sorted(aligned)])
        references.append({"sure": [], "possible": possible})
    scores = AlignmentError().compute(predictions=predictions, references=references) or {}
    return scores["alignment_error"]
