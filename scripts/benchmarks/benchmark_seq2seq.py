# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Training and decoding speed of the recurrent family, beside a floor, loops and peers, in one run.

    python scripts/benchmarks/benchmark_seq2seq.py                                  # random tokens, full batches of 30
    python scripts/benchmarks/benchmark_seq2seq.py --data_dir multi30k --bf16 --output_file seq2seq.json
    python scripts/benchmarks/benchmark_seq2seq.py --device cuda --bf16 --compile   # on a GPU, compiled too
    python scripts/benchmarks/benchmark_seq2seq.py --parts scaling --plot scaling.png
    python scripts/benchmarks/benchmark_seq2seq.py --parts profile --ways ours      # where the time goes

The floor is the encoder, PyTorch's fused GRU over the target and the product for the logits, of the same sizes, over
padding too: no attention. The plain loop is the same model, step by step; the tutorial is that loop with an output
layer from state, context and embedding. JoeyNMT and OpenNMT-py take part where they are installed. Every way takes its
turn in every round, with an optimiser of its own; the ratios are of medians. TFLOP/s are those of the plain loop's
products, its keys made once and padding left out, in training three times those of its forward pass: the same for
every way to run this model, whatever it makes twice. Models that differ from it have none.

`by length` is training on batches as transformers' loader gives them to this project's recipes, its work and their way
to the device included; the other batches are in the order of the file, and there before.

`ours, compiled` is trained by `torch.compile`, as `--torch_compile true` has it, and decodes by a step compiled in the
default mode of transformers' `CompileConfig`, "reduce-overhead": on a GPU, CUDA graphs.
"""

import argparse
import json
import statistics
from functools import partial
from pathlib import Path

import torch
from benchmarking import (
    RATES,
    add_device,
    autocast,
    each_alone,
    find_peak,
    measure_alone,
    print_profile,
    print_table,
    profile,
    rates,
    saved_for_backward,
    show_rates,
    spread,
    time_in_turns,
    write_results,
)
from datasets import load_dataset
from seq2seq_peers import EOS, PAD, PEERS, WAYS, count_forward
from torch import nn
from torch.utils.data import DataLoader
from transformers import CompileConfig, DataCollatorForSeq2Seq
from transformers.trainer_pt_utils import LengthGroupedSampler

from hf_attention.data.tokenizer import train_tokenizer


STEPS = 20  # of decoding
BY_LENGTH = ("ours", "floor")  # which train on the batches of the loader too
COUNTED = ("ours", "plain loop")  # the model whose products are counted
BEAM = ("ours", "ours, compiled", *PEERS)  # which search with beams
PARTS = ("training", "decoding", "alone", "scaling", "profile")
AXES = {
    "source length": (10, 20, 40, 80),
    "target length": (10, 20, 40, 80),
    "batch size": (8, 16, 32, 64, 128),
    "vocabulary": (2000, 8000, 32000),
}
Batch = dict[str, torch.Tensor]


def random_batches(vocab_size: int, count: int, batch_size: int, source: int, target: int) -> list[Batch]:
    def draw(length):
        ids = torch.randint(4, vocab_size, (batch_size, length))
        ids[:, -1] = EOS
        return ids

    mask = torch.ones(batch_size, source, dtype=torch.long)
    return [{"input_ids": draw(source), "attention_mask": mask, "labels": draw(target)} for _ in range(count)]


def read_features(data_dir: str, vocab_size: int):
    """The pairs of Multi30k, German and English, as ids; and the tokenizer, trained on them."""
    pairs = load_dataset("parquet", data_files=str(Path(data_dir, "train.parquet")), split="train")["translation"]
    texts = [text for pair in pairs for text in (pair["de"], pair["en"])]
    tokenizer = train_tokenizer(texts, vocab_size=vocab_size, model_type="bpe")
    source = tokenizer([pair["de"] for pair in pairs])["input_ids"]
    target = tokenizer([pair["en"] for pair in pairs])["input_ids"]
    return [{"input_ids": ids, "labels": labels} for ids, labels in zip(source, target)], tokenizer


def make_loader(features: list[dict], tokenizer, options) -> DataLoader:
    """
    Batches drawn from those that transformers' sampler makes of all pairs: it groups by length only within fifty
    batches, of which the first are the longest, so a few pairs, or the first batches, would say nothing.
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


def make_model(name: str, vocab_size: int, options) -> nn.Module:
    return WAYS[name](vocab_size).to(options.device)


