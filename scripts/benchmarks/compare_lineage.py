# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Train the models of the history of visual attention on the same data, and write a page that compares them.

    python scripts/benchmarks/compare_lineage.py cluttered_digits     # all models (or, e.g., --models plain residual)
    python scripts/benchmarks/compare_lineage.py cifar10 \
        --train_file cifar10/train.parquet --test_file cifar10/test.parquet
    python scripts/benchmarks/compare_lineage.py page                 # writes the page of existing runs only

Other options are passed to `train_image_classification.py` for every run.
"""

import argparse
import json
import statistics
from functools import partial
from pathlib import Path

import torch
from benchmarking import time_in_turns
from jinja2 import Template
from matplotlib.figure import Figure
from transformers import AutoModelForImageClassification, BaseImageProcessor, PreTrainedModel
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention.data.cluttered_digits import load_cluttered_digits
from hf_attention.data.images import open_image
from hf_attention.hub.card import TEMPLATES, describe_versions
from hf_attention.interpret import (
    ColorScale,
    accuracy_by_kept,
    choose_samples,
    overlay,
    pixel_saliency,
    plot_attention,
    plot_kept,
    rank_patches,
    saliency,
)
from hf_attention.interpret.color_scale import DPI
from hf_attention.prediction.image_classifier import ImageClassifier
from hf_attention.scripts.train_image_classification import train


RECIPES = Path(__file__).parents[1] / "recipes"
IMAGES = "image_size=60,num_channels=1"
RESIDUAL = f"{IMAGES},hidden_sizes=[16,32,64],depths=[1,2,1],embedding_stride=2"
ENCODER = (
    f"{IMAGES},glimpse_stride=2,glimpse_channels=[16,32,32],hidden_size=128,location_hidden_size=64,"
    "initial_location=center"
)
GLIMPSES = (
    f"{ENCODER},glimpse_hidden_size=128,num_glimpses=6,glimpse_size=12,num_scales=2,cell_type=gru,location_std=0.1,"
    "exploration=0.2,detach_locator=false,reinforce_weight=0.3"
)
WINDOW = (
    f"{IMAGES},hidden_sizes=[16,32,64],depths=[1,1,1],pooled_size=5,spatial_transformer=attention,warped_size=20,"
    "localization_sizes=[16,16,32],localization_hidden_size=64"
)
TOKENS = (
    f"{IMAGES},num_conv_layers=3,conv_channels=16,hidden_size=64,num_hidden_layers=3,num_attention_heads=4,"
    "intermediate_size=128,attention_probs_dropout_prob=0.0,drop_path_rate=0.0"
)

# training options on the cluttered digits, in historical order; each run takes at most ten minutes on one core
MODELS = {
    # convolutions and fully connected layers, the baseline of the first papers: the layers of recurrent attention,
    # with a single glimpse of the entire canvas
    "plain": {
        "model_type": "recurrent_attention",
        "config_overrides": f"{ENCODER},glimpse_hidden_size=64,num_glimpses=1,glimpse_size=30,num_scales=1",
        "max_steps": 10000,
        "learning_rate": 2e-3,
    },
    "recurrent-attention": {
        "model_type": "recurrent_attention",
        "config_overrides": GLIMPSES,
        "max_steps": 5000,
        "learning_rate": 4e-3,
        "per_device_train_batch_size": 128,
    },
    "residual": {
        "model_type": "attention_cnn",
        "config_overrides": f"{RESIDUAL},pooled_size=8",
        "max_steps": 2000,
    },
    "spatial-transformer": {
        "model_type": "attention_cnn",
        "config_overrides": WINDOW,
        "max_steps": 7000,
    },
    "pooled-residual": {"model_type": "attention_cnn", "config_overrides": RESIDUAL, "max_steps": 2000},
    "squeeze-and-excitation": {
        "model_type": "attention_cnn",
        "config_overrides": f"{RESIDUAL},attention_type=se,reduction_ratio=4",
        "max_steps": 2000,
    },
    "non-local": {
        "model_type": "attention_cnn",
        "config_overrides": f"{RESIDUAL},attention_type=non_local",
        "max_steps": 2000,
    },
    "compact-vit": {"model_type": "compact_vit", "config_overrides": TOKENS, "max_steps": 4000, "learning_rate": 1e-3},
}
CIFAR10 = {
    "none": "attention_type=none",
    "se": "attention_type=se,reduction_ratio=4",
    "non-local": "attention_type=non_local",
}
CIFAR10_NETWORK = "hidden_sizes=[16,32,64],depths=[1,1,1],embedding_stride=2"
KEPT_PATCHES = [1, 2, 4, 6, 9, 12, 16, 24, 36]


def as_arguments(options: dict) -> list[str]:
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def train_cluttered_digits(output_dir: Path, models: list[str], others: list[str]) -> None:
    recipe = str(RECIPES / "lineage-cluttered-digits.yaml")
    for name in models:
        folder = ["--output_dir", str(output_dir / name), "--overwrite_output_dir"]
        train([recipe, *as_arguments(MODELS[name]), *folder, *others])
        results = json.loads((output_dir / name / "all_results.json").read_text("utf-8"))
        results["threads"] = torch.get_num_threads()
        (output_dir / name / "all_results.json").write_text(json.dumps(results, indent=4), "utf-8")


def train_cifar10(output_dir: Path, seeds: list[int], others: list[str]) -> None:
    recipe = str(RECIPES / "lineage-cifar10.yaml")
    for seed in seeds:  # the seeds are the outer loop, so that other load on the machine affects all models alike
        for name, options in CIFAR10.items():
            folder = output_dir / f"cifar10-{name}-{seed}"
            overrides = ["--config_overrides", f"{CIFAR10_NETWORK},{options}", "--seed", str(seed)]
            train([recipe, *overrides, "--output_dir", str(folder), "--overwrite_output_dir", *others])


@torch.no_grad()
def measure_speeds(models: dict[str, PreTrainedModel], batch_size: int = 64, rounds: int = 7) -> dict[str, float]:
    """Measures the images per second of each model's forward pass, the median of rounds in turns."""
    images = torch.randn(batch_size, 1, 60, 60)
    seconds = time_in_turns({name: partial(model.eval(), images) for name, model in models.items()}, rounds)
    return {name: batch_size / statistics.median(values) for name, values in seconds.items()}


