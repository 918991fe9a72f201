# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure the training and decoding speed of the recurrent family and of other implementations.

    python scripts/benchmarks/benchmark_seq2seq.py                                  # random tokens, full batches of 30
    python scripts/benchmarks/benchmark_seq2seq.py --data_dir multi30k --bf16 --output_file seq2seq.json
    python scripts/benchmarks/benchmark_seq2seq.py --device cuda --bf16 --compile   # on a GPU, also compiled
    python scripts/benchmarks/benchmark_seq2seq.py --parts scaling --plot scaling.png
    python scripts/benchmarks/benchmark_seq2seq.py --parts profile --implementations ours

`floor` has no attention: it is the encoder, PyTorch's fused GRU over the target and the product for the logits, of the
same sizes, including padding. `minGRU` is ours with another cell and general attention. `plain loop` is the same
model, step by step; `tutorial` is that loop with an output layer from state, context and embedding. JoeyNMT and
OpenNMT-py take part if they are installed. The implementations take turns in every round, each with its own optimizer;
ratios are of medians.

TFLOP/s count the products of the plain loop, with its keys computed once and without padding; training counts three
times the forward pass. The count is the same for every implementation of this model, even if it recomputes products.
Other models have no TFLOP/s.

`by length` trains on batches from the data loader of this project's recipes, including the time to load and move them;
the other batches are in the order of the file, and on the device before the clock starts.

`ours, compiled` is trained with `torch.compile`, like `--torch_compile true`.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch
from benchmarking import (
    add_comparison_options,
    autocast,
    find_peak,
    flop_rates,
    make_parser,
    measure_alone,
    print_processes,
    print_profiles,
    print_speeds,
    print_table,
    profile,
    run_in_subprocesses,
    saved_for_backward,
    time_in_turns,
    write_results,
)
from datasets import load_dataset
from seq2seq_peers import EOS, IMPLEMENTATIONS, PAD, PEERS, count_forward
from torch import nn
from torch.utils.data import DataLoader
from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerBase
from transformers.trainer_pt_utils import LengthGroupedSampler

from hf_attention.data.tokenizer import train_tokenizer


DECODING_STEPS = 20
BY_LENGTH = ("ours", "minGRU", "floor")  # also trained on batches of the data loader
COUNTED = ("ours", "plain loop")  # the model whose products are counted
WITH_BEAMS = ("ours", "minGRU", *PEERS)
PARTS = ("training", "decoding", "alone", "scaling", "profile")
AXES = {
    "source length": (10, 20, 40, 80),
    "target length": (10, 20, 40, 80),
    "batch size": (8, 16, 32, 64, 128),
    "vocabulary": (2000, 8000, 32000),
}
Batch = dict[str, torch.Tensor]


def random_batches(vocab_size: int, count: int, batch_size: int, source: int, target: int) -> list[Batch]:
    def draw(length: int) -> torch.Tensor:
        ids = torch.randint(4, vocab_size, (batch_size, length))
        ids[:, -1] = EOS
        return ids

    mask = torch.ones(batch_size, source, dtype=torch.long)
    return [{"input_ids": draw(source), "attention_mask": mask, "labels": draw(target)} for _ in range(count)]


def read_features(data_dir: str, vocab_size: int) -> tuple[list[dict], PreTrainedTokenizerBase]:
    """Returns the German and English pairs of Multi30k as ids, and a tokenizer trained on them."""
    pairs = load_dataset("parquet", data_files=str(Path(data_dir, "train.parquet")), split="train")["translation"]
    texts = [text for pair in pairs for text in (pair["de"], pair["en"])]
    tokenizer = train_tokenizer(texts, vocab_size=vocab_size, model_type="bpe")
    source = tokenizer([pair["de"] for pair in pairs])["input_ids"]
    target = tokenizer([pair["en"] for pair in pairs])["input_ids"]
    return [{"input_ids": ids, "labels": labels} for ids, labels in zip(source, target)], tokenizer


def make_loader(features: list[dict], tokenizer: PreTrainedTokenizerBase, options: argparse.Namespace) -> DataLoader:
    """
    Returns random batches of those that transformers' sampler creates from all pairs. The sampler groups by length
    only within fifty batches and starts with the longest, so the first batches would not be representative.
    """
    size, lengths = options.batch_size, [len(row["input_ids"]) + len(row["labels"]) for row in features]
    generator = torch.Generator().manual_seed(0)
    rows = list(LengthGroupedSampler(size, lengths=lengths, generator=generator))
    batches = [rows[start : start + size] for start in range(0, len(rows) - size + 1, size)]
    drawn = [batches[index] for index in torch.randperm(len(batches), generator=generator)[: options.batches]]
    collate = DataCollatorForSeq2Seq(tokenizer)
    return DataLoader(features, batch_sampler=drawn, collate_fn=collate, pin_memory=options.device != "cpu")


def move(batch: Batch, device: str) -> Batch:
    return {name: batch[name].to(device, non_blocking=True) for name in ("input_ids", "attention_mask", "labels")}


