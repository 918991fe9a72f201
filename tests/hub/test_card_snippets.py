# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The Python of cards runs as it stands there, for a model of each kind, once the model is on the Hub."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from PIL import Image
from small_runs import SMALL, SMALL_QUESTIONS, SMALL_VISION
from train_image_classification import train as train_images
from train_translation import train
from train_visual_question_answering import train as train_questions
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from hf_attention.hub import publish_model


@pytest.fixture(scope="module")
def separate_run(tmp_path_factory) -> Path:
    """A model whose source and target have separate vocabularies."""
    folder = tmp_path_factory.mktemp("runs") / "separate"
    train(["--separate_vocabularies", "true", "--max_steps", "20", *SMALL, "--output_dir", str(folder)])
    return folder


def train_cnn(folder: Path, attention_type: str) -> None:
    overrides = f"image_size=8,num_channels=1,hidden_sizes=[16,16],depths=[1,1],attention_type={attention_type}"
    options = [*SMALL_VISION[:-1], overrides, "--output_dir", str(folder)]
    train_images(["--model_type", "attention_cnn", "--max_steps", "1", *options])


def run_card(folder: Path, work: Path, monkeypatch) -> list[list[str]]:
    """Publishes a folder and runs each block of Python in its card; returns what each printed."""
    publish_model(folder, f"alice/{folder.name}")
    return run_code(folder, work, monkeypatch)


def run_code(folder: Path, work: Path, monkeypatch) -> list[list[str]]:
    """Runs each block of Python in the card of a folder that is published; returns what each printed."""
    Image.effect_noise((8, 8), 60).save(work / "image.png")
    monkeypatch.chdir(work)
    published = (folder / "README.md").read_text("utf-8").replace(f'"{folder.name}"', f'"alice/{folder.name}"')
    printed = []
    for code in re.findall(r"^```python\n(.*?)^```$", published, flags=re.MULTILINE | re.DOTALL):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
        printed.append(output.getvalue().splitlines())
    return printed


@pytest.mark.parametrize("kind", ["shared", "separate"])
def test_a_translation_is_decoded_by_the_tokenizer_of_the_target(
    hub, small_run, separate_run, unchecked, tmp_path, monkeypatch, kind
):
    folder = small_run[0] if kind == "shared" else separate_run
    by_pipeline, by_hand = run_card(folder, tmp_path, monkeypatch)
    example = re.search(r"print\(translator\((.*)\)\)", (folder / "README.md").read_text("utf-8"))
    assert example
    model, source = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    target = source if kind == "shared" else AutoTokenizer.from_pretrained(folder, subfolder="target_tokenizer")
    ids = model.generate(**source(eval(example[1]), return_tensors="pt", return_token_type_ids=False))
    expected = target.batch_decode(ids, skip_special_tokens=True)
    assert by_hand == [str(expected)]
    assert f"'translation_text': {expected[0]!r}" in by_pipeline[0]


def test_the_code_of_a_model_with_features_has_those_of_an_example(hub, unchecked, tmp_path, monkeypatch):
    file = tmp_path / "words.tsv"
    file.write_text("source\ttarget\ttags\n" + "eins\tzwei\tA;B\ndrei\tvier\tB\n" * 4)
    options = ["--train_file", str(file), "--feature_columns", "tags", "--tokenizer_type", "char", "--max_steps", "1"]
    train([*options, *SMALL, "--output_dir", str(tmp_path / "tagged")])
    by_pipeline, by_hand = run_card(tmp_path / "tagged", tmp_path, monkeypatch)
    assert by_pipeline[0].startswith("[{'translation_text': '")
    assert "'tags=B'" in by_pipeline[0] and by_hand[0].startswith("['")


def test_an_image_is_classified(hub, small_vision_run, unchecked, tmp_path, monkeypatch):
    by_pipeline, by_hand = run_card(small_vision_run[0], tmp_path, monkeypatch)
    label = by_hand[0].split()[0]
    assert by_pipeline[0].startswith("[{'label': '" + label)
    assert (tmp_path / "rollout.png").is_file()


def test_attention_of_a_convolutional_network_is_plotted(hub, unchecked, tmp_path, monkeypatch):
    train_cnn(tmp_path / "gates", "se")
    by_pipeline, _ = run_card(tmp_path / "gates", tmp_path, monkeypatch)
    assert by_pipeline[0].startswith("[{'label': '")
    assert (tmp_path / "attention.png").is_file()


def test_the_card_of_a_model_without_attention_plots_none(hub, unchecked, tmp_path, monkeypatch):
    train_cnn(tmp_path / "plain", "none")
    assert len(run_card(tmp_path / "plain", tmp_path, monkeypatch)) == 1


def test_a_question_is_answered_once_the_recipe_has_published_the_model(hub, tmp_path, monkeypatch):
    folder = tmp_path / "questions"
    train_questions(["sort-of-clevr", "--output_dir", str(folder), "--push_to_hub", "true", *SMALL_QUESTIONS])
    files = hub.repository("alice/questions").files()
    assert {"assets/glimpses-0.png", "modeling_stacked_attention.py", "tokenizer.json", "README.md"} <= set(files)
    by_pipeline, by_hand = run_code(folder, tmp_path, monkeypatch)
    (answer, score), (label, shape) = by_pipeline[0].split(), by_hand
    assert (answer, shape) == (label, "torch.Size([1, 1, 2, 64])")
    assert 0 < float(score) < 1
    assert (tmp_path / "glimpses.png").is_file()
