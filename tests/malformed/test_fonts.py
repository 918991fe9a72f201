# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Fonts and texts that cannot be drawn, as the user of the recipe names them: one line each, before training."""

from pathlib import Path

import matplotlib
import pytest
from train_image_to_text import train

from hf_attention.data.text_lines import load_text_lines


TTF = Path(matplotlib.get_data_path(), "fonts", "ttf")
SYMBOLS = min(TTF.glob("STIX*SymReg.ttf"))  # brackets in large sizes


@pytest.mark.parametrize(
    "font, error, message",
    [
        ("empty", ValueError, "`fonts`: .*empty holds no .ttf or .otf files"),
        ("missing.ttf", FileNotFoundError, "`fonts`: there is no .*missing.ttf"),
        ("text.ttf", OSError, "text.ttf is not a font that can be read"),
        (
            str(SYMBOLS),
            ValueError,
            "has no glyphs for . .*Remove it from the fonts",
        ),
    ],
)
def test_fonts_that_cannot_be_used(tmp_path, font, error, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.ttf").write_text("not a font")
    with pytest.raises(error, match=message) as raised:
        train(["text-lines", "--fonts", str(tmp_path / font), "--output_dir", str(tmp_path / "run")])
    assert "\n" not in str(raised.value) and not (tmp_path / "run").exists()


def test_fonts_of_other_data():
    with pytest.raises(ValueError, match="`fonts` and `test_fonts` are those of `dataset_name` 'text_lines'"):
        train(["digit-rows", "--fonts", "fonts"])


def test_a_text_that_is_longer_than_the_image():
    texts = [f"a text of more characters than fit, {number}" for number in range(10)]
    with pytest.raises(ValueError, match="does not fit on a canvas of 24 x 128 pixels. Shorten it"):
        load_text_lines({"train": 1}, texts=texts)
