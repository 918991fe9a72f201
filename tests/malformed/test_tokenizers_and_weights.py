# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Model folders that are incomplete or damaged: every way to use them refuses them, in words that name the file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from train_image_classification import train as train_images
from train_translation import train
from transformers import (
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    pipeline,
)

from hf_attention.hub import export_onnx, publish_model
from hf_attention.hub.folder import check_weights
from hf_attention.interpret import align, build_app
from hf_attention.interpret.model_loading import load_model


WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
FEW = ["--max_train_samples", "40", "--max_eval_samples", "10", "--output_dir"]
ENTRIES: dict[str, Callable[[Path], object]] = {
    "tune": lambda folder: train(["--model_name_or_path", str(folder), *FEW, str(folder / "run")]),
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


def set_json(name: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Returns a function that changes the content of a JSON file."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / name).read_text("utf-8"))
        change(content)
        (folder / name).write_text(json.dumps(content), "utf-8")

    return damage


def set_value(name: str, **values: object) -> Callable[[Path], None]:
    return set_json(name, lambda content: content.update(values))


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
    "an index that is a list": (shard(write(INDEX, b"[]")), f"{INDEX} does not hold a JSON object"),
    "an index without files": (shard(write(INDEX, b"{}")), f"{INDEX} has no valid `weight_map`"),
    "an index of nothing": (shard(write(INDEX, b'{"metadata": {}, "weight_map": {}}')), "no valid `weight_map`"),
    "an index of another folder": (
        shard(set_json(INDEX, lambda index: index["weight_map"].update({BIAS: "../other.safetensors"}))),
        "lacks weights named in its index: ../other.safetensors",
    ),
    "shards without an index": (shard(lambda folder: (folder / INDEX).unlink()), "no file named model.safetensors"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), WEIGHTS),
}


@pytest.mark.parametrize("entry", ["tune", "publish", "app", "pipeline"])
@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_weights_are_refused(folder, name, entry):
    damage, words = DAMAGES[name]
    damage(folder)
    with pytest.raises((ValueError, OSError), match=words) as raised:
        ENTRIES[entry](folder)
    assert str(folder) in str(raised.value)
    assert "Traceback" not in str(raised.value)


CONFIG, GENERATION, TOKENIZER = "config.json", "generation_config.json", "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
FILES = {  # the damage, the words of the error, and where it is one
    "config: cut": (write(CONFIG, b'{"model_type": "bahd'), f"{CONFIG} is not valid JSON", "tune app publish export"),
    "config: empty": (write(CONFIG, b""), f"{CONFIG} is not valid JSON", "tune app publish export"),
    "config: a list": (write(CONFIG, b"[1]"), f"{CONFIG} does not hold a JSON object", "tune app publish export"),
    "config: null": (write(CONFIG, b"null"), f"{CONFIG} does not hold a JSON object", "tune app publish export"),
    "config: latin-1": (
        write(CONFIG, '{"model_type": "bahdanau", "source_lang": "é"}'.encode("latin-1")),
        f"{CONFIG} is not valid JSON .*utf-8",
        "tune app publish export",
    ),
    "config: missing": (lambda folder: (folder / CONFIG).unlink(), "model_type", "tune app export pipeline"),
    "config: no type": (
        set_json(CONFIG, lambda config: config.pop("model_type")),
        "trust_remote_code|model_type",
        "tune app export",
    ),
    "config: an unknown type": (set_value(CONFIG, model_type="nonsense"), "trust_remote_code|nonsense", "tune app"),
    "config: code that is missing": (
        set_value(CONFIG, model_type="nonsense", auto_map={"AutoConfig": "gone.Config"}),
        "trust_remote_code",
        "tune app export",
    ),
    "config: another type": (
        set_value(CONFIG, model_type="marian"),
        "cannot be loaded|can be exported",
        "tune export",
    ),
    "config: more layers": (
        set_value(CONFIG, encoder_layers=2),
        r"lacks model.encoder.layers.1.* and \d+ more, which",
        "tune app publish export pipeline",
    ),
    "config: a smaller vocabulary": (
        set_value(CONFIG, vocab_size=5),
        r"another shape .*lm_head.bias \(\d+,\) instead of \(5,\)",
        "tune app publish export pipeline",
    ),
    "config: a negative size": (
        set_value(CONFIG, hidden_size=-4),
        "hidden_size` must be at least 1, got -4",
        "tune app publish export",
    ),
    "config: a size that is text": (
        set_value(CONFIG, hidden_size="8"),
        "'hidden_size' expected int",
        "tune app publish",
    ),
    "generation: cut": (
        write(GENERATION, b"{"),
        f"{GENERATION} is not valid JSON",
        "tune app publish export pipeline",
    ),
    "generation: a list": (write(GENERATION, b"[]"), f"{GENERATION} does not hold", "tune app publish pipeline"),
    "generation: beams": (
        set_value(GENERATION, num_beams=-1),
        f"{GENERATION} has `num_beams` = -1, which is not an integer of at least 1",
        "tune app export pipeline",
    ),
    "generation: length": (
        set_value(GENERATION, max_length="long"),
        "`max_length` = 'long'",
        "tune app export pipeline",
    ),
    "generation: start": (
        set_value(GENERATION, decoder_start_token_id=9999),
        "`decoder_start_token_id` = 9999, but the vocabulary has",
        "tune app export pipeline",
    ),
    "tokenizer: cut": (write(TOKENIZER, b'{"version'), f"{TOKENIZER} is not valid JSON", "tune app publish export"),
    "tokenizer: a list": (write(TOKENIZER, b"[]"), f"{TOKENIZER} does not hold a JSON object", "tune app publish"),
    "tokenizer: no model": (write(TOKENIZER, b"{}"), "The tokenizer of .* cannot be loaded", "tune app export"),
    "tokenizer: missing": (
        lambda folder: (folder / TOKENIZER).unlink(),
        "The tokenizer of .* cannot be loaded .*Save it again with its `save_pretrained`",
        "tune app export",
    ),
    "tokenizer: config cut": (write(TOKENIZER_CONFIG, b"{"), f"{TOKENIZER_CONFIG} is not valid", "tune app publish"),
    "tokenizer: no padding": (
        set_json(TOKENIZER_CONFIG, lambda config: config.pop("pad_token")),
        "`pad_token_id` is None",
        "tune",
    ),
    "tokenizer: another class": (
        set_value(TOKENIZER_CONFIG, tokenizer_class="T5Tokenizer"),
        "The tokenizer of .* cannot be loaded .* Save it again",
        "tune",
    ),
}


