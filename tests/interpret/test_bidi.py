# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest

from hf_attention.interpret.bidi import display_order, isolate, text_direction


@pytest.mark.parametrize(
    "text, direction",
    [("abc א", "ltr"), ("22 בספטמבר", "rtl"), ("مرحبا", "rtl"), ("2005-03-04", "ltr"), ("", "ltr")],
)
def test_the_first_letter_gives_the_direction(text, direction):
    assert text_direction(text) == direction


# what is read first comes first; how it stands, from left to right (computed with python-bidi 0.6)
SHOWN = [
    ("abc def", "abc def"),
    ("אב גד", "דג בא"),
    ("יום 22 במאי 1952", "1952 יאמב 22 םוי"),
    ("ב-3.4.2005 עד", "דע 3.4.2005-ב"),
    ("the אב 12 end", "the 12 בא end"),
    ("אב cd הו", "וה cd בא"),
    ("١٢ مارس", "سرام ١٢"),
]


@pytest.mark.parametrize("text, shown", SHOWN)
def test_tokens_stand_as_unicode_orders_their_text(text, shown):
    assert "".join(text[position] for position in display_order(list(text))) == shown


def test_longer_tokens_and_special_ones():
    tokens = ["▁שלום", "▁עולם", "▁2005", "</s>"]
    assert display_order(tokens) == [3, 2, 1, 0]
    assert display_order(["<he>", "a", "</s>"]) == [0, 1, 2]
    assert display_order([]) == []


def test_text_of_another_direction_is_isolated():
    assert isolate("cat") == "cat"
    assert isolate("חתול") == "\u2068חתול\u2069"
