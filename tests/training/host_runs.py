# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Runs of an image classifier that `torchrun` starts on two hosts for test_two_hosts.py, and the loss of a host."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from small_runs import SMALL_VISION
from train_image_classification import train

from hf_attention._command_line import errors_in_one_line
from hf_attention.training import recipe_trainer
from hf_attention.training.checkpoints import is_unfinished
from hf_attention.training.recipe_trainer import RecipeTrainer


HOST = int(os.environ.get("RANK", "0"))  # one process each
ARGUMENTS = ["--use_cpu", *SMALL_VISION, "--max_steps", "10", "--save_steps", "4", "--ddp_timeout", "60"]
ARGUMENTS += ["--resume_from_checkpoint", "auto"]


def lose_host() -> None:
    for process in (os.getppid(), os.getpid()):  # torchrun first
        os.kill(process, signal.SIGKILL)


def lose_in_step(step: int) -> None:
    training_step = RecipeTrainer.training_step

    def lose_or_train(trainer: RecipeTrainer, *args):
        if trainer.state.global_step == step:
            lose_host()
        return training_step(trainer, *args)

    RecipeTrainer.training_step = lose_or_train


def lose_in_save(step: int, other_host: Path) -> None:
    """Loses this host in saving a checkpoint that the other has completed."""
    write_file_list = recipe_trainer.write_file_list

    def write_or_lose(checkpoint: Path) -> None:
        if checkpoint.name == f"checkpoint-{step}":
            while is_unfinished(other_host / checkpoint.name) or not (other_host / checkpoint.name).is_dir():
                time.sleep(0.1)
            lose_host()
        write_file_list(checkpoint)

    recipe_trainer.write_file_list = write_or_lose


def main(folder: Path, launch: str) -> None:
    separate = [*ARGUMENTS, "--save_on_each_node", "true", "--output_dir", str(folder / f"separate-{HOST}")]
    shared = [*ARGUMENTS, "--output_dir", str(folder / "shared")]
    launches: dict[str, list[list[str] | Callable[[], None]]] = {
        "first": [
            [*ARGUMENTS, "--output_dir", str(folder / "complete")],
            lambda: lose_in_save(8, folder / "separate-0"),
            separate,
        ],
        "second": [separate, lambda: lose_in_step(6), shared],
        "third": [shared, [*ARGUMENTS, "--output_dir", str(folder / ("elsewhere" if HOST else "complete"))]],
    }
    with errors_in_one_line("train_image_classification.py"):
        for run in launches[launch]:
            if isinstance(run, list):
                train(run)
            elif HOST == 1:
                run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
