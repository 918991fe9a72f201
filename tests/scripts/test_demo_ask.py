# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import os
import sys

import demo_ask


def test_demo_shows_answers_and_where_they_come_from(tmp_path, monkeypatch, capsys):
    small = ["--num_train_images", "16", "--num_test_images", "4", "--max_steps", "3", "--disable_tqdm", "true"]
    small += ["--config_overrides", "conv_channels=[8,8,8],hidden_size=16,num_glimpses=2", "--eval_strategy", "no"]
    monkeypatch.setattr(sys, "argv", ["demo_ask.py", "--output_dir", str(tmp_path / "demo"), *small])
    for _ in range(2):  # a second demo replaces the first
        demo_ask.demo()
    shown = capsys.readouterr().out
    for name in ("object", "glimpse 2", "accuracy_relational", "pointing_by_chance", "training time"):
        assert name in shown
    assert {"answer-0.png", "answer-1.png", "answer-2.png", "glimpses-0.png"} < set(
        os.listdir(tmp_path / "demo/assets")
    )
