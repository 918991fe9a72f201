# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import re

import numpy as np

from hf_attention.interpret import Alignment, alignment_to_html
from hf_attention.interpret.html import highlight


def make(weights, source=("<b>", "▁a"), target=("x", "</s>")) -> Alignment:
    return Alignment("<b> a", "x", list(source), list(target), np.array(weights, dtype=np.float32), -1.0)


def test_every_weight_is_in_the_table():
    page = alignment_to_html(make([[0.9, 0.1], [0.004, 0.996]]))
    cells = re.findall(r'<td style="background: rgba\(66, 133, 244, ([\d.]+)\)" title="([\d.]+)">', page)
    assert cells == [("0.90", "0.900"), ("0.10", "0.100"), ("0.00", "0.004"), ("1.00", "0.996")]
    rules = re.findall(r"\.t(\d):hover, \.t\d:focus\) \.s(\d)", page)
    assert rules == [("0", "0"), ("0", "1"), ("1", "1")]  # invisible weights have no rule
    assert 'title="&lt;b&gt; 0.90, a 0.10"' in page
    rules = re.findall(r"\.s(\d):hover, \.s\d:focus\) \.t(\d)", page)  # and in the other direction
    assert rules == [("0", "0"), ("1", "0"), ("1", "1")]
    assert 'title="&lt;/s&gt; 1.00, x 0.10"' in page
    assert page.count('tabindex="0"') == 4


def test_the_value_of_an_even_alignment_is_marked():
    page = alignment_to_html(make([[0.9, 0.1], [0.5, 0.5]]))
    assert 'even: 0.50 <i class="even" style="background: rgba(66, 133, 244, 0.50)">' in page


def test_text_from_right_to_left_stands_so():
    source = ("▁", "א", "▁", "1", "9", "<end>")
    page = alignment_to_html(Alignment("א 19", "19", list(source), ["1", "9"], np.eye(2, 6), -1.0))
    assert re.findall(r'<p dir="(\w+)">', page) == ["rtl", "ltr"]
    columns = re.findall(r'<th scope="col" dir="auto">([^<]*(?:<bdi>[^<]+</bdi>)?)</th>', page)
    assert columns == ["<bdi>&lt;end&gt;</bdi>", "1", "9", "␣", "א", "␣"]
    weights = [float(value) for value in re.findall(r'title="([\d.]+)"></td>', page)]
    assert np.flatnonzero(weights).tolist() == [5, 6 + 4]  # those of the columns of the first two tokens


def ratio(first, second):
    """The contrast of two colors (WCAG 2.1, relative luminance)."""

    def luminance(color):
        shares = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in color]
        return np.dot([0.2126, 0.7152, 0.0722], shares)

    light, dark = sorted([luminance(np.array(first) / 255), luminance(np.array(second) / 255)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_highlighted_tokens_are_legible():
    blue, focused = (66, 133, 244), (26, 86, 196)
    assert ratio((255, 255, 255), focused) > 4.5
    for page, text in ((255, (0, 0, 0)), (0, (255, 255, 255))):
        for weight in np.linspace(0, 1, 101):
            background = np.multiply(blue, weight) + (1 - weight) * page
            assert ratio((0, 0, 0) if "color: black" in highlight(weight) else text, background) > 4.5


def test_markup_in_tokens_is_escaped():
    page = alignment_to_html(make([[0.5, 0.5], [0.5, 0.5]], source=('<script>"', "&")))
    assert "<script>" not in page
    assert "&lt;script&gt;&quot;" in page
    assert "&amp;" in page


def test_alignments_on_one_page_have_different_class_names():
    pages = [alignment_to_html(make([[share, 1 - share]] * 2)) for share in (0.2, 0.3)]
    names = {re.search(r'class="alignment (\w+)"', page)[1] for page in pages}
    assert len(names) == 2
