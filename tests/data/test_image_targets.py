# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from PIL import Image

from hf_attention.data.image_targets import reorder_targets
from hf_attention.data.images import label_names, load_images


@pytest.fixture
def write_table(tmp_path):
    """Writes a csv file that names images, each in the folder `pictures`."""

    def write(text, name="train.csv"):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        for row in range(len(text.splitlines()) - 1):
            Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / f"{row}.png")
        header, *rows = text.splitlines()
        lines = [f"pictures/{row}.png,{cells}" for row, cells in enumerate(rows)]
        (tmp_path / name).write_text("\n".join([f"file_name,{header}", *lines]) + "\n")
        return str(tmp_path / name)

    return write


def load(*files, **options):
    return load_images(data_files=dict(zip(("train", "test"), files)), **options)


def test_a_table_names_the_images_of_classes(write_table):
    rows = load(write_table("label\ncat\ndog\ncat\n"))["train"]
    assert label_names(rows) == ["cat", "dog"]
    assert rows["label"] == [0, 1, 0]


def test_labels_are_texts_or_columns(write_table):
    file = write_table("tags,red,round\ndog; cat,1,0\n,0,1\ncat,true,0\n")
    multi = {"problem_type": "multi_label_classification"}
    rows = load(file, label_columns=["tags"], **multi)["train"]
    assert rows["label"][:] == [{"cat": 1, "dog": 1}, {"cat": 0, "dog": 0}, {"cat": 1, "dog": 0}]
    rows = load(file, label_columns=["round", "red"], **multi)["train"]
    assert label_names(rows) == ["round", "red"]
    assert rows["label"][2] == {"round": 0, "red": 1}
    assert reorder_targets(rows, ["red", "round"])["label"][0] == {"red": 1, "round": 0}


def test_numbers(write_table):
    rows = load(write_table("age,weight\n3,1.5\n-4,2e3\n"), problem_type="regression", label_columns=["age", "weight"])
    assert rows["train"]["label"][1] == {"age": -4, "weight": 2000}


def test_invalid_labels_are_named(write_table):
    file = write_table("age,tags\n3,cat\nold,dog\n")
    with pytest.raises(ValueError, match="Row 2 of train, column 'age', must be a number, got 'old'"):
        load(file, problem_type="regression", label_columns=["age"])
    with pytest.raises(ValueError, match="Row 1 of train, column 'age', must be 0 or 1, got '3'"):
        load(file, problem_type="multi_label_classification", label_columns=["age", "tags"])
    with pytest.raises(ValueError, match="`label_columns`: train has no column 'weight'; it has age, tags"):
        load(file, problem_type="regression", label_columns=["weight"])
    more = write_table("age,tags\n3,cow\n", "test.csv")
    with pytest.raises(ValueError, match="The splits have different labels: test has cow too"):
        load(file, more, problem_type="multi_label_classification", label_columns=["tags"])
