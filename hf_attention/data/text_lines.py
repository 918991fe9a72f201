# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Lines of text drawn in fonts, with the cell of every character, against which attention can be scored."""

import datetime
import random
import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path

import matplotlib
import numpy as np
from babel import Locale
from datasets import Dataset, DatasetDict
from PIL import Image, ImageFont

from ..interpret.fonts import read_characters
from .dates import FIRST, LAST, LOCALES, read_patterns, write_date
from .image_texts import READING_FEATURES


SIZES = {"train": 30_000, "validation": 500, "test": 2_000, "test_unseen_fonts": 2_000}
# matplotlib brings these fonts, so the lines are the same on every machine
FONTS = ("DejaVuSans", "DejaVuSansMono", "DejaVuSerif", "cmr10", "cmb10", "cmti10", "cmss10", "cmtt10")
UNSEEN_FONTS = ("STIXGeneral",)
STYLES = ("", "-Bold", "-Oblique", "-BoldOblique", "-Italic", "-BoldItalic", "Bol", "Italic", "BolIta")
LANGUAGES = (
    "en",
    "de",
    "fr",
    "es",
    "it",
    "nl",
    "pt",
    "id",
    "ms",
    "sw",
    "sv",
    "da",
    "nb",
    "fi",
    "af",
    "eu",
    "ca",
    "gl",
)
LANGUAGES += ("pl", "cs", "hu", "ro", "tr", "et", "cy", "ga", "so", "zu", "fil", "lb", "hr", "sl")
NUM_DATES = 6_000
TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,/'-]{1,10}[A-Za-z0-9.]")  # of up to 12 characters
ENLARGEMENT = 2  # of lines before they are scaled, so that sizes of glyphs may be fractions of pixels
STRETCH = (0.85, 1.15)  # range of a factor of the font's widths
PAPER, INK = (190, 255), (0, 80)  # ranges of gray levels


def load_text_lines(
    sizes: dict[str, int] | None = None,
    fonts: str | Sequence[str] | None = None,
    test_fonts: str | Sequence[str] | None = None,
    texts: Sequence[str] | None = None,
    canvas_size: tuple[int, int] = (24, 128),
    font_sizes: tuple[float, float] = (14, 18),
    seed: int = 0,
) -> DatasetDict:
    """
    Draws lines of text, deterministically: dark on light, each in a random font, size, width and place.

    The splits train, validation and test share no text; `test_unseen_fonts` has the texts of test, in fonts that are
    in no other split.

    Args:
        sizes (`dict[str, int]`, *optional*):
            Number of lines per split; by default 30,000 for train, 500 for validation, and 2,000 each for test and
            test_unseen_fonts.
        fonts (`str` or `Sequence[str]`, *optional*):
            A folder of TrueType or OpenType fonts, or such files; by default the 17 fonts of DejaVu and Computer
            Modern.
        test_fonts (`str` or `Sequence[str]`, *optional*):
            Those of `test_unseen_fonts`, in the same form; by default the four of STIX, or, if `fonts` is given, none,
            and no such split.
        texts (`Sequence[str]`, *optional*):
            What the lines say; by default names of territories, languages and currencies in 32 languages of the CLDR
            (from Babel), and dates, of up to 12 characters, all ASCII.
        canvas_size (`tuple[int, int]`, *optional*, defaults to (24, 128)): height and width in pixels.
        font_sizes (`tuple[float, float]`, *optional*, defaults to (14, 18)):
            Range of the size of the font, in pixels. A line that is longer than the canvas is drawn smaller, but at
            least in the lowest size.

    Returns:
        `DatasetDict` with `image` (grayscale, encoded), `text`, and `boxes`, the cell of each character in pixels:
        left, top, right, bottom, the last two exclusive. A cell is as wide as the character's advance, and as high as
        the ink of the line.

    Raises:
        `FileNotFoundError`: for a folder or a file that does not exist.
        `OSError`: for a file that is not a font.
        `ValueError`: for a folder without fonts, a font that lacks a character, a text that does not fit on the
            canvas, and arguments that are out of range.
    """
    seen = list_fonts("fonts", fonts, FONTS)
    unseen = [] if fonts is not None and test_fonts is None else list_fonts("test_fonts", test_fonts, UNSEEN_FONTS)
    if both := {file.name for file in seen} & {file.name for file in unseen}:
        raise ValueError(f"`fonts` and `test_fonts` share {', '.join(sorted(both))}: remove it from one of them.")
    if not 0 < font_sizes[0] <= font_sizes[1]:
        raise ValueError(f"`font_sizes` must be two numbers, 0 < low <= high, got {font_sizes}.")
    if sizes is None:
        sizes = {split: size for split, size in SIZES.items() if unseen or split != "test_unseen_fonts"}
    if unknown := set(sizes) - set(SIZES):
        raise ValueError(f"`sizes` has {', '.join(sorted(unknown))}; the splits are {', '.join(SIZES)}.")
    if "test_unseen_fonts" in sizes and not unseen:
        raise ValueError("`sizes` has test_unseen_fonts: name `test_fonts` too.")
    texts = list(read_texts() if texts is None else dict.fromkeys(texts))
    if len(texts) < 10 or not all(text and text == text.strip() for text in texts):
        raise ValueError(f"`texts` must be 10 texts or more without space around them, got {len(texts)}.")
    for file in [*seen, *unseen]:
        check_characters(file, texts)
    random.Random(seed).shuffle(texts)
    tenth = len(texts) // 10
    pools = {"train": texts[2 * tenth :], "validation": texts[tenth : 2 * tenth], "test": texts[:tenth]}
    splits = DatasetDict()
    for number, split in enumerate(SIZES):
        if split not in sizes:
            continue
        generator = np.random.default_rng(seed * len(SIZES) + number)
        files, pool = (unseen, pools["test"]) if split not in pools else (seen, pools[split])
        rows = []
        for _ in range(sizes[split]):
            text, file = pool[generator.integers(len(pool))], files[generator.integers(len(files))]
            rows.append(draw_row(text, file, canvas_size, font_sizes, generator))
        splits[split] = Dataset.from_list(rows, features=READING_FEATURES)
    return splits


