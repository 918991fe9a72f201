# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Train the embedded default, show translations with what they attended to, and load the model back."""

import argparse
from pathlib import Path

import rich
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from hf_attention._command_line import errors_in_one_line, print_metrics
from hf_attention.interpret import align, render_alignment
from hf_attention.training.command_line import parse
from hf_attention.training.translation import train_translation
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS


RECIPES = Path(__file__).parent / "recipes"
EXAMPLES = [
    "4. März 2005",
    "2031년 12월 25일 목요일",
    "<en_US> 3/4/05",
    "<en_GB> 03/04/2005",
    "יום שני, 22 בספטמבר 1952",
]


def demo() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output_dir", default="outputs/bahdanau-dates")
    options, others = parser.parse_known_args()

    arguments = ["dates", "--output_dir", options.output_dir, "--overwrite_output_dir", *others]
    results = train_translation(*parse(TRANSLATION_ARGUMENTS, arguments, RECIPES))

    # the Auto classes load the folder; no class of this package is named
    model = AutoModelForSeq2SeqLM.from_pretrained(options.output_dir)
    tokenizer = AutoTokenizer.from_pretrained(options.output_dir)
    for alignment in align(model, tokenizer, EXAMPLES):
        rich.print(
            f"\n[bold]{alignment.source.replace('[', '(')}[/bold] -> [bold green]{alignment.target}[/bold green]"
        )
        rich.print(render_alignment(alignment))

    metrics = ("exact_match", "alignment_error", "bleu", "chrf")
    print_metrics("on dates it has not seen", results, metrics)
    rich.print(f"The model, its card (README.md) and its pictures are in {options.output_dir}.")


def main() -> None:
    with errors_in_one_line("demo.py"):
        demo()


if __name__ == "__main__":
    main()
