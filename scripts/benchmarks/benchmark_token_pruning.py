# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure the accuracy and speed of a trained compact ViT for several fractions of tokens that its pruning layers keep.

    python scripts/benchmarks/benchmark_token_pruning.py outputs/lineage/compact-vit --dataset_name cluttered_digits
    python scripts/benchmarks/benchmark_token_pruning.py outputs/compact-vit-digits      # scikit-learn's digits

The keep rates take turns in every round. The model is not trained again: it was trained with all of its tokens.
"""

import argparse
import statistics
from functools import partial

import torch
from benchmarking import make_parser, print_speeds, time_in_turns, write_results
from transformers import AutoModelForImageClassification, PreTrainedModel
from transformers.models.auto.image_processing_auto import AutoImageProcessor

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.data.embedded import EMBEDDED_IMAGES
from hf_attention.data.images import make_transform


def read_images(options: argparse.Namespace, model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
    rows = EMBEDDED_IMAGES[options.dataset_name].load()["test"]
    names = rows.features["label"].names
    trained = list(model.config.id2label.values())
    if names != trained:
        raise ValueError(f"The data's classes are {names}, the model's {trained}. Use the data it was trained on.")
    rows = rows.shuffle(seed=0).take(options.max_samples)
    processor = AutoImageProcessor.from_pretrained(options.model_name_or_path)
    batch = make_transform(processor, model.config.num_channels)(rows[:])
    return batch["pixel_values"], batch["labels"]


@torch.no_grad()
def classify(model: PreTrainedModel, pixels: torch.Tensor, options: argparse.Namespace) -> torch.Tensor:
    return torch.cat([model(part).logits.argmax(dim=-1) for part in pixels.split(options.batch_size)])


def plot(results: list[dict], path: str) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(7, 3))
    rates = [row["keep_rate"] for row in results]
    axes[0].plot(rates, [100 * row["accuracy"] for row in results], marker="o")
    speeds = [statistics.median(row["images_per_second"]) for row in results]
    axes[1].plot(rates, [speed / speeds[0] for speed in speeds], marker="o")
    for axis, label in zip(axes, ("accuracy, %", "speed relative to all tokens")):
        axis.set(xlabel="fraction of tokens kept per pruning layer", ylabel=label)
        axis.invert_xaxis()
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> None:
    parser = make_parser(__doc__, rounds=5)
    parser.add_argument("model_name_or_path", help="a compact ViT for image classification")
    parser.add_argument("--dataset_name", choices=list(EMBEDDED_IMAGES), default="digits", help="embedded data")
    parser.add_argument("--keep_rates", type=float, nargs="+", default=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    parser.add_argument("--max_samples", type=int, default=2000)
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--plot_file", help="PNG file for accuracy and speed over the keep rate")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    rates = sorted({1.0, *options.keep_rates}, reverse=True)
    load = AutoModelForImageClassification.from_pretrained
    models = [load(options.model_name_or_path, token_keep_rate=rate).eval() for rate in rates]
    pixels, labels = read_images(options, models[0])
    runs = {f"{rate:g}": partial(classify, model, pixels, options) for rate, model in zip(rates, models)}
    results = []
    for rate, (name, seconds) in zip(rates, time_in_turns(runs, options.rounds).items()):
        accuracy = (runs[name]() == labels).float().mean().item()
        results.append(
            {
                "keep_rate": rate,
                "accuracy": accuracy,
                "seconds": seconds,
                "images_per_second": [len(pixels) / value for value in seconds],
            }
        )
    print_speeds("keep rate", dict(zip(runs, results)), ["1"], "images_per_second", accuracy=".1%")
    write_results(options, {"results": results})
    if options.plot_file:
        plot(results, options.plot_file)


if __name__ == "__main__":
    main()
