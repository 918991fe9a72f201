# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Round trips over HTTP: one process publishes, another one with an empty cache loads by name."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from datasets import load_dataset
from huggingface_hub import DatasetCard, HfApi, ModelCard, upload_file
from PIL import Image
from publish import main as publish_command
from safetensors.torch import load_file, save_file
from train_image_classification import train as train_images
from train_translation import train
from transformers import AutoModelForImageClassification, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention.data.dates import load_dates
from hf_attention.hub import publish_folder, publish_model, write_dates_dataset


LOAD = """
import builtins, sys
def refuse(*prompt): raise SystemExit("asked")
builtins.input = refuse  # no prompt asks whether to trust code
plugin, picture, output = sys.argv[1:]
if plugin == "yes":
    import hf_attention
    trust = {}
else:
    sys.modules["hf_attention"] = None  # as if the plugin were not installed
    trust = {"trust_remote_code": True}
import torch
from PIL import Image
from transformers import AutoConfig, AutoModel, AutoModelForImageClassification
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline

outputs = {}
name = "alice/dates-model"
assert AutoConfig.from_pretrained(name, **trust).model_type == "bahdanau"
tokenizer = AutoTokenizer.from_pretrained(name, **trust)
model = AutoModelForSeq2SeqLM.from_pretrained(name, **trust)
origin = "hf_attention." if plugin == "yes" else "transformers_modules."
assert type(model).__module__.startswith(origin), type(model).__module__
batch = tokenizer(["4. März 2005"], return_tensors="pt", return_token_type_ids=False)
with torch.no_grad():
    outputs["text logits"] = model(**batch, labels=batch["input_ids"]).logits
    outputs["ids"] = model.generate(**batch, num_beams=3)
old = AutoModelForSeq2SeqLM.from_pretrained(name, revision="v1", **trust)
outputs["old"] = old.lm_head.bias.data
outputs["new"] = model.lm_head.bias.data
translator = pipeline("translation-with-alignment", model=name) if plugin == "yes" else pipeline(model=name, **trust)
outputs["translation"] = translator("4. März 2005", num_beams=3)[0]["translation_text"]

name = "alice/digits-model"  # private
processor = AutoImageProcessor.from_pretrained(name, **trust)
model = AutoModelForImageClassification.from_pretrained(name, **trust)
with torch.no_grad():
    outputs["image logits"] = model(**processor(Image.open(picture), return_tensors="pt")).logits
outputs["class"] = pipeline("image-classification", model=name, **trust)(picture)[0]["label"]
torch.save(outputs, output)
"""

UNTRUSTED = """
import sys
sys.modules["hf_attention"] = None
from transformers import AutoModelForSeq2SeqLM
AutoModelForSeq2SeqLM.from_pretrained(sys.argv[1])
"""


def run(hub, cache, code: str, *arguments, token: str | None = "hf_alice"):
    environment = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"}
    environment |= hub.client_environment(cache, token)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)


@pytest.fixture
def published(hub, small_run, small_vision_run, tmp_path, unchecked):
    publish_model(str(small_run[0]), "alice/dates-model", version="v1")
    publish_model(str(small_vision_run[0]), "alice/digits-model", private=True)
    # another commit, so that the tag and the branch differ
    weights = load_file(small_run[0] / "model.safetensors")
    save_file({**weights, "lm_head.bias": weights["lm_head.bias"] + 0.25}, tmp_path / "shifted", {"format": "pt"})
    upload_file(path_or_fileobj=tmp_path / "shifted", path_in_repo="model.safetensors", repo_id="alice/dates-model")
    Image.effect_noise((8, 8), 60).save(tmp_path / "digit.png")
    return hub


