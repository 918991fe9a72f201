# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import base64
import csv
import io
import json
import os
import re
from pathlib import Path

import classify as script
import numpy as np
import pytest
import torch
from classify import classify
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from hf_attention.data.images import load_digits, open_image
from hf_attention.prediction.image_classifier import ImageClassifier


MODEL = str(Path(__file__).parents[2] / "model_cards" / "compact-vit-digits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folders with the names of classes: two digits of each of four, a nested image, a damaged one, and a text."""
    folder = tmp_path_factory.mktemp("digits")
    rows = load_digits()["test"]
    for index, label in enumerate(rows["label"]):
        target = folder / str(label) / f"{index}.png"
        if label < 4 and (not target.parent.is_dir() or len(os.listdir(target.parent)) < 2):
            target.parent.mkdir(exist_ok=True)
            open_image(rows[index]["image"]).save(target)
    (folder / "3" / "more").mkdir()
    Image.new("L", (8, 8)).save(folder / "3" / "more" / "black.png")
    (folder / "2" / "damaged.png").write_bytes(b"\x89PNG and then nothing")
    (folder / "2" / "notes.txt").write_text("not an image")
    return folder


def read(file):
    return list(csv.DictReader(file.read_text("utf-8").splitlines()))


def files_in(folder):
    return sorted(str(file) for file in folder.rglob("*.png"))


def probabilities(file):
    """The equations, for one image: the model's logits, and their softmax."""
    classifier = ImageClassifier.from_pretrained(MODEL, device="cpu")
    with Image.open(file) as image, torch.no_grad():
        pixel_values = classifier.image_processor(image.convert("L"), return_tensors="pt")["pixel_values"]
        logits = classifier.model.eval()(pixel_values).logits[0].numpy().astype(float)
    return np.exp(logits) / np.exp(logits).sum()


def test_a_labeled_folder(folder, tmp_path, caplog):
    output = tmp_path / "out.csv"
    classify([MODEL, str(folder), "--output_file", str(output), "--top_k", "2", "--batch_size", "3"])
    rows = {row["file"]: row for row in read(output)}
    assert list(rows) == files_in(folder)
    assert list(rows[files_in(folder)[0]]) == [
        "file",
        "true",
        "label_1",
        "probability_1",
        "label_2",
        "probability_2",
        "error",
    ]
    for file, row in rows.items():
        assert row["true"] == Path(file).relative_to(folder).parts[0]
        if "damaged" in file:
            assert "cannot be read" in row["error"]
            assert row["label_1"] == row["probability_1"] == row["label_2"] == ""
            continue
        expected = probabilities(file)
        best = np.argsort(-expected)[:2]
        assert [row["label_1"], row["label_2"]] == [str(index) for index in best]
        assert [float(row["probability_1"]), float(row["probability_2"])] == pytest.approx(expected[best], abs=2e-6)
        assert row["error"] == ""


def test_files_without_a_class_have_no_true_column(folder, tmp_path, capsys):
    copy = tmp_path / "new" / "a.jpg"
    copy.parent.mkdir()
    Image.open(next((folder / "1").iterdir())).save(copy)
    classify([MODEL, str(tmp_path / "new"), "--top_k", "99"])
    head, row = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert head[:3] == ["file", "label_1", "probability_1"]
    assert len(head) == 2 + 2 * 10  # all classes
    assert row[0] == str(copy)
    assert sum(map(float, row[2:-1:2])) == pytest.approx(1, abs=1e-4)


def test_a_stopped_run_resumes_with_its_mistakes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "ROWS", 4)
    arguments = [MODEL, str(folder), "--html"]
    classify([*arguments, str(tmp_path / "a.html"), "--output_file", str(tmp_path / "expected.jsonl")])
    original, calls = ImageClassifier.classify, []

    def fail_in_the_second_call(self, images, *args, **kwargs):
        calls.append(len(images))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, images, *args, **kwargs)

    monkeypatch.setattr(ImageClassifier, "classify", fail_in_the_second_call)
    command = [*arguments, str(tmp_path / "b.html"), "--output_file", str(tmp_path / "out.jsonl")]
    with pytest.raises(KeyboardInterrupt):
        classify(command)
    classify(command)
    assert calls == [4, 4, 4, 2]
    assert (tmp_path / "out.jsonl").read_text() == (tmp_path / "expected.jsonl").read_text()
    assert (tmp_path / "b.html").read_text() == (tmp_path / "a.html").read_text()
    with pytest.raises(FileExistsError, match="--overwrite"):
        classify(command)


