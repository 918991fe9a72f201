# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
import os
import resource
import shutil

import pytest
import torch
from safetensors.torch import save_file
from small_runs import SMALL
from train_translation import train
from transformers import AutoConfig, TrainerState

from hf_attention import CompactVitConfig
from hf_attention.hub.folder import check_weights
from hf_attention.training import recipe_trainer, translation
from hf_attention.training.output_folder import OutputFolder, check_same_model
from hf_attention.training.recipe_trainer import RecipeTrainer
from hf_attention.training.translation_arguments import TranslationTrainingArguments


@pytest.fixture
def run(small_run, tmp_path):
    """A copy of a finished run that a test may damage."""
    return shutil.copytree(small_run[0], tmp_path / "run")


def cut(file):
    file.write_bytes(file.read_bytes()[:-1000])


def folder_of(path, **options):
    return OutputFolder(TranslationTrainingArguments(output_dir=str(path), **options))


def find(path, checkpoint):
    return folder_of(path, resume_from_checkpoint=str(checkpoint)).find_checkpoint()


def test_weights_that_are_cut_short_or_missing_are_an_error(run):
    check_weights(run)
    cut(run / "model.safetensors")
    with pytest.raises(ValueError, match="model.safetensors is truncated or damaged"):
        check_weights(run)
    (run / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="holds no weights"):
        check_weights(run)


def test_the_last_complete_checkpoint_is_found(run):
    assert find(run, "last") == str(run / "checkpoint-30")
    assert find(run, run / "checkpoint-15") == str(run / "checkpoint-15")
    cut(run / "checkpoint-30" / "model.safetensors")
    assert find(run, "last") == str(run / "checkpoint-15")
    with pytest.raises(ValueError, match=r"model.safetensors has \d+ bytes instead of"):
        find(run, run / "checkpoint-30")
    cut(run / "checkpoint-15" / "trainer_state.json")
    with pytest.raises(ValueError, match=r"not a complete checkpoint: trainer_state.json has \d+ bytes"):
        find(run, run / "checkpoint-15")
    (run / "checkpoint-15" / "trainer_state.json").unlink()
    with pytest.raises(ValueError, match="holds no complete checkpoint"):
        find(run, "last")


@pytest.mark.parametrize("options", [{}, {"resume_from_checkpoint": "last", "do_train": False}])
def test_a_run_that_does_not_resume_has_no_checkpoint(run, options):
    assert folder_of(run, **options).find_checkpoint() is None


def test_a_run_may_write_into_a_new_folder_or_one_that_it_overwrites_or_resumes(run, tmp_path):
    config = AutoConfig.from_pretrained(run)
    folder_of(tmp_path / "new").check(config, None)
    folder_of(run, overwrite_output_dir=True).check(config, None)
    folder_of(run, resume_from_checkpoint="last").check(config, str(run / "checkpoint-30"))
    with pytest.raises(ValueError, match="is a file"):
        folder_of(run / "config.json").check(config, None)
    with pytest.raises(ValueError, match="holds another run"):
        folder_of(run).check(config, None)


def test_a_run_of_another_model_cannot_be_resumed(run):
    config = AutoConfig.from_pretrained(run)
    config.decoder_layers = 2
    for checkpoint in (None, str(run / "checkpoint-30")):
        with pytest.raises(ValueError, match="decoder_layers 1 instead of 2"):
            folder_of(run, resume_from_checkpoint="last").check(config, checkpoint)


def test_checkpoints_are_in_the_order_of_their_numbers(tmp_path):
    for step in (9, 10, 100, 20):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            torch.save({}, folder / name)
        save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
        (folder / "trainer_state.json").write_text("{}")
    for newest in (100, 20, 10, 9):
        assert find(tmp_path, "last") == str(tmp_path / f"checkpoint-{newest}")
        (tmp_path / f"checkpoint-{newest}" / "trainer_state.json").unlink()


