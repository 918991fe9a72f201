# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Shared parts of the benchmarks: options, devices, timing in turns, memory, FLOPs, profiles and tables."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.autograd import DeviceType
from torch.utils.flop_counter import FlopCounterMode


PEAK_CPU, PEAK_GPU = (4096, 5), (8192, 50)  # side of the square products that measure the peak, and rounds
# parts of the names of operations that are matrix products
PRODUCTS = ("mm", "mv", "linear_pointwise", "convolution", "conv2d", "flash_attention", "efficient_attention")
PRODUCTS += ("cudnn_attention", "cudnn_rnn", "gemm")


def make_parser(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Returns a parser with the options of all benchmarks."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--output_file", help="JSON file for all results")
    return parser


def add_comparison_options(
    parser: argparse.ArgumentParser, implementations: Iterable[str], parts: Sequence[str]
) -> None:
    """Adds the options of benchmarks that compare implementations; the first three of `parts` are the default."""
    names = list(implementations)
    parser.add_argument("--implementations", "--ways", nargs="+", choices=names, default=names)
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts[:3])
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast")
    parser.add_argument("--device", default="cpu", help="cpu (the default), or e.g. cuda")
    parser.add_argument(
        "--peak_tflops",
        type=float,
        help="the device's peak for dense products at this precision, as specified by its vendor (default: the best "
        "rate of large products, measured in the same run)",
    )
    parser.add_argument("--alone", choices=names, help=argparse.SUPPRESS)


def autocast(options: argparse.Namespace) -> torch.autocast:
    return torch.autocast(torch.device(options.device).type, dtype=torch.bfloat16, enabled=options.bf16)


def synchronize(device: str) -> None:
    if device != "cpu":
        torch.accelerator.synchronize(device)


def time_in_turns(
    runs: dict[str, Callable[[], object]],
    rounds: int,
    device: str = "cpu",
    of_the_process: bool = False,
) -> dict[str, list[float]]:
    """
    Returns the seconds of each run in every round, in which the runs take turns, after one run to warm up: of the
    clock, or those that all threads of the process spent on a CPU.
    """
    clock = time.process_time if of_the_process else time.perf_counter
    for run in runs.values():
        run()
    seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            synchronize(device)
            start = clock()
            run()
            synchronize(device)
            seconds[name].append(clock() - start)
    return seconds


