# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import SMALL_VISION
from torch.nn.modules.module import register_module_forward_pre_hook
from train_image_classification import train
from transformers import (
    AutoModelForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    pipeline,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention import CompactVitImageProcessorPil
from hf_attention.data.images import load_digits, open_image
from hf_attention.training import image_classification, image_inputs
from hf_attention.training.image_arguments import ImageDataArguments, ImageModelArguments
from hf_attention.training.image_classification import load_data, make_model
from hf_attention.training.image_inputs import make_augmentation


SCRIPT = Path(__file__).parents[2] / "scripts" / "train_image_classification.py"
TINY = "image_size=8,num_conv_layers=1,hidden_size=16,intermediate_size=16,num_attention_heads=2"
FEW = ["--disable_tqdm", "true", "--max_steps", "2", "--per_device_train_batch_size", "8"]


@pytest.fixture
def folders(tmp_path):
    """Two classes in folders, light and dark, of images of many sizes."""
    random = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 6)):
        for name, low in (("dark", 0), ("light", 120)):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                size = random.integers(6, 40, 2)
                Image.fromarray(random.integers(low, low + 130, (*size, 3), dtype=np.uint8)).save(
                    folder / f"{index}.jpg"
                )
    return tmp_path / "images"


def files(folders):
    return ["--train_file", str(folders / "train"), "--test_file", str(folders / "test")]


def accuracy_of_pipeline(model, folders):
    """The share of test images whose folder has the name of the predicted class."""
    classifier = pipeline("image-classification", model=str(model))
    files = sorted((folders / "test").glob("*/*.jpg"))
    predictions = classifier([str(file) for file in files], top_k=1)
    return sum(prediction[0]["label"] == file.parent.name for prediction, file in zip(predictions, files)) / len(files)


def test_a_run_leaves_a_complete_folder(small_vision_run):
    folder, results = small_vision_run
    names = {"README.md", "all_results.json", "config.json", "model.safetensors", "preprocessor_config.json"}
    names |= {"modeling_compact_vit.py", "configuration_compact_vit.py", "image_processing_pil_compact_vit.py"}
    names |= {"checkpoint-30", "checkpoint-60", "trainer_state.json"}
    assert names <= set(os.listdir(folder))
    assert json.loads((folder / "all_results.json").read_text()) == results
    assert {"train_loss", "eval_accuracy", "test_accuracy", "train_samples_per_second"} <= set(results)


def test_the_reported_accuracy_is_that_of_the_saved_model(small_vision_run):
    folder, results = small_vision_run
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder)
    rows = load_digits()["test"].shuffle(seed=0).take(60)
    hits = 0
    for row in rows:
        with torch.no_grad():
            logits = model(**processor(open_image(row["image"]), return_tensors="pt")).logits
        hits += model.config.id2label[int(logits.argmax())] == str(row["label"])
    assert hits / 60 == pytest.approx(results["test_accuracy"])


def test_the_predictions_of_the_test_split_are_in_the_folder(small_vision_run):
    folder, results = small_vision_run
    rows = list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == [str(number) for number in range(len(rows))]  # digits have no files
    accuracy = sum(row["label_1"] == row["true"] for row in rows) / len(rows)
    assert accuracy == pytest.approx(results["test_accuracy"])
    assert 0 < float(rows[0]["probability_5"]) <= float(rows[0]["probability_1"]) < 1


