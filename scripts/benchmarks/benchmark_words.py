# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Error rates of word tasks after the same training time on one core: this project with several seeds and as an ensemble,
and yoyodyne (PyPI, in an environment of its own), trained on the same pairs and compared with the same references.

    python scripts/benchmarks/benchmark_words.py data/pronunciation word pronunciation --target_separator " " \
        --recipe pronunciation --seconds 400 --yoyodyne .venv-yoyodyne/bin/yoyodyne
    python scripts/benchmarks/benchmark_words.py data/inflection lemma form --feature_column tags \
        --recipe inflection --seconds 200 \
        --yoyodyne .venv-yoyodyne/bin/yoyodyne --yoyodyne_model PointerGeneratorLSTMModel

The folder is one of scripts/make_word_data.py. Other options are passed to train_translation.py. This project is
tested with the last weights, yoyodyne with those of its best validation; both search with five beams.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import yaml

from hf_attention.metrics import ErrorRate


SCRIPTS = Path(__file__).parents[1]
SPACE = "␣"  # yoyodyne's columns are separated by white space


def read(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def run(command: list[str], log: Path) -> float:
    """Runs a command on one core, with its output in `log`, and returns its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("w") as file:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        result = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed: see {log}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Task:
    """A folder of word pairs, its columns, and how predictions are scored."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.test = read(options.folder / "test.jsonl")
        answers = [row[options.target] for row in self.test]
        self.references = [answer if isinstance(answer, list) else [answer] for answer in answers]

    def read_pairs(self, split: str) -> list[tuple[dict, str]]:
        """Returns the rows with each of their answers; of rows to validate the first answer."""
        pairs = []
        for row in read(self.options.folder / f"{split}.jsonl"):
            answers = (
                row[self.options.target] if isinstance(row[self.options.target], list) else [row[self.options.target]]
            )
            pairs += [(row, answer) for answer in (answers if split == "train" else answers[:1])]
        return pairs

    def score(self, predictions: list[str]) -> dict[str, float]:
        """Returns the word error rate (share of wrong rows) and the error rate of symbols, in percent."""
        assert len(predictions) == len(self.references)
        wrong = sum(text not in answers for text, answers in zip(predictions, self.references))
        separator = self.options.target_separator
        unit = {"unit": "symbol", "separator": separator} if separator else {"unit": "character"}
        (rate,) = ErrorRate().compute(predictions=predictions, references=self.references, **unit).values()
        return {"word_error_rate": 100 * wrong / len(predictions), "symbol_error_rate": 100 * rate}

    def train_ours(self, seed: int, output_dir: Path) -> dict[str, float]:
        options = self.options
        command = [sys.executable, str(SCRIPTS / "train_translation.py"), options.recipe, "--seed", str(seed)]
        for split in ("train", "validation"):
            rows = [{**row, options.target: answer} for row, answer in self.read_pairs(split)]
            file = options.output_dir / f"{split}.jsonl"
            file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
            command += [f"--{split}_file", str(file)]
        command += ["--source_lang", options.source, "--target_lang", options.target]
        command += ["--target_separator", options.target_separator] if options.target_separator else []
        command += ["--feature_columns", options.feature_column] if options.feature_column else []
        command += ["--time_limit", str(options.seconds)] if options.seconds else []
        command += ["--output_dir", str(output_dir), "--overwrite_output_dir", "--disable_tqdm", "true"]
        seconds = run([*command, *options.training], output_dir.with_suffix(".log"))
        results = json.loads((output_dir / "all_results.json").read_text())
        return {"cpu_seconds": seconds, "train_seconds": results["train_runtime"]}

    def translate(self, models: list[Path], output_file: Path) -> dict[str, float]:
        command = [sys.executable, str(SCRIPTS / "translate.py"), *map(str, models), "--overwrite", "--input_file"]
        command += [str(self.options.folder / "test.jsonl"), "--output_file", str(output_file), "--num_beams", "5"]
        command += ["--source_column", self.options.source, "--batch_size", "250"]
        run(command, output_file.with_suffix(".log"))
        return self.score([row["prediction"] for row in read(output_file)])

    def run_yoyodyne(self, seed: int, folder: Path) -> dict[str, float]:
        """Trains and tests yoyodyne, with the best of its validations, and `beam_width` 5."""
        options = self.options
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("*.ckpt"):
            file.unlink()
        for split in ("train", "validation", "test"):
            lines = []
            for row, answer in self.read_pairs(split):
                cells = [row[options.source].replace(" ", SPACE)]
                cells += [answer if options.target_separator else answer.replace(" ", SPACE)]
                lines.append("\t".join(cells + ([row[options.feature_column]] if options.feature_column else [])))
            (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
        config = self.yoyodyne_config(seed, folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        program = [options.yoyodyne, "fit", "--config", str(folder / "config.yaml")]
        seconds = run(program, folder / "fit.log")
        config["model"]["init_args"]["beam_width"], config["data"]["batch_size"] = 5, 1  # it needs single rows
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        program[1:2] = ["predict", "--ckpt_path", str(next(folder.glob("*.ckpt")))]
        run(program, folder / "predict.log")
        lines = (folder / "predictions.txt").read_text("utf-8").splitlines()
        predictions = [line.split("\t")[0] for line in lines]  # the best, and its score
        if not options.target_separator:
            predictions = [text.replace(SPACE, " ") for text in predictions]
        return {"cpu_seconds": seconds, **self.score(predictions)}

    def yoyodyne_config(self, seed: int, folder: Path) -> dict:
        """Returns the config of a model with the sizes of yoyodyne's defaults, halved, and this project's dropout."""
        options = self.options
        kind = "LSTM" if "LSTM" in options.yoyodyne_model else "GRU"
        encoder = {
            "class_path": f"yoyodyne.models.modules.{kind}Encoder",
            "init_args": {"hidden_size": options.yoyodyne_size, "dropout": 0.3},
        }
        model = {
            "class_path": f"yoyodyne.models.{options.yoyodyne_model}",
            "init_args": {
                "source_encoder": encoder,
                "decoder_hidden_size": options.yoyodyne_size,
                "decoder_dropout": 0.3,
                "label_smoothing": 0.1,
                **({"features_encoder": encoder} if options.feature_column else {}),
            },
        }
        hours, rest = divmod(int(options.seconds or 600), 3600)
        return {
            "seed_everything": seed,
            "trainer": {
                "accelerator": "cpu",
                "max_epochs": 1000,
                "max_time": f"00:{hours:02}:{rest // 60:02}:{rest % 60:02}",
                "enable_progress_bar": False,
                "default_root_dir": str(folder),
            },
            "model": model,
            "data": {
                **{name: str(folder / f"{split}.tsv") for name, split in YOYODYNE_SPLITS.items()},
                "model_dir": str(folder),
                "batch_size": 64,
                "target_sep": options.target_separator,
                "features_col": 3 if options.feature_column else 0,
            },
            "checkpoint": {"filename": "best", "mode": "max", "monitor": "val_accuracy", "dirpath": str(folder)},
            "prediction": {"path": str(folder / "predictions.txt")},
        }


YOYODYNE_SPLITS = {"train": "train", "val": "validation", "predict": "test", "test": "test"}


def describe(name: str, runs: list[dict[str, float]]) -> str:
    """Returns a row of the table: means and, of several runs, sample standard deviations."""

    def cell(key: str, digits: int) -> str:
        values = [scores[key] for scores in runs if key in scores]
        if not values:
            return ""
        spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.{digits}f}{spread}"

    return f"| {name} | {cell('word_error_rate', 1)} | {cell('symbol_error_rate', 2)} | {cell('cpu_seconds', 0)} |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with train.jsonl, validation.jsonl and test.jsonl")
    parser.add_argument("source", help="column of the source")
    parser.add_argument("target", help="column of the target, a text or a list of texts")
    parser.add_argument("--target_separator", default="", help="between the symbols of a target")
    parser.add_argument("--feature_column", help="column of features of the source")
    parser.add_argument("--seconds", type=float, help="of each training (default: of the recipe)")
    parser.add_argument("--recipe", default="characters", help="of train_translation.py")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--yoyodyne", help="yoyodyne's program; without it only this project is measured")
    parser.add_argument("--yoyodyne_model", default="SoftAttentionGRUModel")
    parser.add_argument("--yoyodyne_size", type=int, default=256, help="of encoder and decoder")
    parser.add_argument("--output_dir", type=Path, default=Path("outputs/words"))
    options, training = parser.parse_known_args(arguments)
    options.training = training
    task = Task(options)
    options.output_dir.mkdir(parents=True, exist_ok=True)

    folders = [options.output_dir / f"seed-{seed}" for seed in options.seeds]
    ours, theirs = [], []
    for seed, folder in zip(options.seeds, folders):
        training = task.train_ours(seed, folder)
        ours.append({**training, **task.translate([folder], folder.with_suffix(".jsonl"))})
        print(f"seed {seed}: {ours[-1]}", flush=True)
        if options.yoyodyne:
            theirs.append(task.run_yoyodyne(seed, options.output_dir / f"yoyodyne-{seed}"))
            print(f"yoyodyne, seed {seed}: {theirs[-1]}", flush=True)
    print("\n| system | word error rate | symbol error rate | CPU seconds of training |\n|---|---|---|---|")
    print(describe("hf_attention", ours))
    if len(folders) > 1:
        together = task.translate(folders, options.output_dir / "ensemble.jsonl")
        print(describe(f"hf_attention, ensemble of {len(folders)}", [together]))
    if theirs:
        print(describe(f"yoyodyne {options.yoyodyne_model}", theirs))


if __name__ == "__main__":
    main()
