# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the benchmarks share: devices, ways that take turns, memory, processes of their own, products, and tables."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.autograd import DeviceType
from torch.utils.flop_counter import FlopCounterMode


PRODUCT, GPU_PRODUCT = (4096, 5), (8192, 50)  # rows of the peak's products, and rounds
# operations that are products
PRODUCTS = ("mm", "mv", "linear_pointwise", "convolution", "conv2d", "flash_attention", "efficient_attention")
PRODUCTS += ("cudnn_attention", "cudnn_rnn", "gemm")
RATES = ["TFLOP/s", "of the peak"]  # the columns of `show_rates`


def add_device(parser: argparse.ArgumentParser):
    parser.add_argument("--device", type=known_device, default="cpu", help="cpu (the default), or e.g. cuda")
    parser.add_argument(
        "--peak_tflops",
        type=positive,
        help="the chip's dense peak at this precision, as its maker gives it (default: the best rate of large "
        "products, measured on this device at this precision in the same run)",
    )


def positive(text: str) -> float:
    if not float(text) > 0:
        raise argparse.ArgumentTypeError(
            f"{text} TFLOP/s is no peak: give a number above 0, or leave it to be measured."
        )
    return float(text)


def known_device(name: str) -> str:
    """An argument's device, if this machine has it."""
    known, accelerator = ["cpu"], torch.accelerator.current_accelerator(check_available=True)
    if accelerator is not None:
        known += [accelerator.type, *(f"{accelerator.type}:{i}" for i in range(torch.accelerator.device_count()))]
    if name not in known:
        raise argparse.ArgumentTypeError(
            f"PyTorch {torch.__version__} finds no {name!r} here: give one of {', '.join(known)}, or install a driver "
            "and a PyTorch for that device."
        )
    return name


def autocast(options: argparse.Namespace) -> torch.autocast:
    return torch.autocast(torch.device(options.device).type, dtype=torch.bfloat16, enabled=options.bf16)


def synchronize(device: str):
    if device != "cpu":
        torch.accelerator.synchronize(device)


def time_in_turns(ways: dict[str, Callable[[], None]], rounds: int, device: str = "cpu") -> dict[str, list[float]]:
    """Seconds of each way in every round, until the device is done, after one to warm up."""
    for run in ways.values():
        run()
    found = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            synchronize(device)
            start = time.perf_counter()
            run()
            synchronize(device)
            found[name].append(time.perf_counter() - start)
    return found


def saved_for_backward(model: nn.Module, forward: Callable[[], object]) -> float:
    """MiB of activations that autograd keeps: every storage once, parameters left out."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    seen = {}

    @torch.compiler.disable  # of a compiled model it would be traced too
    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = forward()  # as long as it lives, so do they, and no address is used twice
    del kept
    return sum(seen.values()) / 2**20


def peak_memory(device: str) -> float:
    """MiB of this process, or of its allocator on an accelerator."""
    if device != "cpu":
        return torch.accelerator.max_memory_allocated(device) / 2**20
    # on Linux `ru_maxrss` counts the process that started it too
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text("utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    import resource  # Unix has it

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def measure_alone(
    make: Callable[[], nn.Module], step: Callable[[nn.Module], Callable[[], None]], device: str
) -> dict[str, float | str]:
    """Seconds to make a model, imports included, and of its first step; and the most memory that two steps took."""
    start = time.perf_counter()
    model = make()
    synchronize(device)
    made = time.perf_counter()
    run = step(model)
    run()
    synchronize(device)
    first = time.perf_counter()
    run()
    return {
        "make_seconds": made - start,
        "first_batch_seconds": first - made,
        "peak_mib": peak_memory(device),
        "peak_of": "process" if device == "cpu" else "allocator",
    }


def each_alone(script: str, names: list[str], arguments: list[str]) -> dict[str, dict[str, float | str]]:
    """What `script --alone NAME` prints last, of each name, in a process of its own."""
    found = {}
    for name in names:
        command = [sys.executable, "-X", "utf8", script, *arguments, "--alone", name]
        run = subprocess.run(command, capture_output=True, encoding="utf-8")
        if run.returncode:
            raise RuntimeError(f"{name} in a process of its own failed:\n{run.stderr[-2000:]}")
        found[name] = json.loads(run.stdout.splitlines()[-1])
    return found


def find_peak(options: argparse.Namespace) -> float:
    """
    The peak that is given, or TFLOP/s of large square products, the best of a few: in float32 without TF32, which
    cuDNN's convolutions and recurrent units take on a GPU, and may pass it by.
    """
    if options.peak_tflops:
        return options.peak_tflops
    size, rounds = PRODUCT if options.device == "cpu" else GPU_PRODUCT
    dtype = torch.bfloat16 if options.bf16 else torch.float32
    factor = torch.randn(size, size, device=options.device).to(dtype)
    product = torch.empty_like(factor)
    ways = {"mm": lambda: torch.mm(factor, factor, out=product)}
    return 2 * size**3 / min(time_in_turns(ways, rounds, options.device)["mm"]) / 1e12


def count_flops(forward: Callable[[], torch.Tensor], training: bool) -> int:
    """Of the products of `forward` and, in training, of its backward; on `meta`, which makes none, by their shapes."""
    with FlopCounterMode(display=False) as counter:
        outputs = forward()
        if training:
            outputs.sum().backward()
    return counter.get_total_flops()


def rates(flops: int | None, seconds: list[float], peak: float) -> dict[str, list[float]]:
    """TFLOP/s of every round and their shares of the peak, for what is counted."""
    if flops is None:
        return {}
    found = [flops / value / 1e12 for value in seconds]
    return {"tflops_per_second": found, "of_the_peak": [rate / peak for rate in found]}


def show_rates(row: dict[str, list[float]]) -> list[str]:
    if "of_the_peak" not in row:
        return ["-", "-"]
    return [f"{statistics.median(row['tflops_per_second']):.3g}", f"{statistics.median(row['of_the_peak']):.1%}"]


def profile(run: Callable[[], None], device: str) -> dict[str, float]:
    """Shares of the operations' own time, products together and first, then the others, the longest first."""
    run()
    synchronize(device)
    with torch.profiler.profile() as profiler:
        run()
        synchronize(device)
    key = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
    times = {"products": 0.0}
    for event in profiler.key_averages():
        if event.device_type != DeviceType.CPU or event.is_user_annotation:  # kernels, which their operators count too
            continue
        name = "products" if any(part in event.key for part in PRODUCTS) else event.key.removeprefix("aten::")
        times[name] = times.get(name, 0.0) + getattr(event, key)
    total = sum(times.values())
    others = sorted(times.items(), key=lambda item: (item[0] != "products", -item[1]))
    return {name: value / total for name, value in others if value}


def print_profile(found: dict[str, dict[str, float]], shown: int = 8):
    rows = [
        [name, *(f"{operation} {share:.1%}" for operation, share in list(shares.items())[:shown])]
        for name, shares in found.items()
    ]
    print_table(["of the time of operations", *[""] * shown], rows)


def spread(values: list[float], digits: int = 0) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def write_results(options: argparse.Namespace, found: dict):
    """What was found, beside the options it was found with, to `options.output_file` where there is one."""
    if options.output_file:
        results = {"options": vars(options), "torch": torch.__version__, **found}
        Path(options.output_file).write_text(json.dumps(results, indent=2), "utf-8")


def print_table(columns: list[str], rows: list[list[str]]):
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
