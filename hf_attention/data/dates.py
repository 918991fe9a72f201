# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The embedded data set: dates as people write them, in many languages, to ISO 8601.

Sources come from the CLDR's own date patterns through Babel, so the words, orders and signs are real; targets are
exact; and which source characters hold the year, the month and the day is known, so an alignment can be scored.
"""

import datetime
import random
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
# A year of two digits is read as 1950 to 2049, so these dates are told apart
FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
TARGET_SPANS = {"y": (0, 4), "M": (5, 7), "d": (8, 10)}  # 2005-03-04


@cache
def read_patterns(locale: str) -> tuple[tuple[str, bool], ...]:
    """
    A locale's date patterns, short to full, numeric and spelled, with and without the weekday; and of each whether it
    is ambiguous: whether another locale may mean another date by the same numbers.
    """
    data = Locale.parse(locale)
    patterns = [data.date_formats[width].pattern for width in ("short", "medium", "long", "full")]
    skeletons = (data.datetime_skeletons.get(name) for name in ("yMd", "yMMMd", "yMEd", "yMMMEd"))
    patterns += [skeleton.pattern for skeleton in skeletons if skeleton is not None]
    return tuple((pattern, is_ambiguous(pattern)) for pattern in dict.fromkeys(patterns))


def is_ambiguous(pattern: str) -> bool:
    """Whether the month is in digits, with neither a letter (such as 年) to name the parts nor the full year first."""
    fields = [value for kind, value in tokenize(pattern) if kind == "field" and value[0] in TARGET_SPANS]
    literals = "".join(value for kind, value in tokenize(pattern) if kind == "chars")
    month_in_digits = any(letter == "M" and width <= 2 for letter, width in fields)
    letters = any(character.isalpha() for character in literals)
    return month_in_digits and not letters and fields[0] != ("y", 1)


@cache
def tokenize(pattern: str) -> list:
    return tokenize_pattern(pattern)


def write_date(date: datetime.date, locale: str, pattern: str) -> tuple[str, dict[str, tuple[int, int]]]:
    """
    A date in a CLDR pattern, and the span of characters, end excluded, of its year `y`, month `M` and day `d`.

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
        written = values[letter * width]
        if letter in TARGET_SPANS or letter == "L":
            spans["M" if letter == "L" else letter] = (len(text), len(text) + len(written))
        text += written
    return text, spans


def make_dates(dates: list[datetime.date], num_examples: int, seed: int = 0, locales=LOCALES) -> Dataset:
    """
    Examples drawn from `dates`, each in a random locale and pattern.

    Ambiguous forms begin with a token that names their locale (`<en_US> 3/4/05`), and so does one other form in ten,
    since a user may always say it.

    Returns:
        `Dataset` with columns `source`, `target` (`2005-03-04`), `locale`, and `alignment`: lists of `[target_start,
        target_end, source_start, source_end]`, in characters, ends excluded.
    """
    generator = random.Random(seed)
    rows = []
    for _ in range(num_examples):
        date, locale = generator.choice(dates), generator.choice(locales)
        pattern, ambiguous = generator.choice(read_patterns(locale))
        text, spans = write_date(date, locale, pattern)
        prefix = f"<{locale}> " if ambiguous or generator.random() < 0.1 else ""
        alignment = [
            [*TARGET_SPANS[part], start + len(prefix), end + len(prefix)] for part, (start, end) in spans.items()
        ]
        rows.append({"source": prefix + text, "target": date.isoformat(), "locale": locale, "alignment": alignment})
    return Dataset.from_list(rows)


def load_dates(
    train_size: int = 40_000, validation_size: int = 1000, test_size: int = 4000, seed: int = 0, locales=LOCALES
) -> DatasetDict:
    """
    The splits `train`, `validation` and `test`; no calendar date is in two of them.

    Raises `ValueError` for a locale that Babel does not know or of which it has no patterns here.
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
