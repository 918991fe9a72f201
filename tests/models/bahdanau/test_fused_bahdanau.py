# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import shutil
from functools import partial

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.models.bahdanau import fused_bahdanau, layers_bahdanau
from hf_attention.models.bahdanau.layers_bahdanau import BahdanauAttentiveLayer


pytestmark = pytest.mark.usefixtures("small_products_by_onednn")


SIZES = {"vocab_size": 20, "embedding_size": 6, "hidden_size": 12, "attention_size": 10, "encoder_hidden_size": 4}


def make(dtype=torch.double, **options) -> BahdanauAttentiveLayer:
    torch.manual_seed(0)
    layer = BahdanauAttentiveLayer(BahdanauConfig(**SIZES, **options)).to(dtype)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer


def make_inputs(dtype=torch.double, length=5, source_length=7):
    torch.manual_seed(1)
    shapes = ((3, length, 6), (3, 12), (3, source_length, 10), (3, source_length, 8))
    mask = torch.ones(3, source_length, dtype=torch.long)
    mask[0, 4:], mask[1, :2], mask[2] = 0, 0, 0  # padded on the right, on the left, and padding alone
    return [torch.randn(*shape, dtype=dtype, requires_grad=True) for shape in shapes], mask


def run(layer, inputs, mask, is_fused: bool, monkeypatch):
    with monkeypatch.context() as patch:
        if not is_fused:
            patch.setattr(BahdanauAttentiveLayer, "can_fuse", lambda *_: False)
        return layer(*inputs, mask)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("is_masked", [True, False])
def test_values_and_gradients_are_the_loops(use_bias, is_masked, monkeypatch):
    layer, (inputs, mask) = make(use_bias=use_bias), make_inputs()
    found = []
    for is_fused in (True, False):
        outputs = run(layer, inputs, mask if is_masked else None, is_fused, monkeypatch)
        torch.manual_seed(2)
        loss = sum((output * torch.randn(output.shape, dtype=output.dtype)).sum() for output in outputs)
        found.append((outputs, torch.autograd.grad(loss, [*inputs, *used(layer)])))
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)


STEPS = (fused_bahdanau.step_forward, fused_bahdanau.step_backward)
CPP = pytest.mark.skipif(shutil.which("g++") is None, reason="inductor compiles C++ with g++")


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=CPP)])
def test_compiled_steps_are_the_same_in_one_graph(backend, monkeypatch):
    torch.compiler.reset()
    layer, (inputs, mask) = make(), make_inputs()
    lengths, apply = torch.tensor([5, 2, 4]), fused_bahdanau.AttentiveGru.apply  # steps of 3, 3, 2, 2 and 1 targets
    compiled = tuple(torch.compile(step, backend=backend, fullgraph=True) for step in STEPS)
    monkeypatch.setattr(fused_bahdanau, "compiled_steps", lambda: compiled)
    found = []
    for is_compiled in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(fused_bahdanau.AttentiveGru, "apply", partial(choose, apply, is_compiled))
            outputs = layer(*inputs, mask, lengths=lengths)
        loss = sum(output.square().sum() for output in outputs)
        found.append((outputs, torch.autograd.grad(loss, [*inputs, *used(layer)])))
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)


def choose(apply, is_compiled, *given):
    return apply(*given[:-1], is_compiled)


def used(layer) -> list[nn.Parameter]:
    """Parameters of the layer's own loop; the keys are made outside."""
    return [parameter for name, parameter in layer.named_parameters() if "key_proj" not in name]


def test_gradients_by_differences():
    layer, (inputs, mask) = make(), make_inputs(length=3)
    assert torch.autograd.gradcheck(lambda *given: layer(*given, mask), inputs, atol=1e-6)


def test_is_used_where_it_can_be_and_nowhere_else(monkeypatch):
    calls = []
    original = layers_bahdanau.AttentiveGru.apply
    monkeypatch.setattr(layers_bahdanau.AttentiveGru, "apply", lambda *given: calls.append(1) or original(*given))

    def uses(layer, inputs, mask=None) -> bool:
        calls.clear()
        layer(*inputs, mask)
        return bool(calls)

    inputs, mask = make_inputs()
    assert uses(make(), inputs, mask)
    with torch.no_grad():
        assert uses(make(), inputs, mask)
    assert not uses(make(reset_after=False), inputs)
    assert not uses(make(cell_type="rnn"), inputs)
    one_step, _ = make_inputs(length=1)
    assert not uses(make(), one_step)
    for part in ("cell.recurrent", "cell", "attention", "attention.score"):
        hooked, replaced = make(), make()
        hooked.get_submodule(part).register_forward_hook(lambda *_: None)
        assert not uses(hooked, inputs)
        module = replaced.get_submodule(part)  # as accelerate does
        module.forward = module.forward
        assert not uses(replaced, inputs)
    # a mask over the target's steps
    calls.clear()
    make()(*inputs, mask, torch.ones(3, 5))
    assert not calls


