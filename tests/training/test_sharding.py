# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
import os
import subprocess
import sys
from pathlib import Path

import accelerate.utils.fsdp_utils
import pytest
from train_image_classification import train as train_images
from transformers import AutoModelForSeq2SeqLM

from hf_attention.training.command_line import parse
from hf_attention.training.translation import train_translation
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS


if not hasattr(accelerate.utils.fsdp_utils, "fsdp2_prepare_model"):
    pytest.skip("this version of accelerate has no FSDP2", allow_module_level=True)

from sharded_runs import CLASSIFIERS, TRANSLATORS


def train_pairs(arguments):
    """As sharded_runs.py does, without a recipe."""
    return train_translation(*parse(TRANSLATION_ARGUMENTS, arguments))


RUNS = Path(__file__).parent / "sharded_runs.py"
COMMON = ["--use_cpu", "--disable_tqdm", "true", "--logging_steps", "1", "--max_steps", "4", "--max_eval_samples", "8"]
COMMON += ["--max_train_samples", "64", "--train_sampling_strategy", "random", "--per_device_eval_batch_size", "3"]
PAIRS = [*COMMON, "--num_beams", "2", "--per_device_train_batch_size"]
IMAGES = [*COMMON, "--image_mean", "0.3", "--image_std", "0.4", "--config_overrides"]
IMAGES += ["image_size=8,num_channels=1,num_conv_layers=1,hidden_size=16,hidden_dropout_prob=0.0,drop_path_rate=0.0"]
IMAGES += ["--per_device_train_batch_size"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sharded")


@pytest.fixture(scope="module")
def sharded(folder):
    """What sharded_runs.py reports of two processes."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(RUNS)]
    arguments = [str(folder), json.dumps([[*PAIRS, "8"], [*IMAGES, "8"]])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run([*launch, *arguments], capture_output=True, text=True, env=environment, timeout=500)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads((folder / "sharded.json").read_text())


@pytest.mark.parametrize("name", [*TRANSLATORS, *CLASSIFIERS])
def test_a_sharded_model_has_the_loss_and_gradients_of_the_model(sharded, name):
    family = sharded["families"][name]
    assert family["loss"] < 1e-6
    assert family["gradient"] < 1e-6
    assert family["units"] >= 2


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_sharded_model_generates_what_the_model_does(sharded, name):
    assert sharded["families"][name]["beams 1"]
    assert sharded["families"][name]["beams 2"]


@pytest.mark.parametrize(
    "name, train, arguments",
    [("pairs", train_pairs, PAIRS), ("images", train_images, IMAGES)],
    ids=["pairs", "images"],
)
def test_a_sharded_run_has_the_results_of_one_process(sharded, tmp_path, name, train, arguments):
    results = train([*arguments, "16", "--output_dir", str(tmp_path)])
    scores = [key for key in results if key.endswith(("loss", "chrf", "exact_match", "accuracy", "alignment_error"))]
    assert len(scores) >= 3
    assert {key: sharded[name][key] for key in scores} == pytest.approx(
        {key: results[key] for key in scores}, rel=1e-3
    )


def test_a_sharded_run_resumes(sharded):
    assert sharded["resumed"]["test_loss"] == pytest.approx(sharded["pairs"]["test_loss"], rel=1e-5)


def test_a_sharded_run_leaves_a_model_with_its_own_code(sharded, folder):
    names = os.listdir(folder / "pairs")
    assert "modeling_bahdanau.py" in names
    assert not [name for name in names if "fsdp" in name]
    assert AutoModelForSeq2SeqLM.from_pretrained(folder / "pairs").model.decoder.has_attention


def test_what_cannot_be_sharded_is_refused(sharded, tmp_path, folder):
    assert "modules share a weight (model.encoder.embed_tokens.weight" in sharded["shared"]
    assert "`ema_decay` averages complete weights, but `fsdp` shards them" in sharded["average"]
    assert "`save_on_each_node` saves complete weights" in sharded["every node"]
    assert os.listdir(folder / "elsewhere") == []
    with pytest.raises(ValueError, match="sing fsdp only works in distributed training"):
        train_pairs([*PAIRS, "8", "--output_dir", str(tmp_path / "run"), "--fsdp"])
