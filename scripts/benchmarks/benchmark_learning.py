# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
What a translation model has learned after every minute of training: BLEU on the test split, as a curve.

    python scripts/benchmarks/benchmark_learning.py scripts/recipes/multi30k-nine-minutes.yaml --minutes 9 --plot curve.png \
        --train_file multi30k/train.parquet --test_file multi30k/test.parquet --output_dir outputs/nine-minutes

Takes every option of `train_translation.py`. Only training counts: the clock stands while a minute's model translates
the test split, greedily. Training ends with the time, its learning rate having fallen to 0, and the test split is then
translated with `--num_beams` too.
"""

import argparse
import json
import math
import time
from pathlib import Path

from transformers import TrainerCallback

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.metrics import Bleu
from hf_attention.training.arguments import ModelArguments, ParallelDataArguments, TranslationTrainingArguments, parse
from hf_attention.training.translation import load_data, train_translation


BATCH_SIZE = 100


class CurveByMinute(TrainerCallback):
    """
    Translates `pairs` after every minute of training, and ends it after `minutes`; until then the learning rate falls
    to 0 along a cosine, however many steps that is.
    """

    def __init__(self, pairs, minutes: float, max_length: int):
        order = sorted(range(len(pairs)), key=lambda row: len(pairs[row]["source"]))
        self.sources = [pairs[row]["source"] for row in order]
        self.targets = [pairs[row]["target"] for row in order]
        self.minutes, self.max_length = minutes, max_length
        self.trained, self.mark, self.curve = 0.0, None, []

    def on_train_begin(self, args, state, control, **kwargs):
        self.mark = time.perf_counter()

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, lr_scheduler=None, **kwargs):
        left = (1 + math.cos(math.pi * min(1.0, self.trained / (60 * self.minutes)))) / 2
        for group, rate in zip(optimizer.param_groups, lr_scheduler.get_last_lr()):
            group["lr"] = left * rate

    def on_step_end(self, args, state, control, model=None, processing_class=None, **kwargs):
        now = time.perf_counter()
        self.trained += now - self.mark
        control.should_training_stop |= self.trained >= 60 * self.minutes
        is_last = control.should_training_stop or state.global_step == state.max_steps
        if self.trained >= 60 * min(len(self.curve) + 1, self.minutes) or is_last:
            bleu = self.translate(model, processing_class)
            self.curve.append({"minutes": self.trained / 60, "step": state.global_step, "bleu": bleu})
            print(f"{self.trained / 60:.1f} min, step {state.global_step}: {bleu:.1f} BLEU", flush=True)
        self.mark = time.perf_counter()

    def translate(self, model, tokenizer) -> float:
        model.eval()
        found = []
        for start in range(0, len(self.sources), BATCH_SIZE):
            batch = tokenizer(
                self.sources[start : start + BATCH_SIZE],
                padding=True,
                return_tensors="pt",
                return_token_type_ids=False,
            ).to(model.device)
            ids = model.generate(**batch, max_length=self.max_length, num_beams=1, do_sample=False)
            found += tokenizer.batch_decode(ids, skip_special_tokens=True)
        model.train()
        return Bleu().compute(predictions=found, references=self.targets)["bleu"]


def plot(curve: list[dict[str, float]], last: float, num_beams: int, path: str):
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6, 3.6))
    minutes, bleu = ([point[name] for point in curve] for name in ("minutes", "bleu"))
    axis.plot(minutes, bleu, marker="o", label="greedy")
    axis.plot(minutes[-1:], [last], marker="*", markersize=12, linestyle="", label=f"{num_beams} beams")
    for x, y in zip(minutes[:-1], bleu):
        axis.annotate(f"{y:.1f}", (x, y), textcoords="offset points", xytext=(-4, 5), ha="right", fontsize=8)
    for y, above in ((bleu[-1], -7), (last, 1)):  # at the end, where there are two, beside them
        axis.annotate(f"{y:.1f}", (minutes[-1], y), textcoords="offset points", xytext=(8, above), fontsize=8)
    axis.set(xlabel="minutes of training", ylabel="BLEU on the test split")
    axis.set(xlim=(0, 1.08 * minutes[-1]), ylim=(0, 1.08 * max(*bleu, last)))
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="of training, without evaluation")
    parser.add_argument("--plot", help="where to draw the curve, as PNG")
    options, rest = parser.parse_known_args(arguments)
    given = parse([ModelArguments, ParallelDataArguments, TranslationTrainingArguments], rest)
    _, data_args, training_args = given
    data = load_data(data_args)
    if "test" not in data:
        raise ValueError("The curve is of a test split; the data has none. Name a `test_file`.")
    curve = CurveByMinute(data["test"], options.minutes, data_args.max_target_length)
    results = train_translation(*given, callbacks=[curve])
    Path(training_args.output_dir, "learning_curve.json").write_text(json.dumps(curve.curve, indent=2), "utf-8")
    if options.plot:
        plot(curve.curve, results["test_bleu"], data_args.num_beams, options.plot)


if __name__ == "__main__":
    main()