def test_the_test_split_is_classified_once_for_its_metrics_and_its_predictions(folders, tmp_path):
    sizes = {"image_size": 8, "patch_size": 4, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    names = {"id2label": {0: "dark", 1: "light"}, "label2id": {"dark": 0, "light": 1}}
    model = ViTForImageClassification(ViTConfig(**sizes, **names, initializer_range=1.0))
    processor = ViTImageProcessorPil(size={"height": 8, "width": 8})
    for part in (model, processor):
        part.save_pretrained(tmp_path / "model")
    passes = []

    def count(module, inputs):
        if isinstance(module, torch.nn.Conv2d):  # of which the model has one
            passes.append(len(inputs[0]))

    hook = register_module_forward_pre_hook(count)
    try:
        options = ["--do_train", "false", "--model_name_or_path", str(tmp_path / "model"), *FEW]
        options += ["--test_time_augmentation", "flip", "--per_device_eval_batch_size", "5"]
        train(["--test_file", str(folders / "test"), *options, "--output_dir", str(tmp_path / "out")])
    finally:
        hook.remove()
    assert sum(passes) == 2 * 12  # each image and its mirror image
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 12
    for row in rows:
        image = Image.open(row["file"])
        with torch.no_grad():
            inputs = [processor(image, return_tensors="pt")["pixel_values"]]
            inputs.append(inputs[0].flip(-1))
            logits = sum(model.eval()(pixels).logits[0] for pixels in inputs) / 2
        best = logits.softmax(-1).sort(descending=True)
        assert [row["label_1"], row["label_2"]] == [model.config.id2label[int(index)] for index in best.indices]
        shown = [float(row["probability_1"]), float(row["probability_2"])]
        assert shown == pytest.approx(best.values.tolist(), abs=1e-4)


def test_the_pipeline_accepts_paths_images_and_batches(small_vision_run, tmp_path):
    folder, _ = small_vision_run
    classifier = pipeline("image-classification", model=str(folder))
    images = [open_image(cell) for cell in load_digits()["test"]["image"][:5]]
    images[0].save(tmp_path / "digit.png")
    one = classifier(str(tmp_path / "digit.png"), top_k=10)
    assert {entry["label"] for entry in one} == {str(digit) for digit in range(10)}
    assert sum(entry["score"] for entry in one) == pytest.approx(1, abs=1e-5)
    batch = classifier(images, batch_size=3, top_k=10)
    assert len(batch) == 5
    for entry, other in zip(one, batch[0]):
        assert entry["label"] == other["label"]
        assert entry["score"] == pytest.approx(other["score"], abs=1e-5)


def test_a_vit_of_transformers_is_trained_on_folders(folders, tmp_path):
    options = "image_size=16,patch_size=4,num_hidden_layers=1,hidden_size=16,num_attention_heads=2"
    arguments = [*FEW, "--model_type", "vit", "--config_overrides", f"{options},intermediate_size=16"]
    arguments += ["--max_steps", "30"]
    results = train([*files(folders), *arguments, "--learning_rate", "5e-3", "--output_dir", str(tmp_path / "vit")])
    assert results["test_accuracy"] == accuracy_of_pipeline(tmp_path / "vit", folders)
    card = (tmp_path / "vit" / "README.md").read_text()
    assert "A ViTForImageClassification for 2 classes, trained on images" in card


def test_other_classes_need_a_new_head(small_vision_run, folders, tmp_path):
    folder, _ = small_vision_run
    arguments = [*files(folders), *FEW, "--model_name_or_path", str(folder), "--output_dir", str(tmp_path / "tuned")]
    with pytest.raises(ValueError, match="has the 10 classes 0, 1, 2, 3, 4, ..., but the data the 2 classes dark"):
        train(arguments)
    assert not (tmp_path / "tuned").exists()
    train([*arguments, "--ignore_mismatched_sizes", "--learning_rate", "0"])
    before, after = (AutoModelForImageClassification.from_pretrained(path) for path in (folder, tmp_path / "tuned"))
    assert after.config.id2label == {0: "dark", 1: "light"}
    assert after.classifier.out_features == 2
    for name, value in before.model.state_dict().items():
        assert torch.equal(value, after.model.state_dict()[name])


def test_same_classes_in_another_order_keep_the_models_numbers(folders, tmp_path):
    model_args = ImageModelArguments(config_overrides=TINY)
    make_model(model_args, ["light", "dark"]).save_pretrained(tmp_path / "model")
    shutil.copy(tmp_path / "model" / "config.json", tmp_path / "config.json")
    CompactVitImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(tmp_path / "model")
    arguments = ["--model_name_or_path", str(tmp_path / "model"), "--max_steps", "40", "--learning_rate", "1e-2"]
    results = train([*files(folders), *FEW, *arguments, "--output_dir", str(tmp_path / "out")])
    assert results["test_accuracy"] == accuracy_of_pipeline(tmp_path / "out", folders)
    assert AutoModelForImageClassification.from_pretrained(tmp_path / "out").config.id2label[0] == "light"


def test_classes_of_other_names_are_an_error(small_vision_run, folders, tmp_path):
    make_model(ImageModelArguments(config_overrides=TINY), ["cat", "dog"]).save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match="has the 2 classes cat, dog, but the data the 2 classes dark, light"):
        train([*files(folders), *FEW, "--model_name_or_path", str(tmp_path / "model")])


