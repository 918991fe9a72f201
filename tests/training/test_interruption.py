# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from small_runs import SMALL, SMALL_VISION
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from hf_attention.training.command_line import parse
from hf_attention.training.image_arguments import IMAGE_ARGUMENTS
from hf_attention.training.image_classification import train_image_classification
from hf_attention.training.interruption import Interruption, Stopped, catch_signals
from hf_attention.training.translation import train_translation
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS


RECIPES = {
    "translation": (train_translation, TRANSLATION_ARGUMENTS, ["--predict_with_generate", "false", *SMALL]),
    "images": (train_image_classification, IMAGE_ARGUMENTS, ["--ema_decay", "0.8", *SMALL_VISION]),
}
# 4 steps an epoch
EPOCHS = ["--max_train_samples", "64", "--per_device_train_batch_size", "16", "--max_steps", "9"]
EPOCHS += ["--eval_strategy", "epoch", "--save_strategy", "epoch", "--load_best_model_at_end", "true"]


class Signal(TrainerCallback):
    """Sends a signal to this process in one step, or in the evaluation after it."""

    def __init__(self, number: int, step: int, moment: str = "on_step_begin") -> None:
        self.number, self.step = number, step
        setattr(self, moment, self.send)

    def send(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step:
            signal.raise_signal(self.number)


def run(recipe: str, folder: Path, *arguments: str, callbacks: list | None = None) -> dict:
    train, kinds, small = RECIPES[recipe]
    return train(*parse(kinds, [*small, *EPOCHS, "--output_dir", str(folder), *arguments]), callbacks=callbacks)


@pytest.fixture(autouse=True)
def default_handlers():
    """A shell makes what it starts in the background ignore Ctrl-C, and so does a run that inherits this."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complete")
    for recipe in RECIPES:
        run(recipe, folder / recipe)
    return folder


@pytest.mark.parametrize(
    "recipe, number, status, step, moment, saved",
    [
        ("translation", signal.SIGTERM, 143, 5, "on_step_begin", 6),
        ("translation", signal.SIGINT, 130, 3, "on_step_begin", 4),  # in the last step of an epoch
        ("images", signal.SIGINT, 130, 5, "on_step_begin", 6),
        ("images", signal.SIGTERM, 143, 4, "on_prediction_step", 4),  # in an evaluation
    ],
)
def test_a_signal_saves_and_the_resumed_run_ends_in_the_same_weights(
    recipe, number, status, step, moment, saved, complete, tmp_path, capfd
):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Stopped) as stopped:
        run(recipe, tmp_path, callbacks=[Signal(number, step, moment)])
    assert stopped.value.code == status
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last == f"Stopped at step {saved}. The same command with `--resume_from_checkpoint last` resumes there."
    assert (tmp_path / f"{PREFIX_CHECKPOINT_DIR}-{saved}").is_dir()
    run(recipe, tmp_path, "--resume_from_checkpoint", "last")
    ours, uninterrupted = (load_file(path / "model.safetensors") for path in (tmp_path, complete / recipe))
    assert all(bool((ours[name] == uninterrupted[name]).all()) for name in uninterrupted)


def test_a_second_ctrl_c_stops_at_once_and_one_that_repeats_the_first_does_not(capfd):
    with catch_signals(is_training=True) as interruption:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # of torchrun, which passes that of the terminal on
        signal.raise_signal(signal.SIGTERM)
        assert interruption.agree() == signal.SIGINT
        interruption.time -= 2
        with pytest.raises(Stopped) as stopped:
            signal.raise_signal(signal.SIGINT)
    assert stopped.value.code == 130
    assert "Stopped at once" in capfd.readouterr().err


def test_a_signal_before_training_stops_at_once_and_says_that_nothing_is_saved(capfd):
    with catch_signals(), pytest.raises(Stopped) as stopped:
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.code == 143
    assert "Stopped by SIGTERM, with nothing to save" in capfd.readouterr().err


def test_handlers_of_the_program_stay():
    def handle(number, frame):
        pass

    previous = signal.signal(signal.SIGTERM, handle)
    try:
        with catch_signals():
            assert signal.getsignal(signal.SIGTERM) is handle
            assert isinstance(getattr(signal.getsignal(signal.SIGINT), "__self__", None), Interruption)
    finally:
        signal.signal(signal.SIGTERM, previous)


WITH_WORKERS = """
import os, signal, sys
from transformers import TrainerCallback
from train_image_classification import train_image_classification, parse, IMAGE_ARGUMENTS

class All(TrainerCallback):
    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 2:
            os.killpg(0, signal.SIGTERM)  # this process and its data workers

os.setpgid(0, 0)
train_image_classification(*parse(IMAGE_ARGUMENTS), callbacks=[All()])
"""


def test_a_signal_to_all_processes_saves_and_leaves_no_data_worker(tmp_path):
    arguments = [*SMALL_VISION, *EPOCHS, "--dataloader_num_workers", "2", "--output_dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", WITH_WORKERS, *arguments], env=environment) as process:
        assert process.wait(timeout=300) == 143
    assert (tmp_path / "checkpoint-3" / "checkpoint_files.json").is_file()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