@pytest.mark.parametrize("plugin", ["yes", "no"])
def test_published_models_load_by_name(published, small_run, small_vision_run, tmp_path, plugin):
    picture = tmp_path / "digit.png"
    ran = run(published, tmp_path / "cache", LOAD, plugin, picture, tmp_path / "outputs.pt")
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "hf_alice" not in ran.stdout + ran.stderr
    outputs = torch.load(tmp_path / "outputs.pt")

    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(small_run[0]), AutoTokenizer.from_pretrained(small_run[0])
    torch.testing.assert_close(outputs["old"], model.lm_head.bias.data)
    torch.testing.assert_close(outputs["new"], model.lm_head.bias.data + 0.25)
    model.lm_head.bias.data += 0.25
    batch = tokenizer(["4. März 2005"], return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        torch.testing.assert_close(outputs["text logits"], model(**batch, labels=batch["input_ids"]).logits)
        ids = model.generate(**batch, num_beams=3)
    assert outputs["ids"].tolist() == ids.tolist()
    assert outputs["translation"] == tokenizer.decode(ids[0], skip_special_tokens=True)

    model = AutoModelForImageClassification.from_pretrained(small_vision_run[0])
    processor = AutoImageProcessor.from_pretrained(small_vision_run[0])
    with torch.no_grad():
        logits = model(**processor(Image.open(picture), return_tensors="pt")).logits
    torch.testing.assert_close(outputs["image logits"], logits)
    assert outputs["class"] == model.config.id2label[int(logits.argmax())]


def test_code_and_private_models_need_permission(published, tmp_path):
    # the code of a repository does not run unasked
    ran = run(published, tmp_path / "a", UNTRUSTED, "alice/dates-model", token=None)
    assert ran.returncode != 0
    assert "trust_remote_code" in ran.stderr
    for token in (None, "hf_bob"):
        ran = run(published, tmp_path / "b", UNTRUSTED, "alice/digits-model", token=token)
        assert ran.returncode != 0
        assert "alice/digits-model is not a local folder" in ran.stderr.replace("'", "")
        assert "private" in ran.stderr
        assert "hf_bob" not in ran.stderr


def test_a_published_model_is_fine_tuned_and_published(published, tmp_path):
    """The dates from the Hub, a model from the Hub, a few steps more, and back to the Hub."""
    publish_command([str(tmp_path / "dates"), "alice/dates", "--dataset"])
    results = train(
        ["--model_name_or_path", "alice/dates-model", "--dataset_name", "alice/dates", "--max_steps", "4"]
        + ["--max_train_samples", "200", "--max_eval_samples", "20", "--save_steps", "2", "--hub_always_push", "true"]
        + ["--hub_strategy", "every_save"]
        + ["--num_beams", "1", "--max_target_length", "16", "--disable_tqdm", "true"]
        + ["--push_to_hub", "true", "--hub_model_id", "alice/child", "--hub_private_repo", "true"]
        + ["--hub_token", "hf_alice", "--output_dir", str(tmp_path / "child")]
    )
    repository = published.repository("alice/child")
    # the Trainer's pushes on the way, and ours at the end: one commit that holds everything
    ours, *trainers, _ = repository.history
    assert ours == "End of training"
    assert trainers  # pushed in the background, so some may be missing
    assert set(trainers) <= {f"Training in progress, step {step}" for step in (2, 4)}
    assert repository.private
    assert "training_args.bin" in repository.files()  # the Trainer's, which must hold no token
    card = ModelCard(published.read("alice/child", "README.md").decode())
    assert card.data.base_model == "alice/dates-model"
    assert card.data.datasets == ["alice/dates"]
    assert results["test_alignment_error"] == pytest.approx(
        next(result.metric_value for result in card.data.eval_results if result.metric_type == "alignment_error"),
        abs=1e-5,
    )
    evaluated = published.read("alice/child", ".eval_results/test.yaml").decode()
    assert "id: alice/dates" in evaluated
    assert "task_id: exact_match" in evaluated
    assert "More information needed" not in card.text
    assert 'model="alice/child"' in card.text
    options = json.loads(published.read("alice/child", "training_args.json"))
    assert options["max_steps"] == 4
    assert options["model_name_or_path"] == "alice/dates-model"
    kept = [file.read_bytes() for file in (tmp_path / "child").rglob("*") if file.is_file()]
    for data in [*kept, *published.blobs.values()]:
        assert b"hf_alice" not in data
    child = AutoModelForSeq2SeqLM.from_pretrained("alice/child").state_dict()
    parent = AutoModelForSeq2SeqLM.from_pretrained("alice/dates-model").state_dict()
    assert child.keys() == parent.keys()
    assert not torch.equal(child["lm_head.weight"], parent["lm_head.weight"])


def commit(hub, name: str, files: dict[str, bytes], kind: str = "dataset"):
    """Makes a repository of alice's that holds files."""
    HfApi().create_repo(name, repo_type=kind)
    hub.put(name, files, kind)


def draw(shade: int, seed: int) -> bytes:
    """A PNG of one class or another."""
    pixels = np.random.default_rng(seed).integers(shade, shade + 100, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer := io.BytesIO(), "png")
    return buffer.getvalue()


@pytest.mark.parametrize("streaming", [False, True])
def test_training_on_csv_pairs_from_the_hub(hub, tmp_path, streaming):
    table = "source,target\n" + "".join(f"{number} eins,{number} one\n" for number in range(30))
    commit(hub, "alice/pairs", {"train.csv": table.encode(), "test.csv": table.encode()})
    arguments = ["--dataset_name", "alice/pairs", "--max_steps", "2", "--tokenizer_type", "char", "--num_beams", "1"]
    arguments += ["--save_strategy", "no", "--disable_tqdm", "true", "--max_target_length", "12", "--preset", "tiny"]
    arguments += ["--push_to_hub", "true"] + (["--streaming"] if streaming else [])
    results = train([*arguments, "--output_dir", str(tmp_path / f"pairs-{streaming}")])
    assert 0 <= results["test_chrf"] <= 100
    # without a name for it, the repository has the folder's
    assert hub.repository(f"alice/pairs-{streaming}").history == ["End of training", "initial commit"]


@pytest.mark.parametrize("streaming", [False, True])
def test_training_on_an_imagefolder_from_the_hub(hub, tmp_path, streaming):
    files = {
        f"{split}/{name}/{number}.png": draw(shade, number)
        for split in ("train", "validation", "test")
        for name, shade in (("dark", 0), ("light", 150))
        for number in range(6)
    }
    commit(hub, "alice/shades", files)
    arguments = ["--dataset_name", "alice/shades", "--max_steps", "3", "--disable_tqdm", "true", "--config_overrides"]
    arguments += ["image_size=8,num_channels=1,num_conv_layers=1,hidden_size=32,intermediate_size=32"]
    arguments += ["--save_strategy", "no", "--per_device_train_batch_size", "4", "--push_to_hub", "true"]
    arguments += ["--hub_model_id", "alice/shades-model"] + (["--streaming"] if streaming else [])
    results = train_images([*arguments, "--output_dir", str(tmp_path / "shades")])
    assert 0 <= results["test_accuracy"] <= 1
    repository = hub.repository("alice/shades-model")
    assert repository.history == ["End of training", "initial commit"]
    card = ModelCard(hub.read("alice/shades-model", "README.md").decode())
    assert card.data.datasets == ["alice/shades"]
    assert "light" in card.text
    assert AutoModelForImageClassification.from_pretrained("alice/shades-model").config.id2label[1] == "light"


def test_a_private_data_set_loads_with_a_token_only(hub, tmp_path):
    write_dates_dataset(tmp_path / "dates", "alice/secret", load_dates(30, 10, 10))
    publish_folder(tmp_path / "dates", "alice/secret", "dataset", private=True, commit_message="Upload dates")
    data = load_dataset("alice/secret")
    assert data["test"].to_list() == load_dates(30, 10, 10)["test"].to_list()
    streamed = load_dataset("alice/secret", split="train", streaming=True)
    assert next(iter(streamed))["source"] == load_dates(30, 10, 10)["train"][0]["source"]
    card = DatasetCard(hub.read("alice/secret", "README.md", kind="dataset").decode())
    assert card.data.task_categories == ["translation"]
    assert "ko" in card.data.language
    assert 'load_dataset("alice/secret")' in card.text
    assert "| test | 10 |" in card.text
    code = "import datasets; datasets.load_dataset('alice/secret')"
    ran = run(hub, tmp_path / "cache", code, token="hf_bob")
    assert "DatasetNotFoundError: Dataset 'alice/secret' doesn't exist on the Hub or cannot be accessed" in ran.stderr


def test_a_run_that_cannot_be_published_fails_at_the_start(hub, tmp_path, monkeypatch):
    arguments = ["--max_steps", "1", "--push_to_hub", "true", "--output_dir", str(tmp_path / "run")]
    monkeypatch.setenv("HF_TOKEN", "hf_alice_read")
    with pytest.raises(OSError, match="read-only"):
        train([*arguments, "--max_train_samples", "100", "--hub_model_id", "alice/model"])
    with pytest.raises(OSError, match="read-only"):
        train_images([*arguments, "--hub_model_id", "alice/model"])
    with pytest.raises(ValueError, match="alphanumeric"):
        train([*arguments, "--max_train_samples", "100", "--hub_model_id", "alice/a model"])
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    commit(hub, "alice/model", {"config.json": b'{"model_type": "vit"}'}, kind="model")
    with pytest.raises(ValueError, match="is taken: it holds a model of type vit"):
        train([*arguments, "--max_train_samples", "100", "--hub_model_id", "alice/model"])
    assert not (tmp_path / "run").exists()


def test_a_pickle_on_the_hub_is_refused(hub, tmp_path):
    files = {"config.json": b'{"model_type": "bahdanau"}', "pytorch_model.bin": b"x"}
    commit(hub, "alice/pickle", files, kind="model")
    arguments = ["--model_name_or_path", "alice/pickle", "--output_dir", str(tmp_path / "run"), "--max_steps", "1"]
    with pytest.raises(ValueError, match=r"as a pickle \(pytorch_model.bin\).*use_safetensors=False"):
        train(arguments)
    with pytest.raises(ValueError, match=r"as a pickle \(pytorch_model.bin\)"):
        train_images(arguments)
