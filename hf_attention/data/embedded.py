# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Image data sets that need no download, by the name that `--dataset_name` accepts, with texts for model cards."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from datasets import DatasetDict

from .cluttered_digits import load_cluttered_digits
from .digit_rows import load_digit_rows
from .images import load_digits
from .text_lines import load_text_lines


@dataclass(frozen=True)
class EmbeddedImages:
    """
    Attributes:
        load: returns the splits, deterministically: `train`, `validation`, `test`, and others to test on.
        origin: description and source of the images, which the sizes of the splits follow.
        limits: limitations of models trained on them.
    """

    load: Callable[..., DatasetDict]
    origin: str
    limits: str
    license: str = "apache-2.0"


EMBEDDED_IMAGES = {
    "digits": EmbeddedImages(
        load_digits,
        "scikit-learn's digits: the test part of the UCI data set of Alpaydin and Kaynak (1998), handwritten by 13 "
        "people, 8 x 8 pixels with 17 gray levels; stratified splits: ",
        "It recognizes digits that fill an 8 x 8 image, light on dark. The same people wrote the digits of all "
        "splits, so expect lower accuracy on other handwriting.",
    ),
    "cluttered_digits": EmbeddedImages(
        cache(load_cluttered_digits),  # generation takes seconds, and a process may train on them several times
        "scikit-learn's digits (Alpaydin and Kaynak 1998), each rotated, scaled and placed at random on a canvas of "
        "60 x 60 pixels among pieces of other digits; no digit is the source of canvases in two splits: ",
        "It recognizes one light digit on a dark canvas with the clutter it was trained with. The same people wrote "
        "the digits of all splits, so expect lower accuracy on other handwriting.",
    ),
}
# with a text for each image
EMBEDDED_IMAGE_TEXTS = {
    "digit_rows": EmbeddedImages(
        cache(load_digit_rows),
        "Rows of two to five of scikit-learn's digits (Alpaydin and Kaynak 1998), each of a random size and height, "
        "on a canvas of 16 x 80 pixels; no digit is in rows of two splits: ",
        "It reads rows of two to five handwritten digits, light on dark, on a canvas of 16 x 80 pixels. The same "
        "people wrote the digits of all splits, so expect more errors on other handwriting.",
    ),
    "text_lines": EmbeddedImages(
        cache(load_text_lines),
        "Names and dates of the CLDR, up to 12 characters of ASCII, each drawn in a random font, size, width and "
        "place on a canvas of 24 x 128 pixels; no text is in two of the splits train, validation and test: ",
        "It reads a printed line of up to 12 characters, dark on light, on a canvas of 24 x 128 pixels, in fonts like "
        "those it was trained with. It has not seen accents, other scripts or photographs.",
    ),
}
