# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from small_runs import SMALL, SMALL_VISION
from torch import nn
from train_image_classification import train as train_images
from train_translation import train as train_translation
from transformers import TrainerCallback

from hf_attention.training import image_classification
from hf_attention.training.command_line import parse
from hf_attention.training.image_arguments import IMAGE_ARGUMENTS
from hf_attention.training.run_checks import weights_not_finite


RECIPES = [
    pytest.param(train_images, SMALL_VISION, id="images"),
    pytest.param(train_translation, SMALL, id="translation"),
]


def files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("train, small", RECIPES)
def test_a_run_that_diverges_leaves_the_model_of_the_folder_and_no_card(tmp_path, train, small):
    (tmp_path / "model.safetensors").write_bytes(b"of another run")
    options = ["--learning_rate", "10", "--optim", "sgd", "--max_grad_norm", "0", "--max_steps", "90"]
    options += ["--save_strategy", "no", "--logging_steps", "30", "--overwrite_output_dir"]
    with pytest.raises(ValueError, match="Training diverged: .* Lower `learning_rate`"):
        train([*small, *options, "--output_dir", str(tmp_path)])
    assert files(tmp_path) == ["model.safetensors"]
    assert (tmp_path / "model.safetensors").read_bytes() == b"of another run"


def test_a_huge_loss_is_a_diverged_run(tmp_path):
    options = ["--learning_rate", "100", "--max_steps", "6", "--logging_steps", "3", "--save_strategy", "no"]
    with pytest.raises(ValueError, match=r"Training diverged: `loss` is \d+.* at step 3"):
        train_images([*SMALL_VISION, *options, "--output_dir", str(tmp_path)])
    assert files(tmp_path) == []


class Spoil(TrainerCallback):
    """Sets a weight to NaN after a step."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step == self.step:
            next(model.parameters()).data.view(-1)[0] = torch.nan


def test_the_last_checkpoint_before_a_divergence_stays(tmp_path):
    options = ["--max_steps", "8", "--save_steps", "2", "--save_total_limit", "1", "--output_dir", str(tmp_path)]
    parts = parse(IMAGE_ARGUMENTS, [*SMALL_VISION, *options])
    with pytest.raises(ValueError, match="at step 6 weights are not finite"):
        image_classification.train_image_classification(*parts, callbacks=[Spoil(5)])
    assert [folder.name for folder in tmp_path.iterdir()] == ["checkpoint-4"]


def test_a_run_that_diverges_after_its_last_logging_is_found_at_its_end(tmp_path):
    options = ["--max_steps", "4", "--save_strategy", "no", "--logging_strategy", "no", "--output_dir", str(tmp_path)]
    parts = parse(IMAGE_ARGUMENTS, [*SMALL_VISION, *options])
    with pytest.raises(ValueError, match="Training diverged"):
        image_classification.train_image_classification(*parts, callbacks=[Spoil(4)])
    assert files(tmp_path) == []


@pytest.mark.parametrize("train, small", RECIPES)
def test_a_batch_that_is_larger_than_the_data_is_refused_before_training(tmp_path, train, small):
    checkpoint = tmp_path / "checkpoint-7" / "config.json"
    checkpoint.parent.mkdir()
    checkpoint.write_text("{}")
    options = ["--dataloader_drop_last", "true", "--per_device_train_batch_size", "1000", "--overwrite_output_dir"]
    with pytest.raises(ValueError, match=r"drops all \d+ training examples, .* lower `per_device_train_batch_size`"):
        train([*small, *options, "--output_dir", str(tmp_path)])
    assert files(tmp_path) == ["checkpoint-7/config.json"]  # which training would have replaced


def test_an_evaluation_without_a_complete_batch_is_refused_before_training(tmp_path):
    options = ["--dataloader_drop_last", "true", "--per_device_eval_batch_size", "61", "--output_dir", str(tmp_path)]
    with pytest.raises(ValueError, match="drops all 60 examples of the validation split.* `per_device_eval_batch"):
        train_images([*SMALL_VISION, *options])
    assert files(tmp_path) == []


def test_a_stream_of_which_no_pair_is_kept_is_an_error(tmp_path):
    (tmp_path / "pairs.csv").write_text("source,target\none two,two one\nthree four,four three\n" * 10)
    options = ["--train_file", str(tmp_path / "pairs.csv"), "--streaming", "true", "--max_steps", "3"]
    options += ["--max_source_length", "3", "--tokenizer_type", "char"]  # every source is longer
    with pytest.raises(ValueError, match="No pair of the stream is left to train on"):
        train_translation([*options, "--output_dir", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_weights_that_are_not_finite_or_not_set_are_named():
    model = nn.ModuleDict({"first": nn.Linear(2, 2), "norm": nn.BatchNorm1d(2), "last": nn.Linear(2, 2)})
    model.register_buffer("mask", torch.tensor([0.0, -torch.inf]))  # infinite on purpose
    assert weights_not_finite(model) == []
    model["first"].bias.data[1] = torch.inf
    model["norm"].running_var[0] = torch.nan
    model["last"].to("meta")
    assert weights_not_finite(model) == ["last.weight", "last.bias", "first.bias", "norm.running_var"]
