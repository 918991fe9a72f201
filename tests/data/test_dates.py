# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import datetime
from collections import defaultdict

import pytest
from babel.dates import format_date

from hf_attention.data.dates import LOCALES, load_dates, make_dates, read_patterns, write_date


DAY = datetime.date(2005, 3, 4)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", ["short", "medium", "long", "full"])
def test_dates_are_formatted_as_by_babel(locale, width):
    patterns = [pattern for pattern, _ in read_patterns(locale)]
    assert format_date(DAY, width, locale) in [write_date(DAY, locale, pattern)[0] for pattern in patterns]


def test_spans_hold_the_parts():
    assert write_date(DAY, "de_DE", "d. MMMM y") == ("4. März 2005", {"d": (0, 1), "M": (3, 7), "y": (8, 12)})
    text, spans = write_date(DAY, "ko_KR", "y년 MMMM d일 EEEE")
    assert text == "2005년 3월 4일 금요일"
    assert {part: text[slice(*span)] for part, span in spans.items()} == {"y": "2005", "M": "3월", "d": "4"}


def test_ambiguous_patterns_of_each_locale():
    ambiguous = {locale: {pattern for pattern, flag in read_patterns(locale) if flag} for locale in LOCALES}
    assert "M/d/yy" in ambiguous["en_US"]
    assert "dd/MM/y" in ambiguous["en_GB"]
    assert "yy. M. d." in ambiguous["ko_KR"]
    assert not ambiguous["zh_CN"]
    assert "MMM d, y" not in ambiguous["en_US"]
    assert "y. M. d." not in ambiguous["ko_KR"]


def test_splits_share_no_date():
    data = load_dates(3000, 500, 500)
    assert {split: len(rows) for split, rows in data.items()} == {"train": 3000, "validation": 500, "test": 500}
    days = {split: set(rows["target"]) for split, rows in data.items()}
    assert not days["train"] & days["test"]
    assert not days["train"] & days["validation"]
    assert not days["validation"] & days["test"]
    assert set(data["train"]["locale"]) == set(LOCALES)
    assert len(LOCALES) >= 12
    again = load_dates(3000, 500, 500)
    assert data["train"]["source"] == again["train"]["source"]
    assert data["train"]["source"] != load_dates(3000, 500, 500, seed=1)["train"]["source"]


def test_alignments_and_unique_meanings():
    rows = make_dates([DAY, datetime.date(2031, 12, 25), datetime.date(1987, 10, 5)], 2000, seed=1)
    meanings = defaultdict(set)
    for row in rows:
        meanings[row["source"]].add(row["target"])
        for target_start, target_end, source_start, source_end in row["alignment"]:
            written = row["source"][source_start:source_end]
            meant = row["target"][target_start:target_end]
            if written.isdigit():
                assert meant.endswith(written[-2:])
            else:
                assert target_end == 7
            is_single = sum(character.isdigit() for character in written) == 1
            assert (target_start in (6, 9)) == is_single
        assert sorted(span[1] for span in row["alignment"]) == [4, 7, 10]
    assert all(len(targets) == 1 for targets in meanings.values())


def test_a_zero_that_the_source_does_not_write_comes_from_no_character():
    rows = make_dates([DAY], 500)
    spans = {row["source"]: {(span[0], span[1]) for span in row["alignment"]} for row in rows}
    assert spans["4. März 2005"] == {(0, 4), (5, 7), (9, 10)}
    assert spans["2005년 3월 4일"] == {(0, 4), (6, 7), (9, 10)}
    assert spans["<en_GB> 04/03/2005"] == {(0, 4), (5, 7), (8, 10)}


def test_ambiguous_forms_name_their_locale_and_one_other_in_ten():
    rows = make_dates([DAY], 3000, seed=2)
    ambiguous = {
        (locale, write_date(DAY, locale, pattern)[0])
        for locale in LOCALES
        for pattern, is_ambiguous in read_patterns(locale)
        if is_ambiguous
    }
    marked = {True: [], False: []}
    for row in rows:
        written = row["source"].removeprefix(f"<{row['locale']}> ")
        marked[(row["locale"], written) in ambiguous].append(written != row["source"])
    assert all(marked[True])
    assert len(marked[True]) > 500
    assert sum(marked[False]) / len(marked[False]) == pytest.approx(0.1, abs=0.02)


def test_an_unknown_locale_is_an_error():
    with pytest.raises(ValueError, match="no dates for xx_XX; choose from en_US"):
        load_dates(1, 1, 1, locales=("xx_XX",))
