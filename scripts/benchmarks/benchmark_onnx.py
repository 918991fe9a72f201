# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Size, speed and accuracy of the demos' models in PyTorch, in onnxruntime, and there in int8, in one run.

    python scripts/benchmarks/benchmark_onnx.py outputs/bahdanau-dates outputs/compact-vit-digits --output_file onnx.json

Each way of running takes its turn in every round; speed is the median of the rounds, with its range.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from benchmarking import time_in_turns
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.data.dates import load_dates
from hf_attention.data.images import load_digits, open_image
from hf_attention.hub.export import export_onnx
from hf_attention.hub.onnx_translator import MODEL, QUANTIZED, OnnxTranslator, open_session


BATCH = 64
SINGLE = 20  # inputs timed one by one


def translators(folder: str, exported: str, num_threads: int):
    """Ways to turn a batch of texts into texts, and the test data."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    length = model.generation_config.max_length

    def tokenize(texts: list[str], kind: str):
        return tokenizer(texts, return_tensors=kind, padding=True, return_token_type_ids=False)

    def by_torch(texts):
        ids = model.generate(**tokenize(texts, "pt"), num_beams=1, max_length=length)
        return tokenizer.batch_decode(ids, skip_special_tokens=True)

    def by_onnx(quantized):
        runner = OnnxTranslator(exported, quantized, num_threads)
        return lambda texts: tokenizer.batch_decode(
            runner.generate(**tokenize(texts, "np"), max_length=length)[0], skip_special_tokens=True
        )

    data = load_dates(1, 1, 1000)["test"]
    ways = {"PyTorch": by_torch, "onnxruntime": by_onnx(False), "onnxruntime, int8": by_onnx(True)}
    return ways, list(data["source"]), list(data["target"])


def classifiers(folder: str, exported: str, num_threads: int):
    """Ways to turn a batch of pixel values into classes, and the test data."""
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    data = load_digits()["test"]
    images = [open_image(cell) for cell in data["image"]]
    pixels = AutoImageProcessor.from_pretrained(folder)(images, return_tensors="pt")["pixel_values"]

    def by_torch(batch):
        return model(torch.stack(batch)).logits.argmax(dim=-1).tolist()

    def by_onnx(quantized):
        session = open_session(Path(exported, f"{MODEL}{QUANTIZED if quantized else ''}.onnx"), num_threads)
        return lambda batch: session.run(None, {"pixel_values": np.stack(batch)})[0].argmax(axis=-1).tolist()

    ways = {"PyTorch": by_torch, "onnxruntime": by_onnx(False), "onnxruntime, int8": by_onnx(True)}
    return ways, list(pixels), list(data["label"])


@torch.no_grad()
def measure(folder: str, num_threads: int, rounds: int) -> dict[str, dict]:
    with tempfile.TemporaryDirectory() as exported:
        files = export_onnx(folder, exported, quantize=True)
        is_text = AutoConfig.from_pretrained(folder).is_encoder_decoder
        ways, inputs, expected = (translators if is_text else classifiers)(folder, exported, num_threads)
        sizes = {
            "PyTorch": Path(folder, "model.safetensors").stat().st_size,
            "onnxruntime": sum(file.stat().st_size for file in files if QUANTIZED not in file.stem),
            "onnxruntime, int8": sum(file.stat().st_size for file in files if QUANTIZED in file.stem),
        }
        found = {name: {"size_mb": sizes[name] / 1e6} for name in ways}
        batches = [inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH)]
        for name, run in ways.items():
            outputs = [output for batch in batches for output in run(batch)]
            found[name]["accuracy"] = float(np.mean([a == b for a, b in zip(outputs, expected)]))
        together = {name: partial(run_all, run, batches) for name, run in ways.items()}
        alone = {name: partial(run_all, run, [[item] for item in inputs[:SINGLE]]) for name, run in ways.items()}
        for name, seconds in time_in_turns(together, rounds).items():
            found[name]["per_second"] = [len(inputs) / value for value in seconds]
        for name, seconds in time_in_turns(alone, rounds).items():
            found[name]["single_ms"] = [1000 * value / len(inputs[:SINGLE]) for value in seconds]
    return found


def run_all(run: Callable[[list], list], batches: list[list]):
    for batch in batches:
        run(batch)


def report(folder: str, found: dict[str, dict]):
    base = {name: statistics.median(found["PyTorch"][name]) for name in ("per_second", "single_ms")}
    print(f"\n{folder}, batches of {BATCH}, greedy")
    print("| | times PyTorch's throughput | a second | one alone, ms | correct | MB |\n|---|---|---|---|---|---|")
    for name, row in found.items():
        speed, single = (statistics.median(row[key]) for key in ("per_second", "single_ms"))
        low, high = min(row["per_second"]), max(row["per_second"])
        print(
            f"| {name} | {speed / base['per_second']:.2f} | {speed:,.0f} ({low:,.0f} to {high:,.0f}) | {single:.2f} "
            f"| {row['accuracy']:.1%} | {row['size_mb']:.2f} |"
        )


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of models of dates or digits")
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output_file", help="where to write every figure, as JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    found = {}
    for folder in options.folders:
        found[folder] = measure(folder, options.num_threads, options.rounds)
        report(folder, found[folder])
    if options.output_file:
        settings = {"num_threads": options.num_threads, "batch": BATCH, "torch": torch.__version__}
        Path(options.output_file).write_text(json.dumps({**settings, "found": found}, indent=2), "utf-8")


if __name__ == "__main__":
    main()
