# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure the speed and memory of the vision family and of other implementations.

    python scripts/benchmarks/benchmark_vision.py                      # CCT-7/3x1, random pixels, batches of 128
    python scripts/benchmarks/benchmark_vision.py --preset cct_2_3x2 --bf16
    python scripts/benchmarks/benchmark_vision.py --preset cct_2_3x2 --image_sizes 32 48 64 --plot_file scaling.png

`floor` is a lower bound for models of these sizes: the tokenizer's convolutions and the linear maps of the layers,
without attention, norms, activations or pooling. `plain CCT` is written from the paper's equations like a tutorial,
with unfused attention. `transformers ViT` has the same number of tokens, layers and units, with patches. vit-pytorch's
CCT takes part if it is installed. All have the recipe's dropout of 0.1 on the attention weights, except `compact_vit,
no dropout`, and CCTs have its stochastic depth.

The implementations take turns in every round; ratios are of medians. TFLOP/s count the products of the plain CCT (the
floor and ViT have their own count), even if an implementation recomputes products. Peak memory and the seconds for
imports and the first batch are measured in separate processes.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from functools import partial

import torch
from benchmarking import (
    add_comparison_options,
    autocast,
    count_flops,
    find_peak,
    flop_rates,
    make_parser,
    measure_alone,
    print_processes,
    print_profiles,
    print_speeds,
    profile,
    run_in_subprocesses,
    saved_for_backward,
    time_in_turns,
    write_results,
)
from torch import nn
from torch.nn.functional import cross_entropy
from vision_peers import COUNTED, IMPLEMENTATIONS, LABELS, PlainCct, make_config


PARTS = ("training", "inference", "memory", "profile")
SINGLE_IMAGES = 10  # per round


def make_model(name: str, options: argparse.Namespace, image_size: int) -> nn.Module:
    torch.manual_seed(0)
    model = IMPLEMENTATIONS[name](make_config(options, image_size)).to(options.device)
    return torch.compile(model) if options.compile else model


def random_pixels(options: argparse.Namespace, image_size: int) -> torch.Tensor:
    return torch.randn(options.batch_size, 3, image_size, image_size).to(options.device)


def compute_logits(model: nn.Module, pixels: torch.Tensor, options: argparse.Namespace) -> torch.Tensor:
    with autocast(options):
        outputs = model(pixels)
    return outputs if isinstance(outputs, torch.Tensor) else outputs.logits


def make_step(model: nn.Module, pixels: torch.Tensor, options: argparse.Namespace) -> Callable[[], None]:
    """Returns a training step on one batch: forward, backward and AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    labels = torch.randint(0, LABELS, (len(pixels),)).to(options.device)

    def step() -> None:
        cross_entropy(compute_logits(model, pixels, options).float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def count_batch(name: str, options: argparse.Namespace, pixels: torch.Tensor, training: bool) -> int:
    """Returns the FLOPs of the products for a batch."""
    model = COUNTED.get(name, PlainCct)(make_config(options, pixels.shape[-1])).to("meta").train(training)
    return count_flops(partial(compute_logits, model, pixels.to("meta"), options), training)


def repeat(run: Callable[[], object], times: int) -> None:
    for _ in range(times):
        run()


def measure_training(options: argparse.Namespace, pixels: torch.Tensor, peak: float) -> dict[str, dict]:
    models = {name: make_model(name, options, pixels.shape[-1]).train() for name in options.implementations}
    runs = {
        name: partial(repeat, make_step(model, pixels, options), options.batches) for name, model in models.items()
    }
    return {
        name: {
            "seconds": seconds,
            "images_per_second": [options.batches * len(pixels) / value for value in seconds],
            **flop_rates(options.batches * count_batch(name, options, pixels, True), seconds, peak),
            "saved_mib": saved_for_backward(models[name], partial(compute_logits, models[name], pixels, options)),
            "parameters": sum(parameter.numel() for parameter in models[name].parameters()),
        }
        for name, seconds in time_in_turns(runs, options.rounds, options.device).items()
    }


@torch.no_grad()
def measure_inference(options: argparse.Namespace, pixels: torch.Tensor, peak: float) -> dict[str, dict]:
    models = {name: make_model(name, options, pixels.shape[-1]).eval() for name in options.implementations}

    def time_batches(images: torch.Tensor, times: int) -> dict[str, list[float]]:
        runs = {
            n: partial(repeat, partial(compute_logits, model, images, options), times) for n, model in models.items()
        }
        return time_in_turns(runs, options.rounds, options.device)

    throughput, latency = time_batches(pixels, options.batches), time_batches(pixels[:1], SINGLE_IMAGES)
    return {
        name: {
            "seconds": seconds,
            "images_per_second": [options.batches * len(pixels) / value for value in seconds],
            **flop_rates(options.batches * count_batch(name, options, pixels, False), seconds, peak),
            "single_image_ms": statistics.median(latency[name]) * 1000 / SINGLE_IMAGES,
        }
        for name, seconds in throughput.items()
    }


def measure_profiles(options: argparse.Namespace, pixels: torch.Tensor) -> dict[str, dict[str, float]]:
    """Measures the fraction of time of each operation, in training and in inference."""
    results = {}
    for name in options.implementations:
        model = make_model(name, options, pixels.shape[-1])
        results[f"{name}, training"] = profile(make_step(model.train(), pixels, options), options.device)
        infer = torch.no_grad()(partial(compute_logits, model.eval(), pixels, options))
        results[f"{name}, inference"] = profile(infer, options.device)
    return results


def report(results: dict[str, dict[str, dict]]) -> None:
    others, rate = ["plain CCT"], "images_per_second"
    if "training" in results:
        print_speeds("training", results["training"], others, rate, digits=1, saved_mib=",.0f", parameters=",")
    if "inference" in results:
        print_speeds("inference", results["inference"], others, rate, digits=1, single_image_ms=".1f")
    if "memory" in results:
        print_processes(results["memory"])
    if "profile" in results:
        print_profiles(results["profile"])


def plot(results: dict[int, dict[str, dict[str, dict]]], path: str) -> None:
    """Draws the images/s over the image size, with one panel each for training and inference."""
    from matplotlib import pyplot

    parts = [part for part in ("training", "inference") if part in next(iter(results.values()))]
    figure, axes = pyplot.subplots(1, len(parts), figsize=(4.5 * len(parts), 3.5), squeeze=False)
    sizes = sorted(results)
    for part, axis in zip(parts, axes[0]):
        for name in results[sizes[0]][part]:
            speeds = [results[size][part][name]["images_per_second"] for size in sizes]
            (line,) = axis.plot(sizes, [statistics.median(values) for values in speeds], marker="o", label=name)
            low, high = [min(values) for values in speeds], [max(values) for values in speeds]
            axis.fill_between(sizes, low, high, color=line.get_color(), alpha=0.15)
        axis.set(title=part, xlabel="image size, pixels", ylabel="images/s", yscale="log", xticks=sizes)
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> None:
    parser = make_parser(__doc__, rounds=5)
    add_comparison_options(parser, IMPLEMENTATIONS, PARTS)
    parser.add_argument(
        "--preset", default="cct_7_3x1", help="preset of CompactVitConfig with the sizes of all models"
    )
    parser.add_argument("--image_sizes", type=int, nargs="+", default=[32], help="several sizes give a scaling curve")
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--batches", type=int, default=1, help="batches per round")
    parser.add_argument("--compile", action="store_true", help="compile every implementation with torch.compile")
    parser.add_argument("--plot_file", help="PNG file for images/s over image sizes")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    if options.alone:
        pixels = random_pixels(options, options.image_sizes[0])
        make = partial(make_model, options.alone, options, options.image_sizes[0])
        memory = measure_alone(make, lambda model: make_step(model.train(), pixels, options), options.device)
        print(json.dumps(memory))
        return
    results = {}
    peak = find_peak(options) if {"training", "inference"} & set(options.parts) else None
    for image_size in options.image_sizes:
        pixels = random_pixels(options, image_size)
        measured = results[image_size] = {}
        if "training" in options.parts:
            measured["training"] = measure_training(options, pixels, peak)
        if "inference" in options.parts:
            measured["inference"] = measure_inference(options, pixels, peak)
        if "memory" in options.parts:
            given = [*(sys.argv[1:] if arguments is None else arguments), "--image_sizes", str(image_size)]
            measured["memory"] = run_in_subprocesses(__file__, options.implementations, given)
        if "profile" in options.parts:
            measured["profile"] = measure_profiles(options, pixels)
        peak_text = "" if peak is None else f", peak {peak:.3g} TFLOP/s"
        print(f"\n{options.preset}, {image_size} pixels, {'bf16' if options.bf16 else 'fp32'}{peak_text}")
        report(measured)
    write_results(options, {"results": results, "peak_tflops": peak})
    if options.plot_file:
        plot(results, options.plot_file)


if __name__ == "__main__":
    main()
