# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Train to read rows of digits, show the path of the attention over them, and load the model back."""

import argparse
from pathlib import Path

import rich
from transformers import AutoTokenizer, VisionEncoderDecoderModel
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention._command_line import errors_in_one_line, print_metrics
from hf_attention.data.digit_rows import load_digit_rows
from hf_attention.data.images import open_image
from hf_attention.interpret import plot_reading, read, render_reading
from hf_attention.training.command_line import parse
from hf_attention.training.image_text_arguments import IMAGE_TEXT_ARGUMENTS
from hf_attention.training.image_to_text import train_image_to_text


RECIPES = Path(__file__).parent / "recipes"


def demo() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output_dir", default="outputs/digit-rows")
    options, others = parser.parse_known_args()

    arguments = ["digit-rows", "--output_dir", options.output_dir, "--overwrite_output_dir", *others]
    results = train_image_to_text(*parse(IMAGE_TEXT_ARGUMENTS, arguments, RECIPES))

    # the classes of transformers load the folder; no class of this package is named
    model = VisionEncoderDecoderModel.from_pretrained(options.output_dir)
    image_processor = AutoImageProcessor.from_pretrained(options.output_dir)
    tokenizer = AutoTokenizer.from_pretrained(options.output_dir)
    images = [open_image(cell) for cell in load_digit_rows({"test": 3})["test"]["image"]]
    for number, reading in enumerate(read(model, image_processor, tokenizer, images)):
        rich.print(f"\nread as [bold green]{reading.text}[/bold green]")
        rich.print(render_reading(reading))
        plot_reading(reading).savefig(Path(options.output_dir, "assets", f"reading-{number}.png"))

    metrics = ("character_error_rate", "exact_match", "pointing", "pointing_by_chance")
    print_metrics("on rows it has not seen", results, metrics)
    rich.print(f"The model, its card (README.md) and its pictures are in {options.output_dir}.")


def main() -> None:
    with errors_in_one_line("demo_read.py"):
        demo()


if __name__ == "__main__":
    main()
