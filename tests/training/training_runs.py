# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Runs of the recipes for test_many_processes.py: in one process, or by `torchrun` in several. Each process writes what
it trained on, and its results, to a file of its own.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from hf_attention.data.digit_rows import load_digit_rows
from hf_attention.data.images import load_digits
from hf_attention.training.command_line import parse
from hf_attention.training.image_arguments import IMAGE_ARGUMENTS
from hf_attention.training.image_classification import train_image_classification
from hf_attention.training.image_text_arguments import IMAGE_TEXT_ARGUMENTS
from hf_attention.training.image_to_text import train_image_to_text
from hf_attention.training.recipe_trainer import RecipeTrainer
from hf_attention.training.translation import train_translation
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS
from hf_attention.training.visual_question_answering import QuestionArguments, train_visual_question_answering


ROWS = 37
MODELS = Path(__file__).parents[2] / "model_cards"
WORLD = int(os.environ.get("WORLD_SIZE", "1"))

# three evaluation rows a batch, of eight, so that two processes repeat some, and one has no row of its own at the end
COMMON = ["--use_cpu"] if torch.accelerator.is_available() else []
COMMON += ["--disable_tqdm", "true", "--logging_steps", "1", "--per_device_eval_batch_size", "3"]
COMMON += ["--ddp_timeout", "77"]
COMMON += ["--per_device_train_batch_size", str(8 // WORLD)]
QUESTIONS = [*COMMON, "--num_train_images", "32", "--num_test_images", "8", "--learning_rate", "3e-3"]
QUESTIONS += ["--config_overrides", "conv_channels=[8,8,8],hidden_size=16,attention_size=8,num_glimpses=2"]
COMMON += ["--max_eval_samples", "8"]
PAIRS = [*COMMON, "--num_beams", "2", "--train_sampling_strategy", "random"]
IMAGES = [*COMMON, "--image_mean", "0.3", "--image_std", "0.4", "--config_overrides"]
SIZES = "image_size=8,num_channels=1,"
CCT = f"{SIZES}num_conv_layers=1,hidden_size=16,intermediate_size=16,hidden_dropout_prob=0.0,drop_path_rate=0.0"
READER = ["--num_beams", "2", "--max_steps", "6", "--max_target_length", "8", "--encoder_overrides"]
READER += [f"{CCT},num_hidden_layers=1,attention_probs_dropout_prob=0.0".replace("=8,", "=[16,80],", 1)]
FAMILIES = {
    "recurrent_attention": f"{SIZES}num_glimpses=3,glimpse_size=3,num_scales=2,hidden_size=16",
    "attention_cnn": f"{SIZES}hidden_sizes=[4,8],depths=[1,1],attention_type=se,reduction_ratio=2",
}


def write_data(folder: Path) -> None:
    """Writes pairs in three files and images in one; every row differs from all others."""
    texts = [f"{index} {index * 7919 % 1000}" for index in range(ROWS + 8)]
    for name, part in {"a": slice(20), "b": slice(20, 25), "c": slice(25, ROWS), "test": slice(ROWS, None)}.items():
        lines = "\n".join(f"{text},{text[::-1]}" for text in texts[part])
        (folder / f"{name}.csv").write_text(f"source,target\n{lines}\n")
    digits = load_digits()
    digits["train"].take(ROWS).to_parquet(folder / "train.parquet")
    digits["test"].take(8).to_parquet(folder / "test.parquet")
    for split, rows in load_digit_rows({"train": 48, "test": 8}).items():
        rows.to_parquet(folder / f"{split}-rows.parquet")


def record_rows() -> list[list[str]]:
    """Returns a list to which every training step adds its rows, as they reach the model."""
    steps: list[list[str]] = []
    training_step = RecipeTrainer.training_step

    def record(trainer: RecipeTrainer, model, inputs, *args):
        rows = inputs["pixel_values" if "pixel_values" in inputs else "labels"]
        steps.append([str(row[row != -100].tolist()) for row in rows])
        return training_step(trainer, model, inputs, *args)

    RecipeTrainer.training_step = record
    return steps


def main(folder: Path) -> None:
    out, runs, steps = folder / str(WORLD), {}, record_rows()

    def lose_a_worker(trainer: RecipeTrainer, *args):
        if trainer.state.global_step == 3 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return training_step(trainer, *args)

    def run(name: str, arguments: list[str], output_dir: str | None = None) -> None:
        recipe, kinds = train_translation, TRANSLATION_ARGUMENTS
        if "--image_mean" in arguments:
            recipe, kinds = train_image_classification, IMAGE_ARGUMENTS
        if "--encoder_overrides" in arguments:
            recipe, kinds = train_image_to_text, IMAGE_TEXT_ARGUMENTS
        if arguments[: len(QUESTIONS)] == QUESTIONS:
            recipe, kinds = train_visual_question_answering, (QuestionArguments,)
        steps.clear()
        parts = parse(kinds, [*arguments, "--output_dir", str(out / (output_dir or name))])
        runs[name] = {"results": recipe(*parts), "steps": steps.copy(), "device": str(parts[-1].device)}

    dates = [*PAIRS, "--max_train_samples", "64", "--max_steps", "4"]
    if WORLD > 1:
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            training_step, RecipeTrainer.training_step = RecipeTrainer.training_step, lose_a_worker
        run("restarted", [*dates, "--save_steps", "2", "--resume_from_checkpoint", "auto"])

    streamed = ["--streaming", "true", "--max_steps", "12", "--save_steps", "7"]
    files = [str(folder / f"{name}.csv") for name in ("a", "b", "c")]
    pairs = [
        *PAIRS,
        *streamed,
        "--tokenizer_type",
        "char",
        "--train_file",
        *files,
        "--test_file",
        str(folder / "test.csv"),
    ]
    run("pairs", pairs)
    run("resumed", [*pairs, "--resume_from_checkpoint", str(out / "pairs" / "checkpoint-7")], "pairs")
    images = [*IMAGES, CCT, *streamed, "--gradient_accumulation_steps", "2", "--dataloader_num_workers", "2"]
    images += ["--train_file", str(folder / "train.parquet"), "--test_file", str(folder / "test.parquet")]
    run("images", images)

    files = ["--train_file", str(folder / "train-rows.parquet"), "--test_file", str(folder / "test-rows.parquet")]
    run("rows", [*COMMON, *READER, *files])
    run("questions", [*QUESTIONS, "--max_steps", "8"])
    run("dates", dates)
    evaluation = ["--do_train", "false", "--model_name_or_path"]
    run("evaluated dates", [*PAIRS, *evaluation, str(MODELS / "bahdanau-dates")])
    run("evaluated digits", [*IMAGES[:-1], *evaluation, str(MODELS / "compact-vit-digits")])
    few = ["--max_steps", "2", "--ema_decay", "0.5", "--mixup_alpha", "0.2", "--gradient_accumulation_steps", "2"]
    few += ["--time_limit", "3600"]
    for family, sizes in FAMILIES.items():
        run(family, [*IMAGES, sizes, "--model_type", family, "--max_train_samples", "64", *few])
    if dist.is_initialized():
        group = dist.distributed_c10d._get_default_group()
        runs["timeout"] = group._get_backend(torch.device("cpu")).options._timeout.total_seconds()
    (folder / f"{WORLD}-{os.environ.get('RANK', '0')}.json").write_text(json.dumps(runs))
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
