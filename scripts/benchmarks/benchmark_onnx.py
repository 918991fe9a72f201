# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure the size, speed and accuracy of the demos' models in PyTorch, in onnxruntime, and in onnxruntime with int8.

    python scripts/benchmarks/benchmark_onnx.py outputs/bahdanau-dates outputs/compact-vit-digits

The runtimes take turns in every round; speeds are medians of the rounds, with their range.
"""

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from benchmarking import make_parser, print_speeds, time_in_turns, write_results
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BatchEncoding,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.data.dates import load_dates
from hf_attention.data.images import load_digits, open_image
from hf_attention.hub.export import export_onnx
from hf_attention.hub.onnx_translator import MODEL, QUANTIZED, OnnxTranslator, open_session


BATCH_SIZE = 64
SINGLE_INPUTS = 20  # timed one by one
Runner = Callable[[list], list]


def translators(folder: str, exported: str, num_threads: int) -> tuple[dict[str, Runner], list, list]:
    """Returns a function from texts to translations for each runtime, and the sources and targets of the test data."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    length = model.generation_config.max_length

    def tokenize(texts: list[str], kind: str) -> BatchEncoding:
        return tokenizer(texts, return_tensors=kind, padding=True, return_token_type_ids=False)

    def by_torch(texts: list[str]) -> list[str]:
        ids = model.generate(**tokenize(texts, "pt"), num_beams=1, max_length=length)
        return tokenizer.batch_decode(ids, skip_special_tokens=True)

    def by_onnx(quantized: bool) -> Runner:
        runner = OnnxTranslator(exported, quantized, num_threads)
        return lambda texts: tokenizer.batch_decode(
            runner.generate(**tokenize(texts, "np"), max_length=length)[0], skip_special_tokens=True
        )

    data = load_dates(1, 1, 1000)["test"]
    runners = {"PyTorch": by_torch, "onnxruntime": by_onnx(False), "onnxruntime, int8": by_onnx(True)}
    return runners, list(data["source"]), list(data["target"])


def classifiers(folder: str, exported: str, num_threads: int) -> tuple[dict[str, Runner], list, list]:
    """Returns a function from pixel values to classes for each runtime, and the inputs and labels of the test data."""
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    data = load_digits()["test"]
    images = [open_image(cell) for cell in data["image"]]
    pixels = AutoImageProcessor.from_pretrained(folder)(images, return_tensors="pt")["pixel_values"]

    def by_torch(batch: list[torch.Tensor]) -> list[int]:
        return model(torch.stack(batch)).logits.argmax(dim=-1).tolist()

    def by_onnx(quantized: bool) -> Runner:
        session = open_session(Path(exported, f"{MODEL}{QUANTIZED if quantized else ''}.onnx"), num_threads)
        return lambda batch: session.run(None, {"pixel_values": np.stack(batch)})[0].argmax(axis=-1).tolist()

    runners = {"PyTorch": by_torch, "onnxruntime": by_onnx(False), "onnxruntime, int8": by_onnx(True)}
    return runners, list(pixels), list(data["label"])


@torch.no_grad()
def measure(folder: str, num_threads: int, rounds: int) -> dict[str, dict]:
    with tempfile.TemporaryDirectory() as exported:
        files = export_onnx(folder, exported, quantize=True)
        is_text = AutoConfig.from_pretrained(folder).is_encoder_decoder
        runners, inputs, expected = (translators if is_text else classifiers)(folder, exported, num_threads)
        sizes = {
            "PyTorch": Path(folder, "model.safetensors").stat().st_size,
            "onnxruntime": sum(file.stat().st_size for file in files if QUANTIZED not in file.stem),
            "onnxruntime, int8": sum(file.stat().st_size for file in files if QUANTIZED in file.stem),
        }
        batches = [inputs[start : start + BATCH_SIZE] for start in range(0, len(inputs), BATCH_SIZE)]
        singles = [[item] for item in inputs[:SINGLE_INPUTS]]
        throughput, latency = (
            time_in_turns({name: partial(run_all, run, parts) for name, run in runners.items()}, rounds)
            for parts in (batches, singles)
        )
        return {
            name: {
                "inputs_per_second": [len(inputs) / value for value in throughput[name]],
                "single_input_ms": 1000 * statistics.median(latency[name]) / len(singles),
                "accuracy": float(np.mean([a == b for a, b in zip(run_all(run, batches), expected)])),
                "size_mb": sizes[name] / 1e6,
            }
            for name, run in runners.items()
        }


def run_all(run: Runner, batches: list[list]) -> list:
    return [output for batch in batches for output in run(batch)]


def main(arguments: list[str] | None = None) -> None:
    parser = make_parser(__doc__, rounds=7)
    parser.add_argument("folders", nargs="+", help="folders of models of dates or digits")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    results = {}
    for folder in options.folders:
        results[folder] = measure(folder, options.num_threads, options.rounds)
        print(f"\n{folder}, batches of {BATCH_SIZE}, greedy search")
        formats = {"single_input_ms": ".2f", "accuracy": ".1%", "size_mb": ".2f"}
        print_speeds("", results[folder], ["PyTorch"], "inputs_per_second", **formats)
    write_results(options, {"batch_size": BATCH_SIZE, "results": results})


if __name__ == "__main__":
    main()
