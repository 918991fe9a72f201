# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import pytest
from small_runs import SMALL_VISION
from train_image_classification import train

from hf_attention.training.checkpoints import write_file_list


ARGUMENTS = [*SMALL_VISION, "--save_steps", "3", "--logging_steps", "2", "--lr_scheduler_type", "constant"]


def change_totals(checkpoint, **totals):
    """Changes what a checkpoint says of the steps before it; without `totals`, removes it."""
    file = checkpoint / "trainer_state.json"
    state = json.loads(file.read_text())
    saved = state["stateful_callbacks"].pop("run_totals")
    if totals:
        state["stateful_callbacks"]["run_totals"] = saved | totals
    file.write_text(json.dumps(state))
    write_file_list(checkpoint)
    return saved


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return train(
        [*ARGUMENTS, "--max_steps", "8", "--output_dir", str(tmp_path_factory.mktemp("runs") / "uninterrupted")]
    )


@pytest.fixture
def half(tmp_path):
    """A run that ended after step 5, whose last checkpoint is at step 3, between two loggings."""
    folder = tmp_path / "half"
    train([*ARGUMENTS, "--max_steps", "5", "--output_dir", str(folder)])
    (folder / "checkpoint-5" / "trainer_state.json").unlink()
    return folder


def resume(folder):
    arguments = ["--max_steps", "8", "--output_dir", str(folder), "--resume_from_checkpoint", "last"]
    return train([*ARGUMENTS, *arguments])


def test_the_metrics_of_a_resumed_run_are_those_of_all_its_steps(uninterrupted, half):
    change_totals(half / "checkpoint-3", runtime=1000.0, waited=400.0, worked=600.0)
    results = resume(half)
    assert results["train_loss"] == pytest.approx(uninterrupted["train_loss"])
    assert 1000 < results["train_runtime"] < 1200
    assert results["train_steps_per_second"] == pytest.approx(8 / results["train_runtime"], abs=1e-3)
    assert results["train_samples_per_second"] == pytest.approx(8 * 32 / results["train_runtime"], abs=1e-3)
    assert results["train_loader_share"] == pytest.approx(0.4, abs=0.1)
    assert f"{results['train_runtime']:.0f} s on" in (half / "README.md").read_text()
    last = json.loads((half / "trainer_state.json").read_text())["log_history"]
    (training,) = [entry for entry in last if "train_runtime" in entry][-1:]
    assert training["train_runtime"] == results["train_runtime"]
    assert training["train_loss"] == results["train_loss"]


def test_a_run_that_resumes_twice_adds_up(half):
    saved = change_totals(half / "checkpoint-3", runtime=1000.0)
    assert 0 < saved["runtime"] < 100
    resume(half)
    again = change_totals(half / "checkpoint-8", runtime=5000.0)
    assert 1000 < again["runtime"] < 1200
    (half / "all_results.json").unlink()  # as if the run had been stopped before it saved them
    results = resume(half)
    assert results["train_runtime"] == 5000
    assert results["train_steps_per_second"] == 0.002
    assert results["train_loss"] == pytest.approx(again["loss"] / 8)


def test_a_checkpoint_without_totals_leaves_time_and_loss_out(half):
    change_totals(half / "checkpoint-3")
    results = resume(half)
    for name in ("train_runtime", "train_loss", "train_steps_per_second", "train_samples_per_second"):
        assert name not in results
    assert "training time" not in (half / "README.md").read_text()
