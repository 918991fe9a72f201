# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure what a shortlist gains in translation, and what it costs in BLEU.

    python scripts/make_shortlist.py outputs/multi30k --train_file multi30k/train.parquet
    python scripts/benchmarks/benchmark_shortlist.py outputs/multi30k --test_file multi30k/test.parquet

The searches take turns in every round, over the same batches of sentences of similar length, ids in and ids out.
"""

from functools import partial
from pathlib import Path
from typing import cast

import torch
from benchmarking import make_parser, print_speeds, time_in_turns, write_results
from transformers import (
    AutoModelForSeq2SeqLM,
    BatchEncoding,
    GenerationMixin,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.data.pair_files import load_pair_files
from hf_attention.interpret.model_loading import find_target_tokenizer, load_model, load_tokenizer
from hf_attention.metrics import Bleu


EXACT, SHORT = "all tokens", "shortlist"
SINGLES = 100  # sentences that are translated one by one


@torch.no_grad()
def translate(
    model: PreTrainedModel,
    target_tokenizer: PreTrainedTokenizerBase,
    batches: list[BatchEncoding],
    num_beams: int,
    use_shortlist: bool,
) -> list[str]:
    search: dict = {"num_beams": num_beams, "use_shortlist": use_shortlist}
    outputs = [cast(GenerationMixin, model).generate(**batch, **search) for batch in batches]
    return [text for ids in outputs for text in target_tokenizer.batch_decode(ids, skip_special_tokens=True)]


def main(arguments: list[str] | None = None) -> None:
    parser = make_parser(__doc__, rounds=5)
    parser.add_argument("folder", help="of a model with a shortlist")
    parser.add_argument("--test_file", nargs="+", required=True, help="translations")
    parser.add_argument("--batch_size", type=int, default=64)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.num_threads)
    model, tokenizer = load_model(AutoModelForSeq2SeqLM, options.folder).eval(), load_tokenizer(Path(options.folder))
    target_tokenizer = find_target_tokenizer(model, tokenizer)
    pairs = load_pair_files(options.test_file, model.config.source_lang, model.config.target_lang)
    rows = sorted(zip(pairs["source"], pairs["target"]), key=lambda pair: len(tokenizer(pair[0])["input_ids"]))
    results = {}
    for title, size, num_beams, count in (
        (f"greedy, batches of {options.batch_size}", options.batch_size, 1, len(rows)),
        (f"5 beams, batches of {options.batch_size}", options.batch_size, 5, len(rows)),
        ("greedy, one by one", 1, 1, SINGLES),
    ):
        chosen = rows[:: len(rows) // count][:count]
        batches = [
            tokenizer(
                [source for source, _ in chosen[start : start + size]],
                padding=True,
                return_tensors="pt",
                return_token_type_ids=False,
            )
            for start in range(0, len(chosen), size)
        ]

        search = partial(translate, model, target_tokenizer, batches, num_beams)
        runs = {EXACT: partial(search, False), SHORT: partial(search, True)}
        seconds = time_in_turns(runs, options.rounds)
        references = [[target] for _, target in chosen]
        title += f": {len(chosen)} sentences"
        results[title] = {
            name: {
                "sentences_per_second": [len(chosen) / value for value in seconds[name]],
                "bleu": Bleu().compute(predictions=run(), references=references)["bleu"],
            }
            for name, run in runs.items()
        }
        print()
        print_speeds(title, results[title], [EXACT], "sentences_per_second", bleu=".2f")
    write_results(options, results)


if __name__ == "__main__":
    main()
