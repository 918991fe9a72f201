# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import csv
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from training_runs import FAMILIES, ROWS, write_data
from transformers import AutoModelForVisualQuestionAnswering, AutoTokenizer
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention.data.sort_of_clevr import list_answers, load_sort_of_clevr
from hf_attention.training.visual_question_answering import ImageQuestions, measure_pointing


RUNS = Path(__file__).parent / "training_runs.py"
SCRIPTS = Path(__file__).parents[2] / "scripts"
# two processes, which are started again once
ACCELERATE = ["-m", "accelerate.commands.launch", "--config_file", str(SCRIPTS / "accelerate" / "ddp.yaml")]
ACCELERATE += ["--max_restarts", "1", "--main_process_port"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def runs(folder):
    """What each process of the same runs reports: in one process, and in two."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with socket.socket() as free:  # accelerate 1.3 does not choose a port
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for launch in ([], [*ACCELERATE, port]):
        command = [sys.executable, *launch, str(RUNS), str(folder)]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
        assert run.returncode == 0, run.stderr[-3000:]
    return {
        world: [json.loads((folder / f"{world}-{rank}.json").read_text()) for rank in range(world)] for world in (1, 2)
    }


def trained_on(processes: list[dict], name: str, batches: slice = slice(None)) -> Counter:
    """How often all processes trained on each row."""
    steps = [process[name]["steps"] for process in processes]
    assert len({len(own) for own in steps}) == 1
    return Counter(row for own in steps for batch in own[batches] for row in batch)


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("name, batches", [("pairs", 5), ("images", 6)])
def test_a_stream_is_read_once_per_epoch(runs, world, name, batches):
    first = trained_on(runs[world], name, slice(batches))
    assert len(first) == ROWS
    assert set(first.values()) == {1}
    assert trained_on(runs[world], name, slice(batches, 2 * batches)) == first


def test_epochs_of_a_stream_are_shuffled(runs):
    (run,) = runs[1]
    assert run["pairs"]["steps"][:5] != run["pairs"]["steps"][5:10]


@pytest.mark.parametrize("name", ["dates", "pairs", "images"])
def test_two_processes_train_as_one(runs, folder, name):
    losses = []
    for world in (1, 2):
        history = json.loads((folder / str(world) / name / "trainer_state.json").read_text())["log_history"]
        losses.append([entry["loss"] for entry in history if "loss" in entry])
    assert len(losses[0]) >= 4
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.parametrize("world", [1, 2])
def test_a_run_resumes_in_the_second_epoch_of_a_stream(runs, folder, world):
    for process in runs[world]:
        assert process["resumed"]["steps"] == process["pairs"]["steps"][7:]
    resumed = load_file(folder / str(world) / "pairs" / "model.safetensors")
    checkpoint = load_file(folder / str(world) / "pairs" / "checkpoint-12" / "model.safetensors")
    assert all(torch.equal(value, checkpoint[name]) for name, value in resumed.items())


def test_accelerate_restarts_a_killed_run_from_its_last_checkpoint(runs, folder):
    assert [len(process["restarted"]["steps"]) for process in runs[2]] == [2, 2]
    restarted, complete = (load_file(folder / "2" / name / "model.safetensors") for name in ("restarted", "dates"))
    assert all(torch.equal(value, restarted[name]) for name, value in complete.items())


@pytest.mark.parametrize("name, metric", [("dates", "test_exact_match"), ("digits", "test_accuracy")])
def test_two_processes_evaluate_as_one(runs, name, metric):
    one, two, _ = (process[f"evaluated {name}"]["results"] for world in (1, 2) for process in runs[world])
    assert two["test_loss"] == pytest.approx(one["test_loss"], rel=1e-6)
    assert two["eval_loss"] == pytest.approx(one["eval_loss"], rel=1e-6)
    scores = [key for key in one if key.endswith(("bleu", "chrf", "exact_match", "alignment_error", "accuracy"))]
    assert {key: two[key] for key in scores} == {key: one[key] for key in scores}
    assert metric in scores
    assert one[metric] > 0.5


def test_two_processes_write_the_predictions_of_one(runs, folder):
    files = [folder / str(world) / "evaluated digits" / "predictions.csv" for world in (1, 2)]
    one, two = (list(csv.DictReader(file.read_text().splitlines())) for file in files)
    assert [row["file"] for row in one] == [str(number) for number in range(8)]
    for row, other in zip(one, two, strict=True):
        names = [name for name in row if not name.startswith("probability")]
        assert [row[name] for name in names] == [other[name] for name in names]
        assert float(row["probability_1"]) == pytest.approx(float(other["probability_1"]), abs=1e-5)


def test_two_processes_read_images_as_one(runs, folder):
    losses = []
    for world in (1, 2):
        history = json.loads((folder / str(world) / "rows" / "trainer_state.json").read_text())["log_history"]
        losses.append([entry["loss"] for entry in history if "loss" in entry])
    assert losses[1] == pytest.approx(losses[0], rel=0.03)  # each process has its own mean over tokens
    one, two, _ = (process["rows"]["results"] for world in (1, 2) for process in runs[world])
    names = ("character_error_rate", "exact_match", "pointing", "pointing_by_chance", "loss")
    for name in names:
        assert two[f"test_{name}"] == pytest.approx(one[f"test_{name}"], rel=1e-2, abs=0.1)


def test_two_processes_answer_questions_as_one(runs, folder):
    """Each process normalizes with its own batches in training, so what they saved is evaluated again, by one."""
    saved = folder / "2" / "questions"
    model = AutoModelForVisualQuestionAnswering.from_pretrained(saved).eval()
    parts = AutoImageProcessor.from_pretrained(saved), AutoTokenizer.from_pretrained(saved)
    data = ImageQuestions(load_sort_of_clevr({"test": 8})["test"], list_answers(), *parts, length=20)
    batch = next(iter(DataLoader(data, batch_size=8)))
    with torch.no_grad():
        outputs = model(**batch)
    is_right = (outputs.logits.argmax(dim=-1) == batch["labels"]).float()
    results = runs[2][0]["questions"]["results"]
    assert results["test_loss"] == pytest.approx(float(outputs.loss), rel=1e-5)
    assert results["test_accuracy"] == pytest.approx(float(is_right.mean()))
    assert results["test_accuracy_non_relational"] == pytest.approx(float(is_right[:, :10].mean()))
    assert results["test_accuracy_relational"] == pytest.approx(float(is_right[:, 10:].mean()))
    pointing = {f"test_{name}": value for name, value in measure_pointing(model, data).items()}
    assert {name: results[name] for name in pointing} == pytest.approx(pointing)
    assert results["test_loss"] == pytest.approx(runs[1][0]["questions"]["results"]["test_loss"], rel=0.1)
    assert "4 x 1 x 2 processes" in (saved / "README.md").read_text()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_trains_in_two_processes(runs, folder, family):
    assert "4 x 2 x 2 processes" in (folder / "2" / family / "README.md").read_text()


@pytest.mark.parametrize("world", [1, 2])
def test_a_cpu_has_the_name_that_torch_loads_checkpoints_to(runs, world):
    assert {process["resumed"]["device"] for process in runs[world]} <= {"cpu", "cuda:0", "cuda:1"}


def test_a_lost_process_is_waited_for_no_longer_than_ddp_timeout(runs):
    assert [process["timeout"] for process in runs[2]] == [77, 77]


def test_an_error_of_the_user_is_printed_once(tmp_path):
    script = str(SCRIPTS / "train_translation.py")
    arguments = ["--use_cpu", "--output_dir", str(tmp_path / "run"), "--preset", "huge"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, *TORCHRUN, script, *arguments], capture_output=True, text=True, env=environment, timeout=600
    )
    assert run.returncode != 0
    assert run.stderr.count("train_translation.py: There is no preset 'huge'") == 1
