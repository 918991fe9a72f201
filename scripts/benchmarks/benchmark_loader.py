# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure the fraction of training time spent waiting for data, and the steps per second, for several numbers of workers.

    python scripts/benchmarks/benchmark_loader.py                           # embedded data: dates and digits
    python scripts/benchmarks/benchmark_loader.py --data_dir multi30k       # a folder with Multi30k's train.parquet
    python scripts/benchmarks/benchmark_loader.py --data_dir cifar10        # or CIFAR-10's

The numbers of workers take turns in every round, each in a short run of a recipe in `scripts/recipes`. Workers persist
during a run (`dataloader_persistent_workers`); the time to start them is included.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

import torch
from benchmarking import make_parser, print_table, spread, write_results
from pyarrow import parquet

from hf_attention.scripts.train_image_classification import train as train_images
from hf_attention.scripts.train_translation import train as train_translation


RECIPES = Path(__file__).parents[1] / "recipes"
LANGUAGES = ["--source_lang", "de", "--target_lang", "en"]


def choose(data_dir: str | None) -> dict[str, list[str]]:
    """Returns the recipes by name, each with the options for its data."""
    if data_dir is None:
        return {"dates": [], "digits": []}
    file = os.path.join(data_dir, "train.parquet")
    if "translation" in parquet.read_schema(file).names:
        return {"multi30k": ["--train_file", file, *LANGUAGES]}
    return {"cifar10-cct-2-3x2": ["--train_file", file, "--verify_images", "false"]}


def train(recipe: str, data_arguments: list[str], workers: int, options: argparse.Namespace) -> dict[str, float]:
    """Returns the fraction of time spent waiting for data and the steps per second of one short run."""
    is_text = recipe in ("dates", "multi30k")
    arguments = [str(RECIPES / f"{recipe}.yaml"), *data_arguments]
    arguments += ["--max_steps", str(options.steps), "--max_eval_samples", "16"]
    arguments += ["--dataloader_num_workers", str(workers), "--dataloader_persistent_workers", str(workers > 0)]
    arguments += ["--eval_strategy=no", "--save_strategy=no", "--load_best_model_at_end=false"]
    arguments += ["--disable_tqdm=true", "--log_level=error"]
    if is_text:
        arguments += ["--predict_with_generate", "false", "--metric_for_best_model", "loss"]
    if options.max_train_samples:
        arguments += ["--max_train_samples", str(options.max_train_samples)]
    train_recipe = train_translation if is_text else train_images
    with tempfile.TemporaryDirectory() as folder:
        results = train_recipe([*arguments, "--output_dir", os.path.join(folder, "run")])
    return {"share": results["train_loader_share"], "steps_per_second": results["train_steps_per_second"]}


def main(arguments: list[str] | None = None) -> None:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument("--data_dir", help="a folder with the train.parquet of Multi30k or CIFAR-10")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--max_train_samples", type=int, help="default: all")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    recipes = choose(options.data_dir)
    runs = [(recipe, workers) for recipe in recipes for workers in options.workers]
    results = {run: [] for run in runs}
    for _ in range(options.rounds):
        for recipe, workers in runs:
            results[recipe, workers].append(train(recipe, recipes[recipe], workers, options))
    rows = []
    for (recipe, workers), measured in results.items():
        share = 100 * statistics.median(row["share"] for row in measured)
        rows.append([recipe, str(workers), f"{share:.1f}", spread([row["steps_per_second"] for row in measured], 2)])
    print_table(["recipe", "workers", "waiting for data, %", "steps/s"], rows)
    named = [{"recipe": recipe, "workers": workers, "runs": results[recipe, workers]} for recipe, workers in runs]
    write_results(options, {"results": named})


if __name__ == "__main__":
    main()