def load(folder: Path) -> tuple[PreTrainedModel, BaseImageProcessor]:
    return AutoModelForImageClassification.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)


def plot_pixels(model: PreTrainedModel, processor: BaseImageProcessor, images: list) -> Figure:
    """Draws the saliency of pixels without a network next to the pixels that a network's prediction depends on."""
    classical = [pixel_saliency(images, method) for method in ("change", "background", "both")]
    gradients = saliency(model, processor, images, method="integrated_gradients")
    titles = ["the image", "sharp change", "unlike the background", "both", "a network's answer\nhangs on"]
    figure = Figure(figsize=(1.6 * len(titles) + 1, 1.75 * len(images)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(images), len(titles), squeeze=False)
    salience, signed = ColorScale(0, 1), ColorScale.fit(gradients)
    for row, (image, axes) in enumerate(zip(images, panels)):
        shown = [image.convert("RGB"), *(overlay(image, maps[row], 0.75, scale=salience) for maps in classical)]
        shown.append(overlay(image, gradients[row], 0.75, scale=signed))
        for ax, picture, title in zip(axes, shown, titles):
            ax.imshow(picture)
            ax.set_axis_off()
            ax.set_title(title if row == 0 else "", fontsize=9)
    salience.add_bar(panels, "salience")
    signed.add_bar(panels, "for (red) or against (blue) the answer")
    return figure


def plot_selection(model: PreTrainedModel, processor: BaseImageProcessor, data, count: int = 500) -> Figure:
    """Draws the accuracy of the transformer on images of which only the best of 6 x 6 patches are kept."""
    images, labels = [open_image(cell) for cell in data["test"][:count]["image"]], data["test"][:count]["label"]
    known = [open_image(cell) for cell in data["train"]["image"]], data["train"]["label"]
    curves = {}
    for ranking in ("attention", "saliency", "mutual_information", "random"):
        scores = rank_patches(ranking, model, processor, images, (6, 6), known)
        curves[ranking] = accuracy_by_kept(model, processor, images, labels, scores, KEPT_PATCHES)
    return plot_kept(KEPT_PATCHES, curves, patches=36)


def write_page(output_dir: Path, page_dir: Path) -> None:
    assets = page_dir / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    data = load_cluttered_digits({"train": 2000, "test": 3000})
    images, classes = [open_image(cell) for cell in data["test"][:256]["image"]], data["test"][:256]["label"]
    rows, captions = [], {}
    runs = {name: file for name in MODELS if (file := output_dir / name / "all_results.json").exists()}
    runs = {name: json.loads(file.read_text("utf-8")) for name, file in runs.items()}
    runs = {name: results for name, results in runs.items() if "threads" in results}  # only complete runs
    loaded = {name: load(output_dir / name) for name in runs}
    speeds = measure_speeds({name: model for name, (model, _) in loaded.items()})
    for name, results in runs.items():
        model, processor = loaded[name]
        if name == "pooled-residual":
            plot_pixels(model, processor, images[:3]).savefig(assets / "saliency.png")
        elif name not in ("plain", "residual"):
            predicted = [int(result.labels[0]) for result in ImageClassifier(model, processor).classify(images)]
            chosen = choose_samples(classes, predicted, 4)
            chosen += sorted(set(range(len(images))) - set(chosen))
            shown, labels = [images[index] for index in chosen], [str(classes[index]) for index in chosen]
            attention_view = plot_attention(model, processor, shown, shown=4, labels=labels)
            attention_view.figure.savefig(assets / f"{name}.png")
            captions[name] = attention_view.caption
        if name == "compact-vit":
            plot_selection(model, processor, data).savefig(assets / "selection.png")
        seen = round(results["train_samples_per_second"] * results["train_runtime"])
        rows.append(
            {
                "name": name.replace("-", " "),
                "parameters": f"{model.num_parameters():,}",
                "images": f"{seen:,}",
                "runtime": f"{results['train_runtime']:.0f}",
                "threads": results["threads"],
                "training_speed": f"{results['train_samples_per_second']:,.0f}",
                "inference_speed": f"{speeds[name]:,.0f}",
                "accuracy": f"{100 * results['test_accuracy']:.1f} %",
                "coverage": show_share(results.get("test_coverage")),
                "chance": show_share(results.get("test_coverage_by_chance")),
            }
        )
    cifar = []
    for name in CIFAR10:
        folders = sorted(file.parent for file in output_dir.glob(f"cifar10-{name}-*/all_results.json"))
        complete = [json.loads((folder / "all_results.json").read_text("utf-8")) for folder in folders]
        complete = [run for run in complete if "test_accuracy" in run]
        if complete:
            accuracies = [100 * run["test_accuracy"] for run in complete]
            deviation = statistics.stdev(accuracies) if len(accuracies) > 1 else float("nan")
            cifar.append(
                {
                    "name": name,
                    "parameters": f"{load(folders[0])[0].num_parameters():,}",
                    "each": ", ".join(f"{value:.1f}" for value in accuracies),
                    "accuracy": f"{statistics.mean(accuracies):.1f} ± {deviation:.1f} %",
                    "images": f"{round(complete[0]['train_samples_per_second'] * complete[0]['train_runtime']):,}",
                    "epochs": f"{complete[0]['epoch']:g}",
                }
            )
    template = Template((TEMPLATES / "lineage_page.md").read_text("utf-8"), trim_blocks=True)
    missing = [name.replace("-", " ") for name in MODELS if name not in runs]
    page = template.render(
        rows=rows,
        models=set(runs),
        captions=captions,
        missing=missing,
        cifar=cifar,
        threads=torch.get_num_threads(),
        versions=describe_versions(),
    )
    (page_dir / "README.md").write_text(page + "\n", "utf-8")


def show_share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # `--seed` must not be read as `--seeds`
    )
    parser.add_argument("task", choices=["cluttered_digits", "cifar10", "page"])
    parser.add_argument("--models", "--chapters", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output_dir", type=Path, default=Path("outputs/lineage"))
    parser.add_argument("--page_dir", type=Path, default=Path("model_cards/lineage"))
    options, others = parser.parse_known_args()
    if options.task == "cluttered_digits":
        train_cluttered_digits(options.output_dir, options.models, others)
    elif options.task == "cifar10":
        train_cifar10(options.output_dir, options.seeds, others)
    elif others:
        parser.error(f"`page` does not train, so it does not accept {' '.join(others)}.")
    write_page(options.output_dir, options.page_dir)


if __name__ == "__main__":
    main()
