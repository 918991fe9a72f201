# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import importlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from fresh_process import run, without
from transformers import AutoConfig, AutoModel

import hf_attention


def test_public_names():
    bahdanau = {"BahdanauConfig", "BahdanauModel", "BahdanauForConditionalGeneration"}
    compact_vit = {"CompactVitConfig", "CompactVitModel", "CompactVitBackbone"}
    compact_vit |= {"CompactVitForImageClassification", "CompactVitForMaskedImageModeling"}
    compact_vit |= {"CompactVitImageProcessorPil"}
    attention_cnn = {"AttentionCnnConfig", "AttentionCnnModel", "AttentionCnnForImageClassification"}
    recurrent_attention = {"RecurrentAttentionConfig", "RecurrentAttentionModel"}
    recurrent_attention |= {"RecurrentAttentionForImageClassification"}
    assert set(hf_attention.__all__) == bahdanau | compact_vit | attention_cnn | recurrent_attention
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
    ],
)
def test_options_of_from_pretrained_are_checked(model_type, options, tmp_path):
    AutoModel.from_config(AutoConfig.for_model(model_type)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"`{next(iter(options))}`"):
        AutoModel.from_pretrained(tmp_path, **options)


def test_import_brings_nothing_heavy():
    heavy = ["torch", "datasets", "matplotlib", "evaluate", "sentencepiece", "babel", "hf_attention.models"]
    code = f"import transformers, hf_attention, sys; print([name for name in {heavy} if name in sys.modules])"
    assert run(code) == "[]"


CONFIG = "AutoConfig.for_model('bahdanau', vocab_size=9, embedding_size=4, hidden_size=4)"


FIRST = [
    "import hf_attention; import hf_attention",
    "from transformers import AutoModelForSeq2SeqLM, AutoConfig; import hf_attention",
    "import hf_attention; from transformers import AutoTokenizer, pipeline",
    "import hf_attention; from transformers import BartModel",
    "import hf_attention; import transformers.modeling_layers",
    "import hf_attention; from transformers.backbone_utils import BackboneMixin",
    "import hf_attention; from transformers import Seq2SeqTrainer",
    "from hf_attention.models.bahdanau.modeling_bahdanau import BahdanauModel",
    "from hf_attention.models.bahdanau.layers_bahdanau import BahdanauAttention",
    "from hf_attention.interpret.translation_pipeline import TranslationWithAlignmentPipeline",
    "from hf_attention import BahdanauModel",
    "import importlib, hf_attention; importlib.reload(hf_attention)",
]


@pytest.fixture(scope="module")
def registered():
    """What each order of imports makes of a config, found by two processes at a time."""
    code = "from transformers import AutoConfig, AutoModelForSeq2SeqLM; "
    code += f"print(type(AutoModelForSeq2SeqLM.from_config({CONFIG})).__module__)"
    with ThreadPoolExecutor(2) as pool:
        yield {imports: pool.submit(run, f"{imports}; {code}") for imports in FIRST}


@pytest.mark.parametrize("imports", FIRST)
def test_registered_whatever_is_imported_first(imports, registered):
    assert registered[imports].result() == "hf_attention.models.bahdanau.modeling_bahdanau"


def test_beside_another_plugin():
    code = (
        "import hf_attention; from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel\n"
        "class C(PreTrainedConfig): model_type = 'other'\n"
        "class M(PreTrainedModel): config_class = C\n"
        "AutoConfig.register('other', C); AutoModel.register(C, M)\n"
        f"print(type({CONFIG}).__name__, type(AutoConfig.for_model('other')).__name__)"
    )
    assert run(code) == "BahdanauConfig C"


@pytest.mark.parametrize("first", ["import hf_attention; ", "from hf_attention.interpret import align; "])
def test_pipeline_is_registered(first):
    code = f"{first}from transformers.pipelines import PIPELINE_REGISTRY as r; print(r.get_supported_tasks())"
    assert "translation-with-alignment" in run(code)


def test_pipelines_without_pillow():
    code = without(["PIL"]) + "import hf_attention; from transformers import AutoImageProcessor, pipeline; "
    code += f"from transformers import AutoConfig, AutoModel; print(type(AutoModel.from_config({CONFIG})).__name__)"
    assert run(code) == "BahdanauModel"


@pytest.mark.parametrize("name", ["hf_attention.nope", "hf_attention.hub.nope"])
def test_module_that_is_not_there(name):
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
        importlib.import_module(name)


def test_folder_without_code():
    assert importlib.import_module("hf_attention.hub.templates").__path__


def test_registered_after_a_search():
    code = "import importlib.util, hf_attention; importlib.util.find_spec('hf_attention.models'); "
    code += f"from transformers import AutoConfig; print(type({CONFIG}).__name__)"
    assert run(code) == "BahdanauConfig"


FIRST_FOR_IMAGES = [
    "import hf_attention",
    "from transformers import AutoImageProcessor; import hf_attention",
    "import hf_attention; from transformers.image_processing_backends import PilBackend",
    "import hf_attention; from transformers import ViTImageProcessorPil",
    "import hf_attention; from transformers import pipeline",
    "from hf_attention import CompactVitImageProcessorPil",
]


@pytest.fixture(scope="module")
def registered_processors(small_vision_run):
    code = "from transformers import AutoImageProcessor; "
    code += f"print(type(AutoImageProcessor.from_pretrained({str(small_vision_run[0])!r})).__module__)"
    with ThreadPoolExecutor(2) as pool:
        yield {imports: pool.submit(run, f"{imports}; {code}") for imports in FIRST_FOR_IMAGES}


@pytest.mark.parametrize("imports", FIRST_FOR_IMAGES)
def test_image_processor_is_registered_whatever_is_imported_first(imports, registered_processors):
    found = registered_processors[imports].result()
    assert found == "hf_attention.models.compact_vit.image_processing_pil_compact_vit"
