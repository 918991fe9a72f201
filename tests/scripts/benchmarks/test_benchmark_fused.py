# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import benchmark_fused

from hf_attention.models.bahdanau import fused_bahdanau


def test_every_part_is_measured_off_and_left_on(tmp_path, capsys, monkeypatch):
    sizes = dict.fromkeys(benchmark_fused.SIZES, 8) | {"vocab_size": 40}
    monkeypatch.setattr(benchmark_fused, "SIZES", sizes)
    monkeypatch.setattr(benchmark_fused, "STEPS", 3)
    supports, file = fused_bahdanau.supports, tmp_path / "fused.json"
    benchmark_fused.main(["--rounds", "2", "--num_threads", "1", "--batch_sizes", "3", "--output_file", str(file)])
    results = json.loads(file.read_text())["results"]
    assert list(results) == ["training, batch 3", "greedy, batch 3", "5 beams, batch 3"]
    assert set(results["training, batch 3"]) == {"config.fused", *benchmark_fused.TRAINING_PARTS}
    for parts in list(results.values())[1:]:
        assert set(parts) == {"config.fused", *benchmark_fused.DECODING_PARTS}
        assert all(len(seconds["on"]) == len(seconds["off"]) == 2 for seconds in parts.values())
    assert fused_bahdanau.supports is supports
    assert "| training, batch 3 | decoder recurrence |" in capsys.readouterr().out
