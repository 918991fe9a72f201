# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Translate the texts of a file with a trained model, or with several models as an ensemble.

    python scripts/translate.py outputs/my-model --input_file words.txt --output_file predictions.tsv
    python scripts/translate.py outputs/my-model --input_file words.csv --output_file out.csv --n_best 3
    python scripts/translate.py outputs/seed-0 outputs/seed-1 --input_file words.jsonl --output_file out.jsonl
    python scripts/translate.py outputs/my-model/onnx --input_file words.txt --output_file out.txt
    echo "4. März 2005" | python scripts/translate.py model_cards/bahdanau-dates

The predictions are in the order of the sources. A run that was cut short resumes when the same command runs again.
"""

import argparse
import os
import sys

from transformers.utils import logging

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import add_debug_option, errors_in_one_line
from hf_attention.prediction.onnx_predictions import OnnxBatchTranslator, is_onnx_folder
from hf_attention.prediction.prediction_files import STANDARD, PredictionFile, SourceFile
from hf_attention.prediction.translator import Translator


ROWS = 8192  # translated together, in batches of similar length, and then written


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="a folder or a name on the Hub; several: an ensemble"
    )
    parser.add_argument(
        "--input_file", default=STANDARD, help=".txt (a source per line), .csv, .tsv, .jsonl, .parquet or -"
    )
    parser.add_argument("--output_file", default=STANDARD, help=".txt, .tsv, .csv, .jsonl or -")
    parser.add_argument(
        "--source_column", help="column of the source (default: the source language's, or the only one)"
    )
    parser.add_argument("--num_beams", type=int, help="default: of the model")
    parser.add_argument("--n_best", type=int, default=1, help="predictions per source")
    parser.add_argument("--alignments", action="store_true", help="write source tokens, target tokens and attention")
    parser.add_argument("--batch_size", type=int, default=64, help="sources per batch")
    parser.add_argument("--max_length", type=int, help="of a prediction in tokens (default: of the model)")
    parser.add_argument(
        "--max_source_length", type=int, help="in tokens; longer sources are cut (default: of the model)"
    )
    parser.add_argument("--length_penalty", type=float, help="exponent of the length by which scores are divided")
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--revision", help="of models on the Hub")
    parser.add_argument("--trust_remote_code", action="store_true", help="run code that comes with a model")
    parser.add_argument(
        "--use_shortlist", action="store_true", help="compute likely target tokens alone (make_shortlist.py)"
    )
    parser.add_argument("--quantized", action="store_true", help="run the int8 files of an ONNX folder")
    parser.add_argument("--overwrite", action="store_true", help="replace the output file")
    add_debug_option(parser)
    return parser


def load(options: argparse.Namespace) -> Translator | OnnxBatchTranslator:
    if is_onnx_folder(options.models[0]):
        if len(options.models) > 1:
            raise ValueError("ONNX files cannot be an ensemble: pass one folder.")
        return OnnxBatchTranslator(options.models[0], options.quantized, options.batch_size)
    return Translator.from_pretrained(
        options.models,
        options.batch_size,
        options.max_source_length,
        options.device,
        trust_remote_code=options.trust_remote_code,
        revision=options.revision,
    )


def find_feature_columns(translator: Translator | OnnxBatchTranslator, source: SourceFile) -> list[str]:
    """Returns the columns of the features that the model reads. Raises `ValueError` if the file lacks one of them."""
    if isinstance(translator, OnnxBatchTranslator):
        values = translator.onnx.feature_values
    else:
        values = getattr(translator.model.config, "feature_values", None) or {}
    columns = sorted(values)
    if missing := [column for column in columns if column not in source.columns]:
        raise ValueError(
            f"The model reads the feature column {', '.join(missing)}, but {source.file} has only "
            f"{', '.join(source.columns)}: pass a file with all of them as `input_file`."
        )
    return columns


def translate(arguments: list[str] | None = None) -> None:
    options = make_parser().parse_args(arguments)
    translator = load(options)
    candidates = ["source"]
    if isinstance(translator, Translator):
        candidates.insert(0, getattr(translator.model.config, "source_lang", "source"))
    source = SourceFile(options.input_file, options.source_column, candidates)
    columns = find_feature_columns(translator, source)
    generate_options = {
        name: getattr(options, name)
        for name in ("num_beams", "max_length", "length_penalty")
        if getattr(options, name) is not None
    }
    if options.use_shortlist:
        generate_options["use_shortlist"] = True
    run = vars(options) | {"input_size": 0 if source.file == STANDARD else os.path.getsize(source.file)}
    del run["overwrite"], run["debug"]
    output = PredictionFile(
        options.output_file, source.columns, options.n_best, options.alignments, run, options.overwrite
    )
    interactive = source.file == STANDARD and sys.stdin.isatty()
    with logging.tqdm(
        total=source.num_rows, initial=output.num_rows, unit=" texts", disable=interactive or None
    ) as bar:
        for rows in source.chunks(1 if interactive else ROWS, output.num_rows):
            texts = [row[source.column] or "" for row in rows]
            output.write(
                rows,
                translator.translate(
                    texts,
                    options.n_best,
                    options.alignments,
                    progress=bar.update,
                    **({"features": rows} if columns else {}),
                    **generate_options,
                ),
            )
    output.finish()


def main() -> None:
    with errors_in_one_line("translate.py"):
        translate()


if __name__ == "__main__":
    main()
