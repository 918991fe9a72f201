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
Speed and memory of the vision family, beside a floor, a plain CCT and other libraries' models, in one run.

    python scripts/benchmark_vision.py                                  # CCT-7/3x1, random pixels, batches of 128
    python scripts/benchmark_vision.py --preset cct_2_3x2 --bf16 --data_dir cifar10 --output_file vision.json
    python scripts/benchmark_vision.py --preset cct_2_3x2 --image_sizes 32 48 64 --plot_file scaling.png

The floor, which no model of these sizes can beat, is the tokenizer's convolutions and the layers' linear maps: no
attention, norm, activation or pooling. The plain CCT is written from the paper's equations as tutorials write them,
with unfused attention; all have the recipe's dropout of 0.1 on the attention weights (`--attention_dropout`), and CCTs
its stochastic depth. transformers' ViT has as many tokens, layers and units, in patches; vit-pytorch's CCT is there
where it is installed. Each way takes its turn in every round; ratios are of medians. A way's peak memory, and the
seconds for its imports and first batch, are of a process of its own.
"""

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy, dropout


LABELS = 10
DEPTH = 0.1  # stochastic depth of the last layer, as in the recipe
PARTS = ("training", "inference", "memory")


class PlainLayer(nn.Module):
    def __init__(self, config, drop_path: float):
        super().__init__()
        size = config.hidden_size
        self.heads, self.attention_dropout, self.drop_path = (
            config.num_attention_heads,
            config.attention_probs_dropout_prob,
            drop_path,
        )
        self.norm_before, self.norm_after = nn.LayerNorm(size), nn.LayerNorm(size)
        self.qkv, self.proj = nn.Linear(size, 3 * size, bias=False), nn.Linear(size, size)
        self.fc1, self.fc2 = nn.Linear(size, config.intermediate_size), nn.Linear(config.intermediate_size, size)

    def attend(self, tokens):
        batch_size, length, size = tokens.shape
        qkv = self.qkv(tokens).reshape(batch_size, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]
        weights = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)
        weights = dropout(weights, self.attention_dropout, self.training)
        return self.proj((weights @ value).transpose(1, 2).reshape(batch_size, length, size))

    def drop(self, branch):
        if self.drop_path == 0 or not self.training:
            return branch
        keep = 1 - self.drop_path
        return branch.div(keep) * (keep + torch.rand(len(branch), 1, 1, device=branch.device)).floor()

    def forward(self, tokens):
        tokens = self.norm_after(tokens + self.drop(self.attend(self.norm_before(tokens))))
        return tokens + self.drop(self.fc2(nn.functional.gelu(self.fc1(tokens))))


def tokenizer(config, layers: Callable[[], list[nn.Module]]) -> nn.Sequential:
    """Convolutions of the config's sizes, each with what follows it."""
    sizes = [config.num_channels, *[config.conv_channels] * (config.num_conv_layers - 1), config.hidden_size]
    kernel = config.kernel_size
    stride, padding = max(1, kernel // 2 - 1), max(1, kernel // 2)
    modules = []
    for inputs, outputs in pairwise(sizes):
        modules += [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False), *layers()]
    return nn.Sequential(*modules)


