# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The metrics of the translation recipe: of generated texts against references, of alignments against gold spans."""

from itertools import repeat

import numpy as np
import torch
from datasets import Dataset
from rapidfuzz.distance import Levenshtein
from sacrebleu import BLEU
from transformers import EvalPrediction, PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_utils import EvalLoopOutput, PredictionOutput

from ..faithfulness.text import link_spans
from ..interpret.alignments import align, has_text
from ..metrics import AlignmentError, Bleu, ChrF, ErrorRate, ExactMatch
from ..metrics.checks import as_list
from ..prediction.prediction_files import PredictionFile
from ..prediction.translator import Translator


References = list[str] | list[list[str]]  # one of each row, or several


def check_bleu_tokenize(name: str) -> None:
    """Raises `ValueError` for a tokenizer that sacrebleu does not have, or whose dependencies are not installed."""
    if name not in BLEU.TOKENIZERS:
        raise ValueError(f"`bleu_tokenize` must be one of {', '.join(BLEU.TOKENIZERS)}, got {name!r}.")
    try:
        BLEU(tokenize=name)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"`bleu_tokenize` {name!r} cannot be used: {' '.join(str(error).split())}") from error


def leading_metrics(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Returns the metrics that fit what a tokenizer's tokens are, the best one first; none if that is not known."""
    kind = tokenizer.init_kwargs.get("tokenizer_type")
    if kind == "symbol":
        return ("symbol_error_rate", "exact_match")
    if kind == "char":
        return ("exact_match", "character_error_rate")
    return () if kind is None else ("bleu", "chrf")


def can_have_bleu(references: References, tokenize: str, tokenizer: PreTrainedTokenizerBase) -> bool:
    """
    Returns whether BLEU fits: never for symbols, and not if every reference is shorter than the four tokens without
    which corpus BLEU is 0. With a tokenizer of characters, whose texts may be single words, half of the references
    need four, unless `tokenize` is not the default.
    """
    kind = tokenizer.init_kwargs.get("tokenizer_type")
    metric = BLEU(tokenize=tokenize)
    references = [text for row in references for text in as_list(row)]
    if kind == "char" and tokenize == "13a":
        long = [len(metric.tokenizer(text).split()) >= metric.max_ngram_order for text in references]
        return 2 * sum(long) >= len(long) > 0
    return kind != "symbol" and any(
        len(metric.tokenizer(reference).split()) >= metric.max_ngram_order for reference in references
    )


def compute_metrics(
    prediction: EvalPrediction | EvalLoopOutput,
    tokenizer: PreTrainedTokenizerBase,
    references: References,
    bleu_tokenize: str,
    signature: bool = False,
) -> dict[str, float | str]:
    """
    Returns exact match, character and word error rate, chrF, and BLEU if it fits, of generated ids against the texts
    of the data, not against decoded labels. For symbols between separators they are exact match, symbol error rate,
    and the share of wrong rows as word error rate, since a row spells a word.

    Args:
        prediction (`EvalPrediction` or `EvalLoopOutput`):
            Of the rows in order. Rows at the end that several processes repeat, to have equally many, do not count,
            nor do references of rows that `dataloader_drop_last` drops.
        tokenizer (`PreTrainedTokenizerBase`): of the target.
        references (`list[str]` or `list[list[str]]`): the target of each row, or several, of which any is right.
        bleu_tokenize (`str`): sacrebleu's tokenizer.
        signature (`bool`, *optional*): whether to return sacrebleu's signature too.
    """
    token_ids = np.asarray(prediction.predictions)[: len(references)]
    token_ids = np.where(token_ids < 0, tokenizer.pad_token_id, token_ids)
    texts = {
        "predictions": tokenizer.batch_decode(token_ids, skip_special_tokens=True),
        "references": references[: len(token_ids)],
    }
    scores: dict[str, float | str] = ExactMatch().compute(**texts) or {}
    has_text = any(any(as_list(row)) for row in texts["references"])
    if tokenizer.init_kwargs.get("tokenizer_type") == "symbol":
        if has_text:
            separator = tokenizer.init_kwargs["separator"]
            scores |= ErrorRate().compute(**texts, unit="symbol", separator=separator) or {}
        return scores | {"word_error_rate": 1 - float(scores["exact_match"])}
    scores |= ChrF().compute(**texts) or {}
    for unit in ("character", "word") if has_text else ():
        scores |= ErrorRate().compute(**texts, unit=unit) or {}
    if can_have_bleu(references, bleu_tokenize, tokenizer):
        scores |= Bleu().compute(**texts, tokenize=bleu_tokenize) or {}
        if not signature:
            scores.pop("signature")
    return scores


def write_predictions(
    file: str, translator: Translator, data: Dataset, references: References, prediction: PredictionOutput
) -> list[tuple[str, str, str]]:
    """
    Writes the predictions of a split in the order of `data["position"]`: source, its features (if the data has them),
    reference (several with ` | ` between them), whether the prediction is right, prediction, and score (see
    [`~hf_attention.prediction.translator.Translation`]).

    Returns:
        the ten wrong predictions with the largest edit distance per symbol (per character if the target has no
        separator), as (source, closest reference, prediction).
    """
    token_ids = torch.as_tensor(np.asarray(prediction.predictions)[: len(references)])
    token_ids = token_ids.masked_fill(token_ids < 0, translator.target_tokenizer.pad_token_id)
    data = data.select(range(len(token_ids)))
    sources = list(data["source"])
    features = list(data["features"]) if "features" in data.column_names else None
    translations = translator.read_generated(sources, token_ids, features)
    separator = translator.target_tokenizer.init_kwargs.get("separator")

    def symbols(text: str) -> str | list[str]:
        return text.split(separator) if separator else text

    scored = [
        min(
            (Levenshtein.normalized_distance(symbols(text), symbols(translation.text.strip())), text)
            for text in as_list(row)
        )
        for row, translation in zip(references, translations)
    ]
    distances, closest = [distance for distance, _ in scored], [text for _, text in scored]
    rows = [
        {"source": source, **columns, "reference": " | ".join(as_list(row)), "right": not distance}
        for source, columns, row, distance in zip(sources, features or repeat({}), references, distances)
    ]
    order = sorted(range(len(rows)), key=list(data["position"]).__getitem__)
    output = PredictionFile(file, list(rows[0]), overwrite=True)
    output.write([rows[index] for index in order], [[translations[index]] for index in order])
    output.finish()
    worst = sorted((index for index, distance in enumerate(distances) if distance), key=distances.__getitem__)
    return [(sources[index], closest[index], translations[index].text) for index in worst[::-1][:10]]


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
    features = list(data["features"]) if "features" in data.column_names else None
    alignments = align(
        model, tokenizer, data["source"], data["target"], target_tokenizer, batch_size=batch_size, features=features
    )
    predictions, references = [], []
    for alignment, source, target, spans in zip(alignments, data["source"], data["target"], data["alignment"]):
        source_offsets = tokenizer(source, return_offsets_mapping=True)["offset_mapping"]
        target_offsets = (target_tokenizer or tokenizer)(target, return_offsets_mapping=True)["offset_mapping"]
        possible = link_spans(spans, source_offsets, target_offsets)
        aligned = [index for index, places in enumerate(possible) if places]
        weights = alignment.weights[:, : len(source_offsets)]  # without features
        predictions.append([[index, int(weights[index].argmax())] for index in aligned])
        links = [[index, place] for index in aligned for place in sorted(possible[index])]
        references.append({"sure": [], "possible": links})
    scores = AlignmentError().compute(predictions=predictions, references=references) or {}
    return scores["alignment_error"]
