# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Accuracy and speed of a trained compact ViT over how many tokens its pruning layers keep.

    python scripts/benchmarks/benchmark_token_pruning.py outputs/cifar10-cct --test_file test.parquet --plot_file pruning.png
    python scripts/benchmarks/benchmark_token_pruning.py outputs/lineage/compact-vit --dataset_name cluttered_digits
    python scripts/benchmarks/benchmark_token_pruning.py outputs/compact-vit-digits      # scikit-learn's digits

Every rate takes its turn in every round. Nothing is trained: the model was made with all of its tokens.
"""

import argparse
import statistics
from functools import partial

import torch
from benchmarking import print_table, spread, time_in_turns, write_results
from transformers import AutoModelForImageClassification, PreTrainedModel
from transformers.models.auto.image_processing_auto import AutoImageProcessor

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.data.embedded import EMBEDDED_IMAGES
from hf_attention.data.images import load_images, make_transform


def read_images(options, model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
    if options.test_file:
        rows = load_images(None, None, {"test": options.test_file}, None, None, False)["test"]
    else:
        rows = EMBEDDED_IMAGES[options.dataset_name].load()["test"]
    names = rows.features["label"].names
    trained = list(model.config.id2label.values())
    if names != trained:
        raise ValueError(f"The data's classes are {names}, the model's {trained}. Name the data it was trained on.")
    rows = rows.shuffle(seed=0).take(options.max_samples)
    processor = AutoImageProcessor.from_pretrained(options.model_name_or_path)
    batch = make_transform(processor, model.config.num_channels)(rows[:])
    return batch["pixel_values"], batch["labels"]


@torch.no_grad()
def classify(model: PreTrainedModel, pixels: torch.Tensor, options) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
        return torch.cat([model(part).logits.argmax(dim=-1) for part in pixels.split(options.batch_size)])


def plot(found: list[dict], path: str):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(7, 3))
    rates = [row["keep_rate"] for row in found]
    axes[0].plot(rates, [100 * row["accuracy"] for row in found], marker="o")
    axes[1].plot(rates, [row["times_the_speed"] for row in found], marker="o")
    for axis, label in zip(axes, ("accuracy, %", "times the speed with all tokens")):
        axis.set(xlabel="share of the tokens that a layer keeps", ylabel=label)
        axis.invert_xaxis()
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_name_or_path", help="a compact ViT for image classification")
    parser.add_argument("--dataset_name", choices=list(EMBEDDED_IMAGES), default="digits", help="data made here")
    parser.add_argument("--test_file", help="a parquet file or a folder of images, in their place")
    parser.add_argument("--keep_rates", type=float, nargs="+", default=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    parser.add_argument("--token_pruning_layers", type=int, nargs="+", help="default: the config's")
    parser.add_argument("--max_samples", type=int, default=2000)
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast")
    parser.add_argument("--output_file", help="where to write every figure, as JSON")
    parser.add_argument("--plot_file", help="where to draw accuracy and speed over the keep rate")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    rates = sorted({1.0, *options.keep_rates}, reverse=True)
    models = []
    for rate in rates:
        pruning = {"token_keep_rate": rate}
        if options.token_pruning_layers:
            pruning["token_pruning_layers"] = options.token_pruning_layers
        models.append(AutoModelForImageClassification.from_pretrained(options.model_name_or_path, **pruning).eval())
    pixels, labels = read_images(options, models[0])
    found = []
    for rate, model in zip(rates, models):
        accuracy = (classify(model, pixels, options) == labels).float().mean().item()
        found.append({"keep_rate": rate, "accuracy": accuracy})
    ways = {rate: partial(classify, model, pixels, options) for rate, model in zip(rates, models)}
    rows = []
    for row, seconds in zip(found, time_in_turns(ways, options.rounds).values()):
        row["seconds"] = seconds
        row["times_the_speed"] = statistics.median(found[0]["seconds"]) / statistics.median(row["seconds"])
        row["images_per_second"] = [len(pixels) / seconds for seconds in row["seconds"]]
        figures = (f"{row['keep_rate']:g}", f"{row['times_the_speed']:.2f}", f"{100 * row['accuracy']:.1f}")
        rows.append([*figures, spread(row["images_per_second"])])
    print_table(["keep rate", "times the speed", "accuracy, %", "images/s"], rows)
    write_results(options, {"found": found})
    if options.plot_file:
        plot(found, options.plot_file)


if __name__ == "__main__":
    main()
