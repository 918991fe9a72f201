# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure the BLEU of a translation model on the test split after every minute of training.

    python scripts/benchmarks/benchmark_learning.py scripts/recipes/multi30k-nine-minutes.yaml --minutes 9 \
        --train_file multi30k/train.parquet --test_file multi30k/test.parquet --output_dir outputs/nine-minutes \
        --plot curve.png

Accepts every option of `train_translation.py`. Only training time counts: the clock stops while the model translates
the test split with greedy search. The learning rate falls to 0 at the end of the time, when training stops; the test
split is then also translated with `--num_beams`.
"""

import argparse
import json
import math
import time
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.metrics import Bleu
from hf_attention.training.command_line import parse
from hf_attention.training.translation import load_data, train_translation
from hf_attention.training.translation_arguments import (
    ModelArguments,
    ParallelDataArguments,
    TranslationTrainingArguments,
)


BATCH_SIZE = 100


class CurveByMinute(TrainerCallback):
    """
    Translates `pairs` after every minute of training and stops it after `minutes`. Until then, the learning rate falls
    to 0 along a cosine over time, whatever the number of steps.
    """

    def __init__(self, pairs: Dataset, minutes: float, max_length: int) -> None:
        order = sorted(range(len(pairs)), key=lambda row: len(pairs[row]["source"]))
        self.sources = [pairs[row]["source"] for row in order]
        self.targets = [pairs[row]["target"] for row in order]
        self.minutes, self.max_length = minutes, max_length
        self.trained_seconds, self.started, self.curve = 0.0, 0.0, []

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.started = time.perf_counter()

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, lr_scheduler=None, **kwargs) -> None:
        factor = (1 + math.cos(math.pi * min(1.0, self.trained_seconds / (60 * self.minutes)))) / 2
        for group, rate in zip(optimizer.param_groups, lr_scheduler.get_last_lr()):
            group["lr"] = factor * rate

    def on_step_end(self, args, state, control, model=None, processing_class=None, **kwargs) -> None:
        now = time.perf_counter()
        self.trained_seconds += now - self.started
        control.should_training_stop |= self.trained_seconds >= 60 * self.minutes
        is_last = control.should_training_stop or state.global_step == state.max_steps
        if self.trained_seconds >= 60 * min(len(self.curve) + 1, self.minutes) or is_last:
            bleu = self.translate(model, processing_class)
            minutes = self.trained_seconds / 60
            self.curve.append({"minutes": minutes, "step": state.global_step, "bleu": bleu})
            print(f"{minutes:.1f} min, step {state.global_step}: {bleu:.1f} BLEU", flush=True)
        self.started = time.perf_counter()

    def translate(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> float:
        """Returns the BLEU of greedy search."""
        model.eval()
        predictions = []
        for start in range(0, len(self.sources), BATCH_SIZE):
            batch = tokenizer(
                self.sources[start : start + BATCH_SIZE],
                padding=True,
                return_tensors="pt",
                return_token_type_ids=False,
            ).to(model.device)
            ids = model.generate(**batch, max_length=self.max_length, num_beams=1, do_sample=False)
            predictions += tokenizer.batch_decode(ids, skip_special_tokens=True)
        model.train()
        return Bleu().compute(predictions=predictions, references=self.targets)["bleu"]


def plot(curve: list[dict[str, float]], last: float, num_beams: int, path: str) -> None:
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6, 3.6))
    minutes, bleu = ([point[name] for point in curve] for name in ("minutes", "bleu"))
    axis.plot(minutes, bleu, marker="o", label="greedy")
    axis.plot(minutes[-1:], [last], marker="*", markersize=12, linestyle="", label=f"{num_beams} beams")
    for x, y in zip(minutes[:-1], bleu):
        axis.annotate(f"{y:.1f}", (x, y), textcoords="offset points", xytext=(-4, 5), ha="right", fontsize=8)
    for y, above in ((bleu[-1], -7), (last, 1)):  # the last two values, to the right of their points
        axis.annotate(f"{y:.1f}", (minutes[-1], y), textcoords="offset points", xytext=(8, above), fontsize=8)
    axis.set(xlabel="minutes of training", ylabel="BLEU on the test split")
    axis.set(xlim=(0, 1.08 * minutes[-1]), ylim=(0, 1.08 * max(*bleu, last)))
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes of training, without evaluation")
    parser.add_argument("--plot", help="PNG file for the curve")
    options, rest = parser.parse_known_args(arguments)
    parsed = parse([ModelArguments, ParallelDataArguments, TranslationTrainingArguments], rest)
    _, data_args, training_args = parsed
    data = load_data(data_args)
    if "test" not in data:
        raise ValueError("The curve is computed on a test split, but the data has none. Set `--test_file`.")
    curve = CurveByMinute(data["test"], options.minutes, data_args.max_target_length)
    results = train_translation(*parsed, callbacks=[curve])
    Path(training_args.output_dir, "learning_curve.json").write_text(json.dumps(curve.curve, indent=2), "utf-8")
    if options.plot:
        plot(curve.curve, results["test_bleu"], data_args.num_beams, options.plot)


if __name__ == "__main__":
    main()
