# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import re
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from hf_attention.data.images import open_image
from hf_attention.data.text_lines import draw_line, load_text_lines, read_texts


SIZES = {"train": 40, "validation": 10, "test": 20, "test_unseen_fonts": 20}
TTF = Path(matplotlib.get_data_path(), "fonts", "ttf")


@pytest.fixture(scope="module")
def lines():
    return load_text_lines(SIZES)


def pixels_of(rows):
    return np.stack([np.asarray(open_image(cell)) for cell in rows["image"]])


def test_the_same_lines_for_the_same_seed(lines):
    assert {split: len(rows) for split, rows in lines.items()} == SIZES
    images = pixels_of(lines["train"])
    assert images.shape == (40, 24, 128) and images.dtype == np.uint8
    assert (pixels_of(load_text_lines(SIZES)["train"]) == images).all()
    assert (pixels_of(load_text_lines(SIZES, seed=1)["train"]) != images).any()


def test_texts_are_names_and_dates_that_no_two_splits_share():
    texts = read_texts()
    assert len(texts) == len(set(texts)) > 5000
    assert {"Mongolia", "Finnish"} <= set(texts) and any(re.fullmatch(r"\d\d\.\d\d\.\d{4}", text) for text in texts)
    assert all(text.isascii() and 3 <= len(text) <= 12 for text in texts)
    few = [f"line {number}" for number in range(20)]
    data = load_text_lines({"train": 200, "validation": 50, "test": 50, "test_unseen_fonts": 50}, texts=few)
    found = {split: set(rows["text"]) for split, rows in data.items()}
    assert set.union(*found.values()) == set(few)
    assert found["test"] == found["test_unseen_fonts"]
    assert not found["train"] & found["test"] and not found["train"] & found["validation"]


def test_each_character_has_its_cell_from_left_to_right(lines):
    for row, image in zip(lines["train"], pixels_of(lines["train"])):
        assert len(row["boxes"]) == len(row["text"])
        edges = [edge for left, _, right, _ in row["boxes"] for edge in (left, right)]
        assert edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= 128
        paper, ink = image.max(), image.min()
        for character, (left, top, right, bottom) in zip(row["text"], row["boxes"]):
            assert 0 <= top < bottom <= 24 and left < right
            darkest = image[top:bottom, left:right].min()
            assert character in " .,'-" or darkest < (int(paper) + int(ink)) / 2
        outside = image.copy()
        outside[row["boxes"][0][1] : row["boxes"][0][3]] = paper
        assert (outside == paper).all()


def test_a_line_is_drawn_as_the_font_draws_it():
    """In a font of equal widths, so that cells can be worked out; the same character has the same ink in each."""
    line, edges = draw_line("HHH", TTF / "DejaVuSansMono.ttf", 40)
    widths = np.diff(edges)
    assert np.ptp(widths) == 0 and widths[0] == pytest.approx(0.602 * 40, abs=0.6)
    ink = np.asarray(line)
    starts = [round(edge - edges[0]) for edge in edges[:3]]
    glyphs = [ink[:, start : start + 18] for start in starts]
    assert ink.max() == 255 and (glyphs[0] == glyphs[1]).all() and (glyphs[0] == glyphs[2]).all()


def test_fonts_of_a_folder_and_other_ones_to_test_on(tmp_path):
    for name in ("DejaVuSans.ttf", "cmr10.ttf"):
        shutil.copy(TTF / name, tmp_path)
    data = load_text_lines({"train": 4}, fonts=str(tmp_path))
    assert list(data) == ["train"]
    data = load_text_lines(
        {"test": 4, "test_unseen_fonts": 4}, fonts=str(tmp_path), test_fonts=str(TTF / "STIXGeneral.ttf")
    )
    assert list(data) == ["test", "test_unseen_fonts"]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"font_sizes": (9, 8)}, r"`font_sizes` must be two numbers, 0 < low <= high, got \(9, 8\)"),
        ({"sizes": {"dev": 3}}, "`sizes` has dev; the splits are train, validation, test, test_unseen_fonts"),
        ({"fonts": str(TTF / "cmr10.ttf"), "sizes": SIZES}, "name `test_fonts` too"),
        ({"fonts": str(TTF / "cmr10.ttf"), "test_fonts": str(TTF / "cmr10.ttf")}, "share cmr10.ttf"),
        ({"texts": ["one"]}, "`texts` must be 10 texts or more"),
    ],
)
def test_arguments_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        load_text_lines(**options)