def test_lora_is_heard(monkeypatch):
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    model = BahdanauForConditionalGeneration(BahdanauConfig(**SIZES, **ids)).eval()
    given = {"input_ids": torch.tensor([[3, 4, 2]]), "labels": torch.tensor([[5, 6, 2]])}
    adapted = get_peft_model(model, LoraConfig(target_modules=["recurrent", "query_proj"], init_lora_weights=False))
    with torch.no_grad():
        with_adapter = adapted(**given).logits
        with adapted.disable_adapter():
            without = adapted(**given).logits
    assert not torch.equal(with_adapter, without)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_other_precisions(dtype, tolerance, monkeypatch):
    exact, (inputs, mask) = make(), make_inputs()
    expected = exact(*inputs, mask)
    layer = make().to(dtype)
    found = layer(*[tensor.to(dtype) for tensor in inputs], mask)
    for output, reference in zip(found, expected):
        assert output.dtype == dtype
        torch.testing.assert_close(output.double(), reference, rtol=tolerance, atol=tolerance)


def test_under_autocast(monkeypatch):
    layer, (inputs, mask) = make(torch.float32), make_inputs(torch.float32)
    gradients = []
    for is_fused in (True, False):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = run(layer, inputs, mask, is_fused, monkeypatch)
        loss = sum(output.float().square().sum() for output in outputs)
        gradients.append(torch.autograd.grad(loss, [*inputs, *used(layer)]))
    for fused, plain in zip(*gradients):
        assert fused.dtype == plain.dtype == torch.float32
        assert torch.nn.functional.cosine_similarity(fused.flatten(), plain.flatten(), dim=0) > 0.99


def test_large_scores_saturate_as_tanh_does(monkeypatch):
    layer, (inputs, mask) = make(), make_inputs()
    with torch.no_grad():
        inputs[2].mul_(200)
    fused, plain = (run(layer, inputs, mask, is_fused, monkeypatch) for is_fused in (True, False))
    torch.testing.assert_close(fused, plain, rtol=1e-8, atol=1e-10)


def test_nothing_of_the_source_times_the_target_is_kept(monkeypatch):
    """What autograd saves grows by a target step as much as without attention's hidden layer."""
    layer = make()

    def saved(length: int, is_fused: bool) -> int:
        seen = {}
        inputs, mask = make_inputs(length=length, source_length=70)

        def pack(tensor):
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            run(layer, inputs, mask, is_fused, monkeypatch)
        return sum(seen.values())

    hidden_layer = 3 * 70 * 10 * 8  # B * S * A in bytes
    for is_fused in (True, False):
        assert saved(21, is_fused) - saved(11, is_fused) < 5 * hidden_layer
    monkeypatch.setattr(layers_bahdanau, "is_plain", lambda _: False)  # as it is written
    assert saved(21, False) - saved(11, False) > 10 * hidden_layer


@pytest.mark.parametrize(
    "options", [{}, {"reset_after": False}, {"cell_type": "lstm"}, {"attention_query": "current"}]
)
def test_scores_that_keep_no_hidden_layer(options, monkeypatch):
    """Of every decoder, values and gradients, beside the layer as it is written."""
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    torch.manual_seed(0)
    model = BahdanauForConditionalGeneration(BahdanauConfig(**SIZES, **ids, **options)).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    given = {"input_ids": torch.randint(3, 20, (3, 7)), "labels": torch.randint(3, 20, (3, 5))}
    given["attention_mask"] = torch.ones_like(given["input_ids"])
    given["attention_mask"][0, 4:] = given["attention_mask"][1, :2] = 0
    monkeypatch.setattr(BahdanauAttentiveLayer, "can_fuse", lambda *_: False)
    found, calls = [], []
    apply = layers_bahdanau.AdditiveScores.apply
    monkeypatch.setattr(layers_bahdanau.AdditiveScores, "apply", lambda *args: calls.append(1) or apply(*args))
    for is_plain in (True, False):
        with monkeypatch.context() as patch:
            if is_plain:
                patch.setattr(layers_bahdanau, "is_plain", lambda _: False)
            outputs = model(**given, output_attentions=True)
        gradients = torch.autograd.grad(outputs.loss, list(model.parameters()))
        found.append((outputs.loss, outputs.cross_attentions, gradients))
        assert bool(calls) != is_plain
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-9)


def test_gradients_of_scores_by_differences():
    torch.manual_seed(0)
    shapes = ((2, 3, 4), (2, 5, 4), (4,))
    given = [torch.randn(*shape, dtype=torch.double, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(layers_bahdanau.AdditiveScores.apply, given)


def test_without_input_feeding_a_target_is_one_call():
    """The state that follows attends: the recurrence waits for nothing."""
    config = BahdanauConfig(**SIZES, attention_query="current", readout_type="tanh", cell_type="lstm")
    model, calls = BahdanauForConditionalGeneration(config), []
    model.model.decoder.layers[0].unit.register_forward_hook(lambda *_: calls.append(1))
    model(input_ids=torch.tensor([[3, 4, 2]]), labels=torch.tensor([[5, 6, 7, 2]])).loss.backward()
    assert len(calls) == 1


def test_scores_that_float32_could_not_hold_as_exponentials():
    """exp(2 * 55) and exp(-2 * 55) multiply to 1, but float32 ends at exp(88)."""
    layer, (inputs, mask) = make(torch.float32), make_inputs(torch.float32)
    with torch.no_grad():
        layer.attention.query_proj.weight.zero_()
        layer.attention.query_proj.bias.fill_(-55.0)
        inputs[2].fill_(55.0)
    *outputs, weights = layer(*inputs, mask)
    assert all(output.isfinite().all() for output in outputs)
    torch.testing.assert_close(weights[0, :, :4], torch.full((5, 4), 0.25))
