# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Model folders that are incomplete or damaged: every way to use them refuses them, in words that name the file."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from train_translation import train
from transformers import AutoModelForSeq2SeqLM, pipeline

from hf_attention.hub import export_onnx, publish_model
from hf_attention.hub.folder import check_weights
from hf_attention.interpret import build_app


WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
ENTRIES: dict[str, Callable[[Path], object]] = {
    "tune": lambda folder: train(["--model_name_or_path", str(folder), "--output_dir", str(folder / "run")]),
    "export": lambda folder: export_onnx(folder, folder / "exported"),
    "publish": lambda folder: publish_model(folder, "alice/small", dry_run=True),
    "app": lambda folder: build_app([str(folder)]),
    "pipeline": lambda folder: pipeline("translation-with-alignment", model=str(folder)),
    "check": check_weights,
}


def edit(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    """Returns a function that changes the tensors in a folder."""

    def damage(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS, {"format": "pt"})

    return damage


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def shard(then: Callable[[Path], object]) -> Callable[[Path], None]:
    """Returns a function that splits the weights in a folder over several files, and damages those."""

    def damage(folder: Path) -> None:
        model = AutoModelForSeq2SeqLM.from_pretrained(folder)
        (folder / WEIGHTS).unlink()
        model.save_pretrained(folder, max_shard_size="4KB")
        then(folder)

    return damage


def remove_first_shard(folder: Path) -> None:
    min(folder.glob("model-*.safetensors")).unlink()


def empty_first_shard(folder: Path) -> None:
    save_file({}, min(folder.glob("model-*.safetensors")), {"format": "pt"})


BIAS = "lm_head.bias"
DAMAGES = {
    "a key is missing": (edit(lambda weights: weights.pop(BIAS)), f"{WEIGHTS} lacks {BIAS}, which Bahdanau"),
    "no tensors": (edit(dict.clear), rf"{WEIGHTS} lacks {BIAS}, .* and \d+ more, which"),
    "a key too many": (edit(lambda weights: weights.update(extra=torch.zeros(2))), f"{WEIGHTS} holds extra, which"),
    "a renamed key": (edit(lambda weights: weights.update(other=weights.pop(BIAS))), f"lacks {BIAS}, which"),
    "another shape": (
        edit(lambda weights: weights.update({BIAS: torch.zeros(3)})),
        rf"of another shape .*{BIAS} \(3,\) instead of",
    ),
    "NaN": (
        edit(lambda weights: weights[BIAS].fill_(torch.nan)),
        rf"not finite \(NaN or infinite\) in {BIAS}\.",
    ),
    "infinity": (edit(lambda weights: weights[BIAS][:1].fill_(torch.inf)), f"not finite .*{BIAS}"),
    "truncated": (
        lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-50]),
        "truncated or damaged",
    ),
    "an empty file": (write(WEIGHTS, b""), "truncated or damaged"),
    "text": (write(WEIGHTS, b"These are not weights."), "truncated or damaged"),
    "a missing shard": (shard(remove_first_shard), r"model-00001-of-\d+.safetensors"),
    "a shard without tensors": (shard(empty_first_shard), f"{INDEX} lacks .*, which Bahdanau"),
    "an index that is not JSON": (shard(write(INDEX, b"{")), f"{INDEX} is not valid JSON"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), WEIGHTS),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_weights_are_refused(folder, name, entry):
    damage, words = DAMAGES[name]
    damage(folder)
    with pytest.raises((ValueError, OSError), match=words) as raised:
        ENTRIES[entry](folder)
    assert str(folder) in str(raised.value)
    assert "Traceback" not in str(raised.value)
