# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from contextlib import nullcontext
from types import SimpleNamespace

import benchmark_seq2seq
import benchmark_vision
import benchmarking
import pytest
import torch
import vision_peers


@pytest.fixture
def meta(small_sizes, monkeypatch):
    """
    Options for the meta device, which computes nothing and raises if it gets a CPU tensor. It has no autocast and no
    fused optimizer. Code that reads values, such as all searches but those of the loops, does not run on it.
    """
    autocast, is_enabled = torch.autocast, torch.is_autocast_enabled
    monkeypatch.setattr(
        torch, "autocast", lambda device, **options: nullcontext() if device == "meta" else autocast(device, **options)
    )
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: device != "meta" and is_enabled(device))
    for name in ("Adam", "AdamW"):
        optimizer = getattr(torch.optim, name)
        monkeypatch.setattr(torch.optim, name, lambda *args, fused, make=optimizer, **options: make(*args, **options))
    vision = {"preset": "cct_2_3x2", "compile": False, "batch_size": 2}
    return SimpleNamespace(device="meta", bf16=False, **vision)


@pytest.mark.parametrize("name", ["ours", "plain loop", "tutorial", "floor"])
def test_seq2seq_training_keeps_all_tensors_on_the_device(name, meta):
    batches = benchmark_seq2seq.random_batches(40, 2, 3, 7, 5)
    model = benchmark_seq2seq.make_model(name, 40, meta)
    step = benchmark_seq2seq.make_step(model, meta)
    benchmark_seq2seq.train(step, batches, "meta")
    assert all(parameter.device.type == "meta" for parameter in model.parameters())
    with pytest.raises((RuntimeError, NotImplementedError)):
        step(batches[0])


@pytest.mark.parametrize("name", ["plain loop", "tutorial"])
def test_loops_decode_on_the_device(name, meta):
    batch = benchmark_seq2seq.move(benchmark_seq2seq.random_batches(40, 1, 3, 7, 5)[0], "meta")
    del batch["labels"]
    benchmark_seq2seq.decode(benchmark_seq2seq.make_model(name, 40, meta), [batch], 1, meta)


@pytest.mark.parametrize("name", vision_peers.IMPLEMENTATIONS)
def test_vision_training_and_inference_keep_all_tensors_on_the_device(name, meta):
    model = benchmark_vision.make_model(name, meta, 16)
    pixels = benchmark_vision.random_pixels(meta, 16)
    benchmark_vision.make_step(model.train(), pixels, meta)()
    assert benchmark_vision.compute_logits(model.eval(), pixels, meta).device.type == "meta"
    with pytest.raises((RuntimeError, NotImplementedError)):
        benchmark_vision.make_step(model, torch.randn(2, 3, 16, 16), meta)()


def test_clock_waits_for_the_device(monkeypatch):
    events = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: events.append(device))
    monkeypatch.setattr(
        benchmarking, "time", SimpleNamespace(perf_counter=lambda: events.append("clock") or len(events))
    )
    seconds = benchmarking.time_in_turns({"ours": lambda: events.append("run")}, 1, "cuda")
    assert events == ["run", "cuda", "clock", "run", "cuda", "clock"]
    assert seconds == {"ours": [3]}
    events.clear()
    assert benchmarking.time_in_turns({"ours": lambda: events.append("run")}, 1) == {"ours": [2]}
    events.clear()
    monkeypatch.setattr(torch.accelerator, "max_memory_allocated", lambda device: 3 * 2**20)
    results = benchmarking.measure_alone(torch.nn.Identity, lambda model: lambda: events.append("run"), "cuda")
    assert events == ["clock", "cuda", "clock", "run", "cuda", "clock", "run"]
    assert results["peak_mib"] == 3
    assert results["peak_of"] == "allocator"


def test_peak_is_the_best_rate_of_large_products(monkeypatch):
    def time_in_turns(runs, rounds, device):
        product = runs["mm"]()
        assert product.shape == (8, 8)
        assert product.dtype == torch.bfloat16
        assert (rounds, device) == (2, "cpu")
        return {"mm": [0.5, 0.25]}

    monkeypatch.setattr(benchmarking, "PEAK_CPU", (8, 2))
    monkeypatch.setattr(benchmarking, "time_in_turns", time_in_turns)
    options = SimpleNamespace(device="cpu", bf16=True, peak_tflops=None)
    assert benchmarking.find_peak(options) == 2 * 8**3 / 0.25 / 1e12
    options.peak_tflops = 989.0
    assert benchmarking.find_peak(options) == 989


def test_flop_rates_and_their_fraction_of_the_peak():
    rates = benchmarking.flop_rates(6 * 10**12, [2.0, 3.0, 1.0], 12.0)
    assert rates == {"tflops_per_second": [3.0, 2.0, 6.0], "of_the_peak": [0.25, pytest.approx(1 / 6), 0.5]}
    assert benchmarking.flop_rates(None, [2.0], 12.0) == {}


def test_speeds_are_printed_relative_to_the_measured_implementations(capsys):
    rates = benchmarking.flop_rates(6 * 10**12, [2.0, 3.0, 1.0], 12.0)
    results = {
        "ours": {"images_per_second": [3.0, 4.0, 5.0], "saved_mib": 7.25, **rates},
        "floor": {"images_per_second": [8.0], "saved_mib": 1.0},
    }
    benchmarking.print_speeds("training", results, ["ours", "peer"], "images_per_second", saved_mib=".1f")
    assert capsys.readouterr().out.strip().splitlines() == [
        "| training | times ours's speed | times the floor's time | images/s | TFLOP/s | of the peak | saved mib |",
        "|---|---|---|---|---|---|---|",
        "| ours | 1.00 | 2.00 | 4 (3 to 5) | 3 | 25.0% | 7.2 |",
        "| floor | 2.00 | 1.00 | 8 (8 to 8) | - | - | 1.0 |",
    ]


def test_profile_groups_products_and_orders_other_operations():
    factor, row = torch.randn(256, 256), torch.randn(256)

    def work():
        (factor @ factor).addmm_(factor, factor).tanh_()
        return factor @ row

    shares = benchmarking.profile(work, "cpu")
    assert next(iter(shares)) == "products"
    assert 0 < shares["products"] < 1
    assert shares["tanh_"] > 0
    assert sum(shares.values()) == pytest.approx(1)
    others = list(shares.values())[1:]
    assert others == sorted(others, reverse=True)
    assert "products" not in benchmarking.profile(lambda: row.exp(), "cpu")


@pytest.mark.usefixtures("small_sizes")
@pytest.mark.parametrize("script", [benchmark_seq2seq, benchmark_vision])
def test_training_and_inference_are_profiled(script, tmp_path, capsys):
    if script is benchmark_seq2seq:
        given = ["--vocab_size", "40", "--length", "4", "--implementations", "ours", "plain loop"]
        kinds = {"ours, training", "ours, greedy", "ours, beam 5", "plain loop, training", "plain loop, greedy"}
    else:
        given = ["--preset", "cct_2_3x2", "--image_sizes", "16", "--implementations", "compact_vit"]
        kinds = {"compact_vit, training", "compact_vit, inference"}
    file = tmp_path / "profile.json"
    common = ["--parts", "profile", "--batch_size", "3", "--num_threads", "1", "--output_file", str(file)]
    script.main([*given, *common])
    results = json.loads(file.read_text())
    profiles = (results["results"]["16"] if script is benchmark_vision else results)["profile"]
    assert set(profiles) == kinds
    assert all(0 < shares["products"] < 1 for shares in profiles.values())
    assert f"| {sorted(kinds)[0]} | products " in capsys.readouterr().out
