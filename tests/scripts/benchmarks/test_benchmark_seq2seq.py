# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from functools import partial

import benchmark_seq2seq
import pytest
import seq2seq_peers
import torch
from benchmarking import count_flops
from datasets import Dataset


TINY = ["--vocab_size", "40", "--batch_size", "3", "--batches", "2", "--length", "4", "--rounds", "2"]
TINY += ["--num_threads", "1", "--peak_tflops", "2"]
ALL_OURS = ["--implementations", "ours", "minGRU", "plain loop", "tutorial", "floor"]


pytestmark = pytest.mark.usefixtures("small_sizes")


def test_results_and_scaling_curves_are_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark_seq2seq, "AXES", dict.fromkeys(benchmark_seq2seq.AXES, (4, 6)))
    monkeypatch.setitem(benchmark_seq2seq.AXES, "vocabulary", (40, 50))
    file, picture = tmp_path / "seq2seq.json", tmp_path / "scaling.png"
    parts = ["--parts", "training", "decoding", "scaling", "--bf16", "--plot", str(picture)]
    benchmark_seq2seq.main([*TINY, *ALL_OURS, *parts, "--output_file", str(file)])
    results = json.loads(file.read_text())
    training, decoding = results["training"], results["decoding"]
    assert len(training["ours"]["seconds"]) == 2
    assert min(training["ours"]["tokens_per_second"]) > 0
    assert training["ours"]["parameters"] == training["plain loop"]["parameters"]
    assert training["ours"]["saved_mib"] < training["plain loop"]["saved_mib"]
    assert set(decoding["greedy"]) == {"ours", "minGRU", "plain loop", "tutorial"}
    assert set(decoding["beam 5"]) == {"ours", "minGRU"}
    # two batches of three sentences
    forward = sum(count_products(4, 4)) * 2 * 2 * 3
    searched = sum(count_products(4, 3, beams=5)) * 2 * 2 * 3
    for row, flops in ((training["ours"], 3 * forward), (decoding["beam 5"]["ours"], searched)):
        assert row["tflops_per_second"] == pytest.approx([flops / value / 1e12 for value in row["seconds"]])
        assert row["of_the_peak"] == pytest.approx([rate / 2 for rate in row["tflops_per_second"]])
    assert results["peak_tflops"] == 2
    assert "of_the_peak" in decoding["one sentence"]["plain loop"]
    assert not any("of_the_peak" in training[name] for name in ("tutorial", "floor"))
    assert set(results["scaling"]["source length"]["6"]) == {"ours", "minGRU", "plain loop", "tutorial", "floor"}
    assert picture.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "| plain loop |" in printed
    assert "ms per step, by vocabulary" in printed


def test_training_on_batches_of_the_data_and_of_its_loader(tmp_path):
    pairs = [{"de": "ein Hund " * (index % 5 + 1), "en": "a dog " * (index % 4 + 1)} for index in range(80)]
    Dataset.from_dict({"translation": pairs}).to_parquet(tmp_path / "train.parquet")
    file = tmp_path / "seq2seq.json"
    given = ["--data_dir", str(tmp_path), "--parts", "training", "--output_file", str(file)]
    benchmark_seq2seq.main([*TINY, *ALL_OURS, "--vocab_size", "30", *given])
    training = json.loads(file.read_text())["training"]
    assert {"ours, by length", "floor, by length"} < set(training)


def count_products(source, target, beams=1):
    """Returns the multiplications for a sentence, counted by hand for the sizes of `small_sizes` and 40 tokens."""
    encoder = 2 * source * (8 + 6) * 18  # directions, gates of 6
    initial, keys = 6 * 12, source * 12 * 10
    queries, scores, contexts = target * 12 * 10, target * source * 10, target * source * 12
    cells = (target - 1) * (8 + 12 + 12) * 36  # the state after the last logits is not computed
    readout, logits = target * (12 + 12 + 8) * 10, target * 5 * 40
    return encoder, initial, keys, *(beams * steps for steps in (queries, scores, contexts, cells, readout, logits))


def test_flops_match_those_counted_by_hand():
    assert sum(count_products(7, 5)) == 13018
    assert seq2seq_peers.count_forward(torch.tensor([7]), torch.tensor([5]), 40) == 2 * 13018
    lengths = torch.tensor([7, 4, 1]), torch.tensor([5, 2, 6])
    for beams in (1, 5):
        expected = sum(sum(count_products(*pair, beams)) for pair in zip(*map(torch.Tensor.tolist, lengths)))
        assert seq2seq_peers.count_forward(*lengths, 40, beams) == 2 * expected


def test_flops_match_those_counted_by_pytorch():
    """The plain loop also computes keys and queries for each pair, and a last state, which are not counted."""
    batch = benchmark_seq2seq.move(benchmark_seq2seq.random_batches(40, 1, 3, 7, 5)[0], "meta")
    loop = seq2seq_peers.PlainLoop(40).to("meta")
    repeated = 2 * 3 * (7 * 5 * 24 * 10 - 7 * 12 * 10 - 5 * 12 * 10)
    last = 2 * 3 * (8 + 12 + 12) * 36
    lengths = torch.full((3,), 7), torch.full((3,), 5)
    forward = seq2seq_peers.count_forward(*lengths, 40)
    assert count_flops(lambda: loop(**batch), False) == forward + repeated + last
    first = 2 * 3 * 2 * 6 * 18  # the encoder's initial states are zeros without a gradient
    assert count_flops(lambda: loop(**batch), True) == 3 * (forward + repeated) + last - first