def test_a_missing_shard_is_named(tmp_path):
    first, second = (f"model-0000{part}-of-00002.safetensors" for part in (1, 2))
    save_file({"a": torch.zeros(1)}, tmp_path / first)
    index = {"metadata": {}, "weight_map": {"a": first, "b": second}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=f"lacks weights named in its index: {second}"):
        check_weights(str(tmp_path))
    save_file({"b": torch.zeros(1)}, tmp_path / second)
    check_weights(str(tmp_path))


@pytest.mark.parametrize(
    "option, value",
    [
        ("image_size", 16),
        ("num_channels", 1),
        ("num_hidden_layers", 3),
        ("tokenizer_type", "patch"),
        ("patch_size", 2),
    ],
)
def test_a_checkpoint_of_another_image_model_is_an_error(option, value, tmp_path):
    config = CompactVitConfig(image_size=8, num_hidden_layers=2, tokenizer_type="conv", patch_size=4)
    config.save_pretrained(tmp_path)
    check_same_model(tmp_path, config)
    before = getattr(config, option)
    setattr(config, option, value)
    with pytest.raises(ValueError, match=rf"is of another model \({option} {before} instead of {value}\)"):
        check_same_model(tmp_path, config)


def train_on_a_full_disk(arguments: list[str], limit: int, moment: tuple[type, str] | None) -> str:
    """
    Trains in a process of its own, in which files cannot grow beyond `limit` bytes, as on a full disk: at once, or
    when the method `moment` is called. Returns the error.
    """
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)  # the threads of the parent are not here
        os.close(receiver)

        def fill_disk() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

        def wrap(method):
            def call(*args, **kwargs):
                fill_disk()
                return method(*args, **kwargs)

            return call

        message = "no error"
        try:
            for stream in (1, 2):  # pytest's are files too
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
            if moment is None:
                fill_disk()
            else:
                setattr(*moment, wrap(getattr(*moment)))
            train(arguments)
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"
        finally:
            os.write(sender, message.encode())
            os._exit(0)
    os.close(sender)
    with open(receiver) as pipe:
        message = pipe.read()
    os.waitpid(child, 0)
    return message


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits a process of its own")
@pytest.mark.parametrize(
    "file, limit, moment",
    [
        ("the weights", 600_000, None),  # of 1.2 MB
        ("the optimizer", 1_500_000, None),  # of 2.3 MB
        ("the random states", 1000, (RecipeTrainer, "_save_rng_state")),
        ("the state of the run", 100, (TrainerState, "save_to_json")),
        ("the list of files", 100, (recipe_trainer, "write_file_list")),
        ("the model", 600_000, (OutputFolder, "save_model")),
        ("the metrics", 100, (RecipeTrainer, "save_metrics")),
        ("the card", 1000, (translation, "write_model_card")),
    ],
)
def test_a_full_disk_leaves_what_was_saved_and_names_the_last_checkpoint(run, file, limit, moment):
    (run / "checkpoint-best").mkdir()  # the user's
    (run / "checkpoint-best" / "notes.txt").write_text("mine")
    hidden = set(run.glob(".*"))
    before = {path: path.read_bytes() for path in run.glob("checkpoint-*/*") if path.is_file()}
    step = 32 if file in ("the model", "the metrics", "the card") else 30
    if file not in ("the metrics", "the card"):
        before |= {path: path.read_bytes() for path in (run / "config.json", run / "model.safetensors")}
    arguments = ["--resume_from_checkpoint", "last", "--max_steps", "32", "--output_dir", str(run), *SMALL]
    arguments += ["--save_steps", "2", "--save_total_limit", "9", "--predict_with_generate", "false"]
    message = train_on_a_full_disk(arguments, limit, moment)
    assert "Cannot save in `output_dir` (File too large)" in message
    assert f"The last complete checkpoint is that of step {step}: " in message
    assert "--resume_from_checkpoint last" in message
    assert {path: path.read_bytes() for path in before} == before  # the model and its checkpoints are as they were
    assert (run / "checkpoint-32").exists() == (step == 32)
    assert set(run.glob(".*")) == hidden
    assert find(run, "last") == str(run / f"checkpoint-{step}")
