# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Train on scikit-learn's digits, show what the model attended to, and load it back."""

import argparse
from pathlib import Path

import rich
from rich.table import Table
from transformers import AutoModelForImageClassification, pipeline
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention._command_line import errors_in_one_line, print_metrics
from hf_attention.data.images import load_digits, open_image
from hf_attention.interpret import attention_maps, overlay, render_image, saliency
from hf_attention.training.command_line import parse
from hf_attention.training.image_arguments import IMAGE_ARGUMENTS
from hf_attention.training.image_classification import train_image_classification


RECIPES = Path(__file__).parent / "recipes"


def demo() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output_dir", default="outputs/compact-vit-digits")
    options, others = parser.parse_known_args()

    arguments = ["digits", "--output_dir", options.output_dir, "--overwrite_output_dir", *others]
    results = train_image_classification(*parse(IMAGE_ARGUMENTS, arguments, RECIPES))

    # the Auto classes load the folder; no class of this package is named
    model = AutoModelForImageClassification.from_pretrained(options.output_dir)
    image_processor = AutoImageProcessor.from_pretrained(options.output_dir)
    images = [open_image(cell) for cell in load_digits()["test"]["image"][:3]]
    maps = saliency(model, image_processor, images, method="integrated_gradients")
    for number, (item, pixels) in enumerate(zip(attention_maps(model, image_processor, images), maps)):
        views = {"image": None, "rollout": item.rollout(), "sequence pool": item.pooling_map()}
        table = Table(title=f"\na digit predicted as {item.label} (probability {item.score:.2f})", box=None)
        for name in views:
            table.add_column(name)
        table.add_row(*(render_image(item, values) for values in views.values()))
        rich.print(table)
        overlay(item, item.rollout()).save(Path(options.output_dir, "assets", f"rollout-{number}.png"))
        overlay(item.image, pixels).save(Path(options.output_dir, "assets", f"integrated-gradients-{number}.png"))

    prediction = pipeline("image-classification", model=options.output_dir)(images[0], top_k=1)[0]
    first = f"{prediction['label']} ({prediction['score']:.2f})"
    print_metrics("on digits it has not seen", results, ["accuracy"], **{"pipeline, first digit": first})
    rich.print(f"The model, its card (README.md) and its pictures are in {options.output_dir}.")


def main() -> None:
    with errors_in_one_line("demo_vision.py"):
        demo()


if __name__ == "__main__":
    main()
