# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Add a shortlist to a trained recurrent model: for each source token, the target tokens that it is translated to.
Translating with it computes the output layer for the tokens alone that a batch can need, which is faster with a
vocabulary of thousands.

    python scripts/make_shortlist.py outputs/my-model --train_file train.parquet
    python scripts/translate.py outputs/my-model --use_shortlist --input_file new.txt --output_file new.tsv
"""

import argparse
import os
import tempfile
from pathlib import Path

from transformers import AutoModelForSeq2SeqLM

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import add_debug_option, errors_in_one_line
from hf_attention.data.pair_files import load_pair_files
from hf_attention.hub.folder import check_weights
from hf_attention.interpret.model_loading import load_model, load_tokenizer
from hf_attention.models.bahdanau import BahdanauForConditionalGeneration
from hf_attention.prediction.shortlist import add_shortlist


def make_shortlist(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the model's folder, to which the shortlist is added")
    parser.add_argument(
        "--train_file", nargs="+", required=True, metavar="FILE", help="translations, as train_translation.py reads"
    )
    parser.add_argument("--source_lang", help="column of the sources (default: of the model)")
    parser.add_argument("--target_lang", help="column of the targets (default: of the model)")
    parser.add_argument("--shortlist_size", type=int, default=50, help="target tokens of a source token, at most")
    parser.add_argument(
        "--min_probability", type=float, default=0.01, help="share of a source token's links that a target token needs"
    )
    parser.add_argument("--batch_size", type=int, default=64, help="translations per batch")
    parser.add_argument("--output_dir", help="where the weights and the config go (default: the model's folder)")
    add_debug_option(parser)
    options = parser.parse_args(arguments)
    check_weights(options.model)
    model = load_model(AutoModelForSeq2SeqLM, options.model)
    if not isinstance(model, BahdanauForConditionalGeneration):
        raise ValueError(f"{options.model} holds a {type(model).__name__}: only `bahdanau` has shortlists.")
    config = model.config
    columns = sorted(getattr(config, "feature_values", None) or {})
    source, target = (
        getattr(options, name) or getattr(config, name, name.removesuffix("_lang"))
        for name in ("source_lang", "target_lang")
    )
    pairs = load_pair_files(
        options.train_file, source, target, feature_columns=columns, feature_separator=config.feature_separator
    )
    features = list(pairs["features"]) if columns else None
    tokenizer = load_tokenizer(Path(options.model))
    sizes = {"shortlist_size": options.shortlist_size, "min_probability": options.min_probability}
    texts = list(pairs["source"]), list(pairs["target"])
    add_shortlist(model, tokenizer, *texts, **sizes, features=features, batch_size=options.batch_size)
    folder = Path(options.output_dir or options.model)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:  # so that an interrupted run leaves the folder as it was
        model.save_pretrained(scratch)
        for name in sorted(os.listdir(scratch), key=lambda name: name == "config.json"):
            os.replace(Path(scratch, name), folder / name)
    shortlist = model.shortlist
    assert shortlist is not None
    counts = (shortlist.candidates >= 0).sum(dim=1)
    known = int((counts > 0).sum())
    print(f"{folder}: {known} source tokens with {counts.sum() / max(known, 1):.1f} target tokens each")


def main() -> None:
    with errors_in_one_line("make_shortlist.py"):
        make_shortlist()


if __name__ == "__main__":
    main()