@pytest.mark.parametrize(
    "name, entry", [(name, entry) for name, (_, _, entries) in FILES.items() for entry in entries.split()]
)
def test_damaged_files_are_named(folder, name, entry):
    damage, words, _ = FILES[name]
    damage(folder)
    with pytest.raises((ValueError, OSError), match=words) as raised:
        ENTRIES[entry](folder)
    if name != "tokenizer: no padding" and name != "tokenizer: another class":
        assert str(folder) in str(raised.value)
    assert "Traceback" not in str(raised.value)


def test_a_token_that_the_model_does_not_have_is_named(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer is not None
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(folder)
    translator = pipeline("translation-with-alignment", model=str(folder))
    assert translator("a dog")
    with pytest.raises(ValueError, match=r"The tokenizer makes id \d+ of '<new>', but the model has \d+ embeddings"):
        translator("a <new> dog")
    with pytest.raises(ValueError, match=r"The tokenizer makes id \d+ of '<new>', but the model has \d+ embeddings"):
        align(translator.model, tokenizer, ["a dog", "a <new> dog"])
    with pytest.raises(ValueError, match="tokenizer has .* tokens, the model"):
        ENTRIES["tune"](folder)


@pytest.fixture
def classifier(tmp_path) -> Path:
    vit = ViTConfig(image_size=8, patch_size=4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    ViTForImageClassification(vit).save_pretrained(tmp_path / "vit")
    ViTImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


PREPROCESSOR = "preprocessor_config.json"
NORM = "vit.layernorm.weight"
IMAGE_DAMAGES = {
    "a layer is missing": (edit(lambda weights: weights.pop(NORM)), f"lacks {NORM}, which ViT"),
    "a layer too many": (edit(lambda weights: weights.update(extra=torch.zeros(1))), "holds extra, which ViT"),
    "NaN": (edit(lambda weights: weights[NORM].fill_(torch.nan)), f"not finite .*{NORM}"),
    "a cut image processor": (write(PREPROCESSOR, b"{"), f"{PREPROCESSOR} is not valid JSON"),
    "an image processor that is a list": (write(PREPROCESSOR, b"[]"), f"{PREPROCESSOR} does not hold"),
}


NEW_HEAD = ["--ignore_mismatched_sizes", "true", "--max_steps", "1", "--max_train_samples", "40", "--output_dir"]
IMAGE_ENTRIES: dict[str, Callable[[Path], object]] = {
    "tune": lambda folder: train_images(["--model_name_or_path", str(folder), *NEW_HEAD, str(folder / "run")]),
    "app": ENTRIES["app"],
    "export": ENTRIES["export"],
}


@pytest.mark.parametrize("entry", IMAGE_ENTRIES)
@pytest.mark.parametrize("name", IMAGE_DAMAGES)
def test_damaged_image_classifiers_are_refused(classifier, name, entry):
    damage, words = IMAGE_DAMAGES[name]
    damage(classifier)
    with pytest.raises(ValueError, match=words) as raised:
        IMAGE_ENTRIES[entry](classifier)
    assert str(classifier) in str(raised.value)


def test_a_new_head_is_made_on_request_alone(classifier):
    weights = ViTForImageClassification.from_pretrained(classifier).vit
    weights.save_pretrained(classifier)  # without a head
    with pytest.raises(ValueError, match=r"model.safetensors lacks classifier.bias, classifier.weight, which ViT"):
        load_model(AutoModelForImageClassification, classifier)
    with pytest.raises(ValueError, match="classes"):
        train_images(["--model_name_or_path", str(classifier), "--output_dir", str(classifier / "run")])
    model = load_model(AutoModelForImageClassification, classifier, new_head=True, num_labels=7)
    assert model.classifier.out_features == 7
