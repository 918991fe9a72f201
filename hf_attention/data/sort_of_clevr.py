# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Sort-of-CLEVR (Santoro et al. 2017, arXiv 1706.01427, section 4.3): images of six colored objects, and questions about
one of them (non-relational) or about how it relates to the others (relational), as sentences.

The box of the object that is asked about is known, so where a model looks can be scored.
"""

import io
from typing import Literal

import numpy as np
from datasets import Dataset, DatasetDict, Features, Image, List, Value
from PIL import Image as PILImage
from PIL import ImageDraw


SPLITS = ("train", "validation", "test")
COLORS = {
    "red": (255, 0, 0),
    "green": (0, 160, 0),
    "blue": (0, 0, 255),
    "orange": (255, 156, 0),
    "gray": (128, 128, 128),
    "yellow": (255, 255, 0),
}
BACKGROUND = (250, 250, 250)
NON_RELATIONAL, RELATIONAL = ("shape", "left", "top"), ("closest", "farthest", "count")
ENGLISH = {
    "shape": "What is the shape of the {color} object?",
    "left": "Is the {color} object in the left half of the image?",
    "top": "Is the {color} object in the upper half of the image?",
    "closest": "What is the shape of the object closest to the {color} object?",
    "farthest": "What is the shape of the object farthest from the {color} object?",
    "count": "How many objects have the shape of the {color} object?",
}
KOREAN = {
    "shape": "{color} 물체는 무슨 모양입니까?",
    "left": "{color} 물체는 그림의 왼쪽 절반에 있습니까?",
    "top": "{color} 물체는 그림의 위쪽 절반에 있습니까?",
    "closest": "{color} 물체에서 가장 가까운 물체는 무슨 모양입니까?",
    "farthest": "{color} 물체에서 가장 먼 물체는 무슨 모양입니까?",
    "count": "{color} 물체와 모양이 같은 물체는 모두 몇 개입니까?",
}
ANSWERS = ("yes", "no", "square", "circle", *map(str, range(1, len(COLORS) + 1)))
# templates, and the words for colors and answers that are not the English ones
LANGUAGES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "en": (ENGLISH, {}),
    "ko": (
        KOREAN,
        dict(zip(COLORS, ("빨간색", "초록색", "파란색", "주황색", "회색", "노란색")))
        | {"yes": "예", "no": "아니요", "square": "사각형", "circle": "원"},
    ),
}


def load_sort_of_clevr(
    sizes: dict[str, int] | None = None,
    questions_per_image: int = 20,
    image_size: int = 64,
    object_size: int = 10,
    language: Literal["en", "ko"] = "en",
    seed: int = 0,
) -> DatasetDict:
    """
    Generates images and questions about them, deterministically. The questions of an image follow each other, first
    the non-relational half; none is asked twice. `count` includes the object itself.

    Args:
        sizes (`dict[str, int]`, *optional*):
            Number of images per split; by default 10,000 for train, 200 for validation and 500 for test.
        questions_per_image (`int`, *optional*, defaults to 20): half of each kind, so an even number up to 36.
        image_size (`int`, *optional*, defaults to 64): height and width in pixels.
        object_size (`int`, *optional*, defaults to 10): height and width of an object in pixels.
        language (`str`, *optional*, defaults to `"en"`): of questions and answers, `"en"` or `"ko"`.

    Returns:
        `DatasetDict` with a row per question: `image` (RGB, encoded), `image_id` (its number in the split),
        `question`, `answer`, `kind` (`"non-relational"` or `"relational"`), and `box`, the bounding box of the object
        asked about in pixels: left, top, right, bottom, the last two exclusive.

    Raises:
        `ValueError`: for objects that do not fit into the image, and for arguments that are out of range.
    """
    sizes = {"train": 10_000, "validation": 200, "test": 500} if sizes is None else sizes
    if unknown := set(sizes) - set(SPLITS):
        raise ValueError(f"`sizes` has {', '.join(sorted(unknown))}; the splits are {', '.join(SPLITS)}.")
    for name, value in (("object_size", object_size), *sizes.items()):
        if value <= 0:
            raise ValueError(f"`{'sizes' if name in sizes else name}` must be above 0, got {value}.")
    if questions_per_image % 2 or not 2 <= questions_per_image <= 6 * len(COLORS):
        raise ValueError(f"`questions_per_image` must be an even number from 2 to 36, got {questions_per_image}.")
    if language not in LANGUAGES:
        raise ValueError(f"`language` must be one of {', '.join(LANGUAGES)}, got {language!r}.")
    if 4 * object_size > image_size:
        raise ValueError(
            f"Six objects of {object_size} pixels do not fit at random places: `image_size` ({image_size}) must be at "
            "least four times `object_size`."
        )
    templates, words = LANGUAGES[language]
    features: dict = {"image": Image(decode=False), "image_id": Value("int32")}
    features |= {name: Value("string") for name in ("question", "answer", "kind")}
    features["box"] = List(Value("int32"), length=4)
    splits = DatasetDict()
    for number, split in enumerate(SPLITS):
        if split not in sizes:
            continue
        generator = np.random.default_rng(seed * len(SPLITS) + number)
        rows: dict[str, list] = {name: [] for name in features}
        for image_id in range(sizes[split]):
            corners = place_objects(generator, image_size, object_size)
            is_square = generator.random(len(COLORS)) < 0.5
            image = {"bytes": draw(corners, is_square, image_size, object_size), "path": None}
            for kind, types in (("non-relational", NON_RELATIONAL), ("relational", RELATIONAL)):
                count = questions_per_image // 2
                for choice in generator.choice(len(types) * len(COLORS), size=count, replace=False).tolist():
                    type_, asked = types[choice % len(types)], choice // len(types)
                    color = list(COLORS)[asked]
                    reply = answer(type_, asked, corners + object_size / 2, is_square, image_size)
                    rows["image"].append(image)
                    rows["image_id"].append(image_id)
                    rows["question"].append(templates[type_].format(color=words.get(color, color)))
                    rows["answer"].append(words.get(reply, reply))
                    rows["kind"].append(kind)
                    rows["box"].append([*corners[asked].tolist(), *(corners[asked] + object_size).tolist()])
        splits[split] = Dataset.from_dict(rows, features=Features(features))
    return splits


def list_answers(language: str = "en") -> list[str]:
    """Returns all answers in a language."""
    words = LANGUAGES[language][1]
    return [words.get(answer, answer) for answer in ANSWERS]


def place_objects(generator: np.random.Generator, image_size: int, object_size: int) -> np.ndarray:
    """
    Draws the left and top edges (6, 2) of objects that do not touch. For each of them, one other object is the
    closest, and one the farthest.
    """
    while True:
        corners = generator.integers(image_size - object_size + 1, size=(len(COLORS), 2))
        differences = corners[:, None] - corners
        others = ~np.eye(len(COLORS), dtype=bool)
        if (np.abs(differences).max(axis=-1)[others] <= object_size).any():
            continue
        distances = np.square(differences).sum(axis=-1)[others].reshape(len(COLORS), -1)
        ordered = np.sort(distances, axis=1)
        if (ordered[:, 0] < ordered[:, 1]).all() and (ordered[:, -1] > ordered[:, -2]).all():
            return corners


def draw(corners: np.ndarray, is_square: np.ndarray, image_size: int, object_size: int) -> bytes:
    """Draws the objects; returns a PNG file."""
    image = PILImage.new("RGB", (image_size, image_size), BACKGROUND)
    pen = ImageDraw.Draw(image)
    for color, (left, top), square in zip(COLORS.values(), corners.tolist(), is_square):
        box = (left, top, left + object_size - 1, top + object_size - 1)
        if square:
            pen.rectangle(box, fill=color)
        else:
            pen.ellipse(box, fill=color)
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def answer(type_: str, asked: int, centers: np.ndarray, is_square: np.ndarray, image_size: int) -> str:
    """Answers, in English, a question of a type about object `asked`; the centers of the objects are (6, 2)."""
    if type_ in ("left", "top"):
        return "yes" if centers[asked, ("left", "top").index(type_)] < image_size / 2 else "no"
    if type_ == "count":
        return str(int((is_square == is_square[asked]).sum()))
    distances = np.square(centers - centers[asked]).sum(axis=1)
    if type_ == "closest":
        distances[asked] = np.inf
        asked = int(distances.argmin())
    elif type_ == "farthest":
        asked = int(distances.argmax())
    return "square" if is_square[asked] else "circle"


__all__ = ["list_answers", "load_sort_of_clevr"]
