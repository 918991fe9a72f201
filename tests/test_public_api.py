# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import importlib
from pathlib import Path

import pytest
from subprocess_utils import hide_modules, run_code
from transformers import AutoConfig, AutoModel
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from transformers.pipelines import PIPELINE_REGISTRY

import hf_attention


def test_public_names():
    bahdanau = {"BahdanauConfig", "BahdanauModel", "BahdanauForConditionalGeneration", "BahdanauForCausalLM"}
    compact_vit = {"CompactVitConfig", "CompactVitModel", "CompactVitBackbone"}
    compact_vit |= {"CompactVitForImageClassification", "CompactVitForMaskedImageModeling"}
    compact_vit |= {"CompactVitImageProcessorPil"}
    attention_cnn = {"AttentionCnnConfig", "AttentionCnnModel", "AttentionCnnForImageClassification"}
    recurrent_attention = {"RecurrentAttentionConfig", "RecurrentAttentionModel"}
    recurrent_attention |= {"RecurrentAttentionForImageClassification"}
    stacked_attention = {"StackedAttentionConfig", "StackedAttentionModel"}
    stacked_attention |= {"StackedAttentionForVisualQuestionAnswering"}
    families = bahdanau | compact_vit | attention_cnn | recurrent_attention | stacked_attention
    assert set(hf_attention.__all__) == families
    for name in hf_attention.__all__:
        assert getattr(hf_attention, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        hf_attention.Nothing  # noqa: B018


@pytest.mark.parametrize(
    "model_type, options",
    [
        ("bahdanau", {"dropout": 1.5}),
        ("compact_vit", {"token_keep_rate": 70.0}),
        ("attention_cnn", {"hidden_dropout_prob": -0.1}),
        ("recurrent_attention", {"num_glimpses": 0}),
        ("stacked_attention", {"conv_channels": []}),
    ],
)
def test_options_of_from_pretrained_are_checked(model_type, options, tmp_path):
    AutoModel.from_config(AutoConfig.for_model(model_type)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"`{next(iter(options))}`"):
        AutoModel.from_pretrained(tmp_path, **options)


def test_import_adds_little_to_one_modeling_file_of_transformers():
    """Registration imports every family, and nothing that an extra installs."""
    code = "import sys; from transformers import AutoModel; import transformers.models.bart.modeling_bart; "
    code += "before = set(sys.modules); import hf_attention; "
    code += "print(*set(sys.modules) - before)"
    added = run_code(code).split()
    assert len(added) < 100
    assert not {"babel", "datasets", "evaluate", "gradio", "kornia", "matplotlib", "sklearn"} & set(added)


@pytest.mark.parametrize(
    "package", ["hf_attention.faithfulness", "hf_attention.hub", "hf_attention.interpret", "hf_attention.metrics"]
)
def test_lazy_packages_export_what_their_modules_do(package):
    package = importlib.import_module(package)
    folder = Path(package.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    public = {name: getattr(importlib.import_module(f"{package.__name__}.{name}"), "__all__", []) for name in modules}
    assert {name: names for name, names in public.items() if names} == package.EXPORTS
    assert not modules & set(package.__all__), "a function would be hidden by the module of the same name"
    for name in package.__all__:
        assert callable(getattr(package, name))


CONFIG = "AutoConfig.for_model('bahdanau', vocab_size=9, embedding_size=4, hidden_size=4)"


@pytest.mark.parametrize(
    "imports",
    [
        "import hf_attention",
        "from transformers import AutoModelForSeq2SeqLM; import hf_attention; import hf_attention",
        "from hf_attention.models.bahdanau.attention_bahdanau import BahdanauAttention",
        "import importlib, hf_attention; importlib.reload(hf_attention)",
    ],
)
def test_models_are_registered_by_any_import(imports):
    code = f"{imports}; from transformers import AutoConfig, AutoModelForSeq2SeqLM; "
    code += f"print(type(AutoModelForSeq2SeqLM.from_config({CONFIG})).__module__)"
    assert run_code(code) == "hf_attention.models.bahdanau.modeling_bahdanau"


def test_beside_another_plugin():
    code = (
        "import hf_attention; from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel\n"
        "class C(PreTrainedConfig): model_type = 'other'\n"
        "class M(PreTrainedModel): config_class = C\n"
        "AutoConfig.register('other', C); AutoModel.register(C, M)\n"
        f"print(type({CONFIG}).__name__, type(AutoConfig.for_model('other')).__name__)"
    )
    assert run_code(code) == "BahdanauConfig C"


def test_pipeline_is_registered():
    assert "translation-with-alignment" in PIPELINE_REGISTRY.get_supported_tasks()


def test_models_and_pipelines_work_without_pillow():
    code = hide_modules(["PIL"]) + "import hf_attention; from transformers import AutoImageProcessor, pipeline; "
    code += f"from transformers import AutoConfig, AutoModel; print(type(AutoModel.from_config({CONFIG})).__name__)"
    assert run_code(code) == "BahdanauModel"


@pytest.mark.parametrize("name", ["hf_attention.nope", "hf_attention.hub.nope"])
def test_module_that_is_not_there(name):
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
        importlib.import_module(name)


def test_folder_without_code():
    assert importlib.import_module("hf_attention.hub.templates").__path__


@pytest.mark.parametrize("model_type", ["compact_vit", "attention_cnn", "recurrent_attention", "stacked_attention"])
def test_image_processor_is_registered(model_type, tmp_path):
    hf_attention.CompactVitImageProcessorPil().save_pretrained(tmp_path)
    AutoConfig.for_model(model_type).save_pretrained(tmp_path)
    assert type(AutoImageProcessor.from_pretrained(tmp_path)) is hf_attention.CompactVitImageProcessorPil
