# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import io
import pickle
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from datasets import Image as ImageFeature
from PIL import Image, features
from sklearn.datasets import load_digits as sklearn_digits
from torch.utils.data import DataLoader
from transformers import ViTImageProcessorPil, default_data_collator

from hf_attention.data.images import (
    align_labels,
    check_images,
    load_digits,
    load_images,
    make_transform,
    open_image,
)


@pytest.fixture
def folders(tmp_path):
    """Two splits of three classes, in folders."""
    for split, count in (("train", 4), ("test", 2)):
        for shade, name in ((50, "ant"), (100, "bee"), (150, "cow")):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(count):
                Image.new("RGB", (9, 7), (shade, index, 0)).save(tmp_path / split / name / f"{index}.png")
    return tmp_path


def test_digits_are_sklearns_split_in_classes():
    data = load_digits()
    assert {split: len(rows) for split, rows in data.items()} == {"train": 1078, "validation": 120, "test": 599}
    images = {open_image(cell).tobytes() for rows in data.values() for cell in rows["image"]}
    digits = sklearn_digits()
    expected = {(image * 255 / 16).round().astype(np.uint8).tobytes() for image in digits.images}
    assert images == expected
    shares = np.bincount(data["test"]["label"]) / np.bincount(digits.target)
    assert np.abs(shares - 1 / 3).max() < 0.01
    assert load_digits()["test"]["image"] == data["test"]["image"]


@pytest.mark.parametrize("streaming", [False, True])
def test_folders_are_classes(folders, streaming):
    data = load_images(data_files={split: str(folders / split) for split in ("train", "test")}, streaming=streaming)
    rows = list(data["train"])
    assert data["train"].features["label"].names == ["ant", "bee", "cow"]
    assert len(rows) == 12
    for row in rows:
        assert open_image(row["image"]).getpixel((0, 0))[0] == (row["label"] + 1) * 50


def test_a_folder_of_splits(folders):
    data = load_images(str(folders))
    assert {split: len(rows) for split, rows in data.items()} == {"train": 12, "test": 6}


def test_a_split_without_one_of_the_classes_keeps_the_others_numbers(folders):
    for file in (folders / "test" / "ant").iterdir():
        file.unlink()
    (folders / "test" / "ant").rmdir()
    data = load_images(data_files={split: str(folders / split) for split in ("train", "test")})
    assert data["test"].features["label"].names == ["ant", "bee", "cow"]
    assert set(data["test"]["label"]) == {1, 2}


def test_parquet_with_names_numbers_or_strings(tmp_path):
    images = [Image.new("L", (4, 4), shade) for shade in (1, 2, 3)]
    for name, kind, labels, names in (
        ("classes", ClassLabel(names=["x", "y"]), [1, 0, 1], ["x", "y"]),
        ("numbers", Value("int64"), [10, 9, 10], ["9", "10"]),
        ("bytes", Value("uint8"), [10, 9, 10], ["9", "10"]),
        ("strings", Value("string"), ["b", "a", "b"], ["a", "b"]),
    ):
        features = Features({"img": ImageFeature(), "label": kind, "other": Value("string")})
        rows = Dataset.from_dict({"img": images, "label": labels, "other": ["?"] * 3}, features=features)
        rows.to_parquet(tmp_path / f"{name}.parquet")
        data = load_images(data_files={"train": str(tmp_path / f"{name}.parquet")})["train"]
        assert data.column_names == ["image", "label"]
        assert data.features["label"].names == names
        assert data["label"] == [1, 0, 1]
        assert open_image(data[2]["image"]).getpixel((0, 0)) == 3


def test_a_parquet_file_without_features(folders, tmp_path):
    """Its columns have no features of datasets' own, only names."""
    cells = [(folders / "train" / name / "3.png").read_bytes() for name in ("bee", "ant")]
    pq.write_table(pa.table({"id": [7, 8], "image": cells, "label": ["bee", "ant"]}), tmp_path / "plain.parquet")
    data = load_images(data_files={"train": str(tmp_path / "plain.parquet")})["train"]
    assert data["label"] == [1, 0]
    assert open_image(data[1]["image"]).getpixel((0, 0)) == (50, 3, 0)


def parquet(path, labels, kind):
    images = [Image.new("L", (4, 4))] * len(labels)
    features = Features({"image": ImageFeature(), "label": kind})
    Dataset.from_dict({"image": images, "label": labels}, features=features).to_parquet(path)
    return str(path)