def saved_for_backward(model: nn.Module, forward: Callable[[], object]) -> float:
    """Returns the MiB of activations that autograd saves, counting each storage once and no parameters."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    sizes = {}

    @torch.compiler.disable  # otherwise a compiled model would trace it
    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = forward()  # keeps the activations alive, so that no address is used twice
    del outputs
    return sum(sizes.values()) / 2**20


def peak_memory(device: str) -> float:
    """Returns the peak memory in MiB of this process on CPU, or of the allocator on an accelerator."""
    if device != "cpu":
        return torch.accelerator.max_memory_allocated(device) / 2**20
    # on Linux, `ru_maxrss` includes the peak of the parent process
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text("utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    import resource  # not available on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def measure_alone(
    make: Callable[[], nn.Module], make_step: Callable[[nn.Module], Callable[[], None]], device: str
) -> dict[str, float | str]:
    """Measures the seconds to import and create a model and of its first step, and the peak memory of two steps."""
    start = time.perf_counter()
    model = make()
    synchronize(device)
    created = time.perf_counter()
    step = make_step(model)
    step()
    synchronize(device)
    first = time.perf_counter()
    step()
    return {
        "make_seconds": created - start,
        "first_batch_seconds": first - created,
        "peak_mib": peak_memory(device),
        "peak_of": "process" if device == "cpu" else "allocator",
    }


def run_in_subprocesses(script: str, names: list[str], arguments: list[str]) -> dict[str, dict[str, float | str]]:
    """
    Runs `script --alone NAME` with the same arguments in a separate process per name, and returns the JSON in its last
    line of output.
    """
    results = {}
    for name in names:
        command = [sys.executable, "-X", "utf8", script, *arguments, "--alone", name]
        run = subprocess.run(command, capture_output=True, encoding="utf-8")
        if run.returncode:
            raise RuntimeError(f"The separate process of {name} failed:\n{run.stderr[-2000:]}")
        results[name] = json.loads(run.stdout.splitlines()[-1])
    return results


def find_peak(options: argparse.Namespace) -> float:
    """
    Returns `--peak_tflops` or the best TFLOP/s of large square products. In float32 the products do not use TF32, but
    cuDNN's convolutions and recurrent units do on a GPU, so they may exceed this peak.
    """
    if options.peak_tflops:
        return options.peak_tflops
    size, rounds = PEAK_CPU if options.device == "cpu" else PEAK_GPU
    dtype = torch.bfloat16 if options.bf16 else torch.float32
    factor = torch.randn(size, size, device=options.device).to(dtype)
    product = torch.empty_like(factor)
    runs = {"mm": lambda: torch.mm(factor, factor, out=product)}
    return 2 * size**3 / min(time_in_turns(runs, rounds, options.device)["mm"]) / 1e12


def count_flops(forward: Callable[[], torch.Tensor], training: bool) -> int:
    """Counts the FLOPs of the products of `forward` and, in training, of its backward pass. Works on device `meta`."""
    with FlopCounterMode(display=False) as counter:
        outputs = forward()
        if training:
            outputs.sum().backward()
    return counter.get_total_flops()


def flop_rates(flops: int | None, seconds: list[float], peak: float) -> dict[str, list[float]]:
    """Returns the TFLOP/s of every round and their fraction of the peak, or nothing if `flops` is `None`."""
    if flops is None:
        return {}
    rates = [flops / value / 1e12 for value in seconds]
    return {"tflops_per_second": rates, "of_the_peak": [rate / peak for rate in rates]}


def profile(run: Callable[[], object], device: str) -> dict[str, float]:
    """Returns the fraction of time of all products together, then of each other operation in descending order."""
    run()
    synchronize(device)
    with torch.profiler.profile() as profiler:
        run()
        synchronize(device)
    key = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
    times = {"products": 0.0}
    for event in profiler.key_averages():
        # the time of a kernel is also counted by the operator that launches it
        if event.device_type != DeviceType.CPU or event.is_user_annotation:
            continue
        name = "products" if any(part in event.key for part in PRODUCTS) else event.key.removeprefix("aten::")
        times[name] = times.get(name, 0.0) + getattr(event, key)
    total = sum(times.values())
    ordered = sorted(times.items(), key=lambda item: (item[0] != "products", -item[1]))
    return {name: value / total for name, value in ordered if value}


def print_profiles(profiles: dict[str, dict[str, float]], shown: int = 8) -> None:
    rows = [
        [name, *(f"{operation} {share:.1%}" for operation, share in list(shares.items())[:shown])]
        for name, shares in profiles.items()
    ]
    print_table(["fraction of the operations' time", *[""] * shown], rows)


def print_speeds(
    title: str, results: dict[str, dict], others: Iterable[str], rate: str, digits: int = 0, **extra_columns: str
) -> None:
    """
    Prints the speed of each row of `results`, also relative to the rows of `others` and the floor, if there are any.

    Args:
        rate: the key of the speeds, such as `images_per_second`.
        extra_columns: the keys of more results, with their format, such as `saved_mib=".0f"`.
    """

    def ratio(name: str, other: str) -> str:
        return f"{statistics.median(results[name][rate]) / statistics.median(results[other][rate]):.2f}"

    others = [other for other in others if other in results]
    floor = ["floor"] if "floor" in results else []
    is_counted = any("of_the_peak" in row for row in results.values())
    columns = [title, *(f"times {other}'s speed" for other in others), *(f"times the {name}'s time" for name in floor)]
    columns += [rate.replace("_per_second", "/s"), *(["TFLOP/s", "of the peak"] if is_counted else [])]
    rows = []
    for name, row in results.items():
        cells = [name, *(ratio(name, other) for other in others), *(ratio(other, name) for other in floor)]
        cells.append(spread(row[rate], digits))
        if "of_the_peak" in row:
            cells += [
                f"{statistics.median(row['tflops_per_second']):.3g}",
                f"{statistics.median(row['of_the_peak']):.1%}",
            ]
        elif is_counted:
            cells += ["-", "-"]
        rows.append(cells + [format(row[key], form) for key, form in extra_columns.items()])
    print_table([*columns, *(key.replace("_", " ") for key in extra_columns)], rows)


def print_processes(results: dict[str, dict]) -> None:
    """Prints what `run_in_subprocesses` returns for `measure_alone`."""
    peak_of = next(iter(results.values()))["peak_of"]
    rows = [
        [name, f"{row['peak_mib']:,.0f}", f"{row['make_seconds']:.1f}", f"{row['first_batch_seconds']:.2f}"]
        for name, row in results.items()
    ]
    print_table(["separate process", f"peak of the {peak_of}, MiB", "import and create, s", "first batch, s"], rows)


def spread(values: list[float], digits: int = 0) -> str:
    """Formats the median with the minimum and the maximum."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def write_results(options: argparse.Namespace, results: dict) -> None:
    """Writes the results and the options of the run to `--output_file`, if there is one."""
    if options.output_file:
        text = json.dumps({"options": vars(options), "torch": torch.__version__, **results}, indent=2)
        Path(options.output_file).write_text(text, "utf-8")


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
