# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Odd and damaged images, labels and folders: each is read, or refused or named in words that say where it is."""

import io
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features
from datasets import Image as ImageFeature
from PIL import Image, PngImagePlugin, features
from pyarrow import parquet

from hf_attention.data.images import check_images, load_images, open_image


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    with io.BytesIO() as file:
        image.save(file, kind, **options)
        return file.getvalue()


NOISE = Image.effect_noise((64, 48), 50)
COLOR = NOISE.convert("RGB")
FRAMES = [Image.new("L", (8, 6), shade) for shade in (10, 90)]
PNG, JPEG = encode(COLOR), encode(COLOR, "JPEG")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header has these sizes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def transparent_palette() -> bytes:
    image = COLOR.quantize(16)
    image.info["transparency"] = 0
    return encode(image)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(COLOR, "JPEG", exif=exif)


def with_text() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 1000)
    return encode(COLOR, pnginfo=info)


# name -> content, and the size as it is read
READ: dict[str, tuple[bytes, tuple[int, int]]] = {
    "a.png": (PNG, (64, 48)),
    "gray.png": (encode(NOISE), (64, 48)),
    "gray and transparent.png": (encode(NOISE.convert("LA")), (64, 48)),
    "transparent.png": (encode(COLOR.convert("RGBA")), (64, 48)),
    "two colors.png": (encode(NOISE.convert("1")), (64, 48)),
    "palette.png": (encode(COLOR.quantize(16)), (64, 48)),
    "palette with transparency.png": (transparent_palette(), (64, 48)),
    "16 bits.png": (encode(Image.fromarray(np.full((48, 64), 40_000, np.uint16))), (64, 48)),
    "with text.png": (with_text(), (64, 48)),
    "trailing bytes.png": (PNG + b"x" * 100, (64, 48)),
    "animated.png": (encode(FRAMES[0], save_all=True, append_images=FRAMES[1:]), (8, 6)),
    "one pixel.png": (encode(Image.new("L", (1, 1))), (1, 1)),
    "a.PNG": (PNG, (64, 48)),
    "a.jpg": (JPEG, (64, 48)),
    "a.JPEG": (JPEG, (64, 48)),
    "cmyk.jpg": (encode(COLOR.convert("CMYK"), "JPEG"), (64, 48)),
    "progressive.jpg": (encode(COLOR, "JPEG", progressive=True), (64, 48)),
    "turned by 90.jpg": (turned(6), (48, 64)),
    "mirrored.jpg": (turned(2), (64, 48)),
    "an unknown orientation.jpg": (turned(77), (64, 48)),
    "a.gif": (encode(COLOR, "GIF"), (64, 48)),
    "animated.gif": (encode(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), (8, 6)),
    "a.bmp": (encode(COLOR, "BMP"), (64, 48)),
    "a.tiff": (encode(COLOR, "TIFF"), (64, 48)),
    "pages.tif": (encode(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), (8, 6)),
    "16 bits.tif": (encode(Image.fromarray(np.full((48, 64), 40_000, np.uint16)), "TIFF"), (64, 48)),
    "a.webp": (encode(COLOR, "WEBP"), (64, 48)),
    "a.ppm": (encode(COLOR, "PPM"), (64, 48)),
    "a.ico": (encode(COLOR.resize((32, 32)), "ICO"), (32, 32)),
    "png with another name.jpg": (PNG, (64, 48)),
    "ü é 나.png": (PNG, (64, 48)),
    "a [1]*?.png": (PNG, (64, 48)),
}
# name -> content, and why it cannot be read
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", "cannot identify image file|is missing"),
    "half.png": (PNG[: len(PNG) // 2], "truncated"),
    "half.jpg": (JPEG[: len(JPEG) // 2], "truncated"),
    "signature.png": (PNG[:8], "cannot be read"),
    "header.jpg": (JPEG[:20], "cannot be read"),
    "a wrong byte.png": (PNG[:60] + b"\xff" + PNG[61:], "cannot be read"),
    "text.png": (b"no image", "cannot identify"),
    "web page.jpg": (b"<html>404</html>", "cannot identify"),
    "zeros.jpg": (bytes(1000), "cannot identify"),
    "pointer.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "cannot identify"),
    "vector.png": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "cannot identify"),
    "no rows.png": (png(0, 0), "cannot be read"),
    "a bomb.png": (png(30_000, 30_000), "exceeds limit of .* pixels"),
    "too little data.png": (png(100, 100, b"x"), "cannot be read"),
    "floats.tiff": (
        encode(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"),
        "mode 'F' .floats. has no known range",
    ),
    "integers.tiff": (encode(Image.fromarray(np.ones((4, 4), np.int32)), "TIFF"), "mode 'I' .32-bit integers. has no"),
    "half.gif": (encode(COLOR, "GIF")[:400], "cannot be read"),
    "half.webp": (encode(COLOR, "WEBP")[:200], "cannot be read"),
    "half.bmp": (encode(COLOR, "BMP")[:200], "truncated"),
    "half.tiff": (encode(COLOR, "TIFF")[:200], "cannot be read|cannot identify"),
    "a.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\n", "cannot be read"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with two images each."""
    for name in ("ant", "bee"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for index in range(2):
            (tmp_path / "train" / name / f"{index}.png").write_bytes(PNG)
    return tmp_path / "train"


def load(folder: Path, **options):
    return load_images(data_files={"train": str(folder)}, **options)["train"]


@pytest.mark.parametrize("num_channels", [1, 3, 4])
@pytest.mark.parametrize("name", READ)
def test_odd_images_are_read(folder, name, num_channels):
    content, size = READ[name]
    (folder / "ant" / name).write_bytes(content)
    rows = load(folder)
    assert len(rows) == 5
    check_images(rows, "train", num_channels)
    cell = next(cell for cell in rows["image"] if os.path.basename(cell["path"]) == name)
    assert open_image(cell).size == size


@pytest.mark.parametrize("name", REFUSED)
def test_images_that_cannot_be_read_are_named_before_training(folder, name):
    content, message = REFUSED[name]
    (folder / "ant" / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"1 of 5 images of train cannot be used:\n.*ant/{name} .*({message})"):
        check_images(load(folder), "train", num_channels=3)


@pytest.mark.parametrize("name", ["half.jpg", "text.png", "a bomb.png"])
def test_images_in_a_table_are_named_by_their_row(tmp_path, name):
    cells = [{"bytes": PNG, "path": None}, {"bytes": REFUSED[name][0], "path": name}]
    parquet.write_table(pa.table({"image": cells, "label": ["a", "b"]}), tmp_path / "a.parquet")
    rows = load(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=rf"1 of 2 images of train .*\n.*Image 1 of train \({name}\) cannot be read"):
        check_images(rows, "train", num_channels=3)


@pytest.mark.parametrize("cell", [None, {"bytes": None, "path": None}, {"bytes": b"", "path": None}])
def test_missing_images_in_a_table_are_named_by_their_row(tmp_path, cell):
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    cells = pa.array([{"bytes": PNG, "path": None}, cell], kind)
    parquet.write_table(pa.table({"image": cells, "label": ["a", "b"]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="1 of 2 images of train .*\nImage 1 of train is missing"):
        check_images(load(tmp_path / "a.parquet"), "train", num_channels=3)


def table(path: Path, labels, **columns) -> Path:
    cells = [{"bytes": PNG, "path": None}] * len(labels)
    parquet.write_table(pa.table({"image": cells, "label": labels, **columns}), path)
    return path


@pytest.mark.parametrize(
    "labels, names",
    [
        (["b", "a"], ["a", "b"]),
        ([2, 10], ["2", "10"]),
        ([2.0, 10.0], ["2", "10"]),
        ([True, False], ["False", "True"]),
        (["2", "10"], ["2", "10"]),
        (["e\u0301", "\u00e9"], ["\u00e9"]),
        ([" a", "a"], [" a", "a"]),
        (["A", "a"], ["A", "a"]),
        (pa.array(["b", "a"]).dictionary_encode(), ["a", "b"]),
        (pa.array(["b", "a"], pa.large_string()), ["a", "b"]),
    ],
)
def test_odd_labels_are_classes(tmp_path, labels, names):
    rows = load(table(tmp_path / "a.parquet", labels))
    assert rows.features["label"].names == names


@pytest.mark.parametrize(
    "labels, message",
    [
        ([None, "a"], "1 of 2 images of train have no label"),
        (["", "a"], "1 of 2 images of train have no label"),
        ([float("nan"), 1.0], "1 of 2 images of train have no label"),
        ([-1, 0], "1 of 2 images of train have no label"),
        ([None, None], "2 of 2 images of train have no label"),
        ([0.5, 1.0], "one text or integer per image, but one is 0.5"),
        ([[0], [1]], r"one text or integer per image, but one is \[0\]"),
        ([{"x": 1}, {"x": 2}], "one text or integer per image, but one is {'x': 1}"),
        ([b"a", b"b"], "one text or integer per image, but one is b'a'"),
    ],
)
def test_labels_that_are_not_classes_are_named(tmp_path, labels, message):
    with pytest.raises(ValueError, match=message):
        load(table(tmp_path / "a.parquet", labels))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "a.parquet: .*damaged or incomplete"),
        (b"PAR1", "a.parquet: .*damaged or incomplete"),
        (b"image,label\n", "a.parquet: .*damaged or incomplete"),
        (PNG, "a.parquet: .*damaged or incomplete"),
    ],
)
def test_damaged_tables_are_named(tmp_path, content, message):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "a.parquet")


def test_a_table_that_was_cut_is_named(tmp_path):
    file = table(tmp_path / "a.parquet", ["a", "b"])
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ValueError, match="a.parquet: .*damaged or incomplete"):
        load(file)


def test_a_table_without_rows_is_named(tmp_path):
    with pytest.raises(ValueError, match="a.parquet: There are no rows"):
        load(table(tmp_path / "a.parquet", pa.array([], "string")))


def test_a_column_of_images_that_holds_something_else_is_named(tmp_path):
    parquet.write_table(pa.table({"image": [1, 2], "label": ["a", "b"]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"`image_column`: train's 'image' holds Value.'int64'., not images"):
        load(tmp_path / "a.parquet")


def test_a_folder_instead_of_a_file_is_named(tmp_path):
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(ValueError, match=r"a.parquet has no sub-folders; put the images of each class into"):
        load(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.png", "a"])
def test_other_files_instead_of_a_folder_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(PNG)
    with pytest.raises(ValueError, match=f"Cannot read .*{name}: pass a folder of images, a parquet file, or a table"):
        load(tmp_path / name)


def test_a_table_that_is_not_text_is_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(PNG)
    with pytest.raises(ValueError, match="a.csv: 'utf-8' codec can't decode byte 0x89 .* Save it as UTF-8"):
        load(tmp_path / "a.csv")


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match="train has no sub-folders"):
        load(tmp_path / "train")


def test_a_folder_without_permission_is_named(folder):
    (folder / "ant").chmod(0)
    if os.access(folder / "ant", os.R_OK):
        pytest.skip("root reads every folder")
    with pytest.raises(PermissionError, match="ant"):
        load(folder)


def make_pipe(folder: Path) -> None:
    os.mkfifo(folder / "ant" / "a.png")


# what is added to the folder, and what the warning says of it
LEFT_OUT = {
    "JPEG XL": (lambda folder: (folder / "ant" / "a.jxl").write_bytes(b"?"), r"1 \.jxl \(ant/a.jxl\)"),
    "SVG in capitals": (lambda folder: (folder / "ant" / "a.SVG").write_bytes(b"?"), r"1 \.svg \(ant/a.SVG\)"),
    "raw": (lambda folder: (folder / "bee" / "a.cr2").write_bytes(b"?"), r"1 \.cr2 \(bee/a.cr2\)"),
    "a text": (lambda folder: (folder / "ant" / "a.txt").write_bytes(b"?"), r"1 \.txt \(ant/a.txt\)"),
    "no extension": (
        lambda folder: (folder / "ant" / "IMG_1").write_bytes(PNG),
        r"1 without an extension \(ant/IMG_1\)",
    ),
    "a dot alone": (lambda folder: (folder / "ant" / "a.").write_bytes(PNG), r"1 \. \(ant/a.\)"),
    "hidden": (lambda folder: (folder / "ant" / "._0.png").write_bytes(b"?"), r"1 hidden \(ant/._0.png\)"),
    "a link to nothing": (
        lambda folder: (folder / "ant" / "a.png").symlink_to("gone.png"),
        r"1 not a file, or a link to none",
    ),
    "a link to itself": (
        lambda folder: (folder / "ant" / "a.png").symlink_to(folder / "ant" / "a.png"),
        r"1 not a file, or a link to none",
    ),
    "a pipe": (make_pipe, r"1 not a file, or a link to none \(ant/a.png\)"),
    "a text next to the classes": (
        lambda folder: (folder / "labels.txt").write_bytes(b"?"),
        r"1 \.txt \(train/labels.txt\)",
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_files_that_are_left_out_are_counted_and_named(folder, case, caplog):
    add, message = LEFT_OUT[case]
    add(folder)
    assert len(load(folder)) == 4
    warnings = [record.getMessage() for record in caplog.records if record.name.startswith("hf_attention")]
    assert len(warnings) == 1
    assert re.search(rf"train: 1 files are not read: {message}", warnings[0])


# what is added to the folder, and the error
FOLDERS = {
    "a class without images": (lambda folder: (folder / "cow").mkdir(), "has classes without images: cow"),
    "an image next to the classes": (
        lambda folder: (folder / "a.png").write_bytes(PNG),
        r"1 images outside the folders of its classes \(train/a.png\)",
    ),
    "a link to the folder itself": (
        lambda folder: (folder / "loop").symlink_to(folder),
        "outside the folders of its classes",
    ),
    "a link in a class to all classes": (
        lambda folder: (folder / "ant" / "all").symlink_to(folder),
        "outside the folders of its classes",
    ),
    "a class that is not in UTF-8": (
        lambda folder: os.rename(os.fsencode(folder / "ant"), os.fsencode(folder) + b"/\xe9"),
        r"The name b'\\xe9' is not in UTF-8. Rename it",
    ),
    "an image that is not in UTF-8": (
        lambda folder: os.rename(os.fsencode(folder / "ant/0.png"), os.fsencode(folder / "ant") + b"/\xe9.png"),
        r"The name b'.*\\xe9.png' is not in UTF-8. Rename it",
    ),
    "two spellings of a class": (
        lambda folder: [(folder / name).mkdir() for name in ("e\u0301", "\u00e9")],
        "has two folders for the class 'é'",
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
@pytest.mark.parametrize("by_name", [False, True])
def test_odd_folders_are_refused(folder, case, by_name):
    add, message = FOLDERS[case]
    add(folder)
    with pytest.raises(ValueError, match=message):
        load_images(str(folder)) if by_name else load(folder)


def test_a_damaged_image_in_a_stream_is_named(folder):
    (folder / "ant" / "half.jpg").write_bytes(JPEG[:200])
    messages = []
    for row in load(folder, streaming=True):
        try:
            open_image(row["image"], mode="RGB")
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) == 1
    assert "ant/half.jpg cannot be read" in messages[0]


@pytest.mark.parametrize(
    "name, content, error, message",
    [
        (
            "metadata.csv",
            "file_name,label\ngone.png,a\n",
            FileNotFoundError,
            "row 1 names gone.png, which does not exist",
        ),
        ("metadata.csv", "file,label\nant/0.png,a\n", ValueError, "Row 1 has no text in `file_name`; .* file, label"),
        ("metadata.csv", "file_name,label\n,a\n", ValueError, "Row 1 has no text in `file_name`"),
        (
            "metadata.csv",
            "file_name,label\n../a.png,a\n",
            ValueError,
            "Row 1 names ../a.png, which must be a relative",
        ),
        (
            "metadata.csv",
            "file_name,label\n/etc/passwd,a\n",
            ValueError,
            "Row 1 names /etc/passwd, which must be a rel",
        ),
        ("metadata.csv", "file_name,label\n", ValueError, "There are no rows"),
        ("metadata.csv", "", ValueError, "It is empty"),
        ("metadata.csv", "file_name,label\nant/0.png\n", ValueError, "line 2 has 1 cells, the first line 2"),
        ("metadata.jsonl", "null", ValueError, "line 1 is 'None', not an object"),
        ("metadata.jsonl", '{"file_name": "ant/0.png"', ValueError, "JSON cannot be parsed in line 1"),
        ("metadata.jsonl", '{"file_name": 3, "label": "a"}', ValueError, "Row 1 has no text in `file_name`"),
        ("metadata.jsonl", '{"file_name": "ant", "label": "a"}', FileNotFoundError, "names ant, which does not exist"),
    ],
)
def test_metadata_that_cannot_be_read_is_named(folder, name, content, error, message):
    (folder / name).write_text(content)
    with pytest.raises(error, match=f"train/{name}: .*{message}"):
        load_images(str(folder))


def test_rows_of_metadata_that_repeat_an_image_are_counted(folder, caplog):
    lines = ["file_name,label", "ant/0.png,a", "./ant/0.png,a", "bee/0.png,b", "bee/1.png,b"]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    assert len(load_images(str(folder))["train"]) == 4
    assert "1 rows name an image that another row names; all are used" in caplog.text


def test_labels_in_metadata_are_texts(folder):
    lines = ["file_name,label", "ant/0.png,007", "bee/0.png,NA", "bee/1.png,2024-01-05"]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    rows = load_images(str(folder))["train"]
    assert rows.features["label"].names == ["007", "2024-01-05", "NA"]
    assert rows["label"] == [0, 2, 1]
    (folder / "metadata.jsonl").write_text("{}")
    with pytest.raises(ValueError, match="train has both metadata.csv and metadata.jsonl: remove one"):
        load_images(str(folder))


def test_avif_is_read_if_pil_reads_it(folder, caplog):
    content = encode(COLOR, "AVIF") if features.check("avif") else b"?"
    (folder / "ant" / "a.avif").write_bytes(content)
    rows = load(folder)
    assert len(rows) == (5 if features.check("avif") else 4)
    assert ("1 .avif" in caplog.text) == (not features.check("avif"))


def test_a_label_of_another_split_is_named(tmp_path):
    files = {
        "train": str(table(tmp_path / "train.parquet", ["a", "b"])),
        "test": str(table(tmp_path / "test.parquet", ["a", "c"])),
    }
    with pytest.raises(ValueError, match="different classes: .* but test has c too"):
        load_images(data_files=files)


def test_classes_of_two_spellings_match_in_tables(tmp_path):
    for split, name in (("train", "e\u0301"), ("test", "\u00e9")):
        kind = Features({"image": ImageFeature(), "label": ClassLabel(names=["a", name])})
        rows = {"image": [{"bytes": PNG, "path": None}] * 2, "label": [0, 1]}
        Dataset.from_dict(rows, features=kind).to_parquet(tmp_path / f"{split}.parquet")
    data = load_images(data_files={split: str(tmp_path / f"{split}.parquet") for split in ("train", "test")})
    assert data["train"].features["label"].names == ["a", "é"] == data["test"].features["label"].names