@pytest.mark.parametrize("streaming", [False, True])
def test_splits_with_different_classes_are_errors(tmp_path, folders, streaming):
    train = parquet(tmp_path / "train.parquet", ["a", "b"], Value("string"))
    with pytest.raises(ValueError, match="different classes: .* but test has c too"):
        load_images(
            data_files={"train": train, "test": parquet(tmp_path / "test.parquet", ["a", "c"], Value("string"))}
        )
    files = {
        split: parquet(tmp_path / f"{split}.parquet", [0, 1], ClassLabel(names=names))
        for split, names in (("train", ["x", "y"]), ("test", ["y", "x"]))
    }
    with pytest.raises(ValueError, match=r"different classes: \['x', 'y'\], but test has \['y', 'x'\]"):
        load_images(data_files=files, streaming=streaming)
    (folders / "test" / "dog").mkdir()
    Image.new("RGB", (9, 7)).save(folders / "test" / "dog" / "0.png")
    with pytest.raises(ValueError, match="has classes missing from .*: dog"):
        load_images(data_files={split: str(folders / split) for split in ("train", "test")})


def test_a_class_without_images_is_an_error(folders):
    (folders / "train" / "dog").mkdir()
    (folders / "train" / "dog" / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match="has classes without images: dog"):
        load_images(data_files={"train": str(folders / "train")})
    with pytest.raises(ValueError, match="has classes without images: dog"):
        load_images(str(folders))


@pytest.mark.parametrize(
    "labels, kind, names",
    [
        ([2.0, 10.0], "float64", ["2", "10"]),
        (["e\u0301", "a"], "string", ["a", "é"]),
        ([3, 1], "int32", ["1", "3"]),
        ([True, False], "bool", ["False", "True"]),
    ],
)
def test_labels_are_texts_or_integers(tmp_path, labels, kind, names):
    file = parquet(tmp_path / "a.parquet", labels, Value(kind))
    assert load_images(data_files={"train": file})["train"].features["label"].names == names


@pytest.mark.parametrize(
    "labels, kind, message",
    [
        ([0.5, 1.0], "float32", r"`label_column` \(label\) must have one text or integer per image, but one is 0.5"),
        ([[0], [1]], List(Value("int64")), r"one is \[0\]"),
        (["a", ""], "string", "1 of 2 images of train have no label"),
        ([1.0, float("nan")], "float64", "1 of 2 images of train have no label"),
        ([], "string", "a.parquet: There are no rows"),
    ],
)
def test_unusable_labels_are_named(tmp_path, labels, kind, message):
    kind = Value(kind) if isinstance(kind, str) else kind
    with pytest.raises(ValueError, match=message):
        load_images(data_files={"train": parquet(tmp_path / "a.parquet", labels, kind)})


def test_unusable_data_is_named_in_the_error(tmp_path):
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "flat" / "a.png")
    (tmp_path / "a.txt").write_text("")
    unlabeled = parquet(tmp_path / "unlabeled.parquet", [0, -1], ClassLabel(names=["x"]))
    nulls = parquet(tmp_path / "nulls.parquet", ["x", None, "y"], Value("string"))
    for files, error, message in (
        ({"train": str(tmp_path / "gone")}, FileNotFoundError, "no file or folder"),
        ({"train": str(tmp_path / "flat")}, ValueError, "has no sub-folders"),
        ({"train": str(tmp_path / "a.txt")}, ValueError, "pass a folder of images, a parquet file, or a table"),
        ({"train": unlabeled, "test": str(tmp_path / "flat")}, ValueError, "Pass folders for all splits"),
        ({"test": unlabeled}, ValueError, "1 of 2 images of test have no label"),
        ({"train": nulls}, ValueError, "1 of 3 images of train have no label"),
    ):
        with pytest.raises(error, match=message):
            load_images(data_files=files)
    with pytest.raises(ValueError, match="`label_column`: train has no column 'kind'; it has image, label"):
        load_images(data_files={"train": unlabeled}, label_column="kind")
    with pytest.raises(ValueError, match="Pass a dataset"):
        load_images()


