# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Registers every model, image processor and pipeline with transformers, without importing torch before it is needed.

`import transformers` alone brings no torch; its Auto classes do. So what transformers has not imported yet is
registered once it has: a finder notes when the modules named here begin and end, and nothing of ours is imported while
one that our files import, or one of ours, is still half made. It also names the extra that a module of ours lacks.
"""

import importlib
import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

from ._extras import name_extra


# model type -> its package, its config class, and its class for each Auto class
FAMILIES = {
    "bahdanau": (
        "hf_attention.models.bahdanau",
        "BahdanauConfig",
        {"AutoModel": "BahdanauModel", "AutoModelForSeq2SeqLM": "BahdanauForConditionalGeneration"},
    ),
    "compact_vit": (
        "hf_attention.models.compact_vit",
        "CompactVitConfig",
        {
            "AutoModel": "CompactVitModel",
            "AutoBackbone": "CompactVitBackbone",
            "AutoModelForImageClassification": "CompactVitForImageClassification",
            "AutoModelForMaskedImageModeling": "CompactVitForMaskedImageModeling",
        },
    ),
    "attention_cnn": (
        "hf_attention.models.attention_cnn",
        "AttentionCnnConfig",
        {
            "AutoModel": "AttentionCnnModel",
            "AutoModelForImageClassification": "AttentionCnnForImageClassification",
        },
    ),
    "recurrent_attention": (
        "hf_attention.models.recurrent_attention",
        "RecurrentAttentionConfig",
        {
            "AutoModel": "RecurrentAttentionModel",
            "AutoModelForImageClassification": "RecurrentAttentionForImageClassification",
        },
    ),
}
# model type -> the package of its image processor, which families may share, and its class for each backend
COMPACT_VIT_PROCESSORS = ("hf_attention.models.compact_vit", {"pil": "CompactVitImageProcessorPil"})
IMAGE_PROCESSORS = dict.fromkeys(("compact_vit", "attention_cnn", "recurrent_attention"), COMPACT_VIT_PROCESSORS)
PIPELINE = "hf_attention.interpret.translation_pipeline"

AUTO_CONFIG = "transformers.models.auto.configuration_auto"
AUTO_MODEL = "transformers.models.auto.modeling_auto"
AUTO_IMAGE_PROCESSOR = "transformers.models.auto.image_processing_auto"
PIPELINES = "transformers.pipelines"
# modules that our files import, and that import the Auto classes on their way
SHARED = {
    "transformers.modeling_layers",
    "transformers.backbone_utils",
    "transformers.image_processing_backends",
    f"{PIPELINES}.base",
    PIPELINES,
}
MODELING = {f"{package}.modeling_{model_type}": model_type for model_type, (package, _, _) in FAMILIES.items()}


class ImportWatch(MetaPathFinder):
    """Registers what can be, each time a watched module has been imported."""

    watched = SHARED | {AUTO_CONFIG, AUTO_MODEL, AUTO_IMAGE_PROCESSOR}
    ours = "hf_attention."

    def __init__(self):
        self.running = set()
        self.registered = set()

    def find_spec(self, fullname, path=None, target=None):
        if fullname in self.running or not (fullname in self.watched or fullname.startswith(self.ours)):
            return None
        self.running.add(fullname)  # the search below asks here too
        try:
            spec = find_spec(fullname)
        finally:
            self.running.discard(fullname)
        if spec is None or spec.loader is None:  # no such module, or a folder without code
            return spec
        exec_module = spec.loader.exec_module

        def exec_module_and_register(module):
            self.running.add(fullname)
            try:
                exec_module(module)
            except ModuleNotFoundError as error:
                if fullname.startswith(self.ours):
                    name_extra(fullname, error)
                raise
            finally:
                self.running.discard(fullname)
            self.register()

        spec.loader.exec_module = exec_module_and_register
        return spec

    def is_imported(self, name: str) -> bool:
        return name in sys.modules and name not in self.running

    def register(self):
        """Registers, once each, what transformers and we have imported."""
        if any(name in SHARED or name.startswith(self.ours) for name in self.running):
            return
        if self.is_imported(AUTO_CONFIG):
            self.once("configs", register_configs)
        if self.is_imported(AUTO_MODEL):
            for name in MODELING:
                self.once(name, lambda name=name: importlib.import_module(name))
            for name, model_type in MODELING.items():
                if self.is_imported(name):
                    self.once(model_type, lambda model_type=model_type: register_family(model_type))
        if self.is_imported(AUTO_IMAGE_PROCESSOR):
            self.once(AUTO_IMAGE_PROCESSOR, register_image_processors)
        if self.is_imported(PIPELINES):
            self.once(PIPELINES, lambda: importlib.import_module(PIPELINE))
            if self.is_imported(PIPELINE):
                self.once(PIPELINE, lambda: importlib.import_module(PIPELINE).register())

    def once(self, step: str, action):
        if step not in self.registered:
            self.registered.add(step)
            action()


def register_configs():
    auto_config = importlib.import_module(AUTO_CONFIG).AutoConfig
    for model_type, (package, config_name, _) in FAMILIES.items():
        config_class = getattr(importlib.import_module(package), config_name)
        auto_config.register(model_type, config_class, exist_ok=True)


def register_family(model_type: str):
    modeling_auto = importlib.import_module(AUTO_MODEL)
    package, config_name, model_names = FAMILIES[model_type]
    module = importlib.import_module(package)
    for auto_name, model_name in model_names.items():
        model_class = getattr(module, model_name)
        getattr(modeling_auto, auto_name).register(getattr(module, config_name), model_class, exist_ok=True)


def register_image_processors():
    is_vision_available = importlib.import_module("transformers.utils").is_vision_available
    if not is_vision_available():  # without Pillow the processor is a dummy, which raises whatever it is asked
        return
    auto_image_processor = importlib.import_module(AUTO_IMAGE_PROCESSOR).AutoImageProcessor
    for model_type, (processor_package, names) in IMAGE_PROCESSORS.items():
        package, config_name, _ = FAMILIES[model_type]
        module = importlib.import_module(processor_package)
        classes = {backend: getattr(module, name) for backend, name in names.items()}
        config_class = getattr(importlib.import_module(package), config_name)
        auto_image_processor.register(config_class, image_processor_classes=classes, exist_ok=True)


WATCH = ImportWatch()


def register():
    """Registers now with what transformers has imported, and with the rest when it does. Safe to call again."""
    if WATCH not in sys.meta_path:
        sys.meta_path.insert(0, WATCH)
    WATCH.register()
