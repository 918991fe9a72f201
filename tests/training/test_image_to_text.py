# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from train_image_to_text import train
from transformers import AutoTokenizer, VisionEncoderDecoderModel, ViTConfig, ViTModel
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from hf_attention import BahdanauForCausalLM, CompactVitImageProcessorPil
from hf_attention.data.digit_rows import load_digit_rows
from hf_attention.data.embedded import EMBEDDED_IMAGE_TEXTS
from hf_attention.data.images import open_image
from hf_attention.data.text_lines import load_text_lines
from hf_attention.hub import publish_model
from hf_attention.interpret import Reading
from hf_attention.training.image_to_text import measure_pointing


ENCODER = "image_size=[16,80],num_channels=1,num_conv_layers=2,conv_channels=8,hidden_size=16,intermediate_size=16"
SMALL = ["--max_train_samples", "64", "--max_eval_samples", "16", "--disable_tqdm", "true", "--max_target_length", "8"]
SMALL += ["--per_device_train_batch_size", "16", "--num_beams", "2"]


@pytest.fixture(scope="module", autouse=True)
def few_rows(tmp_path_factory):
    rows = load_digit_rows({"train": 64, "validation": 16, "test": 16})
    patch = pytest.MonkeyPatch()
    patch.setitem(EMBEDDED_IMAGE_TEXTS, "digit_rows", replace(EMBEDDED_IMAGE_TEXTS["digit_rows"], load=lambda: rows))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def small_run(few_rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "reader"
    arguments = ["digit-rows", "--encoder_overrides", ENCODER, "--num_train_epochs", "2", "--output_dir", str(folder)]
    return folder, train([*arguments, "--ema_decay", "0.8", *SMALL])


def test_a_run_leaves_a_model_its_card_and_its_metrics(small_run):
    folder, results = small_run
    model = VisionEncoderDecoderModel.from_pretrained(folder)
    image_processor, tokenizer = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert type(model.decoder) is BahdanauForCausalLM and type(image_processor) is CompactVitImageProcessorPil
    assert (model.generation_config.num_beams, model.generation_config.max_length) == (2, 8)
    image = open_image(load_digit_rows({"test": 1})["test"][0]["image"])
    ids = model.generate(**image_processor(image, return_tensors="pt"))
    assert set(tokenizer.decode(ids[0], skip_special_tokens=True)) <= set("0123456789")
    metrics = {"character_error_rate", "exact_match", "pointing", "pointing_by_chance", "loss"}
    assert {f"test_{name}" for name in metrics} <= set(results)
    assert {"eval_character_error_rate", "eval_exact_match", "train_loss"} <= set(results)
    assert json.loads((folder / "all_results.json").read_text())["test_pointing"] == results["test_pointing"]
    card = (folder / "README.md").read_text("utf-8")
    assert "A compact vision transformer and a recurrent decoder with additive attention" in card
    for text in (
        "pipeline_tag: image-to-text",
        "| character error rate |",
        "assets/reading.png",
        "1409.0473",
        "2104.05704",
    ):
        assert text in card
    assert (folder / "assets" / "reading.png").stat().st_size > 1000


def test_lines_in_unseen_fonts_are_a_second_test(tmp_path, monkeypatch):
    rows = load_text_lines({"train": 32, "validation": 8, "test": 8, "test_unseen_fonts": 8})
    data = replace(EMBEDDED_IMAGE_TEXTS["text_lines"], load=lambda: rows)
    monkeypatch.setitem(EMBEDDED_IMAGE_TEXTS, "text_lines", data)
    arguments = ["text-lines", "--encoder_overrides", ENCODER.replace("16,80", "24,128"), "--eval_strategy", "no"]
    results = train([*arguments, *SMALL, "--max_steps", "1", "--output_dir", str(tmp_path / "run")])
    for split in ("test", "test_unseen_fonts"):
        assert {f"{split}_character_error_rate", f"{split}_pointing", f"{split}_exact_match"} <= set(results)
    assert results["test_loss"] != results["test_unseen_fonts_loss"]
    card = (tmp_path / "run" / "README.md").read_text("utf-8")
    assert "in fonts that no other split has" in card
    assert card.count("| character error rate |") == 2


def test_the_trained_model_is_evaluated_and_trained_further(small_run, tmp_path):
    folder, results = small_run
    arguments = ["--model_name_or_path", str(folder), "--output_dir", str(tmp_path / "test"), *SMALL]
    again = train([*arguments, "--do_train", "false", "--per_device_eval_batch_size", "256"])
    for name in ("character_error_rate", "exact_match", "pointing"):
        assert again[f"test_{name}"] == pytest.approx(results[f"test_{name}"], rel=1e-3)
    arguments[3] = str(tmp_path / "further")
    assert train([*arguments, "--max_steps", "1"])["train_loss"] > 0


def test_it_is_published_as_it_was_saved(small_run, hub):
    published = publish_model(small_run[0], "alice/reader")
    assert {"README.md", "model.safetensors", "preprocessor_config.json", "tokenizer.json"} <= set(published.files)
    assert json.loads(hub.read("alice/reader", "config.json"))["decoder"]["model_type"] == "bahdanau"


def test_texts_of_images_in_a_folder_by_models_of_transformers(tmp_path):
    """A trained ViT encodes, a new TrOCR decodes; tokens are words, and the images have colors."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ViTModel(ViTConfig(image_size=16, patch_size=8, **sizes)).save_pretrained(tmp_path / "encoder")
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "encoder")
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        folder = tmp_path / "images" / split
        folder.mkdir(parents=True)
        names = {"dark": (0, 90), "light": (160, 255)}
        lines = []
        for number, (name, levels) in enumerate([*names.items()] * 8):
            Image.fromarray(random.integers(*levels, (9, 12, 3), dtype=np.uint8)).save(folder / f"{number}.png")
            lines.append(json.dumps({"file_name": f"{number}.png", "text": f"a {name} image"}))
        (folder / "metadata.jsonl").write_text("\n".join(lines))
    overrides = "d_model=16,decoder_layers=1,decoder_attention_heads=2,decoder_ffn_dim=16"
    results = train(
        ["--dataset_name", str(tmp_path / "images"), "--encoder_name_or_path", str(tmp_path / "encoder")]
        + ["--decoder_type", "trocr", "--decoder_overrides", overrides, "--tokenizer_type", "word"]
        + ["--num_train_epochs", "60", "--learning_rate", "1e-2", "--output_dir", str(tmp_path / "run"), *SMALL]
    )
    assert results["test_exact_match"] == 1.0 and "test_pointing" not in results
    card = Path(tmp_path / "run" / "README.md").read_text("utf-8")
    assert "A vit encoder and a trocr decoder" in card and "assets/reading.png" in card


def test_pointing_is_of_the_tokens_before_the_end():
    maps = np.zeros((3, 1, 4))
    maps[0, 0, 0] = maps[1, 0, 3] = maps[2, 0, 1] = 1
    readings = [Reading(Image.new("L", (40, 10)), "12", ["1", "2", "</s>"], maps)]
    rows = load_digit_rows({"test": 1})["test"].remove_columns("boxes")
    assert measure_pointing(readings, rows) == {}
    boxes = [[[0, 0, 10, 10], [0, 0, 10, 10]]]
    assert measure_pointing(readings, rows.add_column("boxes", boxes))["pointing"] == 0.5
    shifted = rows.add_column("boxes", [[[20, 0, 30, 10], [50, 0, 60, 10]]])  # of an image that was cropped at x = 20
    assert measure_pointing(readings, shifted, corners=[(20, 0)])["pointing"] == 1
    assert measure_pointing(readings, rows.add_column("boxes", [None])) == {}
    assert measure_pointing(readings, rows.add_column("boxes", [[[0, 0, 10, 10]]])) == {}  # tokens are not characters


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--preset", "tiny"], "`model_type`, `preset` and `config_overrides` have no effect"),
        (["--model_type", "bahdanau"], "have no effect on a vision encoder-decoder"),
        (["--model_name_or_path", "x", "--decoder_overrides", "a=1"], "are for a new model"),
        (["--encoder_name_or_path", "x", "--encoder_overrides", "a=1"], "is for a new encoder"),
        (["--train_sampling_strategy", "group_by_length"], "must be random or sequential"),
        (["--decoder_overrides", "vocab_size=3"], "`decoder_overrides`: `vocab_size` comes from"),
        (["--decoder_type", "resnet"], "resnet"),
        (["--encoder_overrides", "hidden_sizes=3"], "`encoder_overrides`: .*did you mean hidden_size"),
        (["--do_train", "false"], "Without `do_train` a model must be named"),
        (["--image_mean", "0.1", "0.2"], "`image_mean` has 2 values"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_arguments_that_do_not_fit_are_errors_before_the_run(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        train([*arguments, "--output_dir", str(tmp_path / "run"), *SMALL, "--max_steps", "1"])
    assert not (tmp_path / "run").exists()
