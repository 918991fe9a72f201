# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageDraw
from train_image_classification import RECIPES, train
from transformers import AutoModelForImageClassification
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention.training.command_line import named_options, parse
from hf_attention.training.image_arguments import IMAGE_ARGUMENTS
from hf_attention.training.image_defaults import choose_options


@pytest.fixture
def photos(tmp_path):
    """Two classes of color images, 40 x 30 and 30 x 40 pixels, and a third with a single image."""
    random = np.random.default_rng(0)
    for name, count in (("red", 30), ("blue", 20), ("green", 1)):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for index in range(count):
            size = (30, 40, 3) if index % 2 else (40, 30, 3)
            pixels = random.integers(0, 120, size, dtype=np.uint8)
            pixels[..., ("red", "green", "blue").index(name)] += 120
            Image.fromarray(pixels).save(folder / f"{index}.png")
    return str(tmp_path / "photos")


@pytest.fixture
def letters(tmp_path):
    for name in "bd":
        folder = tmp_path / "letters" / name
        folder.mkdir(parents=True)
        for index in range(10):
            image = Image.new("L", (50 + index, 60), 255)
            ImageDraw.Draw(image).text((20 + index, 25), name, fill=0)
            image.save(folder / f"{index}.png")
    return str(tmp_path / "letters")


def options(*arguments):
    choose = partial(choose_options, given=named_options(list(arguments)))
    return parse(IMAGE_ARGUMENTS, list(arguments), RECIPES, choose)


def overrides(model_args):
    return dict(pair.split("=") for pair in model_args.config_overrides.split(",") if "=" in pair)


def test_photos_are_cropped_and_mirrored(photos, capsys):
    model, data, training = options("--train_file", photos)
    assert model.model_type == "attention_cnn"
    assert overrides(model)["image_size"] == "32"
    assert overrides(model)["num_channels"] == "3"
    assert (data.crop_mode, data.horizontal_flip, data.rotation_degrees) == ("center", 0.5, 0.0)
    assert len(data.image_mean) == len(data.image_std) == 3
    assert training.num_train_epochs == 100
    assert training.eval_strategy == "steps"
    shown = capsys.readouterr().out
    assert shown.startswith("51 images of 3 classes (1 to 30 each), in color, ")
    assert "\n    --crop_mode center\n" in shown


def test_images_with_numbers_keep_their_positions(photos, tmp_path, capsys):
    lines = [f"red/{index}.png,{index / 10}\n" for index in range(30)]
    (tmp_path / "photos" / "table.csv").write_text("file_name,x\n" + "".join(lines))
    targets = ["--problem_type", "regression", "--label_columns", "x"]
    _, data, _ = options("--train_file", str(tmp_path / "photos" / "table.csv"), *targets)
    assert (data.crop_scale, data.rotation_degrees, data.horizontal_flip) == (None, 0.0, 0.0)
    assert "30 images of 1 numbers, in color" in capsys.readouterr().out


def test_letters_are_padded_and_turned_but_not_mirrored(letters):
    model, data, _ = options("--train_file", letters)
    assert overrides(model)["num_channels"] == "1"
    assert (data.crop_mode, data.horizontal_flip) == ("border", 0.0)
    assert data.rotation_degrees > 0
    assert len(data.image_mean) == 1


def test_options_of_the_command_line_win(photos, capsys):
    arguments = ["--train_file", photos, "--learning_rate", "0.01", "--config_overrides", "image_size=40,depths=[1,1]"]
    arguments += ["--crop-mode=squash", "--validation_share", "0", "--time_limit", "9", "--num_train", "7"]
    model, data, training = options(*arguments)
    assert model.model_type == "attention_cnn"
    assert "image_size=40" in model.config_overrides
    assert "image_size=32" not in model.config_overrides
    assert "depths=[1,1]" in model.config_overrides
    assert (data.crop_mode, data.validation_share) == ("squash", 0.0)
    assert (training.learning_rate, training.num_train_epochs, training.eval_strategy) == (0.01, 7, "no")
    assert "learning_rate" not in capsys.readouterr().out


def test_a_family_that_is_named_or_implied_is_kept(photos):
    for arguments in (["--model_type", "compact_vit"], ["--preset", "cct_4_3x2"]):
        model, data, _ = options("--train_file", photos, *arguments)
        assert model.model_type == "compact_vit"
        assert overrides(model) == {"image_size": "32", "num_channels": "3"}
    model, _, _ = options("--train_file", photos, "--config_overrides", "num_conv_layers=1")
    assert model.model_type == "compact_vit"
    model, data, _ = options("--train_file", photos, "--model_type", "vit", "--config_overrides", "hidden_size=24")
    assert overrides(model)["patch_size"] == "4"
    assert data.crop_mode == "center"
    model, data, _ = options("--train_file", photos, "--model_type", "resnet")
    assert overrides(model) == {"num_channels": "3"}
    assert (data.crop_mode, data.crop_scale) == (None, None)


def test_invalid_overrides_reach_the_check_of_the_model(photos):
    model, data, _ = options("--train_file", photos, "--config_overrides", "image_size,num_channels=x")
    assert model.config_overrides.endswith(",image_size,num_channels=x")
    model, data, _ = options("--train_file", photos, "--config_overrides", "image_size=[32,48]")
    assert "image_size=[32,48]" in model.config_overrides
    assert (data.crop_mode, data.crop_scale) == (None, None)


def test_nothing_is_chosen_for_embedded_data_streams_and_evaluation(photos):
    for arguments in ([], ["--train_file", photos, "--streaming", "--max_steps", "2"]):
        model, data, _ = options(*arguments)
        assert (model.model_type, data.crop_mode) == ("compact_vit", None)
    model, _, _ = options("--train_file", photos, "--do_train", "false")
    assert model.config_overrides is None


def test_a_folder_is_enough(photos, tmp_path):
    """Only the number of steps is lowered. A class of one image is trained on, and not validated on."""
    out = tmp_path / "out"
    arguments = ["--train_file", photos, "--test_file", photos, "--max_steps", "2", "--disable_tqdm", "true"]
    results = train([*arguments, "--output_dir", str(out)])
    assert 0 <= results["test_accuracy"] <= 1
    assert (out / "README.md").is_file()
    processor = json.loads((out / "preprocessor_config.json").read_text())
    assert processor["size"] == {"shortest_edge": 32}
    assert processor["do_center_crop"]
    saved = json.loads((out / "training_args.json").read_text())
    assert saved["crop_scale"] == [0.35, 1.0]
    model = AutoModelForImageClassification.from_pretrained(out)
    assert model.config.attention_type == "se"
    # fine-tuning takes the model's own sizes
    tuned = ["--model_name_or_path", str(out), "--output_dir", str(tmp_path / "tuned")]
    train([*arguments, *tuned])
    assert AutoImageProcessor.from_pretrained(tmp_path / "tuned").to_dict() == (
        AutoImageProcessor.from_pretrained(out).to_dict()
    )
