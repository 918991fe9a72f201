# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import ModelCard
from matplotlib.figure import Figure
from PIL import Image
from subprocess_utils import run_code

import hf_attention
from hf_attention.hub import write_model_card
from hf_attention.hub.card import METRICS, describe_device, describe_versions, draw_curves
from hf_attention.hub.card_merge import digest_card, read_card
from hf_attention.hub.translation_card import TranslationCardFacts
from hf_attention.training.translation_arguments import TranslationTrainingArguments


def test_the_card_shows_the_results_and_options_of_the_run(small_run):
    folder, results = small_run
    card = ModelCard.load(folder / "README.md")
    data = card.data
    assert (data.library_name, data.pipeline_tag, data.license) == ("transformers", "translation", "apache-2.0")
    assert {"ko", "en", "de", "ar"} <= set(data.language)
    assert "bahdanau" in data.tags
    shown = {result.metric_type: result.metric_value for result in data.eval_results}
    for name in ("bleu", "chrf", "exact_match", "alignment_error"):
        assert shown[name] == pytest.approx(results[f"test_{name}"], abs=1e-5)
    text = card.text
    assert f"| BLEU | {results['test_bleu']:.2f} |" in text
    assert f"| alignment error | {results['test_alignment_error']:.4f} |" in text
    assert "tok:13a" in text
    assert "train 400, validation 40, test 40 pairs" in text
    assert "| learning_rate | 0.003 |" in text
    assert "| steps | 30 |" in text
    assert "| lr_scheduler_type | linear |" in text
    assert "| `hidden_size` | `128` |" in text
    assert describe_versions() in text
    assert 'model="bahdanau-small"' in text
    assert "trust_remote_code=True" in text
    assert "{{" not in text
    assert "{%" not in text
    assert "More information needed" not in text


@pytest.mark.parametrize(
    "device, expected", [("cpu", "3 CPU threads"), ("cuda:0", "NVIDIA H200"), ("mps", "MPS"), ("xpu:1", "XPU")]
)
def test_devices_are_described(device, expected, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "NVIDIA H200")
    assert describe_device(SimpleNamespace(device=torch.device(device))) == expected


def test_versions_are_described_for_a_copy_that_is_not_installed():
    """As where the package is on PYTHONPATH, or in a Space."""
    code = "import importlib.metadata as metadata; find = metadata.Distribution.from_name\n"
    code += "def from_name(name):\n    if name == 'hf_attention':\n        raise metadata.PackageNotFoundError(name)\n"
    code += "    return find(name)\nmetadata.Distribution.from_name = from_name\n"
    code += "from hf_attention.hub.card import describe_versions; print(describe_versions())"
    assert run_code(code).startswith(f"hf_attention {hf_attention.__version__}, transformers ")


def test_the_figures_exist(small_run):
    folder, _ = small_run
    text = (folder / "README.md").read_text()
    for name in ("assets/alignment.png", "assets/curves.png"):
        assert f"]({name})" in text
        picture = Image.open(folder / name).convert("L")
        assert picture.width > 300
        assert len(set(picture.get_flattened_data())) > 20


def test_a_folder_without_a_run_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="all_results.json"):
        write_model_card(
            str(tmp_path),
            None,
            TranslationTrainingArguments(output_dir=str(tmp_path)),
            TranslationCardFacts(example="a", data_name="x", data_description=""),
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["bahdanau-dates", "compact-vit-digits"])
def test_model_cards_in_the_repository_show_the_results_next_to_them(name):
    """In the table and in the metadata, all of them and no others."""
    folder = Path(__file__).parents[2] / "model_cards" / name
    card = ModelCard.load(folder / "README.md")
    results = json.loads((folder / "all_results.json").read_text())
    metrics = {key: results[f"test_{key}"] for key in METRICS if f"test_{key}" in results}
    shown = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert metrics
    assert shown == pytest.approx({METRICS[key][2]: value for key, value in metrics.items()}, abs=1e-5)
    section = card.text.split("## Results")[1].split("\n## ")[0]
    for key, value in metrics.items():
        assert f"| {METRICS[key][0]} | {value:{METRICS[key][1]}} |" in section


@pytest.mark.parametrize("name", ["bahdanau-dates", "compact-vit-digits"])
def test_model_cards_in_the_repository_are_as_generated(name):
    card = read_card((Path(__file__).parents[2] / "model_cards" / name / "README.md").read_text("utf-8"))
    assert card.digests == digest_card(card)


def test_rates_are_drawn_from_0_to_100(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: drawn.append(figure))
    history = [
        {"epoch": 1, "eval_loss": 2.0, "eval_chrf": 35.0, "eval_exact_match": 0.25, "eval_accuracy": 0.5},
        {"epoch": 2, "eval_loss": 1.0, "eval_chrf": 70.0, "eval_exact_match": 0.75, "eval_accuracy": 1.0},
    ]
    draw_curves(history, tmp_path / "curves.png")
    losses, scores = drawn[0].axes
    assert [line.get_ydata().tolist() for line in losses.lines] == [[2, 1]]
    curves = {line.get_label(): line.get_ydata().tolist() for line in scores.lines}
    assert curves == {"chrF": [35, 70], "exact match": [25, 75], "accuracy": [50, 100]}