def make_step(model: nn.Module, options):
    """Forward, backward, clipping and Adam, of one batch."""
    optimizer = torch.optim.Adam(model.train().parameters(), lr=1e-4, fused=True)

    def step(batch: Batch):
        with autocast(options):
            loss = model(**batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def train(step, batches, device: str):
    for batch in batches:
        step(move(batch, device))


def lengths_of(batches) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens of every source and of every target."""
    found = [(batch["attention_mask"].sum(dim=1), (batch["labels"] >= 0).sum(dim=1)) for batch in batches]
    return tuple(map(torch.cat, zip(*found)))


def measure_training(
    names: list[str], batches: list[Batch], loader: DataLoader | None, options, peak: float
) -> dict[str, dict]:
    models = {name: make_model(name, options.vocab_size, options) for name in names}
    if options.compile and "ours" in names:
        models["ours, compiled"] = torch.compile(make_model("ours", options.vocab_size, options))
    given = dict.fromkeys(models, batches)
    if loader is not None:
        for name in names:
            if name in BY_LENGTH:
                models[f"{name}, by length"] = make_model(name, options.vocab_size, options)
                given[f"{name}, by length"] = loader
    ways = {
        name: partial(train, make_step(model, options), given[name], options.device) for name, model in models.items()
    }

    def saved(model: nn.Module) -> float:
        with autocast(options):
            return saved_for_backward(model, partial(model, **batches[0]))

    found = {}
    for name, values in time_in_turns(ways, options.rounds, options.device).items():
        source, target = lengths_of(given[name])
        tokens, flops = int(target.sum()), 3 * count_forward(source, target, options.vocab_size)
        found[name] = {
            "seconds": values,
            "tokens_per_second": [tokens / value for value in values],
            **rates(flops if name.split(",")[0] in COUNTED else None, values, peak),
            "saved_mib": saved(models[name]),
            "parameters": sum(parameter.numel() for parameter in models[name].parameters()),
        }
    return found


def sources_of(batches: list[Batch]) -> list[Batch]:
    return [{name: batch[name] for name in ("input_ids", "attention_mask")} for batch in batches]


@torch.no_grad()
def decode(model: nn.Module, sources: list[Batch], num_beams: int, options):
    for source in sources:
        with autocast(options):
            model.decode(**source, steps=STEPS, num_beams=num_beams)


def measure_decoding(names: list[str], batches: list[Batch], options, peak: float) -> dict[str, dict[str, dict]]:
    """Sentences a second, of exactly `STEPS` tokens each: in batches, greedily and with 5 beams, and one by one."""
    sources = sources_of(batches)
    lengths = sources[0]["attention_mask"][:8].sum(dim=1).tolist()
    single = [
        {name: value[row : row + 1, :length] for name, value in sources[0].items()}
        for row, length in enumerate(lengths)
    ]
    takers = [name for name in names if hasattr(WAYS[name], "decode")]
    models = {name: make_model(name, options.vocab_size, options).eval() for name in takers}
    if options.compile and "ours" in names:
        models["ours, compiled"] = compiled = make_model("ours", options.vocab_size, options).eval()
        compiled.compile_config = CompileConfig(fullgraph=True)
    found = {}
    for kind, given, num_beams in (("greedy", sources, 1), ("beam 5", sources, 5), ("one sentence", single, 1)):
        taking_part = models if num_beams == 1 else {name: models[name] for name in BEAM if name in models}
        ways = {name: partial(decode, model, given, num_beams, options) for name, model in taking_part.items()}
        tokens = torch.cat([source["attention_mask"].sum(dim=1) for source in given])
        flops = count_forward(tokens, STEPS, options.vocab_size, num_beams)
        found[kind] = {
            name: {
                "seconds": values,
                "sentences_per_second": [len(tokens) / value for value in values],
                **rates(flops if name.split(",")[0] in COUNTED else None, values, peak),
            }
            for name, values in time_in_turns(ways, options.rounds, options.device).items()
        }
    return found


def measure_scaling(names: list[str], options) -> dict[str, dict[int, dict[str, float]]]:
    """Milliseconds of a training step, the median of the rounds, as one size grows."""
    found = {}
    for axis, sizes in AXES.items():
        found[axis] = {}
        for size in sizes:
            shape = {name: size if name == axis else standard for name, standard in standards(options).items()}
            lengths = (shape["source length"], shape["target length"])
            (batch,) = random_batches(shape["vocabulary"], 1, shape["batch size"], *lengths)
            models = {name: make_model(name, shape["vocabulary"], options) for name in names}
            batch = move(batch, options.device)
            ways = {name: partial(make_step(model, options), batch) for name, model in models.items()}
            seconds = time_in_turns(ways, options.rounds, options.device)
            found[axis][size] = {name: 1000 * statistics.median(values) for name, values in seconds.items()}
    return found


def measure_profile(names: list[str], batches: list[Batch], options) -> dict[str, dict[str, float]]:
    """Where the time goes, in training and in decoding."""
    found = {}
    for name in names:
        model = make_model(name, options.vocab_size, options)
        run = partial(train, make_step(model, options), batches, options.device)
        found[f"{name}, training"] = profile(run, options.device)
        for kind, num_beams in (("greedy", 1), ("beam 5", 5)):
            if hasattr(model, "decode") and (num_beams == 1 or name in BEAM):
                model = make_model(name, options.vocab_size, options).eval()  # peers keep the batches they have seen
                run = partial(decode, model, sources_of(batches), num_beams, options)
                found[f"{name}, {kind}"] = profile(run, options.device)
    return found


def standards(options) -> dict[str, int]:
    return dict(zip(AXES, (options.length, options.length, options.batch_size, options.vocab_size)))


def plot_scaling(found: dict[str, dict[int, dict[str, float]]], options):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(found), figsize=(3.2 * len(found), 3.2), sharey=True)
    for panel, (axis, sizes) in zip(axes, found.items()):
        for name in next(iter(sizes.values())):
            panel.plot(list(sizes), [way[name] for way in sizes.values()], marker="o", markersize=4, label=name)
        panel.set(xlabel=axis, xscale="log", yscale="log", xticks=list(sizes), xticklabels=list(sizes))
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("milliseconds a training step")
    axes[0].legend(fontsize=8)
    shape = ", ".join(f"{name} {size}" for name, size in standards(options).items())
    figure.suptitle(f"where it does not vary: {shape}", fontsize=9)
    figure.tight_layout()
    figure.savefig(options.plot, dpi=110)


def report(found: dict):
    def times(ways: dict[str, dict], name: str, other: str, rate: str = "sentences_per_second") -> str:
        if not {name, other} <= ways.keys():
            return "-"
        return f"{statistics.median(ways[name][rate]) / statistics.median(ways[other][rate]):.2f}"

    others = [name for name in (*PEERS, "tutorial", "plain loop") if name in WAYS]
    if "peak_tflops" in found:
        print(f"\nThe peak is {found['peak_tflops']:.3g} TFLOP/s.")
    if "training" in found:
        ways, rows = found["training"], []
        for name, row in ways.items():
            pairs = [*((name, other) for other in others), ("floor", name)]
            ratios = [times(ways, *pair, rate="tokens_per_second") for pair in pairs]
            sizes = [f"{row['saved_mib']:.0f}", f"{row['parameters']:,}"]
            rows.append([name, *ratios, spread(row["tokens_per_second"]), *show_rates(row), *sizes])
        columns = [f"times {other}'s speed" for other in others] + ["times the floor's time"]
        print_table(["training", *columns, "target tokens/s", *RATES, "saved, MiB", "parameters"], rows)
    for kind, ways in found.get("decoding", {}).items():
        rows = [
            [
                name,
                *(times(ways, name, other) for other in others),
                spread(row["sentences_per_second"], 1),
                *show_rates(row),
            ]
            for name, row in ways.items()
        ]
        print_table([kind, *(f"times {other}'s speed" for other in others), "sentences/s", *RATES], rows)
    if "alone" in found:
        rows = [
            [name, f"{row['peak_mib']:,.0f}", f"{row['make_seconds']:.1f}", f"{row['first_batch_seconds']:.2f}"]
            for name, row in found["alone"].items()
        ]
        peak = f"peak of the {next(iter(found['alone'].values()))['peak_of']}, MiB"
        print_table(["in a process of its own", peak, "to import and make, s", "first batch, s"], rows)
    for axis, sizes in found.get("scaling", {}).items():
        rows = [[name, *(f"{way[name]:,.0f}" for way in sizes.values())] for name in next(iter(sizes.values()))]
        print_table([f"ms a step, by {axis}", *map(str, sizes)], rows)
    if "profile" in found:
        print_profile(found["profile"])


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", help="a folder with Multi30k's train.parquet (default: random tokens)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:3])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--vocab_size", type=int, default=8000)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--batches", type=int, default=6, help="batches a round")
    parser.add_argument("--length", type=int, default=30, help="tokens of random sources and targets")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--num_threads", type=int, default=2)
    add_device(parser)
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast")
    parser.add_argument("--compile", action="store_true", help="train and decode with ours compiled too")
    parser.add_argument("--plot", help="where to draw the scaling curves, as PNG")
    parser.add_argument("--output_file", help="where to write every figure, as JSON")
    parser.add_argument("--alone", choices=list(WAYS), help=argparse.SUPPRESS)
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
    found = {}
    if {"training", "decoding"} & set(options.parts):
        found["peak_tflops"] = peak = find_peak(options)
    if "training" in options.parts:
        found["training"] = measure_training(options.ways, batches, loader, options, peak)
    if "decoding" in options.parts:
        found["decoding"] = measure_decoding(options.ways, batches, options, peak)
    if "alone" in options.parts:
        same = ("vocab_size", "batch_size", "length", "num_threads", "device")
        given = [text for name in same for text in (f"--{name}", str(getattr(options, name)))]
        found["alone"] = each_alone(__file__, options.ways, given + ["--bf16"] * options.bf16)
    if "scaling" in options.parts:
        found["scaling"] = measure_scaling([name for name in options.ways if name not in PEERS], options)
        if options.plot:
            plot_scaling(found["scaling"], options)
    if "profile" in options.parts:
        found["profile"] = measure_profile(options.ways, batches, options)
    report(found)
    write_results(options, found)


if __name__ == "__main__":
    main()
