# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as PILImage

from hf_attention.data.digit_rows import load_digit_rows
from hf_attention.data.image_texts import load_image_texts
from hf_attention.data.images import open_image


def write_folder(folder, texts):
    folder.mkdir(parents=True)
    lines = []
    for number, text in enumerate(texts):
        PILImage.new("L", (9, 5), number).save(folder / f"{number}.png")
        lines.append(json.dumps({"file_name": f"{number}.png", "caption": text}))
    (folder / "metadata.jsonl").write_text("\n".join(lines), "utf-8")


def test_a_folder_of_images_with_a_table(tmp_path):
    write_folder(tmp_path / "images" / "train", ["eins", "둘"])
    write_folder(tmp_path / "images" / "test", ["drei"])
    data = load_image_texts(str(tmp_path / "images"))
    assert {split: list(rows["text"]) for split, rows in data.items()} == {"train": ["eins", "둘"], "test": ["drei"]}
    assert [open_image(cell).size for cell in data["train"]["image"]] == [(9, 5), (9, 5)]


def test_parquet_files_keep_boxes(tmp_path):
    rows = load_digit_rows({"test": 4})["test"]
    rows.to_parquet(tmp_path / "train.parquet")
    data = load_image_texts(data_files={"train": str(tmp_path / "train.parquet")})
    assert data["train"].column_names == ["image", "text", "boxes"]
    assert list(data["train"]["text"]) == list(rows["text"]) and list(data["train"]["boxes"]) == list(rows["boxes"])


@pytest.mark.parametrize(
    "columns, message",
    [
        ({}, "Set `text_column`: train has several suitable columns; its columns are picture, first, second, number"),
        ({"text_column": "third"}, "`text_column`: train has no column 'third' of texts"),
        ({"text_column": "number"}, "`text_column`: train has no column 'number' of texts"),
        ({"image_column": "first"}, "`image_column`: train has no column 'first' of images"),
        ({"text_column": "second"}, "1 of 2 images of train have no text. Remove them."),
    ],
)
def test_columns_that_do_not_fit_are_named(tmp_path, columns, message):
    picture = PILImage.new("L", (4, 4))
    kinds = {"picture": Image(), "first": Value("string"), "second": Value("string"), "number": Value("int64")}
    rows = {"picture": [picture] * 2, "first": ["a", "b"], "second": ["c", None], "number": [1, 2]}
    Dataset.from_dict(rows, features=Features(kinds)).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(ValueError, match=message):
        load_image_texts(data_files={"train": str(tmp_path / "train.parquet")}, **columns)
