# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure translation in several precisions and with a shortlist, compared with Marian (Junczys-Dowmunt et al. 2018,
arXiv 1804.00344), which takes part if its Python package is installed.

    pip install --target peers --no-deps pymarian
    PYTHONPATH=peers python scripts/benchmarks/benchmark_marian.py outputs/multi30k --test_file multi30k/test.parquet

Marian's recurrent model (`--type s2s`) has the folder's vocabulary, embedding and hidden size, and random weights. Its
encoder has `hidden_size` units in each direction, its attention as many as an annotation, and its decoder two GRU
cells, so `ours, at Marian's sizes` has these sizes too, except for the second cell. `int8` is `quantize_dynamic` of
linear maps and encoder. All translate the same batches, ids in and ids out, to exactly `DECODING_STEPS` tokens a
sentence, and take turns in every round. Times are the process's CPU time divided by the threads, so that other work on
the machine matters less.
"""

import copy
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from benchmarking import make_parser, print_speeds, time_in_turns, write_results
from torch import nn
from transformers import AutoModelForSeq2SeqLM

import hf_attention  # noqa: F401  (registers the models)
from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.data.pair_files import load_pair_files
from hf_attention.interpret.model_loading import load_model, load_tokenizer


DECODING_STEPS = 20
SINGLES = 16  # sentences that are translated one by one
MARIAN, SHORTLIST = "pymarian", "shortlist"


class Marian:
    """A recurrent model of Marian with random weights, whose tokens are numbers."""

    def __init__(self, config: BahdanauConfig, folder: str, num_threads: int) -> None:
        import pymarian

        vocabulary = Path(folder, "vocabulary.yml")
        names = ["</s>", "<unk>", *(f'"{number}"' for number in range(2, config.source_vocab_size))]
        vocabulary.write_text("".join(f"{name}: {number}\n" for number, name in enumerate(names)), "utf-8")
        pair, model = Path(folder, "pair.txt"), Path(folder, "model.npz")
        pair.write_text("2 3\n", "utf-8")
        options = f"--vocabs {vocabulary} {vocabulary} --cpu-threads {num_threads} --log-level off"
        sizes = f"--dim-emb {config.embedding_size} --dim-rnn {config.hidden_size} --enc-type bidirectional"
        cells = "--type s2s --enc-cell gru --dec-cell gru --enc-depth 1 --dec-depth 1"
        # one update writes a model with Marian's own initial weights
        run = f"--model {model} --train-sets {pair} {pair} --after 1u --mini-batch 1 --workspace 512 --seed 1"
        pymarian.Trainer(f"{run} {options} {sizes} {cells}").train()
        weights = dict(np.load(model))
        weights["decoder_ff_logit_l2_b"][:, 0] = -1e4  # no target ends early
        np.savez(model, **weights)  # ty: ignore[invalid-argument-type] (arrays by name)
        self.count = sum(array.size for array in weights.values() if array.dtype == np.float32)
        batch = "--mini-batch 64 --maxi-batch 1 --workspace 1024"
        self.translators = {
            num_beams: pymarian.Translator(f"--models {model} --beam-size {num_beams} {batch} {options}")
            for num_beams in (1, 5)
        }

    def num_parameters(self) -> int:
        return self.count

    def decode(self, sources: list[list[int]], num_beams: int) -> list[str]:
        """Translates to `DECODING_STEPS` tokens, which Marian limits by the length of the longest source."""
        width = 1 + max(map(len, sources))  # with the end of the sentence
        rows = [" ".join(map(str, row)) for row in sources]
        limit = {"max-length-factor": (DECODING_STEPS - 0.5) / width}
        outputs = self.translators[num_beams].translate(rows, **limit)
        assert all(len(row.split()) == DECODING_STEPS for row in outputs)
        return outputs


@torch.no_grad()
def decode(model: BahdanauForConditionalGeneration, batch: dict, num_beams: int, use_shortlist: bool) -> None:
    length = {"min_new_tokens": DECODING_STEPS, "max_new_tokens": DECODING_STEPS}
    model.generate(**batch, **length, num_beams=num_beams, use_shortlist=use_shortlist)


def make_models(ours: BahdanauForConditionalGeneration) -> dict[str, BahdanauForConditionalGeneration]:
    """The model itself, in other precisions, and one of Marian's sizes."""
    int8 = torch.ao.quantization.quantize_dynamic(copy.deepcopy(ours), {nn.Linear, nn.GRU}, dtype=torch.qint8)
    int8.eval()  # or `generate` takes the searches of transformers: its modules are created in training mode
    bf16 = copy.deepcopy(ours).bfloat16()
    sizes = {"encoder_hidden_size": ours.config.hidden_size, "attention_size": 2 * ours.config.hidden_size}
    wide_config = BahdanauConfig(**{**ours.config.to_dict(), **sizes, "use_cache": True})  # training turns it off
    wide = BahdanauForConditionalGeneration(wide_config).eval()
    models = {"ours": ours, "ours, int8": int8, "ours, bf16": bf16}
    if ours.config.shortlist_size is not None:
        models |= {f"ours, {SHORTLIST}": ours, f"ours, bf16, {SHORTLIST}": bf16}
    return {**models, "ours, at Marian's sizes": wide}


