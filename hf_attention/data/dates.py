# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Generated translation data: dates in many languages to ISO 8601.

Sources use the CLDR's date patterns (from Babel), so words, order and punctuation are authentic. Targets are exact.
The source characters of year, month and day are known, so alignments can be scored.
"""

import datetime
import random
from collections.abc import Sequence
from functools import cache

from babel import Locale
from babel.dates import DateTimeFormat, tokenize_pattern
from datasets import Dataset, DatasetDict


LOCALES = (
    "en_US",
    "en_GB",
    "ko_KR",
    "de_DE",
    "fr_FR",
    "ja_JP",
    "zh_CN",
    "ru_RU",
    "ar_EG",
    "he_IL",
    "es_ES",
    "it_IT",
    "pt_BR",
    "tr_TR",
    "nl_NL",
    "pl_PL",
)
# two-digit years mean 1950 to 2049, so all dates in this range are unambiguous
FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
TARGET_SPANS = {"y": (0, 4), "M": (5, 7), "d": (8, 10)}  # 2005-03-04


@cache
def read_patterns(locale: str) -> tuple[tuple[str, bool], ...]:
    """
    Returns a locale's date patterns (short to full, numeric and spelled out, with and without the weekday), each with
    whether it is ambiguous: whether the same numbers may be another date in another locale.
    """
    data = Locale.parse(locale)
    patterns = [data.date_formats[width].pattern for width in ("short", "medium", "long", "full")]
    skeletons = (data.datetime_skeletons.get(name) for name in ("yMd", "yMMMd", "yMEd", "yMMMEd"))
    patterns += [skeleton.pattern for skeleton in skeletons if skeleton is not None]
    return tuple((pattern, is_ambiguous(pattern)) for pattern in dict.fromkeys(patterns))


def is_ambiguous(pattern: str) -> bool:
    """Whether the month is a number, without letters (such as 年) that name the parts and without the year first."""
    fields = [value for kind, value in tokenize(pattern) if kind == "field" and value[0] in TARGET_SPANS]
    literals = "".join(value for kind, value in tokenize(pattern) if kind == "chars")
    month_in_digits = any(letter == "M" and width <= 2 for letter, width in fields)
    letters = any(character.isalpha() for character in literals)
    return month_in_digits and not letters and fields[0] != ("y", 1)


@cache
def tokenize(pattern: str) -> list:
    """The fields and literals of a date pattern."""
    return tokenize_pattern(pattern)


def write_date(date: datetime.date, locale: str, pattern: str) -> tuple[str, dict[str, tuple[int, int]]]:
    """
    Formats a date with a CLDR pattern.

    Returns:
        `tuple`: the text, and the spans of characters (end exclusive) of its year `y`, month `M` and day `d`.

    >>> write_date(datetime.date(2005, 3, 4), "de_DE", "d. MMMM y")
    ('4. März 2005', {'d': (0, 1), 'M': (3, 7), 'y': (8, 12)})
    """
    text, spans = "", {}
    values = DateTimeFormat(date, locale)
    for kind, value in tokenize(pattern):
        if kind == "chars":
            text += value
            continue
        letter, width = value
        formatted = values[letter * width]
        if letter in TARGET_SPANS or letter == "L":
            spans["M" if letter == "L" else letter] = (len(text), len(text) + len(formatted))
        text += formatted
    return text, spans


def written_part(part: str, text: str) -> tuple[int, int]:
    """The span of the target that the source's text of a part stands for: without a 0 that it does not have."""
    start, end = TARGET_SPANS[part]
    has_one_digit = part != "y" and sum(character.isdigit() for character in text) == 1  # 4, or 3월
    return (start + 1 if has_one_digit else start), end


def make_dates(
    dates: list[datetime.date], num_examples: int, seed: int = 0, locales: Sequence[str] = LOCALES
) -> Dataset:
    """
    Draws examples from `dates`, each in a random locale and pattern.

    Ambiguous forms start with a token for their locale (`<en_US> 3/4/05`). So does one in ten of the other forms,
    since users may always give the locale.

    Returns:
        `Dataset` with columns `source`, `target` (`2005-03-04`), `locale`, and `alignment`: lists of `[target_start,
        target_end, source_start, source_end]`, in characters, ends exclusive. The first 0 of a month or day that the
        source writes with one digit (4. März) comes from no character, and is left out.
    """
    generator = random.Random(seed)
    rows = []
    for _ in range(num_examples):
        date, locale = generator.choice(dates), generator.choice(locales)
        pattern, ambiguous = generator.choice(read_patterns(locale))
        text, spans = write_date(date, locale, pattern)
        prefix = f"<{locale}> " if ambiguous or generator.random() < 0.1 else ""
        alignment = [
            [*written_part(part, text[start:end]), start + len(prefix), end + len(prefix)]
            for part, (start, end) in spans.items()
        ]
        rows.append({"source": prefix + text, "target": date.isoformat(), "locale": locale, "alignment": alignment})
    return Dataset.from_list(rows)


def load_dates(
    train_size: int = 40_000,
    validation_size: int = 1000,
    test_size: int = 4000,
    seed: int = 0,
    locales: Sequence[str] = LOCALES,
) -> DatasetDict:
    """
    Generates the splits `train`, `validation` and `test`, which share no calendar date.

    Raises `ValueError` for a locale that is not in `LOCALES`.
    """
    if unknown := [locale for locale in locales if locale not in LOCALES]:
        raise ValueError(f"There are no dates for {', '.join(unknown)}; choose from {', '.join(LOCALES)}.")
    days = [FIRST + datetime.timedelta(days=day) for day in range((LAST - FIRST).days + 1)]
    random.Random(seed).shuffle(days)
    tenth = len(days) // 10
    parts = {"test": days[:tenth], "validation": days[tenth : 2 * tenth], "train": days[2 * tenth :]}
    sizes = {"train": train_size, "validation": validation_size, "test": test_size}
    return DatasetDict(
        {
            split: make_dates(parts[split], size, seed * 3 + index, locales)
            for index, (split, size) in enumerate(sizes.items())
        }
    )
