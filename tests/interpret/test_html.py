# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import re

import numpy as np

from hf_attention.interpret import Alignment, alignment_to_html


def make(weights, source=("<b>", "▁a"), target=("x", "</s>")) -> Alignment:
    return Alignment("<b> a", "x", list(source), list(target), np.array(weights, dtype=np.float32), -1.0)


def test_every_weight_is_in_the_table():
    page = alignment_to_html(make([[0.9, 0.1], [0.004, 0.996]]))
    cells = re.findall(r'<td style="background: rgba\(66, 133, 244, ([\d.]+)\)" title="([\d.]+)">', page)
    assert cells == [("0.90", "0.900"), ("0.10", "0.100"), ("0.00", "0.004"), ("1.00", "0.996")]
    rules = re.findall(r"\.t(\d):hover, \.t\d:focus\) \.s(\d)", page)
    assert rules == [("0", "0"), ("0", "1"), ("1", "1")]  # invisible weights have no rule
    assert 'title="&lt;b&gt; 0.90, a 0.10"' in page


def test_markup_in_tokens_is_escaped():
    page = alignment_to_html(make([[0.5, 0.5], [0.5, 0.5]], source=('<script>"', "&")))
    assert "<script>" not in page
    assert "&lt;script&gt;&quot;" in page
    assert "&amp;" in page


def test_alignments_on_one_page_have_different_class_names():
    pages = [alignment_to_html(make([[share, 1 - share]] * 2)) for share in (0.2, 0.3)]
    names = {re.search(r'class="alignment (\w+)"', page)[1] for page in pages}
    assert len(names) == 2
