# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Damaged checkpoints: a run resumes from the one before, and an explicit one is an error that names the file."""

import json
import os
import shutil
from pathlib import Path

import pytest
from transformers import AutoConfig

from hf_attention.training.checkpoints import (
    FILE_LIST,
    UNFINISHED,
    numbered_checkpoints,
    remove_oldest,
    write_file_list,
)
from hf_attention.training.image_arguments import ImageTrainingArguments
from hf_attention.training.output_folder import OutputFolder
from hf_attention.training.translation_arguments import TranslationTrainingArguments


SHARED = ["config.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]
SHARED += ["training_args.bin", FILE_LIST]
FILES = {
    "translation": [*SHARED, "generation_config.json", "tokenizer.json", "tokenizer_config.json"],
    "images": [*SHARED, "averaged_weights.pt", "preprocessor_config.json"],
}
ARGUMENTS = {"translation": TranslationTrainingArguments, "images": ImageTrainingArguments}


def flip_bit(file: Path, other: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def replace_by_folder(file: Path, other: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES = {
    "missing": lambda file, other: file.unlink(),
    "truncated": lambda file, other: os.truncate(file, file.stat().st_size * 2 // 3),
    "bit-flipped": flip_bit,
    "empty": lambda file, other: os.truncate(file, 0),
    "a folder": replace_by_folder,
    "longer": lambda file, other: file.write_bytes(file.read_bytes() + b" "),
}
CASES = [(recipe, name, damage) for recipe, names in FILES.items() for name in names for damage in DAMAGES]
# without its list a checkpoint is one of a plain `Trainer`
CASES = [case for case in CASES if case[1:] != (FILE_LIST, "missing") and case[1:] != (FILE_LIST, "longer")]


@pytest.fixture
def runs(small_run, small_vision_run, tmp_path):
    """Returns a function that copies the two checkpoints of a run."""

    def copy(recipe: str) -> tuple[Path, Path, Path]:
        folder = (small_run if recipe == "translation" else small_vision_run)[0]
        copies = [shutil.copytree(path, tmp_path / path.name) for path in numbered_checkpoints(folder)]
        return tmp_path, copies[0], copies[1]

    return copy


def folder_of(recipe: str, path: Path, resume: str | None, **options) -> OutputFolder:
    return OutputFolder(ARGUMENTS[recipe](output_dir=str(path), resume_from_checkpoint=resume, **options))


@pytest.mark.parametrize("recipe, name, damage", CASES)
def test_a_damaged_checkpoint_is_passed_over_and_named(recipe, name, damage, runs, caplog):
    folder, before, last = runs(recipe)
    DAMAGES[damage](last / name, before / name)
    assert folder_of(recipe, folder, "last").find_checkpoint() == str(before)
    if damage != "bit-flipped" or name != FILE_LIST:  # then another file seems to differ
        assert name in caplog.text
    assert folder_of(recipe, folder, "auto").find_checkpoint() == str(before)
    with pytest.raises(ValueError, match="is not a complete checkpoint") as error:
        folder_of(recipe, folder, str(last)).find_checkpoint()
    if damage != "bit-flipped" or name != FILE_LIST:
        assert name in str(error.value)
    assert str(last) in str(error.value)


@pytest.mark.parametrize("recipe, name", [(recipe, name) for recipe in FILES for name in FILES[recipe]])
def test_a_file_of_another_checkpoint_is_found_out(recipe, name, runs):
    folder, before, last = runs(recipe)
    if (before / name).read_bytes() == (last / name).read_bytes():
        assert folder_of(recipe, folder, "last").find_checkpoint() == str(last)
        return
    shutil.copy(before / name, last / name)
    assert folder_of(recipe, folder, "last").find_checkpoint() == str(before)


UNLISTED = [(name, "missing") for name in ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth")]
UNLISTED += [(name, "truncated") for name in FILES["images"] if name != FILE_LIST]
UNLISTED += [(name, "bit-flipped") for name in ("optimizer.pt", "averaged_weights.pt")]
UNLISTED += [(name, "empty") for name in FILES["images"] if name != FILE_LIST]


@pytest.mark.parametrize("name, damage", UNLISTED)
def test_a_damaged_checkpoint_without_a_list_of_its_files_is_passed_over(name, damage, runs, caplog):
    folder, before, last = runs("images")
    for checkpoint in (before, last):
        (checkpoint / FILE_LIST).unlink()
    assert folder_of("images", folder, "last").find_checkpoint() == str(last)
    DAMAGES[damage](last / name, before / name)
    assert folder_of("images", folder, "last").find_checkpoint() == str(before)
    assert name in caplog.text


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_checkpoint_that_was_saved_without_a_needed_file_is_passed_over(name, runs, caplog):
    folder, before, last = runs("images")
    (last / name).unlink()
    write_file_list(last)
    assert folder_of("images", folder, "last").find_checkpoint() == str(before)
    assert f"it has no {name}" in caplog.text


@pytest.mark.parametrize("recipe", list(FILES))
def test_a_run_that_was_killed_in_its_first_save_starts_again(recipe, runs, caplog):
    folder, before, last = runs(recipe)
    config = AutoConfig.from_pretrained(last)
    shutil.rmtree(before)
    (last / FILE_LIST).write_text(UNFINISHED)
    (last / "config.json").write_text('{"model_ty')
    folder_of(recipe, folder, None).check(config, None)
    automatic = folder_of(recipe, folder, "auto")
    assert automatic.find_checkpoint() is None
    assert "the run ended while it was saved" in caplog.text
    automatic.check(config, None)
    with pytest.raises(ValueError, match="holds no complete checkpoint .*`--resume_from_checkpoint auto` starts"):
        folder_of(recipe, folder, "last").find_checkpoint()


@pytest.mark.parametrize("recipe", list(FILES))
def test_a_checkpoint_whose_best_one_is_damaged_is_passed_over(recipe, runs):
    folder, before, last = runs(recipe)
    for checkpoint in (before, last):
        (checkpoint / FILE_LIST).unlink()
    state = json.loads((last / "trainer_state.json").read_text())
    state["best_model_checkpoint"] = f"elsewhere/{before.name}"  # the folder was moved
    (last / "trainer_state.json").write_text(json.dumps(state))
    options = {"load_best_model_at_end": True, "eval_strategy": "steps", "save_steps": 500, "eval_steps": 500}
    assert folder_of(recipe, folder, "last", **options).find_checkpoint() == str(last)
    os.truncate(before / "model.safetensors", 1000)
    with pytest.raises(ValueError, match=rf"{before.name}.*model.safetensors"):
        folder_of(recipe, folder, str(last), **options).find_checkpoint()
    assert folder_of(recipe, folder, "last").find_checkpoint() == str(last)  # it needs no other


@pytest.mark.parametrize(
    "resume, message",
    [
        ("nowhere", "nowhere is not a folder"),
        ("last", "holds no complete checkpoint"),
        ("checkpoint-1", "is not a folder"),
    ],
)
def test_an_empty_output_folder_has_no_checkpoint(resume, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        folder_of("translation", tmp_path, resume).find_checkpoint()


def test_the_last_complete_checkpoint_is_not_removed_for_an_unfinished_one(runs):
    folder, before, last = runs("images")
    for step in (90, 120):
        shutil.copytree(last, folder / f"checkpoint-{step}")
        (folder / f"checkpoint-{step}" / FILE_LIST).write_text(UNFINISHED)
    (folder / "checkpoint-best").mkdir()  # the user's
    remove_oldest(folder, 2, {last.name})
    assert numbered_checkpoints(folder) == [before, last]
    remove_oldest(folder, 1, {before.name, last.name})
    assert numbered_checkpoints(folder) == [before, last]
    remove_oldest(folder, 1, {last.name})
    assert numbered_checkpoints(folder) == [last]
    assert (folder / "checkpoint-best").is_dir()


def test_an_output_folder_that_cannot_be_written_is_an_error_before_training(small_run, tmp_path):
    config = AutoConfig.from_pretrained(small_run[0])
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        folder_of("translation", tmp_path / "file", None).check(config, None)
    with pytest.raises(OSError, match="Cannot write into `output_dir`"):
        folder_of("translation", tmp_path / "file" / "run", None).check(config, None)