def pad(rows: list[list[int]], pad_token_id: int) -> dict[str, torch.Tensor]:
    width = max(map(len, rows))
    ids = [row + [pad_token_id] * (width - len(row)) for row in rows]
    mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def translate(
    model: BahdanauForConditionalGeneration | Marian, name: str, batches: list[list[list[int]]], num_beams: int
) -> None:
    """Translates batches of ids."""
    for rows in batches:
        if isinstance(model, Marian):
            model.decode([row[:-1] for row in rows], num_beams)  # it appends the end of the sentence itself
        else:
            decode(model, pad(rows, model.config.pad_token_id), num_beams, SHORTLIST in name)


def main(arguments: list[str] | None = None) -> None:
    parser = make_parser(__doc__, rounds=5)
    parser.add_argument("folder", help="of a recurrent model, with or without a shortlist")
    parser.add_argument("--test_file", nargs="+", required=True, help="translations")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--batches", type=int, default=4, help="batches per round")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(options.num_threads)
    ours, tokenizer = load_model(AutoModelForSeq2SeqLM, options.folder).eval(), load_tokenizer(Path(options.folder))
    config = ours.config
    pairs = load_pair_files(options.test_file, config.source_lang, config.target_lang)
    count = options.batches * options.batch_size
    sources = [tokenizer(text)["input_ids"] for text in pairs["source"][:count]]
    results, models = {}, make_models(ours)
    with tempfile.TemporaryDirectory() as folder:
        if find_spec("pymarian"):
            models[MARIAN] = Marian(config, folder, options.num_threads)
        for kind, size, num_beams, rows in (
            ("greedy", options.batch_size, 1, sources),
            ("5 beams", options.batch_size, 5, sources),
            ("greedy, one by one", 1, 1, sources[:SINGLES]),
        ):
            batches = [rows[start : start + size] for start in range(0, len(rows), size)]
            runs = {name: partial(translate, model, name, batches, num_beams) for name, model in models.items()}
            seconds = time_in_turns(runs, options.rounds, of_the_process=True)
            results[kind] = {
                name: {
                    "sentences_per_second": [len(rows) * options.num_threads / value for value in seconds[name]],
                }
                for name in models
            }
            print_speeds(kind, results[kind], [MARIAN, "ours"], "sentences_per_second", 1)
        print()
        for name in ("ours", "ours, at Marian's sizes", MARIAN):
            if name in models:
                print(f"{name}: {models[name].num_parameters():,} parameters")
    write_results(options, {"results": results})


if __name__ == "__main__":
    main()
