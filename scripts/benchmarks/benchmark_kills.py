# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Kill training with `kill -9` at random moments, resume it each time, and compare the final weights with those of a run
that was never killed, bit by bit.

    python scripts/benchmarks/benchmark_kills.py --kills 20 --recipe translation
    python scripts/benchmarks/benchmark_kills.py --kills 20 --recipe images

Half of the kills come up to 50 ms after a checkpoint's folder appears, so most of these fall within a save; the others
at any moment from the start of the process to the end of the run. Each run is a process of its own, forked after the
imports. It resumes with `--resume_from_checkpoint last`, or `auto` before the first complete checkpoint. A run that
ends before its kill is compared, and the next one starts anew. The exit status is 1 if any run could not resume, or
ended with other weights.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch
from safetensors.torch import load_file

from hf_attention.scripts.train_image_classification import train as train_images
from hf_attention.scripts.train_translation import train as train_translation
from hf_attention.training.checkpoints import FILE_LIST, check_checkpoint, is_unfinished, numbered_checkpoints


COMMON = ["--max_steps", "24", "--save_steps", "2", "--eval_strategy", "steps", "--eval_steps", "4", "--logging_steps"]
COMMON += ["4", "--save_total_limit", "3", "--max_eval_samples", "40", "--disable_tqdm", "true"]
TRANSLATION = ["--max_train_samples", "160", "--predict_with_generate", "false", "--num_beams", "1"]
TRANSLATION += ["--max_target_length", "16", "--per_device_train_batch_size", "16"]
IMAGES = ["--max_train_samples", "320", "--per_device_train_batch_size", "32", "--ema_decay", "0.8", "--crop_padding"]
IMAGES += ["1", "--mixup_alpha", "0.2", "--config_overrides", "hidden_size=32,intermediate_size=32"]
RECIPES = {"translation": (train_translation, TRANSLATION), "images": (train_images, IMAGES)}


def start(recipe: str, folder: Path) -> int:
    """Starts a run in a process of its own, which resumes if it can, and returns its id."""
    is_saved = any(map(is_complete, numbered_checkpoints(folder)))
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with open(folder.with_name("log"), "a") as log:  # all that it prints, for when it fails
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        train, options = RECIPES[recipe]
        resume = ["--resume_from_checkpoint", "last" if is_saved else "auto"]
        train([*COMMON, *options, "--output_dir", str(folder), *resume])
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def is_complete(checkpoint: Path) -> bool:
    try:
        check_checkpoint(checkpoint)
    except ValueError:
        return False
    return True


def wait_or_kill(child: int, folder: Path, generator: random.Random, seconds: float) -> int | None:
    """Kills a run at a random moment. Returns its exit status if it ended before that."""
    known = set(numbered_checkpoints(folder))
    is_in_save = generator.random() < 0.5
    deadline = time.monotonic() + (generator.uniform(0, seconds) if not is_in_save else 10 * seconds)
    appearances = generator.randint(1, 3)
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if is_in_save and len(set(numbered_checkpoints(folder)) - known) >= appearances:
            time.sleep(generator.uniform(0, 0.05))
            break
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    pid, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code


def same_weights(folder: Path, other: Path) -> bool:
    ours, others = (load_file(path / "model.safetensors") for path in (folder, other))
    return ours.keys() == others.keys() and all(torch.equal(ours[name], others[name]) for name in others)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--recipe", choices=list(RECIPES), default="translation")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # a process that is forked must not need its parent's threads
    generator = random.Random(options.seed)
    root = Path(tempfile.mkdtemp(prefix="kills-"))
    complete, folder = root / "complete", root / "run"
    began = time.monotonic()
    _, status = os.waitpid(start(options.recipe, complete), 0)
    seconds = time.monotonic() - began
    kills = within_saves = runs = failures = 0
    while status == 0 and not failures and (kills < options.kills or folder.exists()):
        now = time.time()
        child = start(options.recipe, folder)
        if kills < options.kills:
            ended = wait_or_kill(child, folder, generator, seconds)
        else:
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended is None:
            kills += 1
            unfinished = filter(is_unfinished, numbered_checkpoints(folder))
            within_saves += any((checkpoint / FILE_LIST).stat().st_mtime > now for checkpoint in unfinished)
            continue
        runs += 1
        if ended or not same_weights(folder, complete):
            failures += 1
            print(f"failed: exit status {ended}, see {root}")
            break
        shutil.rmtree(folder)
    print(
        f"{options.recipe}: {kills} kills, {within_saves} of them within a save; {runs} runs resumed to their end, "
        f"{runs - failures} with the weights of the uninterrupted run"
    )
    if status or failures:
        print((root / "log").read_text()[-3000:])
        sys.exit(1)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
