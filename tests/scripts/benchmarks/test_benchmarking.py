# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import argparse
import json
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import benchmark_seq2seq
import benchmark_vision
import benchmarking
import pytest
import seq2seq_peers
import torch
import vision_peers


SIZES = {"embedding_size": 8, "hidden_size": 12, "encoder_hidden_size": 6, "attention_size": 10, "maxout_size": 5}


@pytest.fixture
def meta(monkeypatch):
    """
    The options of a device that computes nothing, and raises where a tensor stayed on the CPU. It has no autocast, no
    fused optimiser, and values that nobody can read: what looks at them while it runs, as every search but the
    tutorials' and the batches of the peers do, does not run here.
    """
    autocast, is_enabled = torch.autocast, torch.is_autocast_enabled
    monkeypatch.setattr(
        torch, "autocast", lambda device, **given: nullcontext() if device == "meta" else autocast(device, **given)
    )
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: device != "meta" and is_enabled(device))
    for name in ("Adam", "AdamW"):
        optimizer = getattr(torch.optim, name)
        monkeypatch.setattr(torch.optim, name, lambda *given, fused, make=optimizer, **others: make(*given, **others))
    monkeypatch.setattr(seq2seq_peers, "SIZES", SIZES)
    vision = {"preset": "cct_2_3x2", "attention_dropout": 0.1, "compile": False, "data_dir": None, "batch_size": 2}
    return SimpleNamespace(device="meta", bf16=False, **vision)


@pytest.mark.parametrize("name", ["ours", "plain loop", "tutorial", "floor"])
def test_training_of_sequences_leaves_nothing_on_the_cpu(name, meta):
    batches = benchmark_seq2seq.random_batches(40, 2, 3, 7, 5)
    model = benchmark_seq2seq.make_model(name, 40, meta)
    step = benchmark_seq2seq.make_step(model, meta)
    benchmark_seq2seq.train(step, batches, "meta")
    assert all(parameter.device.type == "meta" for parameter in model.parameters())
    with pytest.raises((RuntimeError, NotImplementedError)):
        step(batches[0])


@pytest.mark.parametrize("name", ["plain loop", "tutorial"])
def test_the_tutorials_decode_on_the_device(name, meta):
    batch = benchmark_seq2seq.move(benchmark_seq2seq.random_batches(40, 1, 3, 7, 5)[0], "meta")
    del batch["labels"]
    benchmark_seq2seq.decode(benchmark_seq2seq.make_model(name, 40, meta), [batch], 1, meta)


@pytest.mark.parametrize("name", vision_peers.WAYS)
def test_images_leave_nothing_on_the_cpu(name, meta):
    model = benchmark_vision.make_model(name, meta, 16)
    pixels = benchmark_vision.read_pixels(meta, 16)
    benchmark_vision.make_step(model.train(), pixels, meta)()
    assert benchmark_vision.logits_of(model.eval(), pixels, meta).device.type == "meta"
    with pytest.raises((RuntimeError, NotImplementedError)):
        benchmark_vision.make_step(model, torch.randn(2, 3, 16, 16), meta)()


def test_the_peers_search_on_the_device_of_their_source(meta, monkeypatch):
    given = {}
    searches = SimpleNamespace(search=lambda *args, **options: given.update(options))
    monkeypatch.setitem(sys.modules, "joeynmt", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "joeynmt.search", searches)
    monkeypatch.setitem(sys.modules, "onmt", SimpleNamespace())

    class Translator:
        def __init__(self, *args, **options):
            given.update(options)

        def translate_batch(self, *args, **options):
            return {"predictions": []}

    translate = SimpleNamespace(Translator=Translator, GNMTGlobalScorer=lambda *args: None)
    monkeypatch.setitem(sys.modules, "onmt.translate", translate)
    peer = SimpleNamespace(model=None, vocabularies=None, batch=lambda *args: None)
    seq2seq_peers.JoeyNmt.decode(peer, torch.zeros(2, 3, dtype=torch.long, device="meta"), None, 4, 1)
    assert given["autocast"]["device_type"] == "meta"
    for device, gpu in (("cpu", -1), ("cuda:1", 1)):
        seq2seq_peers.OpenNmt.decode(peer, SimpleNamespace(device=torch.device(device)), None, 4, 1)
        assert given["gpu"] == gpu


def test_the_clock_waits_for_the_device(monkeypatch):
    events = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: events.append(device))
    monkeypatch.setattr(
        benchmarking, "time", SimpleNamespace(perf_counter=lambda: events.append("clock") or len(events))
    )
    found = benchmarking.time_in_turns({"way": lambda: events.append("run")}, 1, "cuda")
    assert events == ["run", "cuda", "clock", "run", "cuda", "clock"] and found == {"way": [3]}
    events.clear()
    assert benchmarking.time_in_turns({"way": lambda: events.append("run")}, 1) == {"way": [2]}
    events.clear()
    monkeypatch.setattr(torch.accelerator, "max_memory_allocated", lambda device: 3 * 2**20)
    found = benchmarking.measure_alone(torch.nn.Identity, lambda model: lambda: events.append("run"), "cuda")
    assert events == ["clock", "cuda", "clock", "run", "cuda", "clock", "run"]
    assert found["peak_mib"] == 3 and found["peak_of"] == "allocator"


