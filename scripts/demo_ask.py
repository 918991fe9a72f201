# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Train to answer questions about colored shapes, show where the answers come from, and load the model back."""

import argparse
from pathlib import Path

import rich
from transformers import (
    AutoModelForVisualQuestionAnswering,
    AutoTokenizer,
    pipeline,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention._command_line import errors_in_one_line, print_metrics
from hf_attention.data.images import open_image
from hf_attention.data.sort_of_clevr import load_sort_of_clevr
from hf_attention.interpret import answer_to_reading, plot_reading, render_reading
from hf_attention.training.command_line import parse
from hf_attention.training.visual_question_answering import QuestionArguments, train_visual_question_answering


RECIPES = Path(__file__).parent / "recipes"
EPOCHS = "4"  # of the recipe's 8
QUESTIONS = 3


def demo() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output_dir", default="outputs/demo-ask")
    options, others = parser.parse_known_args()

    arguments = ["sort-of-clevr", "--output_dir", options.output_dir, "--overwrite_output_dir"]
    arguments += ["--num_train_epochs", EPOCHS, *others]
    arguments = parse([QuestionArguments], arguments, RECIPES)
    results = train_visual_question_answering(*arguments)

    # the classes of transformers load the folder; no class of this package is named
    ask = pipeline(
        "visual-question-answering-with-attention",
        model=AutoModelForVisualQuestionAnswering.from_pretrained(options.output_dir),
        tokenizer=AutoTokenizer.from_pretrained(options.output_dir),
        image_processor=AutoImageProcessor.from_pretrained(options.output_dir),
    )
    folder = Path(options.output_dir, "assets")
    rows = load_sort_of_clevr({"test": QUESTIONS}, language=arguments[0].language)["test"]
    for number, row in enumerate(rows.select(range(0, len(rows), len(rows) // QUESTIONS))):
        image = open_image(row["image"], mode="RGB")
        (answer,) = ask(image, row["question"])
        reading = answer_to_reading(image, row["question"], answer)
        color = "green" if answer["answer"] == row["answer"] else "red"
        rich.print(f"\n{row['question']} [bold {color}]{answer['answer']}[/] ({answer['score']:.2f})")
        rich.print(render_reading(reading))
        plot_reading(reading).savefig(folder / f"answer-{number}.png")

    metrics = ("accuracy_non_relational", "accuracy_relational", "pointing", "pointing_by_chance")
    print_metrics("on images it has not seen", results, metrics)
    rich.print(f"The model and its card are in {options.output_dir}, the pictures in {folder}.")


def main() -> None:
    with errors_in_one_line("demo_ask.py"):
        demo()


if __name__ == "__main__":
    main()