def test_a_compiled_model_is_trained_too(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch._dynamo.utils.counters.clear()
    file = tmp_path / "seq2seq.json"
    given = ["--ways", "ours", "--parts", "training", "--compile", "--output_file", str(file)]  # the old name
    benchmark_seq2seq.main([*TINY, *given])
    rows = json.loads(file.read_text())["training"]
    assert list(rows) == ["ours", "ours, compiled"]
    assert rows["ours"].keys() == rows["ours, compiled"].keys()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0


def test_memory_is_measured_in_a_separate_process(tmp_path):
    file = tmp_path / "seq2seq.json"
    given = ["--implementations", "ours", "--parts", "alone", "--output_file", str(file)]
    benchmark_seq2seq.main([*TINY, *given])
    row = json.loads(file.read_text())["alone"]["ours"]
    assert row["peak_mib"] > 50
    assert row["peak_of"] == "process"
    assert min(row["make_seconds"], row["first_batch_seconds"]) > 0


def make_opennmt(monkeypatch):
    if "OpenNMT-py" not in seq2seq_peers.IMPLEMENTATIONS:
        pytest.skip("OpenNMT-py is not installed")
    monkeypatch.setitem(seq2seq_peers.SIZES, "attention_size", 12)
    torch.manual_seed(0)
    return seq2seq_peers.IMPLEMENTATIONS["OpenNMT-py"](40).eval()


@torch.no_grad()
def test_opennmt_decodes_the_best_tokens_of_its_training_forward_pass(monkeypatch):
    peer = make_opennmt(monkeypatch)
    (batch,) = benchmark_seq2seq.random_batches(40, 1, 3, 7, 5)
    greedy = [ids[0].tolist() for ids in peer.decode(batch["input_ids"], batch["attention_mask"], 6, 1)]
    assert [len(ids) for ids in greedy] == [6, 6, 6]
    assert [len(ids[0]) for ids in peer.decode(batch["input_ids"], batch["attention_mask"], 6, 5)] == [6, 6, 6]
    peer_batch = peer.batch(**batch)
    forced = torch.cat([peer_batch["tgt"][:, :1, 0], torch.tensor(greedy)], dim=1).unsqueeze(-1)
    logits = peer.model.generator(peer.model(peer_batch["src"], forced, peer_batch["srclen"])[0])
    logits[..., 3] = -torch.inf  # eos, which was suppressed
    assert logits.argmax(dim=-1).tolist() == greedy


@torch.no_grad()
def test_opennmt_ignores_padding_in_its_loss(monkeypatch):
    peer = make_opennmt(monkeypatch)
    (batch,) = benchmark_seq2seq.random_batches(40, 1, 3, 7, 5)
    pad = torch.nn.functional.pad
    padded = {
        "input_ids": pad(batch["input_ids"], (0, 2), value=seq2seq_peers.PAD),
        "attention_mask": pad(batch["attention_mask"], (0, 2)),
        "labels": pad(batch["labels"], (0, 3), value=-100),
    }
    peer_batch = peer.batch(**batch)
    logits = peer.model.generator(peer.model(peer_batch["src"], peer_batch["tgt"], peer_batch["srclen"])[0])
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), peer_batch["tgt"][:, 1:, 0].flatten())
    torch.testing.assert_close(peer(**batch), expected)
    torch.testing.assert_close(peer(**padded), expected)


def test_opennmt_is_measured_if_it_is_installed(monkeypatch, tmp_path, capsys):
    make_opennmt(monkeypatch)
    file = tmp_path / "seq2seq.json"
    given = ["--implementations", "ours", "OpenNMT-py", "--parts", "training", "decoding", "--output_file", str(file)]
    benchmark_seq2seq.main([*TINY, *given])
    decoding = json.loads(file.read_text())["decoding"]
    assert all(set(rows) == {"ours", "OpenNMT-py"} for rows in decoding.values())
    assert "times OpenNMT-py's speed" in capsys.readouterr().out


@torch.no_grad()
def test_plain_loop_with_the_same_weights_has_the_same_loss():
    torch.manual_seed(0)
    ours, loop = seq2seq_peers.Ours(40).eval(), seq2seq_peers.PlainLoop(40)
    inner, decoder = ours.model.model, ours.model.model.decoder
    layer, encoder = decoder.layers[0], inner.encoder.layers[0]
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    loop.source.weight.copy_(inner.encoder.embed_tokens.weight)
    loop.target.weight.copy_(decoder.embed_tokens.weight)
    for unit, suffix in ((encoder.forward_rnn.unit, ""), (encoder.backward_rnn.unit, "_reverse")):
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(loop.encoder, name + suffix).copy_(getattr(unit, name))
    loop.initial.load_state_dict(decoder.initial_state.state_dict())
    loop.attention.weight.copy_(torch.cat([layer.attention.query_proj.weight, layer.attention.key_proj.weight], dim=1))
    loop.attention.bias.copy_(layer.attention.query_proj.bias)
    loop.score.weight.copy_(layer.attention.score.weight)
    loop.cell.weight_ih.copy_(torch.cat([layer.input_proj.weight, layer.context_proj.weight], dim=1))
    loop.cell.bias_ih.copy_(layer.input_proj.bias)
    loop.cell.weight_hh.copy_(layer.cell.recurrent.weight)
    loop.cell.bias_hh.copy_(layer.cell.recurrent.bias)
    parts = (decoder.readout.state_proj, decoder.readout.context_proj, decoder.readout.input_proj)
    loop.readout.weight.copy_(torch.cat([part.weight for part in parts], dim=1))
    loop.readout.bias.copy_(decoder.readout.state_proj.bias)
    loop.head.load_state_dict(ours.model.lm_head.state_dict())
    (batch,) = benchmark_seq2seq.random_batches(40, 1, 3, 7, 5)
    torch.testing.assert_close(loop(**batch), ours(**batch), rtol=1e-5, atol=1e-6)
