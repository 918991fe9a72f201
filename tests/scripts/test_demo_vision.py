# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import os
import subprocess
import sys
from pathlib import Path


DEMO = Path(__file__).parents[2] / "scripts" / "demo_vision.py"


def test_demo_shows_attention_and_accuracy(tmp_path):
    arguments = ["--output_dir", str(tmp_path / "demo"), "--max_steps", "10", "--eval_strategy", "no"]
    for _ in range(2):  # a second demo replaces the first
        run = subprocess.run(
            [sys.executable, str(DEMO), *arguments, "--disable_tqdm", "true"], capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr[-3000:]
    for name in ("rollout", "sequence pool", "accuracy", "training time", "a digit predicted as"):
        assert name in run.stdout
    names = {"attention.png", "confusion.png", "curves.png", "rollout-0.png", "integrated-gradients-2.png"}
    assert names <= set(os.listdir(tmp_path / "demo" / "assets"))
