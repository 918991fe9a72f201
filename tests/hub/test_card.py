# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
import json
from types import SimpleNamespace

import pytest
import torch
from fresh_process import run
from huggingface_hub import ModelCard
from PIL import Image

import hf_attention
from hf_attention.hub.card import describe_device, describe_versions
from hf_attention.hub.translation_card import write_translation_card
from hf_attention.training.arguments import TranslationTrainingArguments


def test_card_says_what_the_run_measured(small_run):
    folder, results = small_run
    card = ModelCard.load(folder / "README.md")
    data = card.data
    assert (data.library_name, data.pipeline_tag, data.license) == ("transformers", "translation", "apache-2.0")
    assert {"ko", "en", "de", "ar"} <= set(data.language) and "bahdanau" in data.tags
    found = {result.metric_type: result.metric_value for result in data.eval_results}
    for name in ("bleu", "chrf", "exact_match", "alignment_error"):
        assert found[name] == pytest.approx(results[f"test_{name}"], abs=1e-5)
    text = card.text
    assert f"| BLEU | {results['test_bleu']:.2f} |" in text
    assert f"| alignment error | {results['test_alignment_error']:.4f} |" in text
    assert "tok:13a" in text and "train 400, validation 40, test 40 pairs" in text
    assert (
        "| learning_rate | 0.003 |" in text
        and "| steps | 30 |" in text
        and "| lr_scheduler_type | linear |" in text
        and "| `hidden_size` | `128` |" in text
    )
    assert describe_versions() in text
    assert 'model="bahdanau-small"' in text and "trust_remote_code=True" in text
    assert "{{" not in text and "{%" not in text and "More information needed" not in text


@pytest.mark.parametrize(
    "device, expected", [("cpu", "3 CPU threads"), ("cuda:0", "NVIDIA H200"), ("mps", "MPS"), ("xpu:1", "XPU")]
)
def test_device(device, expected, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "NVIDIA H200")
    assert describe_device(SimpleNamespace(device=torch.device(device))) == expected


def test_versions_of_a_copy_that_is_not_installed():
    """As where the package is on PYTHONPATH, or in a Space."""
    code = "import importlib.metadata as metadata; find = metadata.Distribution.from_name\n"
    code += "def from_name(name):\n    if name == 'hf_attention':\n        raise metadata.PackageNotFoundError(name)\n"
    code += "    return find(name)\nmetadata.Distribution.from_name = from_name\n"
    code += "from hf_attention.hub.card import describe_versions; print(describe_versions())"
    assert run(code).startswith(f"hf_attention {hf_attention.__version__}, transformers ")


def test_pictures_are_there(small_run):
    folder, _ = small_run
    text = (folder / "README.md").read_text()
    for name in ("assets/alignment.png", "assets/curves.png"):
        assert f"]({name})" in text
        picture = Image.open(folder / name).convert("L")
        assert picture.width > 300 and len(set(picture.get_flattened_data())) > 20


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="all_results.json"):
        write_translation_card(
            str(tmp_path),
            None,
            TranslationTrainingArguments(output_dir=str(tmp_path)),
            [],
            example="a",
            data_name="x",
            data_description="",
            test_size=1,
            num_beams=1,
        )
    assert not list(tmp_path.iterdir())


def test_model_cards_in_the_repository_were_made_by_the_writer():
    from pathlib import Path

    root = Path(__file__).parents[2] / "model_cards"
    card = ModelCard.load(root / "bahdanau-dates" / "README.md")
    state = json.loads((root / "bahdanau-dates" / "all_results.json").read_text())
    for result in card.data.eval_results:
        assert result.metric_value == pytest.approx(state[f"test_{result.metric_type}"], abs=1e-5)