class PlainCct(nn.Module):
    """Hassani et al. 2021, sections 3.2 and 3.3, of the same sizes."""

    def __init__(self, config):
        super().__init__()
        self.tokenizer = tokenizer(config, lambda: [nn.ReLU(), nn.MaxPool2d(3, 2, 1)])
        self.positions = nn.Parameter(torch.randn(1, config.num_patches, config.hidden_size) * 0.2)
        last = max(config.num_hidden_layers - 1, 1)
        self.layers = nn.ModuleList(PlainLayer(config, DEPTH * i / last) for i in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.pool, self.head = nn.Linear(config.hidden_size, 1), nn.Linear(config.hidden_size, LABELS)

    def forward(self, pixels):
        tokens = self.tokenizer(pixels).flatten(2, 3).transpose(-2, -1) + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        return self.head((self.pool(tokens).softmax(dim=1).transpose(-1, -2) @ tokens).squeeze(-2))


class Every(nn.Module):
    """In place of pooling: every second place, which costs nothing."""

    def forward(self, grid):
        return grid[:, :, ::2, ::2]


class Floor(nn.Module):
    def __init__(self, config):
        super().__init__()
        size = config.hidden_size
        self.tokenizer = tokenizer(config, lambda: [Every()])
        layers = []
        for _ in range(config.num_hidden_layers):
            maps = {"qkv": nn.Linear(size, 3 * size, bias=False), "proj": nn.Linear(size, size)}
            maps |= {
                "fc1": nn.Linear(size, config.intermediate_size),
                "fc2": nn.Linear(config.intermediate_size, size),
            }
            layers.append(nn.ModuleDict(maps))
        self.layers, self.head = nn.ModuleList(layers), nn.Linear(size, LABELS)

    def forward(self, pixels):
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        tokens = self.tokenizer(pixels).flatten(2).transpose(1, 2)
        for layer in self.layers:
            values = layer["qkv"](tokens).unflatten(-1, (3, -1))[..., 0, :]
            tokens = layer["fc2"](layer["fc1"](layer["proj"](values)))
        return self.head(tokens[:, 0])


def make_config(options, image_size: int):
    from hf_attention import CompactVitConfig

    sizes = {"num_labels": LABELS, "image_size": image_size, "drop_path_rate": DEPTH}
    return CompactVitConfig.from_preset(
        options.preset, attention_probs_dropout_prob=options.attention_dropout, **sizes
    )


def make_ours(config) -> nn.Module:
    from hf_attention import CompactVitForImageClassification

    return CompactVitForImageClassification(config)


def make_vit(config) -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    names = ("image_size", "num_channels", "hidden_size", "num_hidden_layers", "num_attention_heads")
    names += ("intermediate_size", "attention_probs_dropout_prob", "num_labels")
    sizes = {name: getattr(config, name) for name in names}
    patch_size = config.image_size // config.grid_size(config.image_size)
    return ViTForImageClassification(ViTConfig(patch_size=patch_size, hidden_dropout_prob=0.0, **sizes))


def make_vit_pytorch(config) -> nn.Module:
    # its file alone: the package asks for torchvision
    file = Path(importlib.util.find_spec("vit_pytorch").submodule_search_locations[0], "cct.py")
    spec = importlib.util.spec_from_file_location("vit_pytorch_cct", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kernel = config.kernel_size
    return module.CCT(
        img_size=config.image_size,
        embedding_dim=config.hidden_size,
        n_input_channels=config.num_channels,
        n_conv_layers=config.num_conv_layers,
        kernel_size=kernel,
        stride=max(1, kernel // 2 - 1),
        padding=max(1, kernel // 2),
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        mlp_ratio=config.intermediate_size / config.hidden_size,
        num_classes=LABELS,
        positional_embedding="learnable",
        dropout_rate=0.0,
        attention_dropout=config.attention_probs_dropout_prob,
        stochastic_depth_rate=DEPTH,
    )


WAYS = {"compact_vit": make_ours, "plain CCT": PlainCct, "floor": Floor, "transformers ViT": make_vit}
if importlib.util.find_spec("vit_pytorch"):
    WAYS["vit-pytorch CCT"] = make_vit_pytorch


def make_model(name: str, options, image_size: int) -> nn.Module:
    torch.manual_seed(0)
    model = WAYS[name](make_config(options, image_size))
    return torch.compile(model) if options.compile else model


def read_pixels(options, image_size: int) -> torch.Tensor:
    """A batch of (B, 3, size, size): the first images of the data, or noise."""
    if options.data_dir is None:
        return torch.randn(options.batch_size, 3, image_size, image_size)
    from hf_attention import CompactVitImageProcessorPil
    from hf_attention.data.images import load_images, open_image

    rows = load_images(None, None, {"train": str(Path(options.data_dir, "train.parquet"))}, None, None, False)["train"]
    images = [open_image(cell).convert("RGB") for cell in rows[: options.batch_size]["image"]]
    size = {"height": image_size, "width": image_size}
    return CompactVitImageProcessorPil(size=size)(images, return_tensors="pt")["pixel_values"]


def logits_of(model: nn.Module, pixels: torch.Tensor, bf16: bool) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        outputs = model(pixels)
    return outputs if isinstance(outputs, torch.Tensor) else outputs.logits


def train_step(model: nn.Module, optimizer, pixels: torch.Tensor, labels: torch.Tensor, bf16: bool):
    cross_entropy(logits_of(model, pixels, bf16).float(), labels).backward()
    optimizer.step()
    optimizer.zero_grad()


def saved_for_backward(model: nn.Module, pixels: torch.Tensor, bf16: bool) -> float:
    """MiB of activations that autograd keeps: every storage once, parameters left out."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    seen = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = logits_of(model, pixels, bf16)  # as long as it lives, so do they, and no address is used twice
    del kept
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


def measure_training(options, pixels: torch.Tensor) -> dict[str, dict]:
    labels = torch.randint(0, LABELS, (len(pixels),))
    models = {name: make_model(name, options, pixels.shape[-1]).train() for name in options.ways}
    ways = {}
    for name, model in models.items():
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

        def run(model=model, optimizer=optimizer):
            for _ in range(options.batches):
                train_step(model, optimizer, pixels, labels, options.bf16)

        ways[name] = run
    timed = time_in_turns(ways, options.rounds)
    return {
        name: {
            "seconds": values,
            "images_per_second": [options.batches * len(pixels) / value for value in values],
            "saved_mib": saved_for_backward(models[name], pixels, options.bf16),
            "parameters": sum(parameter.numel() for parameter in models[name].parameters()),
        }
        for name, values in timed.items()
    }


def measure_inference(options, pixels: torch.Tensor) -> dict[str, dict]:
    models = {name: make_model(name, options, pixels.shape[-1]).eval() for name in options.ways}

    def run(model, images, times):
        with torch.no_grad():
            for _ in range(times):
                logits_of(model, images, options.bf16)

    batches = {name: lambda model=model: run(model, pixels, options.batches) for name, model in models.items()}
    alone = {name: lambda model=model: run(model, pixels[:1], 10) for name, model in models.items()}
    throughput, latency = time_in_turns(batches, options.rounds), time_in_turns(alone, options.rounds)
    count = options.batches * len(pixels)
    return {
        name: {
            "seconds": throughput[name],
            "images_per_second": [count / value for value in throughput[name]],
            "milliseconds_alone": [100 * value for value in latency[name]],
        }
        for name in models
    }


def peak_memory() -> float:
    """MiB of this process. (On Linux `ru_maxrss` counts the process that started it too.)"""
    status = Path("/proc/self/status")
    if status.exists():
        return (
            int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 2**10
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def measure_alone(options, name: str) -> dict[str, float]:
    """In a process of its own: imports and model, one training step, and the most memory that two steps took."""
    image_size = options.image_sizes[0]
    pixels, labels = (
        torch.randn(options.batch_size, 3, image_size, image_size),
        torch.arange(options.batch_size) % LABELS,
    )
    start = time.perf_counter()
    model = make_model(name, options, image_size).train()
    made = time.perf_counter()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    train_step(model, optimizer, pixels, labels, options.bf16)
    first = time.perf_counter()
    train_step(model, optimizer, pixels, labels, options.bf16)
    return {
        "make_seconds": made - start,
        "first_batch_seconds": first - made,
        "peak_mib": peak_memory(),
    }


def measure_memory(options, arguments: list[str]) -> dict[str, dict]:
    found = {}
    for name in options.ways:
        command = [sys.executable, __file__, *arguments, "--alone", name]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"{name} in a process of its own failed:\n{run.stderr[-2000:]}")
        found[name] = json.loads(run.stdout.splitlines()[-1])
    return found


def spread(values: list[float], digits: int = 0) -> str:
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def print_table(columns: list[str], rows: list[list[str]]):
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


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
        columns = [part, "times the plain CCT's speed", "times the floor's time", "images/s"]
        columns += ["saved, MiB", "parameters"] if part == "training" else ["one image, ms"]
        rows = []
        for name, row in found[part].items():
            speeds = [ratio(part, name, "plain CCT"), ratio(part, name, "floor"), spread(row["images_per_second"], 1)]
            last = [spread(row["milliseconds_alone"], 1)] if part == "inference" else None
            rows.append([name, *speeds, *(last or [f"{row['saved_mib']:,.0f}", f"{row['parameters']:,}"])])
        print_table(columns, rows)
    if "memory" in found:
        columns = [
            "in a process of its own",
            "times the plain CCT's peak",
            "peak, MiB",
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
    parser.add_argument("--attention_dropout", type=float, default=0.1)
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast")
    parser.add_argument("--compile", action="store_true", help="torch.compile for every way")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--output_file", help="where to write every figure, as JSON")
    parser.add_argument("--plot_file", help="where to draw images/s over image sizes")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    if options.alone:
        print(json.dumps(measure_alone(options, options.alone)))
        return
    found = {}
    for image_size in options.image_sizes:
        pixels = read_pixels(options, image_size)
        measured = found[image_size] = {}
        if "training" in options.parts:
            measured["training"] = measure_training(options, pixels)
        if "inference" in options.parts:
            measured["inference"] = measure_inference(options, pixels)
        if "memory" in options.parts:
            own = sys.argv[1:] if arguments is None else arguments
            measured["memory"] = measure_memory(options, [*own, "--image_sizes", str(image_size)])
        print(f"\n{options.preset}, {image_size} pixels, {'bf16' if options.bf16 else 'fp32'}")
        report(measured)
    if options.output_file:
        results = {"options": vars(options), "torch": torch.__version__, "found": found}
        Path(options.output_file).write_text(json.dumps(results, indent=2))
    if options.plot_file:
        plot(found, options.plot_file)


if __name__ == "__main__":
    main()
