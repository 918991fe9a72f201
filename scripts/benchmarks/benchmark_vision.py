# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Speed and memory of the vision family, beside a floor, a plain CCT and other libraries' models, in one run.

    python scripts/benchmarks/benchmark_vision.py                                  # CCT-7/3x1, random pixels, batches of 128
    python scripts/benchmarks/benchmark_vision.py --preset cct_2_3x2 --bf16 --data_dir cifar10 --output_file vision.json
    python scripts/benchmarks/benchmark_vision.py --preset cct_2_3x2 --image_sizes 32 48 64 --plot_file scaling.png

The floor, which no model of these sizes can beat, is the tokenizer's convolutions and the layers' linear maps: no
attention, norm, activation or pooling. The plain CCT is written from the paper's equations as tutorials write them,
with unfused attention; all have the recipe's dropout of 0.1 on the attention weights (`--attention_dropout`), but for
`no dropout`, which is ours without it, and CCTs its stochastic depth. transformers' ViT has as many tokens, layers and
units, in patches; vit-pytorch's CCT is there where it is installed. Each way takes its turn in every round; ratios are
of medians. TFLOP/s are those of the plain CCT's products (the floor's and ViT's are their own), whatever a way makes
twice. A way's peak memory, and the seconds for its imports and first batch, are of a process of its own.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from benchmarking import (
    RATES,
    add_device,
    autocast,
    count_flops,
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
from torch import nn
from torch.nn.functional import cross_entropy
from vision_peers import COUNTED, LABELS, WAYS, PlainCct, make_config


PARTS = ("training", "inference", "memory", "profile")


def make_model(name: str, options, image_size: int) -> nn.Module:
    torch.manual_seed(0)
    model = WAYS[name](make_config(options, image_size)).to(options.device)
    return torch.compile(model) if options.compile else model


def read_pixels(options, image_size: int) -> torch.Tensor:
    """A batch of (B, 3, size, size): the first images of the data, or noise."""
    if options.data_dir is None:
        return torch.randn(options.batch_size, 3, image_size, image_size).to(options.device)
    from hf_attention import CompactVitImageProcessorPil
    from hf_attention.data.images import load_images, open_image

    rows = load_images(None, None, {"train": str(Path(options.data_dir, "train.parquet"))}, None, None, False)["train"]
    images = [open_image(cell).convert("RGB") for cell in rows[: options.batch_size]["image"]]
    size = {"height": image_size, "width": image_size}
    return CompactVitImageProcessorPil(size=size)(images, return_tensors="pt")["pixel_values"].to(options.device)


def logits_of(model: nn.Module, pixels: torch.Tensor, options) -> torch.Tensor:
    with autocast(options):
        outputs = model(pixels)
    return outputs if isinstance(outputs, torch.Tensor) else outputs.logits