def damaged(kind):
    with io.BytesIO() as file:
        Image.effect_noise((64, 64), 50).convert("RGB").save(file, "JPEG")
        complete = file.getvalue()
    return {"cut": complete[: len(complete) // 2], "text": b"no image", "complete": complete}[kind]


@pytest.mark.parametrize("kind", ["cut", "text"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, kind):
    with pytest.raises(ValueError, match=r"Image 3 of test \(unpacked.jpg\) cannot be read"):
        open_image({"bytes": damaged(kind), "path": "unpacked.jpg"}, "Image 3 of test")
    (tmp_path / "bad.jpg").write_bytes(damaged(kind))
    with pytest.raises(ValueError, match="bad.jpg cannot be read"):
        open_image({"bytes": None, "path": str(tmp_path / "bad.jpg")})
    with pytest.raises(ValueError, match="Image 3 of test is missing"):
        open_image({"bytes": None, "path": None}, "Image 3 of test")


def test_exif_orientation_is_applied():
    image, exif = Image.effect_noise((6, 4), 50), Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    with io.BytesIO() as file:
        image.save(file, "PNG", exif=exif)
        opened = open_image({"bytes": file.getvalue(), "path": None})
    assert opened.size == (4, 6)
    assert opened.tobytes() == image.rotate(-90, expand=True).tobytes()


def test_a_decompression_bomb_is_an_error(monkeypatch, tmp_path):
    Image.new("L", (100, 100)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="cannot be read .*exceeds limit of 2000 pixels"):
        open_image({"bytes": None, "path": str(tmp_path / "large.png")})


def test_check_images_lists_the_bad_ones():
    kinds = ["complete", "cut", "complete", "text"]
    rows = Dataset.from_dict(
        {"image": [{"bytes": damaged(kind), "path": None} for kind in kinds], "label": [0] * 4},
        features=Features({"image": ImageFeature(decode=False), "label": ClassLabel(names=["x"])}),
    )
    with pytest.raises(ValueError, match=r"2 of 4 images of train(.|\n)*Image 1 of train(.|\n)*Image 3 of train"):
        check_images(rows, "train", num_channels=3)
    check_images(rows.select([0, 2]), "train", num_channels=3)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_the_transform_resizes_and_normalizes(num_channels):
    processor = ViTImageProcessorPil(
        size={"height": 16, "width": 16}, image_mean=[0.2] * num_channels, image_std=[0.5] * num_channels
    )
    rows = load_digits()["test"].select(range(3))
    evaluated = rows.with_transform(make_transform(processor, num_channels))[:]
    assert evaluated["pixel_values"].shape == (3, num_channels, 16, 16)
    assert evaluated["labels"].tolist() == rows["label"]
    plain = rows.with_transform(make_transform(processor, num_channels, do_normalize=False))[:]["pixel_values"]
    assert plain.min() >= 0
    assert plain.max() <= 1
    np.testing.assert_allclose((plain - 0.2) / 0.5, evaluated["pixel_values"], atol=1e-5)


def test_rows_from_a_spawned_worker():
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16}, image_mean=[0.2], image_std=[0.5])
    rows = load_digits()["test"].take(4)
    transformed = rows.with_transform(make_transform(processor, 1))
    given = {"batch_size": 4, "collate_fn": default_data_collator}
    batch = next(iter(DataLoader(transformed, num_workers=1, multiprocessing_context="spawn", **given)))
    assert batch["labels"].tolist() == rows["label"]
    torch.testing.assert_close(batch["pixel_values"], transformed[:]["pixel_values"])
    # streamed rows as well
    label2id = {str(digit): 9 - digit for digit in range(10)}
    streamed = align_labels(rows.to_iterable_dataset(), label2id)
    again = pickle.loads(pickle.dumps(streamed))
    assert [row["label"] for row in again] == [9 - label for label in rows["label"]]


@pytest.mark.parametrize("by_name", [False, True])
def test_images_outside_the_class_folders_are_an_error(folders, by_name):
    (folders / "train" / "ant" / "small").mkdir()
    (folders / "train" / "ant" / "0.png").rename(folders / "train" / "ant" / "small" / "0.png")
    Image.new("RGB", (9, 7)).save(folders / "train" / "stray.png")
    with pytest.raises(ValueError, match=r"train has 2 images outside .*train/stray.png, small/0.png.*directly into"):
        load_images(str(folders)) if by_name else load_images(data_files={"train": str(folders / "train")})


@pytest.mark.parametrize("by_name", [False, True])
def test_files_that_are_not_read_are_counted_and_named(folders, caplog, by_name):
    ant = folders / "train" / "ant"
    for name in ("a.jxl", "b.JXL", "c.svg", "IMG_1", "._0.png", "notes.txt"):
        (ant / name).write_bytes(b"?")
    (ant / "link.png").symlink_to(folders / "gone.png")
    (ant / "0.png").rename(ant / "0.PNG")
    data = load_images(str(folders)) if by_name else load_images(data_files={"train": str(folders / "train")})
    assert len(data["train"]) == 12
    assert "7 files are not read" in caplog.text
    for part in (
        "2 .jxl (ant/a.jxl, ant/b.JXL)",
        "1 .svg",
        "1 .txt",
        "1 hidden",
        "1 without an extension (ant/IMG_1)",
    ):
        assert part in caplog.text
    assert "1 not a file, or a link to none (ant/link.png)" in caplog.text


def test_a_class_with_other_files_only_is_an_error_that_counts_them(folders):
    (folders / "train" / "dog").mkdir()
    (folders / "train" / "dog" / "a.jxl").write_bytes(b"?")
    with pytest.raises(ValueError, match=r"without images: dog\..*not read: 1 .jxl \(dog/a.jxl\)"):
        load_images(data_files={"train": str(folders / "train")})


def test_avif_is_read_where_pil_reads_it(folders):
    if not features.check("avif"):
        pytest.skip("PIL was built without AVIF")
    Image.new("RGB", (9, 7), (50, 9, 0)).save(folders / "train" / "ant" / "4.avif")
    assert len(load_images(data_files={"train": str(folders / "train")})["train"]) == 13


def test_linked_class_folders_are_read(folders):
    (folders / "train" / "ant").rename(folders / "elsewhere")
    (folders / "train" / "ant").symlink_to(folders / "elsewhere")
    data = load_images(data_files={"train": str(folders / "train")})["train"]
    assert len(data) == 12
    assert data.features["label"].names == ["ant", "bee", "cow"]


@pytest.mark.parametrize("by_name", [False, True])
def test_names_in_two_spellings_of_unicode_are_the_same_class(folders, by_name):
    for split, form in (("train", "NFC"), ("test", "NFD")):
        (folders / split / "bee").rename(folders / split / unicodedata.normalize(form, "é"))
    files = {split: str(folders / split) for split in ("train", "test")}
    data = load_images(str(folders)) if by_name else load_images(data_files=files)
    assert data["train"].features["label"].names == ["ant", "cow", "é"] == data["test"].features["label"].names
    (folders / "train" / unicodedata.normalize("NFD", "é")).mkdir()
    with pytest.raises(ValueError, match=r"two folders for the class 'é', 'e\\u0301' and '\\xe9'"):
        load_images(data_files=files)


def test_a_streamed_folder_is_in_random_order(folders):
    data = load_images(data_files={"train": str(folders / "train")}, streaming=True)["train"]
    labels = [row["label"] for row in data]
    assert sorted(labels) == [0] * 4 + [1] * 4 + [2] * 4
    assert len(set(labels[:4])) > 1
    assert data.num_shards == 12


def test_other_folders_next_to_the_splits_are_named(folders, caplog):
    (folders / "extra").mkdir()
    (folders / "test").rename(folders / "Val")
    assert list(load_images(str(folders))) == ["train", "validation"]
    assert "Skipping" in caplog.text
    assert "extra: not the name of a split" in caplog.text


def test_a_folder_of_classes_is_the_train_split(folders):
    data = load_images(str(folders / "train"))
    assert {split: len(rows) for split, rows in data.items()} == {"train": 12}


def test_images_that_no_table_names_are_counted(folders, caplog):
    lines = ["file_name,label", "ant/0.png,ant", "bee/0.png,bee"]
    (folders / "train" / "metadata.csv").write_text("\n".join(lines) + "\n")
    data = load_images(str(folders / "train"))
    assert data["train"]["label"] == [0, 1]
    assert "10 images are not read, since no table names them: ant/1.png" in caplog.text


def test_the_folder_of_macos_archives_is_not_a_class(folders):
    (folders / "train" / "__MACOSX").mkdir()
    assert load_images(data_files={"train": str(folders / "train")})["train"].features["label"].num_classes == 3


def test_names_that_look_like_patterns(folders):
    (folders / "train").rename(folders / "tr[a]in*")
    assert len(load_images(data_files={"train": str(folders / "tr[a]in*")})["train"]) == 12


def test_splits_without_labels_are_left_out(tmp_path):
    train = parquet(tmp_path / "train.parquet", [0, 1], ClassLabel(names=["x", "y"]))
    hidden = parquet(tmp_path / "test.parquet", [-1, -1], ClassLabel(names=["x", "y"]))
    assert list(load_images(data_files={"train": train, "test": hidden, "unlabeled": hidden})) == ["train"]


def test_align_labels_uses_the_models_numbers():
    features = Features({"image": ImageFeature(decode=False), "label": ClassLabel(names=["A", "a"])})
    rows = Dataset.from_dict({"image": [{"bytes": b"", "path": None}] * 3, "label": [0, 1, 0]}, features=features)
    for data in (rows, rows.to_iterable_dataset()):
        renumbered = align_labels(data, {"a": 0, "A": 1})
        assert [row["label"] for row in renumbered] == [1, 0, 1]
        assert renumbered.features["label"].names == ["a", "A"]
