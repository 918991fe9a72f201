# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from functools import partial

import benchmark_seq2seq
import pytest
import seq2seq_peers
import torch
from benchmarking import count_flops
from datasets import Dataset
from transformers import CompileConfig


TINY = ["--vocab_size", "40", "--batch_size", "3", "--batches", "2", "--length", "4", "--rounds", "2"]
TINY += ["--num_threads", "1", "--peak_tflops", "2", "--ways", "ours", "plain loop", "tutorial", "floor"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    sizes = {"embedding_size": 8, "hidden_size": 12, "encoder_hidden_size": 6, "attention_size": 10, "maxout_size": 5}
    monkeypatch.setattr(seq2seq_peers, "SIZES", sizes)
    monkeypatch.setattr(benchmark_seq2seq, "STEPS", 3)


def test_every_figure_and_the_curves(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark_seq2seq, "AXES", dict.fromkeys(benchmark_seq2seq.AXES, (4, 6)))
    monkeypatch.setitem(benchmark_seq2seq.AXES, "vocabulary", (40, 50))
    file, picture = tmp_path / "seq2seq.json", tmp_path / "scaling.png"
    parts = ["--parts", "training", "decoding", "scaling", "--bf16", "--plot", str(picture)]
    benchmark_seq2seq.main([*TINY, *parts, "--output_file", str(file)])
    found = json.loads(file.read_text())
    training, decoding = found["training"], found["decoding"]
    assert len(training["ours"]["seconds"]) == 2 and min(training["ours"]["tokens_per_second"]) > 0
    assert training["ours"]["parameters"] == training["plain loop"]["parameters"]
    assert training["ours"]["saved_mib"] < training["plain loop"]["saved_mib"]
    assert set(decoding["greedy"]) == {"ours", "plain loop", "tutorial"} and set(decoding["beam 5"]) == {"ours"}
    # two batches of three sentences
    forward = sum(products_of_a_sentence(4, 4)) * 2 * 2 * 3
    searched = sum(products_of_a_sentence(4, 3, beams=5)) * 2 * 2 * 3
    for row, flops in ((training["ours"], 3 * forward), (decoding["beam 5"]["ours"], searched)):
        assert row["tflops_per_second"] == pytest.approx([flops / value / 1e12 for value in row["seconds"]])
        assert row["of_the_peak"] == pytest.approx([rate / 2 for rate in row["tflops_per_second"]])
    assert found["peak_tflops"] == 2 and "of_the_peak" in decoding["one sentence"]["plain loop"]
    assert not any("of_the_peak" in training[name] for name in ("tutorial", "floor"))
    assert set(found["scaling"]["source length"]["6"]) == {"ours", "plain loop", "tutorial", "floor"}
    assert picture.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "| plain loop |" in printed and "ms a step, by vocabulary" in printed


def test_batches_of_the_data_and_of_its_loader(tmp_path):
    pairs = [{"de": "ein Hund " * (index % 5 + 1), "en": "a dog " * (index % 4 + 1)} for index in range(80)]
    Dataset.from_dict({"translation": pairs}).to_parquet(tmp_path / "train.parquet")
    file = tmp_path / "seq2seq.json"
    given = ["--data_dir", str(tmp_path), "--parts", "training", "--output_file", str(file)]
    benchmark_seq2seq.main([*TINY, "--vocab_size", "30", *given])
    training = json.loads(file.read_text())["training"]
    assert {"ours, by length", "floor, by length"} < set(training)


def products_of_a_sentence(source, target, beams=1):
    """Multiplications by hand: the sizes are those of `small`, and 40 tokens."""
    encoder = 2 * source * (8 + 6) * 18  # directions, gates of 6
    initial, keys = 6 * 12, source * 12 * 10
    queries, scores, contexts = target * 12 * 10, target * source * 10, target * source * 12
    cells = (target - 1) * (8 + 12 + 12) * 36  # none after the last logits
    readout, logits = target * (12 + 12 + 8) * 10, target * 5 * 40
    return encoder, initial, keys, *(beams * steps for steps in (queries, scores, contexts, cells, readout, logits))


def test_products_are_counted_as_by_hand():
    assert sum(products_of_a_sentence(7, 5)) == 13018
    assert seq2seq_peers.count_forward(torch.tensor([7]), torch.tensor([5]), 40) == 2 * 13018
    lengths = torch.tensor([7, 4, 1]), torch.tensor([5, 2, 6])
    for beams in (1, 5):
        wanted = sum(sum(products_of_a_sentence(*pair, beams)) for pair in zip(*map(torch.Tensor.tolist, lengths)))
        assert seq2seq_peers.count_forward(*lengths, 40, beams) == 2 * wanted


def test_products_are_counted_as_pytorch_counts_them():
    """Those of the plain loop, but for keys and queries, which it makes for each pair, and its last state."""
    batch = benchmark_seq2seq.move(benchmark_seq2seq.random_batches(40, 1, 3, 7, 5)[0], "meta")
    loop = seq2seq_peers.PlainLoop(40).to("meta")
    again = 2 * 3 * (7 * 5 * 24 * 10 - 7 * 12 * 10 - 5 * 12 * 10)
    last = 2 * 3 * (8 + 12 + 12) * 36
    lengths = torch.full((3,), 7), torch.full((3,), 5)
    forward = seq2seq_peers.count_forward(*lengths, 40)
    assert count_flops(lambda: loop(**batch), False) == forward + again + last
    first = 2 * 3 * 2 * 6 * 18  # the encoder's states before the first token, which are zeros, have no gradient
    assert count_flops(lambda: loop(**batch), True) == 3 * (forward + again) + last - first


@pytest.mark.parametrize("part", ["training", "decoding"])
def test_compiled_ways_take_part(part, tmp_path, monkeypatch):
    assert CompileConfig().mode == "reduce-overhead"  # CUDA graphs, as the docstring says
    monkeypatch.setattr(benchmark_seq2seq, "CompileConfig", partial(CompileConfig, backend="eager"))
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    file = tmp_path / "seq2seq.json"
    given = ["--ways", "ours", "--parts", part, "--compile", "--output_file", str(file)]
    benchmark_seq2seq.main([*TINY[: TINY.index("--ways")], *given])
    found = json.loads(file.read_text())[part]
    for ways in [found] if part == "training" else found.values():
        assert list(ways) == ["ours", "ours, compiled"]
        assert ways["ours"].keys() == ways["ours, compiled"].keys()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0


def test_a_process_of_its_own(tmp_path):
    file = tmp_path / "seq2seq.json"
    benchmark_seq2seq.main([*TINY[:-3], "--parts", "alone", "--output_file", str(file)])
    row = json.loads(file.read_text())["alone"]["ours"]
    assert row["peak_mib"] > 50 and row["make_seconds"] > 0 and row["first_batch_seconds"] > 0
    assert row["peak_of"] == "process"


def make_opennmt(monkeypatch):
    if "OpenNMT-py" not in seq2seq_peers.WAYS:
        pytest.skip("OpenNMT-py is not installed")
    monkeypatch.setitem(seq2seq_peers.SIZES, "attention_size", 12)
    torch.manual_seed(0)
    return seq2seq_peers.WAYS["OpenNMT-py"](40).eval()


@torch.no_grad()
def test_opennmt_decodes_what_it_was_trained_to(monkeypatch):
    """Its greedy search against the best tokens of its training forward, and both searches' lengths."""
    peer = make_opennmt(monkeypatch)
    (batch,) = benchmark_seq2seq.random_batches(40, 1, 3, 7, 5)
    greedy = [found[0].tolist() for found in peer.decode(batch["input_ids"], batch["attention_mask"], 6, 1)]
    assert [len(found) for found in greedy] == [6, 6, 6]
    assert [len(found[0]) for found in peer.decode(batch["input_ids"], batch["attention_mask"], 6, 5)] == [6, 6, 6]
    made = peer.batch(**batch)
    forced = torch.cat([made["tgt"][:, :1, 0], torch.tensor(greedy)], dim=1).unsqueeze(-1)
    logits = peer.model.generator(peer.model(made["src"], forced, made["srclen"])[0])
    logits[..., 3] = -torch.inf  # the end, which was forbidden
    assert logits.argmax(dim=-1).tolist() == greedy


@torch.no_grad()
def test_opennmt_takes_its_loss_of_the_labels_alone(monkeypatch):
    peer = make_opennmt(monkeypatch)
    (batch,) = benchmark_seq2seq.random_batches(40, 1, 3, 7, 5)
    pad = torch.nn.functional.pad
    padded = {
        "input_ids": pad(batch["input_ids"], (0, 2), value=seq2seq_peers.PAD),
        "attention_mask": pad(batch["attention_mask"], (0, 2)),
        "labels": pad(batch["labels"], (0, 3), value=-100),
    }
    made = peer.batch(**batch)
    logits = peer.model.generator(peer.model(made["src"], made["tgt"], made["srclen"])[0])
    wanted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), made["tgt"][:, 1:, 0].flatten())
    torch.testing.assert_close(peer(**batch), wanted)
    torch.testing.assert_close(peer(**padded), wanted)


def test_opennmt_takes_part(monkeypatch, tmp_path, capsys):
    make_opennmt(monkeypatch)
    file = tmp_path / "seq2seq.json"
    given = ["--ways", "ours", "OpenNMT-py", "--parts", "training", "decoding", "--output_file", str(file)]
    benchmark_seq2seq.main([*TINY[: TINY.index("--ways")], *given])
    decoding = json.loads(file.read_text())["decoding"]
    assert all(set(ways) == {"ours", "OpenNMT-py"} for ways in decoding.values())
    assert "times OpenNMT-py's speed" in capsys.readouterr().out


@torch.no_grad()
def test_the_plain_loop_is_the_same_model():
    """With the same weights it has the same loss."""
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
