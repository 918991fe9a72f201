#!/usr/bin/env python
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
"""
Training and decoding speed of the recurrent family, beside a floor and a plain loop, in one run.

    python scripts/benchmark_seq2seq.py                                  # random tokens, full batches of 30
    python scripts/benchmark_seq2seq.py --data_dir multi30k --bf16 --output_file seq2seq.json

The floor, which no decoder with attention can reach, is the encoder, PyTorch's fused GRU over the target and the
product for the logits, of the same sizes. The plain loop is how tutorials write it: attention, gates, readout and
logits step by step, the keys made anew in each. Each way takes its turn in every round; ratios are of medians.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from datasets import load_dataset
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.data.tokenizer import train_tokenizer


SIZES = {
    "embedding_size": 256,
    "hidden_size": 512,
    "encoder_hidden_size": 256,
    "attention_size": 512,
    "maxout_size": 256,
}
EOS = 2
STEPS = 20  # of decoding
Batch = dict[str, torch.Tensor]


class Floor(nn.Module):
    """What cannot be left out of an encoder-decoder of these sizes, and no attention."""

    def __init__(self, vocab_size: int):
        super().__init__()
        size, hidden, encoder = (SIZES[name] for name in ("embedding_size", "hidden_size", "encoder_hidden_size"))
        self.source, self.target = nn.Embedding(vocab_size, size), nn.Embedding(vocab_size, size)
        self.encoder = nn.GRU(size, encoder, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(size, hidden, batch_first=True)
        self.head = nn.Linear(SIZES["maxout_size"], vocab_size)

    def forward(self, input_ids, attention_mask, labels):
        self.encoder(self.source(input_ids))
        states, _ = self.decoder(self.target(labels.clamp_min(0)))
        logits = self.head(states[..., : self.head.in_features])
        return cross_entropy(logits.flatten(0, 1), labels.flatten())


class PlainLoop(nn.Module):
    """Bahdanau's decoder as tutorials write it, of the same sizes."""

    def __init__(self, vocab_size: int):
        super().__init__()
        size, hidden, encoder = (SIZES[name] for name in ("embedding_size", "hidden_size", "encoder_hidden_size"))
        self.source, self.target = nn.Embedding(vocab_size, size), nn.Embedding(vocab_size, size)
        self.encoder = nn.GRU(size, encoder, batch_first=True, bidirectional=True)
        self.initial = nn.Linear(encoder, hidden)
        self.attention = nn.Linear(hidden + 2 * encoder, SIZES["attention_size"])
        self.score = nn.Linear(SIZES["attention_size"], 1, bias=False)
        self.cell = nn.GRUCell(size + 2 * encoder, hidden)
        self.readout = nn.Linear(hidden + 2 * encoder + size, 2 * SIZES["maxout_size"])
        self.head = nn.Linear(SIZES["maxout_size"], vocab_size)

    def start(self, input_ids, attention_mask):
        annotations, _ = self.encoder(self.source(input_ids))
        return annotations, torch.tanh(self.initial(annotations[:, 0, annotations.shape[2] // 2 :]))

    def step(self, token, state, annotations, attention_mask):
        queries = state.unsqueeze(1).expand(-1, annotations.shape[1], -1)
        scores = self.score(torch.tanh(self.attention(torch.cat([queries, annotations], dim=-1)))).squeeze(-1)
        weights = scores.masked_fill(attention_mask == 0, -1e4).softmax(dim=-1)
        context = torch.bmm(weights.unsqueeze(1), annotations).squeeze(1)
        embed = self.target(token)
        pairs = self.readout(torch.cat([state, context, embed], dim=-1))
        state = self.cell(torch.cat([embed, context], dim=-1), state.to(context.dtype))
        return self.head(pairs.unflatten(-1, (-1, 2)).amax(dim=-1)), state

    def forward(self, input_ids, attention_mask, labels):
        annotations, state = self.start(input_ids, attention_mask)
        token, loss = torch.ones_like(labels[:, 0]), 0.0
        for step in range(labels.shape[1]):
            logits, state = self.step(token, state, annotations, attention_mask)
            loss = loss + cross_entropy(logits, labels[:, step], reduction="sum")
            token = labels[:, step].clamp_min(0)
        return loss / (labels >= 0).sum()

    @torch.no_grad()
    def greedy(self, input_ids, attention_mask):
        annotations, state = self.start(input_ids, attention_mask)
        token = torch.ones_like(input_ids[:, 0])
        for _ in range(STEPS):
            logits, state = self.step(token, state, annotations, attention_mask)
            token = logits.argmax(dim=-1)


def make_model(vocab_size: int) -> BahdanauForConditionalGeneration:
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    return BahdanauForConditionalGeneration(BahdanauConfig(vocab_size=vocab_size, dropout=0.0, **SIZES, **ids))


def random_batches(vocab_size: int, count: int, batch_size: int, source: int, target: int) -> list[Batch]:
    def draw(length):
        ids = torch.randint(4, vocab_size, (batch_size, length))
        ids[:, -1] = EOS
        return ids

    masks = torch.ones(batch_size, source, dtype=torch.long)
    return [{"input_ids": draw(source), "attention_mask": masks, "labels": draw(target)} for _ in range(count)]


def read_batches(data_dir: str, vocab_size: int, count: int, batch_size: int) -> list[Batch]:
    """Multi30k's German and English in the order of the file, without bucketing."""
    pairs = load_dataset("parquet", data_files=str(Path(data_dir, "train.parquet")), split="train")["translation"]
    texts = [text for pair in pairs for text in (pair["de"], pair["en"])]
    tokenizer = train_tokenizer(texts, vocab_size=vocab_size, model_type="bpe")
    batches = []
    for start in range(0, count * batch_size, batch_size):
        chunk = pairs[start : start + batch_size]
        options = {"return_tensors": "pt", "padding": True, "return_token_type_ids": False}
        batch = tokenizer([pair["de"] for pair in chunk], **options)
        target = tokenizer([pair["en"] for pair in chunk], **options)
        labels = target["input_ids"].masked_fill(target["attention_mask"] == 0, -100)
        batches.append({**batch, "labels": labels})
    return batches


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, bf16: bool):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        loss = model(**batch)
    loss = loss if isinstance(loss, torch.Tensor) else loss.loss
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def saved_for_backward(model: nn.Module, batch: Batch, bf16: bool) -> float:
    """MiB of activations that autograd keeps: every storage once, parameters left out."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    seen = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        model(**batch)
    return sum(seen.values()) / 2**20


def time_in_turns(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in every round, after one to warm up."""
    for run in ways.values():
        run()
    found = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            found[name].append(time.perf_counter() - start)
    return found


def measure_training(models: dict[str, nn.Module], batches: list[Batch], options) -> dict[str, dict]:
    tokens = sum(int((batch["labels"] >= 0).sum()) for batch in batches)
    ways = {}
    for name, model in models.items():
        optimizer = torch.optim.Adam(model.train().parameters(), lr=1e-4)

        def run(model=model, optimizer=optimizer):
            for batch in batches:
                train_step(model, optimizer, batch, options.bf16)

        ways[name] = run
    seconds = time_in_turns(ways, options.rounds)
    return {
        name: {
            "seconds": values,
            "tokens_per_second": [tokens / value for value in values],
            "saved_mib": saved_for_backward(models[name], batches[0], options.bf16),
            "parameters": sum(parameter.numel() for parameter in models[name].parameters()),
        }
        for name, values in seconds.items()
    }


def measure_decoding(model: PreTrainedModel, loop: PlainLoop, batches: list[Batch], options) -> dict[str, dict]:
    """Sentences a second, of exactly `STEPS` tokens each."""
    sources = [{name: batch[name] for name in ("input_ids", "attention_mask")} for batch in batches]
    single = {name: value[:1] for name, value in sources[0].items()}
    length = {"min_new_tokens": STEPS, "max_new_tokens": STEPS}

    def generate(inputs, num_beams):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
            model.generate(**inputs, num_beams=num_beams, do_sample=False, **length)

    def loop_greedy(inputs):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
            loop.greedy(**inputs)

    ways = {
        "greedy": lambda: [generate(inputs, 1) for inputs in sources],
        "beam 5": lambda: [generate(inputs, 5) for inputs in sources],
        "greedy, plain loop": lambda: [loop_greedy(inputs) for inputs in sources],
        "greedy, one sentence": lambda: generate(single, 1),
        "greedy, one sentence, plain loop": lambda: loop_greedy(single),
    }
    sentences = sum(len(inputs["input_ids"]) for inputs in sources)
    found = time_in_turns(ways, max(3, options.rounds // 2))
    return {
        name: {
            "seconds": values,
            "sentences_per_second": [(1 if "one sentence" in name else sentences) / value for value in values],
        }
        for name, values in found.items()
    }


def report(training: dict[str, dict], decoding: dict[str, dict]):
    def median(name: str, key: str = "seconds") -> float:
        return statistics.median(training[name][key])

    columns = ("training", "times the loop's speed", "times the floor's time", "tokens/s", "saved, MiB", "parameters")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, row in training.items():
        ratios = f"{median('plain loop') / median(name):.2f} | {median(name) / median('floor'):.2f}"
        speeds = row["tokens_per_second"]
        speeds = f"{statistics.median(speeds):,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f})"
        print(f"| {name} | {ratios} | {speeds} | {row['saved_mib']:.0f} | {row['parameters']:,} |")
    print(f"\n| decoding, {STEPS} steps | sentences/s |\n|---|---|")
    for name, row in decoding.items():
        speeds = row["sentences_per_second"]
        print(f"| {name} | {statistics.median(speeds):,.1f} ({min(speeds):,.1f} to {max(speeds):,.1f}) |")


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", help="a folder with Multi30k's train.parquet (default: random tokens)")
    parser.add_argument("--vocab_size", type=int, default=8000)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--batches", type=int, default=6, help="batches a round")
    parser.add_argument("--length", type=int, default=30, help="tokens of random sources and targets")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast")
    parser.add_argument("--output_file", help="where to write every figure, as JSON")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(options.num_threads)
    if options.data_dir:
        batches = read_batches(options.data_dir, options.vocab_size, options.batches, options.batch_size)
    else:
        lengths = (options.length, options.length)
        batches = random_batches(options.vocab_size, options.batches, options.batch_size, *lengths)
    models = {
        "bahdanau": make_model(options.vocab_size),
        "plain loop": PlainLoop(options.vocab_size),
        "floor": Floor(options.vocab_size),
    }
    training = measure_training(models, batches, options)
    decoding = measure_decoding(models["bahdanau"].eval(), models["plain loop"].eval(), batches, options)
    report(training, decoding)
    if options.output_file:
        found = {"options": vars(options), "torch": torch.__version__, "training": training, "decoding": decoding}
        Path(options.output_file).write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
