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
"""
Registers every model and pipeline with transformers, without importing torch before it is needed.

`import transformers` alone brings no torch; its Auto classes do. So where they are not imported yet, registration
waits for the moment they are.
"""

import importlib
import sys
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.util import find_spec


# model type -> its package, its config class, and its class for each Auto class
FAMILIES = {
    "bahdanau": (
        "hf_attention.models.bahdanau",
        "BahdanauConfig",
        {"AutoModel": "BahdanauModel", "AutoModelForSeq2SeqLM": "BahdanauForConditionalGeneration"},
    ),
}
AUTO = "transformers.models.auto"
PIPELINE = "hf_attention.interpret.translation_pipeline"


def register_configs():
    auto_config = importlib.import_module(f"{AUTO}.configuration_auto").AutoConfig
    for model_type, (package, config_name, _) in FAMILIES.items():
        config_class = getattr(importlib.import_module(package), config_name)
        auto_config.register(model_type, config_class, exist_ok=True)
        config_class.register_for_auto_class()


def import_models():
    for model_type, (package, _, _) in FAMILIES.items():
        importlib.import_module(f"{package}.modeling_{model_type}")


def register_family(model_type: str):
    modeling_auto = importlib.import_module(f"{AUTO}.modeling_auto")
    package, config_name, model_names = FAMILIES[model_type]
    module = importlib.import_module(package)
    for auto_name, model_name in model_names.items():
        model_class = getattr(module, model_name)
        getattr(modeling_auto, auto_name).register(getattr(module, config_name), model_class, exist_ok=True)
        model_class.register_for_auto_class(auto_name)


def import_pipelines():
    importlib.import_module(PIPELINE)


def register_pipeline():
    importlib.import_module(PIPELINE).register()


# Our modules import transformers' on their way, so what they hold is registered when they are complete.
TRIGGERS = {
    f"{AUTO}.configuration_auto": register_configs,
    **{
        f"{package}.modeling_{model_type}": partial(register_family, model_type)
        for model_type, (package, _, _) in FAMILIES.items()
    },
    f"{AUTO}.modeling_auto": import_models,
    PIPELINE: register_pipeline,
    "transformers.pipelines": import_pipelines,
}


class AfterImport(MetaPathFinder):
    """Calls a function once, right after a module has been imported."""

    def __init__(self, trigger: str, action):
        self.trigger, self.action = trigger, action

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.trigger:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        exec_module = spec.loader.exec_module

        def exec_module_and_register(module):
            exec_module(module)
            self.action()

        spec.loader.exec_module = exec_module_and_register
        return spec


def register():
    """Registers now with what transformers has imported, and with the rest when it does. Safe to call again."""
    for trigger, action in TRIGGERS.items():
        if trigger in sys.modules:
            action()
        elif not any(isinstance(finder, AfterImport) and finder.trigger == trigger for finder in sys.meta_path):
            sys.meta_path.insert(0, AfterImport(trigger, action))
