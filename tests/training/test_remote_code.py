# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from subprocess_utils import run_code
from transformers import (
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention import (
    AttentionCnnConfig,
    BahdanauForConditionalGeneration,
    CompactVitImageProcessorPil,
    RecurrentAttentionConfig,
)


HIDDEN = """
import sys
sys.modules["hf_attention"] = None  # as where the plugin is not installed
import torch
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM, AutoTokenizer, pipeline
folder, output = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
model = AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True)
assert type(model).__module__.startswith("transformers_modules"), type(model).__module__
batch = tokenizer(["4. März 2005", "<en_US> 3/4/05"], padding=True, return_tensors="pt", return_token_type_ids=False)
with torch.no_grad():
    logits = model(**batch, labels=batch["input_ids"]).logits
    base = AutoModel.from_pretrained(folder, trust_remote_code=True)
    states = base(**batch, decoder_input_ids=batch["input_ids"])[0]
translator = pipeline(model=folder, trust_remote_code=True)
again = translator("4. März 2005")[0]
model.save_pretrained(output + "-saved")
torch.save({"logits": logits, "states": states, "pipeline": again}, output)
"""


@pytest.fixture(scope="module")
def without_the_plugin(small_run, tmp_path_factory):
    output = tmp_path_factory.mktemp("remote") / "outputs.pt"
    run = subprocess.run(
        [sys.executable, "-c", HIDDEN, str(small_run[0]), str(output)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]
    # auto_docstring would print here for every import of a model that transformers does not ship
    assert "[ERROR]" not in run.stdout
    return output


def test_logits_are_the_same_without_the_plugin(small_run, without_the_plugin):
    folder, _ = small_run
    results = torch.load(without_the_plugin)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(
        ["4. März 2005", "<en_US> 3/4/05"], padding=True, return_tensors="pt", return_token_type_ids=False
    )
    with torch.no_grad():
        torch.testing.assert_close(results["logits"], model(**batch, labels=batch["input_ids"]).logits)
        states = AutoModel.from_pretrained(folder)(**batch, decoder_input_ids=batch["input_ids"])[0]
        torch.testing.assert_close(results["states"], states)
    assert results["pipeline"].keys() == {"translation_text", "score", "source_tokens", "target_tokens", "weights"}


def test_a_model_loaded_without_the_plugin_is_saved_with_its_code(small_run, without_the_plugin):
    saved = without_the_plugin.parent / "outputs.pt-saved"
    # a model saved without its pipeline does not name one
    assert "custom_pipelines" not in json.loads((saved / "config.json").read_text())
    family = Path(sys.modules[BahdanauForConditionalGeneration.__module__].__file__).parent
    names = {file.name for file in family.glob("*_bahdanau.py")}
    assert {file.name for file in saved.glob("*.py")} == names
    before, after = (AutoModelForSeq2SeqLM.from_pretrained(folder).state_dict() for folder in (small_run[0], saved))
    assert all(torch.equal(value, after[name]) for name, value in before.items())


HIDDEN_VISION = """
import builtins, sys
sys.modules["hf_attention"] = None
def refuse(*prompt): raise AssertionError(prompt)
builtins.input = refuse  # the user is not asked to trust code
import torch
from PIL import Image
from transformers import AutoBackbone, AutoModel, AutoModelForImageClassification
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from transformers import AutoModelForMaskedImageModeling, pipeline
folder, picture, output = sys.argv[1:]
processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=True)
model = AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True)
for part in (processor, model):
    assert type(part).__module__.startswith("transformers_modules"), type(part).__module__
pixel_values = processor(Image.open(picture), return_tensors="pt")["pixel_values"]
with torch.no_grad():
    outputs = model(pixel_values)
    state = AutoModel.from_pretrained(folder, trust_remote_code=True)(pixel_values).pooler_output
AutoModelForMaskedImageModeling.from_pretrained(folder, trust_remote_code=True)
classifier = pipeline("image-classification", model=folder, trust_remote_code=True)
results = {"logits": outputs.logits, "weights": outputs.pooling_weights, "state": state}
results["best"] = classifier(picture)[0]
model.save_pretrained(output + "-saved")
processor.save_pretrained(output + "-saved")
torch.save(results, output)
"""


def test_a_vision_model_works_without_the_plugin(small_vision_run, tmp_path):
    folder, picture, output = small_vision_run[0], tmp_path / "digit.png", tmp_path / "outputs.pt"
    Image.effect_noise((8, 8), 60).save(picture)
    arguments = [sys.executable, "-c", HIDDEN_VISION, str(folder), str(picture), str(output)]
    run = subprocess.run(arguments, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    results = torch.load(output)
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder)
    pixel_values = processor(Image.open(picture), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        outputs = model(pixel_values)
        torch.testing.assert_close(results["logits"], outputs.logits)
        torch.testing.assert_close(results["weights"], outputs.pooling_weights)
        torch.testing.assert_close(results["state"], AutoModel.from_pretrained(folder)(pixel_values).pooler_output)
    assert results["best"]["label"] == model.config.id2label[int(outputs.logits.argmax())]
    names = {"configuration_compact_vit.py", "image_processing_pil_compact_vit.py", "modeling_compact_vit.py"}
    names |= {"layers_compact_vit.py", "fused_compact_vit.py"}
    assert {file.name for file in (tmp_path / "outputs.pt-saved").glob("*.py")} == names


HIDDEN_LINEAGE = """
import sys
sys.modules["hf_attention"] = None
import torch
from transformers import AutoModel, AutoModelForImageClassification
from transformers.models.auto.image_processing_auto import AutoImageProcessor
results = {}
for folder in sys.argv[2:]:
    processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True)
    for part in (processor, model):
        assert type(part).__module__.startswith("transformers_modules"), type(part).__module__
    pixel_values = torch.linspace(-1, 1, 144).view(1, 1, 12, 12)
    with torch.no_grad():
        state = AutoModel.from_pretrained(folder, trust_remote_code=True)(pixel_values).pooler_output
        results[folder] = {"logits": model(pixel_values).logits, "state": state}
torch.save(results, sys.argv[1])
"""


def test_the_lineage_works_without_the_plugin(tmp_path):
    configs = {
        "glimpses": RecurrentAttentionConfig(image_size=12, glimpse_size=4, num_scales=2, num_labels=3),
        "gates": AttentionCnnConfig(num_channels=1, attention_type="se", spatial_transformer="affine", num_labels=3),
    }
    for name, config in configs.items():
        AutoModelForImageClassification.from_config(config).save_pretrained(tmp_path / name)
        CompactVitImageProcessorPil(num_channels=1).save_pretrained(tmp_path / name)
    folders = [str(tmp_path / name) for name in configs]
    arguments = [sys.executable, "-c", HIDDEN_LINEAGE, str(tmp_path / "outputs.pt"), *folders]
    run = subprocess.run(arguments, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    results = torch.load(tmp_path / "outputs.pt")
    pixel_values = torch.linspace(-1, 1, 144).view(1, 1, 12, 12)
    for folder in folders:
        model = AutoModelForImageClassification.from_pretrained(folder)
        with torch.no_grad():
            torch.testing.assert_close(results[folder]["logits"], model(pixel_values).logits)
            torch.testing.assert_close(results[folder]["state"], model.model(pixel_values).pooler_output)


def test_the_plugin_does_not_ask_to_trust_its_code(small_vision_run, tmp_path):
    Image.effect_noise((8, 8), 60).save(tmp_path / "digit.png")
    code = (
        "import builtins, sys, hf_attention\n"
        "def refuse(*prompt): raise SystemExit('asked')\n"
        "builtins.input = refuse\n"
        "from transformers import pipeline\n"
        "print(pipeline('image-classification', model=sys.argv[1])(sys.argv[2]))"
    )
    arguments = [sys.executable, "-c", code, str(small_vision_run[0]), str(tmp_path / "digit.png")]
    run = subprocess.run(arguments, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "score" in run.stdout, run.stderr[-3000:]


ALONE = {
    "bahdanau": "from hf_attention import BahdanauConfig as C, BahdanauForConditionalGeneration as M\n"
    "M(C.from_preset('tiny', vocab_size=9)).save_pretrained(folder)",
    "compact_vit": "from hf_attention import CompactVitConfig as C, CompactVitForImageClassification as M\n"
    "M(C.from_preset('cct_2_3x2')).save_pretrained(folder)",
    "attention_cnn": "from hf_attention import AttentionCnnConfig as C, AttentionCnnForImageClassification as M\n"
    "M(C()).save_pretrained(folder)",
    "recurrent_attention": "from hf_attention import RecurrentAttentionConfig as C\n"
    "from hf_attention import RecurrentAttentionForImageClassification as M\nM(C()).save_pretrained(folder)",
    "processor": "from transformers import Trainer\nfrom hf_attention import CompactVitImageProcessorPil as P\n"
    "P().save_pretrained(folder)",
}
LOADED = """
import sys
sys.modules["hf_attention"] = None
from pathlib import Path
from transformers import AutoModel
from transformers.models.auto.image_processing_auto import AutoImageProcessor
for folder in folders:
    auto_class = AutoImageProcessor if Path(folder).name == "processor" else AutoModel
    results = auto_class.from_pretrained(folder, trust_remote_code=True)
    assert type(results).__module__.startswith("transformers_modules"), type(results).__module__
"""


def test_code_is_saved_with_the_model_whatever_else_was_imported(tmp_path):
    for name, code in ALONE.items():
        run_code(f"folder = {str(tmp_path / name)!r}\n{code}")
    run_code(f"folders = {[str(tmp_path / name) for name in ALONE]}\n{LOADED}")
