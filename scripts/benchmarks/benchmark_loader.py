# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
How much of a training step goes into waiting for data, and how many steps there are in a second, by the number of
workers that load it.

    python scripts/benchmarks/benchmark_loader.py                           # the embedded data: dates and digits
    python scripts/benchmarks/benchmark_loader.py --data_dir multi30k       # a folder with Multi30k's train.parquet
    python scripts/benchmarks/benchmark_loader.py --data_dir cifar10        # or with CIFAR-10's

Each number of workers takes its turn in every round, in a short run of a recipe of `scripts/recipes`; workers live as
long as their run (`dataloader_persistent_workers`), and their start counts.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

import torch
from benchmarking import print_table, spread, write_results
from pyarrow import parquet
from train_image_classification import main as train_images
from train_translation import main as train_translation


RECIPES = Path(__file__).parents[1] / "recipes"
LANGUAGES = ["--source_lang", "de", "--target_lang", "en"]


def choose(data_dir: str | None) -> dict[str, list[str]]:
    """Recipes by name, each with the options that name its data."""
    if data_dir is None:
        return {"dates": [], "digits": []}
    file = os.path.join(data_dir, "train.parquet")
    if "translation" in parquet.read_schema(file).names:
        return {"multi30k": ["--train_file", file, *LANGUAGES]}
    return {"cifar10-cct-2-3x2": ["--train_file", file, "--verify_images", "false"]}


def train(recipe: str, given: list[str], workers: int, options) -> dict[str, float]:
    """The loader's share and the steps a second of one run, whose folder is thrown away."""
    is_text = recipe in ("dates", "multi30k")
    given = [str(RECIPES / f"{recipe}.yaml"), *given, "--max_steps", str(options.steps), "--max_eval_samples", "16"]
    given += ["--dataloader_num_workers", str(workers), "--dataloader_persistent_workers", str(workers > 0)]
    given += ["--eval_strategy=no", "--save_strategy=no", "--load_best_model_at_end=false"]
    given += ["--disable_tqdm=true", "--log_level=error"]
    if is_text:
        given += ["--predict_with_generate", "false"]
    if options.max_train_samples:
        given += ["--max_train_samples", str(options.max_train_samples)]
    with tempfile.TemporaryDirectory() as folder:
        results = (train_translation if is_text else train_images)(
            [*given, "--output_dir", os.path.join(folder, "run")]
        )
    return {"share": results["train_loader_share"], "steps_per_second": results["train_steps_per_second"]}


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", help="a folder with the train.parquet of Multi30k or CIFAR-10")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max_train_samples", type=int, help="default: all")
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--output_file", help="where to write every figure, as JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    recipes = choose(options.data_dir)
    runs = [(recipe, workers) for recipe in recipes for workers in options.workers]
    found = {run: [] for run in runs}
    for _ in range(options.rounds):
        for recipe, workers in runs:
            found[recipe, workers].append(train(recipe, recipes[recipe], workers, options))
    rows = []
    for (recipe, workers), measured in found.items():
        share = 100 * statistics.median(row["share"] for row in measured)
        rows.append([recipe, str(workers), f"{share:.1f}", spread([row["steps_per_second"] for row in measured], 2)])
    print_table(["recipe", "workers", "loader's share, %", "steps/s"], rows)
    named = [{"recipe": recipe, "workers": workers, "runs": found[recipe, workers]} for recipe, workers in runs]
    write_results(options, {"found": named})


if __name__ == "__main__":
    main()
