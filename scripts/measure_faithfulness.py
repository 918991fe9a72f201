# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure whether the attention of a trained model says what its outputs depend on.

    python scripts/measure_faithfulness.py outputs/bahdanau-dates                  # on the embedded dates
    python scripts/measure_faithfulness.py outputs/my-classifier --data cifar10 --num_examples 500
    python scripts/measure_faithfulness.py outputs/my-translator --data pairs.tsv

The results are written to `faithfulness.json` in the model's folder. Its card then shows them, with a picture of the
map that did best, on which the app opens too.
"""

import argparse
import os
from pathlib import Path

from datasets import Dataset
from transformers import AutoConfig, AutoModelForImageClassification, AutoModelForSeq2SeqLM

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import add_debug_option, errors_in_one_line
from hf_attention.data.dates import load_dates
from hf_attention.data.embedded import EMBEDDED_IMAGES
from hf_attention.data.images import load_images
from hf_attention.data.parallel import load_parallel
from hf_attention.faithfulness import Faithfulness, choose_map, measure_faithfulness
from hf_attention.faithfulness.result import RESULT_FILE
from hf_attention.hub.faithfulness_section import add_faithfulness
from hf_attention.hub.leading_map_figure import draw_leading_map
from hf_attention.interpret.model_loading import load_image_processor, load_model, load_tokenizer


def load_rows(name: str | None, split: str, num_examples: int, is_text: bool) -> Dataset:
    """
    Rows of a split: the first ones of embedded data, of a file, or of a data set on the Hub; of images that do not
    come with the package always the same random ones, since they are often sorted by class.
    """
    name = name or ("dates" if is_text else "digits")
    if is_text and name == "dates":
        splits = load_dates(train_size=1, validation_size=1, test_size=num_examples)
        split = "test"
    elif not is_text and name in EMBEDDED_IMAGES:
        splits = EMBEDDED_IMAGES[name].load()
    elif is_text:
        splits = load_parallel(data_files={split: [name]}) if os.path.isfile(name) else load_parallel(name)
    else:
        splits = load_images(data_files={split: name}) if os.path.exists(name) else load_images(name)
    if split not in splits:
        raise ValueError(f"`--split` is {split!r}, but {name} has {', '.join(map(str, splits))}.")
    rows = splits[split]
    if not is_text and name not in EMBEDDED_IMAGES:
        rows = rows.shuffle(seed=0)
    return rows.select(range(min(num_examples, len(rows))))


def run(options: argparse.Namespace) -> Faithfulness:
    output = options.output or os.path.join(options.model, RESULT_FILE)
    if not (folder := Path(output).parent).is_dir():
        reason = "" if options.output else " Name a file with `--output` for a model on the Hub."
        raise FileNotFoundError(f"The results would be written to {output}, but there is no folder {folder}.{reason}")
    names = [options.model, *options.other_models]
    is_text = AutoConfig.from_pretrained(options.model).is_encoder_decoder
    rows = load_rows(options.data, options.split, options.num_examples, is_text)
    auto_class = AutoModelForSeq2SeqLM if is_text else AutoModelForImageClassification
    model, *others = [load_model(auto_class, name) for name in names]
    processing = load_tokenizer(options.model) if is_text else load_image_processor(options.model)
    result = measure_faithfulness(model, processing, rows, options.methods, other_models=others)
    result.model = Path(options.model).name
    result.save(output)
    if not options.output:
        draw_leading_map(options.model, choose_map(result), model, processing, rows)
        add_faithfulness(options.model)
    print(result.to_markdown(options.full))
    print(f"\n{result.verdict()}\n\nSaved to {output}.")
    return result


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the model's folder")
    parser.add_argument("--data", help="`dates`, `digits`, `cluttered_digits`, a file, or a name on the Hub")
    parser.add_argument("--split", default="test", help="the split (default: test)")
    parser.add_argument("--num_examples", type=int, default=200, help="how many rows (default: 200)")
    parser.add_argument("--methods", nargs="+", help="names of the maps, such as `attention` (default: all)")
    parser.add_argument("--other_models", nargs="*", default=[], help="the same model from other seeds")
    parser.add_argument("--output", help=f"the file to write (default: {RESULT_FILE} in the model's folder)")
    parser.add_argument("--full", action="store_true", help="print all measures")
    add_debug_option(parser)
    options = parser.parse_args(arguments)
    if options.num_examples < 2:
        parser.error(f"--num_examples must be at least 2, got {options.num_examples}.")
    with errors_in_one_line("measure_faithfulness.py", arguments):
        run(options)


if __name__ == "__main__":
    main()
