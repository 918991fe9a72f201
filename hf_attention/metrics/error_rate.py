# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Error rates of characters, symbols and words: edit distance (Levenshtein 1966) by rapidfuzz."""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from .checks import TextMetric, as_list


class ErrorRate(TextMetric):
    """
    `compute(predictions=[...], references=[...], unit="character")` returns `character_error_rate`: insertions,
    deletions and substitutions over the number of characters of the references, 0 if all are equal. It exceeds 1 if
    predictions are long. With `unit="word"` it is `word_error_rate`, of texts split at white space; with
    `unit="symbol"` it is `symbol_error_rate`, of texts split at `separator` (a phoneme error rate, for example).

    A prediction may have several references, as a list of strings. It is compared with the one with the fewest errors
    per unit.
    """

    paper = "Levenshtein 1966, Soviet Physics Doklady 10(8)"

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self,
        *,
        predictions: list[str],
        references: list[str] | list[list[str]],
        unit: str = "character",
        separator: str | None = None,
    ) -> dict[str, float]:
        if unit not in ("character", "symbol", "word"):
            raise ValueError(f"`unit` must be character, symbol or word, got {unit!r}.")

        def split(text: str) -> Sequence[str]:
            if unit == "character":
                return text
            return text.split(separator) if unit == "symbol" else text.split()

        errors = length = 0
        for prediction, candidates in zip(predictions, references):
            symbols = split(prediction.strip())
            counts = [(Levenshtein.distance(symbols, split(text)), len(split(text))) for text in as_list(candidates)]
            distance, size = min(counts, key=lambda count: count[0] / max(count[1], 1))
            errors, length = errors + distance, length + size
        if not length:
            raise ValueError("All references are empty, so there is no error rate.")
        return {f"{unit}_error_rate": errors / length}


__all__ = ["ErrorRate"]
