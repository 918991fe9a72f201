# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.models.bahdanau.fused_bahdanau import AttentiveGru, BahdanauFusedDecoderLayer


SIZES = {"vocab_size": 20, "embedding_size": 6, "hidden_size": 12, "attention_size": 10, "encoder_hidden_size": 4}


def make(dtype=torch.double, **options) -> BahdanauFusedDecoderLayer:
    torch.manual_seed(0)
    layer = BahdanauFusedDecoderLayer(BahdanauConfig(**SIZES, **options)).to(dtype)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer


def make_inputs(dtype=torch.double, length=5, source_length=7):
    torch.manual_seed(1)
    shapes = ((3, length, 6), (3, 12), (3, source_length, 10), (3, source_length, 8))
    mask = torch.ones(3, source_length, dtype=torch.long)
    mask[0, 4:], mask[1, :2], mask[2] = 0, 0, 0  # padded on the right, on the left, and padding alone
    return [torch.randn(*shape, dtype=dtype, requires_grad=True) for shape in shapes], mask


def run(layer, inputs, mask, fused: bool):
    layer.config.fused = fused
    return layer(*inputs, mask)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("is_masked", [True, False])
@pytest.mark.parametrize("heads", [1, 2])
def test_values_and_gradients_are_the_loops(use_bias, is_masked, heads):
    layer, (inputs, mask) = make(use_bias=use_bias, num_attention_heads=heads), make_inputs()
    results = []
    for is_fused in (True, False):
        outputs = run(layer, inputs, mask if is_masked else None, is_fused)
        torch.manual_seed(2)
        loss = sum((output * torch.randn(output.shape, dtype=output.dtype)).sum() for output in outputs)
        results.append((outputs, torch.autograd.grad(loss, [*inputs, *used(layer)])))
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("heads", [1, 2])
def test_targets_of_several_lengths_are_packed(heads):
    """Values and gradients up to each target's length are the loop's; what follows is zero."""
    layer, (inputs, mask) = make(num_attention_heads=heads), make_inputs()
    lengths = torch.tensor([5, 2, 4])  # steps of 3, 3, 2, 2 and 1 targets
    is_kept = torch.arange(5) < lengths[:, None]
    results = []
    for fused in (True, False):
        layer.config.fused = fused
        states, _, contexts, weights = layer(*inputs, mask, lengths=lengths)
        weights = weights.flatten(2)
        outputs = [output * is_kept.unsqueeze(-1) for output in (states, contexts, weights)]
        loss = sum(output.square().sum() for output in outputs)
        results.append((outputs, torch.autograd.grad(loss, [*inputs, *used(layer)])))
        if fused:
            assert all(torch.equal(output, kept) for output, kept in zip((states, contexts, weights), outputs))
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)


def test_second_derivatives_exist_without_the_fast_path():
    layer, (inputs, mask) = make(fused=False), make_inputs(length=2, source_length=3)
    inputs = [given[:1] for given in inputs]
    assert torch.autograd.gradgradcheck(lambda *given: layer(*given, mask[:1, :3]), inputs, atol=1e-6)


def used(layer) -> list[nn.Parameter]:
    """Parameters of the layer's own loop; the keys are computed outside."""
    return [parameter for name, parameter in layer.named_parameters() if "key_proj" not in name]


def test_gradients_by_differences():
    layer, (inputs, mask) = make(), make_inputs(length=3)
    assert torch.autograd.gradcheck(lambda *given: layer(*given, mask), inputs, atol=1e-6)


def test_is_used_where_it_can_be_and_nowhere_else(monkeypatch):
    calls = []
    original = AttentiveGru.apply
    monkeypatch.setattr(AttentiveGru, "apply", lambda *given: calls.append(1) or original(*given))

    def uses(layer, inputs, mask=None) -> bool:
        calls.clear()
        layer(*inputs, mask)
        return bool(calls)

    inputs, mask = make_inputs()
    assert uses(make(), inputs, mask)
    with torch.no_grad():
        assert uses(make(), inputs, mask)
    assert not uses(make(fused=False), inputs, mask)
    assert not uses(make(reset_after=False), inputs)
    assert not uses(make(cell_type="rnn"), inputs)
    assert uses(make(num_attention_heads=2), inputs)
    assert not uses(make(attention_function="entmax15"), inputs)
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


def test_lora_adapters_are_used():
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
def test_other_precisions(dtype, tolerance):
    exact, (inputs, mask) = make(), make_inputs()
    expected = exact(*inputs, mask)
    layer = make().to(dtype)
    results = layer(*[tensor.to(dtype) for tensor in inputs], mask)
    for output, reference in zip(results, expected):
        assert output.dtype == dtype
        torch.testing.assert_close(output.double(), reference, rtol=tolerance, atol=tolerance)


def test_under_autocast():
    layer, (inputs, mask) = make(torch.float32), make_inputs(torch.float32)
    gradients = []
    for is_fused in (True, False):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = run(layer, inputs, mask, is_fused)
        loss = sum(output.float().square().sum() for output in outputs)
        gradients.append(torch.autograd.grad(loss, [*inputs, *used(layer)]))
    for fused, plain in zip(*gradients):
        assert fused.dtype == plain.dtype == torch.float32
        assert torch.nn.functional.cosine_similarity(fused.flatten(), plain.flatten(), dim=0) > 0.99


def test_large_scores_saturate_as_tanh_does():
    layer, (inputs, mask) = make(), make_inputs()
    with torch.no_grad():
        inputs[2].mul_(200)
    fused, plain = (run(layer, inputs, mask, is_fused) for is_fused in (True, False))
    torch.testing.assert_close(fused, plain, rtol=1e-8, atol=1e-10)


def test_nothing_of_the_source_times_the_target_is_kept():
    """What autograd saves grows by a target step as much as without attention's hidden layer."""
    layer = make()

    def saved(length: int, is_fused: bool) -> int:
        seen = {}
        inputs, mask = make_inputs(length=length, source_length=70)

        def pack(tensor):
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            run(layer, inputs, mask, is_fused)
        return sum(seen.values())

    hidden_layer = 3 * 70 * 10 * 8  # B * S * A in bytes
    assert saved(21, True) - saved(11, True) < 5 * hidden_layer
    assert saved(21, False) - saved(11, False) > 10 * hidden_layer


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
    torch.testing.assert_close(weights[0, :, 0, :4], torch.full((5, 4), 0.25))
