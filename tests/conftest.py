# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import os
import tempfile

import pytest
import torch
import yaml
from loopback_hub import LoopbackHub
from small_runs import SMALL, SMALL_VISION


# the clients read these when they are imported: all they know is a Hub of the tests' own, and an empty cache
HUB = LoopbackHub({"hf_alice": "alice", "hf_alice_read": "alice", "hf_bob": "bob"})
CACHE = tempfile.TemporaryDirectory(prefix="hf_attention-tests-")
os.environ.pop("HF_TOKEN", None)
os.environ.update(HUB.client_environment(CACHE.name), GRADIO_TEMP_DIR=os.path.join(CACHE.name, "gradio"))

from train_image_classification import train as train_images  # noqa: E402
from train_translation import train as train_translation  # noqa: E402


def pytest_unconfigure():
    CACHE.cleanup()


@pytest.fixture(autouse=True)
def no_compiled_code():
    """Code compiled in other tests counts towards the compiler's limit of recompilations."""
    torch.compiler.reset()


@pytest.fixture(autouse=True)
def no_launch_options():
    """Training arguments set the environment that accelerate reads; the next test starts without it."""
    yield
    for name in [name for name in os.environ if name.startswith(("ACCELERATE_", "FSDP_"))]:
        del os.environ[name]


@pytest.fixture(scope="session")
def running_hub():
    with HUB:
        yield HUB


@pytest.fixture
def hub(running_hub, monkeypatch):
    """The Hub, with nothing on it and no faults, and alice's token in the environment."""
    running_hub.repositories.clear()
    running_hub.blobs.clear()
    running_hub.faults.clear()
    running_hub.requests.clear()
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    return running_hub


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """A folder that `scripts/train_translation.py` left: a tiny model, trained on dates for 30 steps from a recipe."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = {
        "preset": "tiny",
        "max_steps": 30,
        "learning_rate": "3e-3",
        "eval_strategy": "steps",
        "eval_steps": 15,
        "logging_steps": 5,
        "save_steps": 15,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    output_dir = folder / "bahdanau-small"
    results = train_translation([str(folder / "recipe.yaml"), "--output_dir", str(output_dir), *SMALL])
    return output_dir, results


@pytest.fixture(scope="session")
def small_vision_run(tmp_path_factory):
    """A folder that `scripts/train_image_classification.py` left: a tiny CCT, trained on digits for 60 steps."""
    output_dir = tmp_path_factory.mktemp("runs") / "compact-vit-small"
    arguments = ["--max_steps", "60", "--learning_rate", "3e-3", "--crop_padding", "1", "--mixup_alpha", "0.2"]
    arguments += ["--eval_strategy", "steps", "--eval_steps", "30", "--save_steps", "30", "--logging_steps", "10"]
    arguments += ["--label_smoothing_factor", "0.1", "--ema_decay", "0.8"]
    return output_dir, train_images([*arguments, *SMALL_VISION, "--output_dir", str(output_dir)])