@pytest.mark.parametrize("benchmark, part", [(benchmark_seq2seq, "alone"), (benchmark_vision, "memory")])
def test_processes_of_their_own_are_told_the_device(benchmark, part, monkeypatch, capsys):
    row = {"peak_mib": 3.0, "peak_of": "allocator", "make_seconds": 1.0, "first_batch_seconds": 1.0}
    given = []

    def each_alone(script, names, arguments):
        given.extend(arguments)
        return {"floor": row}

    monkeypatch.setattr(benchmark, "each_alone", each_alone)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("meta"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    benchmark.main(["--device", "meta", "--parts", part, "--ways", "floor", "--num_threads", "1"])
    assert given[given.index("--device") + 1] == "meta"
    assert "peak of the allocator, MiB" in capsys.readouterr().out


def test_the_peak_is_the_best_rate_of_large_products(monkeypatch):
    def time_in_turns(ways, rounds, device):
        run = ways["mm"]
        assert run().shape == (8, 8) and run().dtype == torch.bfloat16 and (rounds, device) == (2, "cpu")
        return {"mm": [0.5, 0.25]}

    monkeypatch.setattr(benchmarking, "PRODUCT", (8, 2))
    monkeypatch.setattr(benchmarking, "time_in_turns", time_in_turns)
    options = SimpleNamespace(device="cpu", bf16=True, peak_tflops=None)
    assert benchmarking.find_peak(options) == 2 * 8**3 / 0.25 / 1e12
    options.peak_tflops = 989.0
    assert benchmarking.find_peak(options) == 989


def test_rates_and_their_shares():
    found = benchmarking.rates(6 * 10**12, [2.0, 3.0, 1.0], 12.0)
    assert found == {"tflops_per_second": [3.0, 2.0, 6.0], "of_the_peak": [0.25, pytest.approx(1 / 6), 0.5]}
    assert benchmarking.show_rates(found) == ["3", "25.0%"]
    assert benchmarking.rates(None, [2.0], 12.0) == {} and benchmarking.show_rates({}) == ["-", "-"]


def test_a_device_that_is_not_there(monkeypatch, capsys):
    accelerator = None
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: accelerator)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    for main in (benchmark_seq2seq.main, benchmark_vision.main):
        with pytest.raises(SystemExit):
            main(["--device", "cuda"])
        error = capsys.readouterr().err
        assert "argument --device" in error and "'cuda'" in error and "give one of cpu, or install" in error
    accelerator = torch.device("cuda")
    assert [benchmarking.known_device(name) for name in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda:1"]
    for name in ("cuda:2", "meta", "gpu"):
        with pytest.raises(argparse.ArgumentTypeError, match="cpu, cuda, cuda:0, cuda:1"):
            benchmarking.known_device(name)


def test_a_profile_tells_products_from_the_rest():
    factor, row = torch.randn(256, 256), torch.randn(256)

    def work():
        (factor @ factor).addmm_(factor, factor).tanh_()
        return factor @ row

    found = benchmarking.profile(work, "cpu")
    assert next(iter(found)) == "products" and 0.5 < found["products"] < 1 and found["tanh_"] > 0
    assert sum(found.values()) == pytest.approx(1)
    others = list(found.values())[1:]
    assert others == sorted(others, reverse=True)
    assert "products" not in benchmarking.profile(lambda: row.exp(), "cpu")


@pytest.mark.parametrize("script", [benchmark_seq2seq, benchmark_vision])
def test_profiles_of_training_and_of_use(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(seq2seq_peers, "SIZES", SIZES)
    monkeypatch.setattr(benchmark_seq2seq, "STEPS", 3)
    if script is benchmark_seq2seq:
        given = ["--vocab_size", "40", "--length", "4", "--ways", "ours", "plain loop"]
        kinds = {"ours, training", "ours, greedy", "ours, beam 5", "plain loop, training", "plain loop, greedy"}
    else:
        given = ["--preset", "cct_2_3x2", "--image_sizes", "16", "--ways", "compact_vit"]
        kinds = {"compact_vit, training", "compact_vit, inference"}
    file = tmp_path / "profile.json"
    common = ["--parts", "profile", "--batch_size", "3", "--num_threads", "1", "--output_file", str(file)]
    script.main([*given, *common])
    found = json.loads(file.read_text())
    found = (found["found"]["16"] if script is benchmark_vision else found)["profile"]
    assert set(found) == kinds and all(0 < shares["products"] < 1 for shares in found.values())
    assert f"| {sorted(kinds)[0]} | products " in capsys.readouterr().out
