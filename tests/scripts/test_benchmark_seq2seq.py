# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
import json

import benchmark_seq2seq
import pytest
import seq2seq_peers
import torch
from datasets import Dataset


TINY = ["--vocab_size", "40", "--batch_size", "3", "--batches", "2", "--length", "4", "--rounds", "2"]
TINY += ["--num_threads", "1", "--ways", "ours", "plain loop", "tutorial", "floor"]


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


def test_a_process_of_its_own(tmp_path):
    file = tmp_path / "seq2seq.json"
    benchmark_seq2seq.main([*TINY[:-3], "--parts", "alone", "--output_file", str(file)])
    row = json.loads(file.read_text())["alone"]["ours"]
    assert row["peak_mib"] > 50 and row["make_seconds"] > 0 and row["first_batch_seconds"] > 0


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
