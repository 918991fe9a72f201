# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import subprocess
import sys
from pathlib import Path

from small_runs import SMALL


DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"


def test_demo_shows_translations_and_metrics(tmp_path):
    arguments = ["--output_dir", str(tmp_path / "demo"), *SMALL, "--max_steps", "20", "--eval_steps", "20"]
    for _ in range(2):  # a second demo replaces the first
        run = subprocess.run([sys.executable, str(DEMO), *arguments], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr[-3000:]
    assert "4. März 2005 -> " in run.stdout and "<en_US> 3/4/05 -> " in run.stdout
    for name in ("exact_match", "alignment_error", "training time"):
        assert name in run.stdout
    assert (tmp_path / "demo" / "README.md").is_file()