def make_step(model: nn.Module, pixels: torch.Tensor, options) -> Callable[[], None]:
    """Forward, backward and AdamW, of one batch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    labels = torch.randint(0, LABELS, (len(pixels),)).to(options.device)

    def step():
        cross_entropy(logits_of(model, pixels, options).float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def count_batch(name: str, options, pixels: torch.Tensor, training: bool) -> int:
    """FLOPs of the products for these pixels."""
    model = COUNTED.get(name, PlainCct)(make_config(options, pixels.shape[-1])).to("meta").train(training)
    return count_flops(partial(logits_of, model, pixels.to("meta"), options), training)


def measure_training(options, pixels: torch.Tensor, peak: float) -> dict[str, dict]:
    models = {name: make_model(name, options, pixels.shape[-1]).train() for name in options.ways}
    steps = {name: make_step(model, pixels, options) for name, model in models.items()}
    ways = {name: lambda step=step: [step() for _ in range(options.batches)] for name, step in steps.items()}
    timed = time_in_turns(ways, options.rounds, options.device)
    return {
        name: {
            "seconds": values,
            "images_per_second": [options.batches * len(pixels) / value for value in values],
            **rates(options.batches * count_batch(name, options, pixels, True), values, peak),
            "saved_mib": saved_for_backward(models[name], partial(logits_of, models[name], pixels, options)),
            "parameters": sum(parameter.numel() for parameter in models[name].parameters()),
        }
        for name, values in timed.items()
    }


def measure_inference(options, pixels: torch.Tensor, peak: float) -> dict[str, dict]:
    models = {name: make_model(name, options, pixels.shape[-1]).eval() for name in options.ways}

    def run(model, images, times):
        with torch.no_grad():
            for _ in range(times):
                logits_of(model, images, options)

    batches = {name: lambda model=model: run(model, pixels, options.batches) for name, model in models.items()}
    alone = {name: lambda model=model: run(model, pixels[:1], 10) for name, model in models.items()}
    throughput, latency = (time_in_turns(ways, options.rounds, options.device) for ways in (batches, alone))
    count = options.batches * len(pixels)
    return {
        name: {
            "seconds": throughput[name],
            "images_per_second": [count / value for value in throughput[name]],
            **rates(options.batches * count_batch(name, options, pixels, False), throughput[name], peak),
            "milliseconds_alone": [100 * value for value in latency[name]],
        }
        for name in models
    }


def measure_profile(options, pixels: torch.Tensor) -> dict[str, dict[str, float]]:
    """Where the time goes, in training and in inference."""
    found = {}
    for name in options.ways:
        model = make_model(name, options, pixels.shape[-1])
        found[f"{name}, training"] = profile(make_step(model.train(), pixels, options), options.device)
        infer = torch.no_grad()(partial(logits_of, model.eval(), pixels, options))
        found[f"{name}, inference"] = profile(infer, options.device)
    return found


def report(found: dict[str, dict[str, dict]]):
    """Ratios to the plain CCT and to the floor first, where those were measured."""

    def ratio(part, name, to, key="seconds"):
        if to not in found[part]:
            return "-"
        ours, other = (found[part][way][key] for way in (name, to))
        if key == "seconds":
            ours, other = statistics.median(ours), statistics.median(other)
            return f"{other / ours:.2f}" if to == "plain CCT" else f"{ours / other:.2f}"
        return f"{ours / other:.2f}"

    for part in ("training", "inference"):
        if part not in found:
            continue
        columns = [part, "times the plain CCT's speed", "times the floor's time", "images/s", *RATES]
        columns += ["saved, MiB", "parameters"] if part == "training" else ["one image, ms"]
        rows = []
        for name, row in found[part].items():
            speeds = [ratio(part, name, "plain CCT"), ratio(part, name, "floor"), spread(row["images_per_second"], 1)]
            last = [spread(row["milliseconds_alone"], 1)] if part == "inference" else None
            rows.append(
                [name, *speeds, *show_rates(row), *(last or [f"{row['saved_mib']:,.0f}", f"{row['parameters']:,}"])]
            )
        print_table(columns, rows)
    if "memory" in found:
        columns = [
            "in a process of its own",
            "times the plain CCT's peak",
            f"peak of the {next(iter(found['memory'].values()))['peak_of']}, MiB",
            "to make, s",
            "first batch, s",
        ]
        rows = [
            [
                name,
                ratio("memory", name, "plain CCT", "peak_mib"),
                f"{row['peak_mib']:,.0f}",
                f"{row['make_seconds']:.1f}",
                f"{row['first_batch_seconds']:.2f}",
            ]
            for name, row in found["memory"].items()
        ]
        print_table(columns, rows)

    if "profile" in found:
        print_profile(found["profile"])


def plot(found: dict[int, dict[str, dict[str, dict]]], path: str):
    """Images/s over the image's size, a panel for each part."""
    from matplotlib import pyplot

    parts = [part for part in ("training", "inference") if part in next(iter(found.values()))]
    figure, axes = pyplot.subplots(1, len(parts), figsize=(4.5 * len(parts), 3.5), squeeze=False)
    sizes = sorted(found)
    for part, axis in zip(parts, axes[0]):
        for name in found[sizes[0]][part]:
            speeds = [found[size][part][name]["images_per_second"] for size in sizes]
            middle = [statistics.median(values) for values in speeds]
            (line,) = axis.plot(sizes, middle, marker="o", label=name)
            low, high = [min(values) for values in speeds], [max(values) for values in speeds]
            axis.fill_between(sizes, low, high, color=line.get_color(), alpha=0.15)
        axis.set(title=part, xlabel="image size, pixels", ylabel="images/s", yscale="log", xticks=sizes)
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="cct_7_3x1", help="of CompactVitConfig; its sizes are every way's")
    parser.add_argument("--data_dir", help="a folder with CIFAR-10's train.parquet (default: random pixels)")
    parser.add_argument("--image_sizes", type=int, nargs="+", default=[32], help="several give a scaling curve")
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--batches", type=int, default=1, help="batches a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--num_threads", type=int, default=2)
    add_device(parser)
    parser.add_argument("--attention_dropout", type=float, default=0.1)
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast")
    parser.add_argument("--compile", action="store_true", help="torch.compile for every way")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:3])
    parser.add_argument("--output_file", help="where to write every figure, as JSON")
    parser.add_argument("--plot_file", help="where to draw images/s over image sizes")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    if options.alone:
        image_size = options.image_sizes[0]
        pixels = torch.randn(options.batch_size, 3, image_size, image_size).to(options.device)
        make = partial(make_model, options.alone, options, image_size)
        found = measure_alone(make, lambda model: make_step(model.train(), pixels, options), options.device)
        print(json.dumps(found))
        return
    found = {}
    peak = find_peak(options) if {"training", "inference"} & set(options.parts) else None
    for image_size in options.image_sizes:
        pixels = read_pixels(options, image_size)
        measured = found[image_size] = {}
        if "training" in options.parts:
            measured["training"] = measure_training(options, pixels, peak)
        if "inference" in options.parts:
            measured["inference"] = measure_inference(options, pixels, peak)
        if "memory" in options.parts:
            own = sys.argv[1:] if arguments is None else arguments
            measured["memory"] = each_alone(__file__, options.ways, [*own, "--image_sizes", str(image_size)])
        if "profile" in options.parts:
            measured["profile"] = measure_profile(options, pixels)
        shown = "" if peak is None else f", the peak {peak:.3g} TFLOP/s"
        print(f"\n{options.preset}, {image_size} pixels, {'bf16' if options.bf16 else 'fp32'}{shown}")
        report(measured)
    write_results(options, {"found": found, "peak_tflops": peak})
    if options.plot_file:
        plot(found, options.plot_file)


if __name__ == "__main__":
    main()