def test_an_unreadable_image_stops_the_run_before_it_begins(folders, tmp_path):
    content = (folders / "train" / "dark" / "3.jpg").read_bytes()
    (folders / "train" / "dark" / "3.jpg").write_bytes(content[: len(content) // 2])
    arguments = [*files(folders), *FEW, "--config_overrides", TINY, "--output_dir", str(tmp_path / "out")]
    with pytest.raises(ValueError, match=r"1 of \d+ images of .* cannot be used:\n.*3.jpg cannot be read"):
        train(arguments)
    assert not (tmp_path / "out").exists()


def test_an_unreadable_image_during_a_run_leaves_the_last_checkpoint_complete(folders, tmp_path):
    bad = folders / "train" / "dark" / "3.jpg"
    content = bad.read_bytes()
    bad.write_bytes(content[: len(content) // 2])
    arguments = [*files(folders), *FEW, "--config_overrides", TINY, "--output_dir", str(tmp_path / "out")]
    arguments += ["--validation_share", "0", "--per_device_train_batch_size", "2", "--save_steps", "1"]
    arguments += ["--max_steps", "30", "--verify_images", "false"]
    with pytest.raises(ValueError, match="3.jpg cannot be read"):
        train(arguments)
    assert list((tmp_path / "out").glob("checkpoint-*"))
    bad.write_bytes(content)
    results = train([*arguments, "--resume_from_checkpoint", "last"])
    assert results["train_loss"] > 0
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_resume_of_a_finished_run_trains_no_more(folders, tmp_path):
    arguments = [*files(folders), *FEW, "--config_overrides", TINY, "--ema_decay", "0.5"]
    arguments += ["--output_dir", str(tmp_path / "run")]
    first = train([*arguments, "--save_steps", "1"])
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    again = train([*arguments, "--resume_from_checkpoint", "last"])
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights
    assert json.loads((tmp_path / "run" / "trainer_state.json").read_text())["global_step"] == 2
    for name in ("train_runtime", "train_loss", "train_loader_share", "test_accuracy"):
        assert again[name] == first[name]


def test_a_card_without_a_test_split(folders, tmp_path):
    arguments = ["--train_file", str(folders / "train"), *FEW, "--config_overrides", TINY]
    results = train([*arguments, "--output_dir", str(tmp_path / "validated")])
    card = (tmp_path / "validated" / "README.md").read_text()
    assert "On the validation split of images (5 images)" in card
    assert "](assets/confusion.png)" in card
    assert f"| accuracy | {results['eval_accuracy']:.4f} |" in card
    assert "split: validation" in card
    assert "split: test" not in card
    train([*arguments, "--validation_share", "0", "--output_dir", str(tmp_path / "neither")])
    card = (tmp_path / "neither" / "README.md").read_text()
    assert "## Results" not in card
    assert "## How to use it" in card
    assert "](assets/attention.png)" in card
    assert "confusion" not in card
    assert not (tmp_path / "neither" / "assets" / "confusion.png").exists()


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    arguments = [*SMALL_VISION, "--save_steps", "4", "--ema_decay", "0.5", "--crop_padding", "1"]
    arguments += ["--mixup_alpha", "0.2", "--learning_rate", "1e-3", "--lr_scheduler_type", "constant"]
    train([*arguments, "--max_steps", "8", "--output_dir", str(tmp_path / "full")])
    train([*arguments, "--max_steps", "4", "--output_dir", str(tmp_path / "half")])
    train([*arguments, "--max_steps", "8", "--output_dir", str(tmp_path / "half"), "--resume_from_checkpoint", "last"])
    full, half = (AutoModelForImageClassification.from_pretrained(tmp_path / name) for name in ("full", "half"))
    for one, other in zip(full.state_dict().values(), half.state_dict().values()):
        torch.testing.assert_close(one, other)


def test_streamed_images_are_trained_on(tmp_path):
    data = load_digits()
    for split in ("train", "test"):
        data[split].take(64).to_parquet(tmp_path / f"{split}.parquet")
    arguments = ["--train_file", str(tmp_path / "train.parquet"), "--test_file", str(tmp_path / "test.parquet")]
    arguments += ["--streaming", *FEW, *SMALL_VISION[-6:], "--output_dir", str(tmp_path / "out")]
    assert "test_accuracy" in train(arguments)


@pytest.mark.parametrize(
    "options", [["--bf16", "true"], ["--torch_compile", "true"], ["--attn_implementation", "eager"]]
)
def test_every_way_to_compute_saves_float32_weights(options, tmp_path):
    results = train([*SMALL_VISION, "--max_steps", "4", *options, "--output_dir", str(tmp_path / "out")])
    assert 0 < results["train_loss"] < 4
    assert AutoModelForImageClassification.from_pretrained(tmp_path / "out").dtype == torch.float32


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--streaming", "--max_steps", "1"], "'digits' is in memory"),
        (["--streaming", "--train_file", "gone"], "`streaming` has no end"),
        (["--preset", "cct_3"], "There is no preset 'cct_3'"),
        (["--model_type", "compact_vitt"], "has no model type 'compact_vitt'; did you mean 'compact_vit'?"),
        (["--model_type", "vit", "--preset", "cct_7_3x1"], "`preset` is for `compact_vit`"),
        (["--config_overrides", "num_labels=3"], "`num_labels` comes from the tokenizer or the data"),
        (["--config_overrides", "hiden_size=3"], "CompactVitConfig has no option hiden_size"),
        (["--image_mean", "0.5", "0.5"], "`image_mean` has 2 values, but the model's `num_channels` is 3"),
        (["--mixup_alpha", "-1"], "`mixup_alpha` must be at least 0"),
        (["--do_train", "false"], "a model must be named"),
        (["--train_file", "gone"], "There is no file or folder 'gone'"),
        (["--ema_decay", "2"], "`ema_decay` must be greater than 0 and less than 1"),
        (["--early_stopping_patience", "2"], "`early_stopping_patience` compares evaluations"),
    ],
)
def test_invalid_arguments_are_named_in_the_error(tmp_path, arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        train([*arguments, "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_an_output_folder_with_another_run_is_left_alone(small_vision_run):
    folder, _ = small_vision_run
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    with pytest.raises(ValueError, match="`output_dir` .* holds another run"):
        train([*SMALL_VISION, "--output_dir", str(folder)])
    other = [argument.replace("hidden_size=32", "hidden_size=16") for argument in SMALL_VISION]
    with pytest.raises(ValueError, match=r"is of another model \(hidden_size 32 instead of 16\)"):
        train([*other, "--output_dir", str(folder), "--resume_from_checkpoint", "last"])
    assert before == {file: file.stat().st_mtime_ns for file in folder.rglob("*")}


def test_every_option_reaches_augmentation_and_trainer(monkeypatch, tmp_path):
    class Stop(Exception):
        pass

    def stop(**kwargs):
        seen.update(kwargs)
        raise Stop

    seen = {}
    monkeypatch.setattr(image_inputs, "ImageAugmentation", dict)
    monkeypatch.setattr(image_classification, "ImageClassificationTrainer", stop)
    options = {"crop_padding": 1, "horizontal_flip": 0.3, "randaugment_ops": 3, "randaugment_magnitude": 7.0}
    options |= {"rotation_degrees": 5.0}
    options |= {"randaugment_std": 0.2, "random_erasing": 0.1, "mixup_alpha": 0.4, "cutmix_alpha": 0.6}
    options |= {"cutmix_probability": 0.7}
    others = {"mix_epochs": 2.5, "ema_decay": 0.9, "label_smoothing_factor": 0.15}
    arguments = [text for name, value in {**options, **others}.items() for text in (f"--{name}", str(value))]
    with pytest.raises(Stop):
        train([*SMALL_VISION, *arguments, "--crop_scale", "0.6", "0.8", "--output_dir", str(tmp_path)])
    assert seen["augmentation"] == {
        **options,
        "image_size": 8,
        "num_labels": 10,
        "image_mean": [0.3],
        "image_std": [0.4],
        "crop_scale": [0.6, 0.8],
        "label_smoothing": 0.15,
    }
    assert (seen["mix_epochs"], seen["ema_decay"]) == (2.5, 0.9)


def test_augmentation_needs_rescaled_pixels(folders, tmp_path):
    model = make_model(ImageModelArguments(config_overrides=TINY), ["dark", "light"])
    for rescale in (True, False):
        model.save_pretrained(tmp_path / "model")
        processor = CompactVitImageProcessorPil(size={"height": 8, "width": 8}, do_normalize=False, do_rescale=rescale)
        processor.save_pretrained(tmp_path / "model")
        arguments = [*files(folders), *FEW, "--model_name_or_path", str(tmp_path / "model")]
        if not rescale:
            with pytest.raises(ValueError, match="Augmentation takes pixels from 0 to 1"):
                train([*arguments, "--output_dir", str(tmp_path / "raw")])
            continue
        augmentation = make_augmentation(ImageDataArguments(), processor, 2)
        pixel_values = torch.rand(2, 3, 8, 8)
        torch.testing.assert_close(augmentation(pixel_values, torch.tensor([0, 1]))[0], pixel_values)
        train([*arguments, "--output_dir", str(tmp_path / "out")])


SWIN = "image_size=64,patch_size=2,embed_dim=12,window_size=4"
RESNET = "embedding_size=8,layer_type=basic,hidden_sizes=[8,8,8,8],depths=[1,1,1,1]"
CONVNEXT = "image_size=32,hidden_sizes=[8,8,8,8],depths=[1,1,1,1]"
VIT = "image_size=8,patch_size=4,num_channels=1,hidden_size=16,num_hidden_layers=1,num_attention_heads=2"


MODELS = [("swin", SWIN), ("resnet", RESNET), ("convnext", CONVNEXT), ("vit", VIT), ("deit", VIT)]


@pytest.mark.parametrize("model_type, overrides", MODELS)
def test_other_models_of_transformers_are_trained(model_type, overrides, tmp_path):
    arguments = ["--model_type", model_type, "--config_overrides", overrides, *FEW, "--max_eval_samples", "8"]
    results = train([*arguments, "--max_train_samples", "16", "--output_dir", str(tmp_path / "out")])
    card = (tmp_path / "out" / "README.md").read_text()
    assert "test_accuracy" in results
    assert ("assets/attention.png" in card) == (model_type in ("vit", "deit"))


def test_a_single_class_is_an_error(folders, tmp_path):
    shutil.rmtree(folders / "train" / "dark")
    with pytest.raises(ValueError, match="one class, light, and nothing to tell it from"):
        train([*FEW, "--train_file", str(folders / "train"), "--output_dir", str(tmp_path / "out")])


def test_as_many_other_classes_get_a_new_head(folders, tmp_path):
    model = make_model(ImageModelArguments(config_overrides=TINY), ["cat", "dog"])
    model.save_pretrained(tmp_path / "model")
    tuned = make_model(
        ImageModelArguments(model_name_or_path=str(tmp_path / "model"), ignore_mismatched_sizes=True),
        ["dark", "light"],
    )
    assert not torch.equal(tuned.classifier.weight, model.classifier.weight)
    assert torch.equal(tuned.model.layers[0].fc1.weight, model.model.layers[0].fc1.weight)
    assert tuned.config.id2label == {0: "dark", 1: "light"}


def test_validation_images_are_the_same_whatever_the_seed(folders):
    def cells(rows):
        return {cell["path"] for cell in rows["image"]}

    args = ImageDataArguments(train_file=str(folders / "train"), validation_share=0.25, max_eval_samples=5)
    one, other = (load_data(args, train=True, seed=seed) for seed in (1, 2))
    assert cells(one["validation"]) == cells(other["validation"])
    assert len(one["validation"]) == 5
    assert not cells(one["validation"]) & cells(other["train"])
    assert list(load_data(args, train=False)) == ["train"]
    args.validation_share = 0.01
    with pytest.raises(ValueError, match="`validation_share` = 0.01 of 48 images cannot be split off"):
        load_data(args, train=True)


def test_streamed_images_are_shuffled(tmp_path):
    data = load_digits()["train"].sort("label")
    data.to_parquet(tmp_path / "sorted.parquet")
    file = str(tmp_path / "sorted.parquet")
    args = ImageDataArguments(train_file=file, test_file=file, streaming=True, max_eval_samples=50)
    splits = load_data(args, train=True)
    assert len({row["label"] for row in splits["train"].take(50)}) > 5
    assert len(set(splits["test"]["label"])) > 5


LINEAGE = {
    "recurrent_attention": "num_glimpses=3,glimpse_size=3,num_scales=2,hidden_size=16",
    "attention_cnn": "hidden_sizes=[4,8],depths=[1,1],attention_type=se,reduction_ratio=2,spatial_transformer=affine",
}


@pytest.mark.parametrize("model_type", LINEAGE)
def test_the_lineage_trains_by_the_same_script(model_type, tmp_path):
    overrides = f"image_size=8,num_channels=1,{LINEAGE[model_type]}"
    arguments = [
        "--model_type",
        model_type,
        "--config_overrides",
        overrides,
        "--image_mean",
        "0.3",
        "--image_std",
        "0.4",
    ]
    arguments += [*FEW, "--max_eval_samples", "20", "--label_smoothing_factor", "0.1", "--ema_decay", "0.5"]
    arguments += ["--output_dir", str(tmp_path / "out"), "--gradient_accumulation_steps", "2"]
    train(arguments)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "8 x 2 x 1 processes" in card
    assert "](assets/attention.png)" in card
    assert "import plot_attention" in card
    assert "{%" not in card
    files = {f"configuration_{model_type}.py", f"modeling_{model_type}.py", "image_processing_pil_compact_vit.py"}
    assert files <= set(os.listdir(tmp_path / "out"))
    predictions = pipeline("image-classification", model=str(tmp_path / "out"))(Image.effect_noise((8, 8), 60))
    assert 0 < predictions[0]["score"] <= 1