@cache
def read_texts() -> tuple[str, ...]:
    """Returns the texts that are drawn by default, each once."""
    locales = [Locale.parse(language) for language in LANGUAGES]
    names = (
        name
        for part in locales
        for table in (part.territories, part.languages, part.currencies)
        for name in table.values()
    )
    generator, days = random.Random(0), (LAST - FIRST).days + 1
    dates = []
    for _ in range(NUM_DATES):
        date, locale = FIRST + datetime.timedelta(generator.randrange(days)), generator.choice(LOCALES)
        dates.append(write_date(date, locale, generator.choice(read_patterns(locale))[0])[0])
    return tuple(dict.fromkeys(text for text in (*names, *dates) if TEXT.fullmatch(text)))


def list_fonts(argument: str, given: str | Sequence[str] | None, families: tuple[str, ...]) -> list[Path]:
    """Returns the files of fonts that an argument names, or those of `families` that matplotlib has."""
    if given is None:
        folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
        return [path for family in families for style in STYLES if (path := folder / f"{family}{style}.ttf").is_file()]
    if not isinstance(given, str):
        files = [Path(file) for file in given]
    elif Path(given).is_dir():
        files = [file for file in sorted(Path(given).rglob("*")) if file.suffix.lower() in (".ttf", ".otf")]
    else:
        files = [Path(given)]
    if not files:
        raise ValueError(f"`{argument}`: {given} holds no .ttf or .otf files.")
    if missing := [str(file) for file in files if not file.is_file()]:
        raise FileNotFoundError(f"`{argument}`: there is no {', '.join(missing)}.")
    return files


def check_characters(file: Path, texts: Sequence[str]) -> None:
    """Raises an error if a file is not a font, or lacks a character."""
    try:
        missing = sorted(set("".join(texts)) - read_characters(str(file)))
    except RuntimeError as error:  # of FreeType
        raise OSError(f"{file} is not a font that can be read. Remove it.") from error
    if missing:
        raise ValueError(f"{file} has no glyphs for {' '.join(missing[:10])}. Remove it from the fonts.")


@cache
def open_font(file: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def draw_character(character: str, file: Path, size: int) -> tuple[np.ndarray, tuple[int, int], float]:
    """Returns a character's ink (rows, columns), 0 to 255, its place relative to the pen, and its advance."""
    font = open_font(file, size)
    mask, (x, y) = font.getmask2(character, mode="L", anchor="ls")
    ink = np.array(mask, dtype=np.uint8).reshape(mask.size[::-1])
    return ink, (round(x), round(y)), font.getlength(character)


def draw_line(text: str, file: Path, size: int) -> tuple[Image.Image, list[float]]:
    """Returns the ink of a line (255 on 0), cropped, and the edges between its characters, from its left edge."""
    characters = [draw_character(character, file, size) for character in text]
    edges = [0.0, *accumulate(advance for _, _, advance in characters)]
    places = [
        (round(edge) + x, y, round(edge) + x + ink.shape[1], y + ink.shape[0])
        for edge, (ink, (x, y), _) in zip(edges, characters)
        if ink.size  # a space has no ink
    ]
    left, top = (min(place[side] for place in places) for side in (0, 1))
    right, bottom = (max(place[side] for place in places) for side in (2, 3))
    line = np.zeros((bottom - top, right - left), dtype=np.uint8)
    for (x, y, end, low), (ink, _, _) in zip(places, (item for item in characters if item[0].size)):
        part = line[y - top : low - top, x - left : end - left]
        np.maximum(part, ink, out=part)
    return Image.fromarray(line), [edge - left for edge in edges]


def draw_row(
    text: str,
    file: Path,
    canvas_size: tuple[int, int],
    font_sizes: tuple[float, float],
    generator: np.random.Generator,
) -> dict:
    """Draws a text at a random place on a canvas. Returns the image, the text and its boxes."""
    height, width = canvas_size
    least, greatest = font_sizes
    ink, edges = draw_line(text, file, ENLARGEMENT * round(greatest))
    limit = min(width / ink.width, height / ink.height) * ENLARGEMENT * greatest  # the size that just fits
    size = min(generator.uniform(least, greatest), limit)
    if size < least:
        raise ValueError(
            f"{text!r} in {file.name} does not fit on a canvas of {height} x {width} pixels. Shorten it, lower "
            "`font_sizes` or enlarge `canvas_size`."
        )
    scale = size / (ENLARGEMENT * greatest)
    stretch = min(generator.uniform(*STRETCH), width / (ink.width * scale))
    shape = (max(1, int(ink.width * scale * stretch)), max(1, int(ink.height * scale)))
    line = np.asarray(ink.resize(shape, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)) / 255
    x, y = (int(generator.integers(free + 1)) for free in (width - shape[0], height - shape[1]))
    paper, dark = generator.uniform(*PAPER), generator.uniform(*INK)
    canvas = np.full((height, width), paper)
    canvas[y : y + shape[1], x : x + shape[0]] += line * (dark - paper)
    columns = [min(max(x + round(edge * scale * stretch), 0), width) for edge in edges]
    boxes = [[min(left, width - 1), y, max(right, left + 1), y + shape[1]] for left, right in pairwise(columns)]
    return {"image": Image.fromarray(canvas.round().astype(np.uint8)), "text": text, "boxes": boxes}