def test_overlays_have_the_folders_of_the_images(folder, tmp_path):
    output = tmp_path / "out.jsonl"
    classify([MODEL, str(folder), "--output_file", str(output), "--overlays", str(tmp_path / "overlays")])
    read = [Path(file) for file in files_in(folder) if "damaged" not in file]
    written = {str(file.relative_to(tmp_path / "overlays")) for file in (tmp_path / "overlays").rglob("*.png")}
    assert written == {f"{file.relative_to(folder)}.png" for file in read}
    assert Image.open(tmp_path / "overlays" / "3" / "more" / "black.png.png").size == (224, 224)
    assert sum("error" in json.loads(line) for line in output.read_text().splitlines()) == len(files_in(folder))


def test_the_page_has_the_worst_mistakes_and_loads_nothing(folder, tmp_path):
    wrong = tmp_path / "wrong" / "7"  # a folder with the wrong name
    wrong.mkdir(parents=True)
    for file in (folder / "1").iterdir():
        (wrong / f"<i>&{file.name}").write_bytes(file.read_bytes())
    classify(
        [
            MODEL,
            str(wrong),
            str(folder / "0"),
            "--output_file",
            str(tmp_path / "a.csv"),
            "--html",
            str(tmp_path / "a.html"),
        ]
    )
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "right on 2 of 4 images (50.0 %). It made 2 mistakes" in page
    assert page.count("true: <bdi>7</bdi>") == page.count("predicted: <bdi>1</bdi>") == 2
    shown = [float(value) for value in re.findall(r"predicted: <bdi>1</bdi> ([\d.]+)", page)]
    assert shown == sorted(shown, reverse=True)
    assert "<i>" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    pictures = re.findall(r'<img src="data:image/webp;base64,([^"]+)" alt="([^"]+)"', page)
    assert len(pictures) == 4
    assert "true class 7, predicted 1" in pictures[0][1]
    assert Image.open(io.BytesIO(base64.b64decode(pictures[1][0]))).size == (224, 224)


def test_a_page_needs_true_classes(folder, tmp_path):
    (tmp_path / "a.png").write_bytes((folder / "3" / "more" / "black.png").read_bytes())
    with pytest.raises(ValueError, match="put the images of each class into a folder with its name"):
        classify([MODEL, str(tmp_path), "--html", str(tmp_path / "a.html")])


def test_a_model_of_transformers_with_independent_labels(tmp_path, capsys):
    torch.manual_seed(0)
    sizes = {"image_size": 16, "patch_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = ViTConfig(**sizes, intermediate_size=8, num_labels=3, problem_type="multi_label_classification")
    model = ViTForImageClassification(config).eval()
    model.save_pretrained(tmp_path / "vit")
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    processor.save_pretrained(tmp_path / "vit")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    image.save(tmp_path / "a.png")
    classify([str(tmp_path / "vit"), str(tmp_path / "a.png"), "--top_k", "1"])
    cells = capsys.readouterr().out.splitlines()[1].split("\t")
    with torch.no_grad():
        logits = model(**processor(image, return_tensors="pt")).logits[0].tolist()
    assert float(cells[2]) == pytest.approx(1 / (1 + np.exp(-max(logits))), abs=2e-6)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (["no-folder"], FileNotFoundError, "There is no file or folder 'no-folder'"),
        ([".", "--output_file", "a.txt"], ValueError, "its name must end in .tsv, .csv, .jsonl"),
        ([".", "--html", "no/a.html"], FileNotFoundError, "there is no folder 'no'"),
        ([".", "--top_k", "0"], ValueError, "`top_k` must be at least 1"),
        ([".", "--overlays", "3/over"], ValueError, r"`overlays` \(3/over\) is in ., so the next run would classify"),
    ],
)
def test_mistakes_are_named(folder, monkeypatch, arguments, error, message):
    monkeypatch.chdir(folder)
    with pytest.raises(error, match=message):
        classify([MODEL, *arguments])


def test_a_users_mistake_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["classify.py", MODEL, str(tmp_path)])
    with pytest.raises(SystemExit, match="^classify.py: There are no images in"):
        script.main()
