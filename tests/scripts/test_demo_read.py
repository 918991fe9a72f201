# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import os
import sys
from dataclasses import replace

import demo_read
from small_runs import SMALL

from hf_attention.data.digit_rows import load_digit_rows
from hf_attention.data.embedded import EMBEDDED_IMAGE_TEXTS


def test_demo_shows_the_path_of_the_attention(tmp_path, monkeypatch, capsys):
    few = load_digit_rows({"train": 32, "validation": 8, "test": 8})
    data = replace(EMBEDDED_IMAGE_TEXTS["digit_rows"], load=lambda: few)
    monkeypatch.setitem(EMBEDDED_IMAGE_TEXTS, "digit_rows", data)
    small = [option for option in SMALL if option not in ("--max_source_length", "64")]
    arguments = ["--output_dir", str(tmp_path / "demo"), "--max_steps", "4", "--eval_strategy", "no", *small]
    monkeypatch.setattr(sys, "argv", ["demo_read.py", *arguments])
    for _ in range(2):  # a second demo replaces the first
        demo_read.demo()
    shown = capsys.readouterr().out
    for name in ("read as", "character_error_rate", "pointing_by_chance", "training time"):
        assert name in shown
    assert {"reading.png", "reading-0.png", "reading-2.png", "curves.png"} <= set(os.listdir(tmp_path / "demo/assets"))
