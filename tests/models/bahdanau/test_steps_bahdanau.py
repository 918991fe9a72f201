# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import shutil

import pytest
import torch
from test_generation_bahdanau import make_ending_model
from test_modeling_bahdanau import KINDS, name_of
from transformers import CompileConfig

from hf_attention.models.bahdanau import steps_bahdanau


pytestmark = pytest.mark.usefixtures("small_products_by_onednn")


@pytest.fixture
def compiler():
    """Compiled code of other tests counts against the limit of recompilations."""
    torch.compiler.reset()
    steps_bahdanau.COMPILED.clear()


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("options", KINDS, ids=name_of)
@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_compiled_step_is_one_graph_of_one_shape(options, num_beams):
    shapes = []

    def backend(graph, inputs, **kwargs):
        def run(*given):
            shapes.append([value.shape for value in given if isinstance(value, torch.Tensor)])
            return graph(*given)

        return run

    config = CompileConfig(backend=backend, fullgraph=True)
    model, inputs = make_ending_model(**options)
    model.generate(**inputs, max_new_tokens=3, num_beams=num_beams, compile_config=config)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for end in (0.0, 2.0, 5.0):
            model, inputs = make_ending_model(end, **options)
            asked = {**inputs, "max_new_tokens": 12, "num_beams": num_beams}
            steps = len(shapes)
            found = model.generate(**asked, compile_config=config)
            steps = len(shapes) - steps
            assert torch.equal(found, model.generate(**asked))
            assert torch.equal(found, model.generate(**asked, compile_config=config, disable_compile=True))
            assert steps >= found.shape[1] - 1
    assert all(shape == shapes[0] for shape in shapes)  # sentences that have ended stay


@pytest.mark.usefixtures("compiler")
def test_a_compiled_step_under_autocast():
    model, inputs = make_ending_model()
    config = CompileConfig(backend="aot_eager", fullgraph=True)
    asked = {**inputs, "max_new_tokens": 5, "eos_token_id": None}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.generate(**asked, compile_config=config), model.generate(**asked))


@pytest.mark.usefixtures("compiler")
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor compiles C++ with g++")
def test_inductor_finds_the_same():
    model, inputs = make_ending_model()
    found = model.generate(**inputs, max_new_tokens=12, compile_config=CompileConfig(fullgraph=True))
    assert torch.equal(found, model.generate(**inputs, max_new_tokens=12))


@pytest.mark.usefixtures("compiler")
def test_without_a_compiler(monkeypatch):
    from torch._inductor import config

    warned = []
    monkeypatch.setattr(steps_bahdanau.logger, "warning_once", warned.append)
    model, inputs = make_ending_model()
    with config.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}):
        for _ in range(2):
            found = model.generate(**inputs, max_new_tokens=5, compile_config=CompileConfig())
            assert torch.equal(found, model.generate(**inputs, max_new_tokens=5))
    assert len(warned) == 1 and "the step does not compile here" in warned[0] and "no-such-compiler" in warned[0]
