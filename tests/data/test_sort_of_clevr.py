# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import math

import numpy as np
import pytest

from hf_attention.data.images import open_image
from hf_attention.data.sort_of_clevr import COLORS, list_answers, load_sort_of_clevr


SIZES = {"train": 40, "validation": 3, "test": 5}
IN_ENGLISH = {"예": "yes", "아니요": "no", "사각형": "square", "원": "circle"}


def read_scene(cell):
    """Each color's box (left, top, right, bottom) and shape, from the pixels of the image."""
    pixels = np.asarray(open_image(cell, mode="RGB"))
    scene = {}
    for name, color in COLORS.items():
        rows, columns = np.nonzero((pixels == color).all(axis=-1))
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        # a circle covers pi / 4 of its box
        area = len(rows) / ((box[2] - box[0]) * (box[3] - box[1]))
        scene[name] = ([int(edge) for edge in box], "square" if area == 1 else "circle")
    return scene, pixels.shape[0]


def answer_from_scene(question, scene, side):
    """Answers a question that was asked in English."""
    asked = next(color for color in COLORS if f"the {color} object" in question)
    centers = {color: ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for color, (box, _) in scene.items()}
    shape = scene[asked][1]
    if "left half" in question:
        return asked, "yes" if centers[asked][0] < side / 2 else "no"
    if "upper half" in question:
        return asked, "yes" if centers[asked][1] < side / 2 else "no"
    if question.startswith("How many"):
        return asked, str([other for _, other in scene.values()].count(shape))
    others = sorted((math.dist(centers[color], centers[asked]), color) for color in COLORS if color != asked)
    if "closest" in question:
        return asked, scene[others[0][1]][1]
    if "farthest" in question:
        return asked, scene[others[-1][1]][1]
    return asked, shape


def test_answers_and_boxes_are_those_of_the_pixels():
    rows = load_sort_of_clevr(SIZES)["train"]
    answers = set()
    for row in rows:
        scene, side = read_scene(row["image"])
        asked, expected = answer_from_scene(row["question"], scene, side)
        assert row["answer"] == expected, row["question"]
        assert row["box"] == scene[asked][0]
        is_relational = any(word in row["question"] for word in ("closest", "farthest", "How many"))
        assert row["kind"] == ("relational" if is_relational else "non-relational")
        answers.add(expected)
    assert {"yes", "no", "square", "circle", "3"} <= answers


def test_objects_do_not_touch():
    for row in load_sort_of_clevr({"train": 20}, questions_per_image=2)["train"]:
        boxes = [box for box, _ in read_scene(row["image"])[0].values()]
        assert all(box[2] - box[0] == box[3] - box[1] == 10 for box in boxes)
        for number, first in enumerate(boxes):
            for second in boxes[:number]:
                assert any(first[side] > second[side + 2] or second[side] > first[side + 2] for side in (0, 1))


def test_questions_of_an_image_follow_each_other_and_differ():
    rows = load_sort_of_clevr(SIZES)["train"]
    assert len(rows) == 40 * 20
    for image_id in range(40):
        own = rows.select(range(image_id * 20, image_id * 20 + 20))
        assert set(own["image_id"]) == {image_id}
        assert len(set(own["question"])) == 20
        assert own["kind"] == ["non-relational"] * 10 + ["relational"] * 10
    assert sorted({*load_sort_of_clevr({"test": 1}, 36)["test"]["question"]}) == sorted(
        {*load_sort_of_clevr({"train": 1}, 36)["train"]["question"]}
    )


def test_rows_are_the_same_for_the_same_seed_and_splits_differ():
    data, again = load_sort_of_clevr(SIZES), load_sort_of_clevr(SIZES)
    assert {split: rows[:] for split, rows in data.items()} == {split: rows[:] for split, rows in again.items()}
    assert load_sort_of_clevr(SIZES, seed=1)["train"][:] != data["train"][:]
    assert data["train"][0]["image"] != data["test"][0]["image"]
    assert load_sort_of_clevr({"test": 5})["test"][:] == data["test"][:]


def test_questions_in_korean_have_the_same_answers():
    english, korean = (load_sort_of_clevr({"test": 5}, language=language)["test"] for language in ("en", "ko"))
    assert [IN_ENGLISH.get(answer, answer) for answer in korean["answer"]] == english["answer"]
    assert korean["box"] == english["box"]
    assert set(korean["answer"]) <= set(list_answers("ko"))
    assert set(english["answer"]) <= set(list_answers())
    pairs = {row["question"]: other["question"] for row, other in zip(english, korean)}
    assert len(set(pairs.values())) == len(pairs)
    assert all(ord(character) < 128 or "가" <= character <= "힣" for text in pairs.values() for character in text)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"sizes": {"dev": 3}}, "`sizes` has dev; the splits are train, validation, test"),
        ({"sizes": {"test": 0}}, "`sizes` must be above 0, got 0"),
        ({"object_size": 0}, "`object_size` must be above 0, got 0"),
        ({"questions_per_image": 5}, "an even number from 2 to 36, got 5"),
        ({"questions_per_image": 38}, "an even number from 2 to 36, got 38"),
        ({"image_size": 30}, r"`image_size` \(30\) must be at least four times `object_size`"),
        ({"language": "fr"}, "`language` must be one of en, ko, got 'fr'"),
    ],
)
def test_invalid_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        load_sort_of_clevr(**options)