def make_model(name: str, vocab_size: int, options: argparse.Namespace) -> nn.Module:
    return IMPLEMENTATIONS[name](vocab_size).to(options.device)


def make_step(model: nn.Module, options: argparse.Namespace) -> Callable[[Batch], None]:
    """Returns a training step on one batch: forward, backward, clipping and Adam."""
    optimizer = torch.optim.Adam(model.train().parameters(), lr=1e-4, fused=True)

    def step(batch: Batch) -> None:
        with autocast(options):
            loss = model(**batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def train(step: Callable[[Batch], None], batches: Iterable[Batch], device: str) -> None:
    for batch in batches:
        step(move(batch, device))


def count_tokens(batches: Iterable[Batch]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the number of tokens of every source and of every target."""
    counts = [(batch["attention_mask"].sum(dim=1), (batch["labels"] >= 0).sum(dim=1)) for batch in batches]
    source, target = zip(*counts)
    return torch.cat(source), torch.cat(target)


def measure_training(
    batches: list[Batch], loader: DataLoader | None, options: argparse.Namespace, peak: float
) -> dict[str, dict]:
    names = options.implementations
    models = {name: make_model(name, options.vocab_size, options) for name in names}
    if options.compile and "ours" in names:
        models["ours, compiled"] = torch.compile(make_model("ours", options.vocab_size, options))
    data = dict.fromkeys(models, batches)
    if loader is not None:
        for name in [name for name in BY_LENGTH if name in names]:
            models[f"{name}, by length"] = make_model(name, options.vocab_size, options)
            data[f"{name}, by length"] = loader
    runs = {
        name: partial(train, make_step(model, options), data[name], options.device) for name, model in models.items()
    }

    def saved(model: nn.Module) -> float:
        with autocast(options):
            return saved_for_backward(model, partial(model, **batches[0]))

    results = {}
    for name, seconds in time_in_turns(runs, options.rounds, options.device).items():
        source, target = count_tokens(data[name])
        tokens, flops = int(target.sum()), 3 * count_forward(source, target, options.vocab_size)
        results[name] = {
            "seconds": seconds,
            "tokens_per_second": [tokens / value for value in seconds],
            **flop_rates(flops if name.split(",")[0] in COUNTED else None, seconds, peak),
            "saved_mib": saved(models[name]),
            "parameters": sum(parameter.numel() for parameter in models[name].parameters()),
        }
    return results


def drop_labels(batches: list[Batch]) -> list[Batch]:
    return [{name: batch[name] for name in ("input_ids", "attention_mask")} for batch in batches]


@torch.no_grad()
def decode(model: nn.Module, sources: list[Batch], num_beams: int, options: argparse.Namespace) -> None:
    for source in sources:
        with autocast(options):
            model.decode(**source, steps=DECODING_STEPS, num_beams=num_beams)


def measure_decoding(batches: list[Batch], options: argparse.Namespace, peak: float) -> dict[str, dict[str, dict]]:
    """Measures sentences per second, of exactly `DECODING_STEPS` tokens each: greedy, with 5 beams, and one by one."""
    sources = drop_labels(batches)
    lengths = sources[0]["attention_mask"][:8].sum(dim=1).tolist()
    single = [
        {name: value[row : row + 1, :length] for name, value in sources[0].items()}
        for row, length in enumerate(lengths)
    ]
    names = [name for name in options.implementations if hasattr(IMPLEMENTATIONS[name], "decode")]
    models = {name: make_model(name, options.vocab_size, options).eval() for name in names}
    results = {}
    for kind, inputs, num_beams in (("greedy", sources, 1), ("beam 5", sources, 5), ("one sentence", single, 1)):
        runs = {
            name: partial(decode, model, inputs, num_beams, options)
            for name, model in models.items()
            if num_beams == 1 or name in WITH_BEAMS
        }
        tokens = torch.cat([source["attention_mask"].sum(dim=1) for source in inputs])
        flops = count_forward(tokens, DECODING_STEPS, options.vocab_size, num_beams)
        results[kind] = {
            name: {
                "seconds": seconds,
                "sentences_per_second": [len(tokens) / value for value in seconds],
                **flop_rates(flops if name.split(",")[0] in COUNTED else None, seconds, peak),
            }
            for name, seconds in time_in_turns(runs, options.rounds, options.device).items()
        }
    return results


def measure_scaling(options: argparse.Namespace) -> dict[str, dict[int, dict[str, float]]]:
    """Measures the milliseconds per training step, the median of the rounds, while one size grows."""
    results = {}
    for axis, sizes in AXES.items():
        results[axis] = {}
        for size in sizes:
            shape = {**default_sizes(options), axis: size}
            lengths = (shape["source length"], shape["target length"])
            (batch,) = random_batches(shape["vocabulary"], 1, shape["batch size"], *lengths)
            batch = move(batch, options.device)
            runs = {
                name: partial(make_step(make_model(name, shape["vocabulary"], options), options), batch)
                for name in options.implementations
                if name not in PEERS
            }
            seconds = time_in_turns(runs, options.rounds, options.device)
            results[axis][size] = {name: 1000 * statistics.median(values) for name, values in seconds.items()}
    return results


def measure_profiles(batches: list[Batch], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measures the fraction of time of each operation, in training and in decoding."""
    results = {}
    for name in options.implementations:
        model = make_model(name, options.vocab_size, options)
        run = partial(train, make_step(model, options), batches, options.device)
        results[f"{name}, training"] = profile(run, options.device)
        for kind, num_beams in (("greedy", 1), ("beam 5", 5)):
            if hasattr(model, "decode") and (num_beams == 1 or name in WITH_BEAMS):
                model = make_model(name, options.vocab_size, options).eval()  # peers cache their batches
                run = partial(decode, model, drop_labels(batches), num_beams, options)
                results[f"{name}, {kind}"] = profile(run, options.device)
    return results


def default_sizes(options: argparse.Namespace) -> dict[str, int]:
    return dict(zip(AXES, (options.length, options.length, options.batch_size, options.vocab_size)))


def plot_scaling(results: dict[str, dict[int, dict[str, float]]], options: argparse.Namespace) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(results), figsize=(3.2 * len(results), 3.2), sharey=True)
    for panel, (axis, sizes) in zip(axes, results.items()):
        for name in next(iter(sizes.values())):
            panel.plot(list(sizes), [row[name] for row in sizes.values()], marker="o", markersize=4, label=name)
        panel.set(xlabel=axis, xscale="log", yscale="log", xticks=list(sizes), xticklabels=list(sizes))
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("milliseconds per training step")
    axes[0].legend(fontsize=8)
    shape = ", ".join(f"{name} {size}" for name, size in default_sizes(options).items())
    figure.suptitle(f"default sizes: {shape}", fontsize=9)
    figure.tight_layout()
    figure.savefig(options.plot, dpi=150)


def report(results: dict) -> None:
    others = (*PEERS, "tutorial", "plain loop")
    if "peak_tflops" in results:
        print(f"\nThe peak is {results['peak_tflops']:.3g} TFLOP/s.")
    if "training" in results:
        print_speeds("training", results["training"], others, "tokens_per_second", saved_mib=".0f", parameters=",")
    for kind, rows in results.get("decoding", {}).items():
        print_speeds(kind, rows, others, "sentences_per_second", digits=1)
    if "alone" in results:
        print_processes(results["alone"])
    for axis, sizes in results.get("scaling", {}).items():
        rows = [[name, *(f"{row[name]:,.0f}" for row in sizes.values())] for name in next(iter(sizes.values()))]
        print_table([f"ms per step, by {axis}", *map(str, sizes)], rows)
    if "profile" in results:
        print_profiles(results["profile"])


def main(arguments: list[str] | None = None) -> None:
    parser = make_parser(__doc__, rounds=7)
    add_comparison_options(parser, IMPLEMENTATIONS, PARTS)
    parser.add_argument("--data_dir", help="a folder with Multi30k's train.parquet (default: random tokens)")
    parser.add_argument("--vocab_size", type=int, default=8000)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--batches", type=int, default=6, help="batches per round")
    parser.add_argument("--length", type=int, default=30, help="tokens per random source and target")
    parser.add_argument("--compile", action="store_true", help="also train our model compiled")
    parser.add_argument("--plot", help="PNG file for the scaling curves")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(options.num_threads)
    lengths = (options.length, options.length)
    if options.alone:
        (batch,) = random_batches(options.vocab_size, 1, options.batch_size, *lengths)
        batch = move(batch, options.device)
        make = partial(make_model, options.alone, options.vocab_size, options)
        print(json.dumps(measure_alone(make, lambda model: partial(make_step(model, options), batch), options.device)))
        return

    loader = None
    if options.data_dir:
        features, tokenizer = read_features(options.data_dir, options.vocab_size)
        loader = make_loader(features, tokenizer, options)
        first = features[: options.batches * options.batch_size]
        batches = list(DataLoader(first, options.batch_size, collate_fn=loader.collate_fn))
        assert tokenizer.pad_token_id == PAD
    else:
        batches = random_batches(options.vocab_size, options.batches, options.batch_size, *lengths)
    batches = [move(batch, options.device) for batch in batches]
    results = {}
    if {"training", "decoding"} & set(options.parts):
        results["peak_tflops"] = peak = find_peak(options)
    if "training" in options.parts:
        results["training"] = measure_training(batches, loader, options, peak)
    if "decoding" in options.parts:
        results["decoding"] = measure_decoding(batches, options, peak)
    if "alone" in options.parts:
        given = sys.argv[1:] if arguments is None else arguments
        results["alone"] = run_in_subprocesses(__file__, options.implementations, given)
    if "scaling" in options.parts:
        results["scaling"] = measure_scaling(options)
        if options.plot:
            plot_scaling(results["scaling"], options)
    if "profile" in options.parts:
        results["profile"] = measure_profiles(batches, options)
    report(results)
    write_results(options, results)


if __name__ == "__main__":
    main()
