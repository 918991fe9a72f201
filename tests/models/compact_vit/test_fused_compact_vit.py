# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch

from hf_attention import CompactVitConfig, CompactVitForImageClassification
from hf_attention.models.compact_vit import fused_compact_vit
from hf_attention.models.compact_vit.fused_compact_vit import blockwise_attention, uses_blockwise_attention


def make_qkv(batch_size=5, length=7, heads=2, size=3, dtype=torch.double):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch_size, length, 3, heads, size, dtype=dtype, generator=generator).requires_grad_()


def reference_attention(qkv, scaling, mask=None):
    """Equation 1 of Vaswani et al. 2017, head by head and token by token; `mask` multiplies the weights."""
    batch_size, length, _, heads, _ = qkv.shape
    images = []
    for image in range(batch_size):
        tokens = []
        for token in range(length):
            contexts = []
            for head in range(heads):
                query, keys, values = qkv[image, token, 0, head], qkv[image, :, 1, head], qkv[image, :, 2, head]
                weights = torch.exp(keys @ query * scaling)
                weights = weights / weights.sum()
                if mask is not None:
                    weights = weights * mask[image, head, token]
                contexts.append(weights @ values)
            tokens.append(torch.stack(contexts))
        images.append(torch.stack(tokens))
    return torch.stack(images)


def gradient(outputs, qkv):
    upstream = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad(outputs, qkv, upstream.to(outputs.dtype))[0]


@pytest.fixture(params=[1, 10**6], ids=["one image per block", "one block"])
def cache(request, monkeypatch):
    monkeypatch.setattr(fused_compact_vit, "CACHE_BYTES", request.param)


@pytest.mark.usefixtures("cache")
def test_values_and_gradients_match_the_equations():
    qkv = make_qkv()
    outputs, expected = blockwise_attention(qkv, 0.7), reference_attention(qkv, 0.7)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(gradient(outputs, qkv), gradient(expected, qkv))


def observe_mask(length, rate, batch_size=3, heads=2):
    """Returns the mask of the dropout: with zero queries and one-hot values, the outputs are the masked weights."""
    qkv = torch.zeros(batch_size, length, 3, heads, length)
    qkv[:, :, 2] = torch.eye(length).unsqueeze(1)
    return blockwise_attention(qkv, 1.0, rate).transpose(1, 2) * length  # (B, heads, N, N)


@pytest.mark.usefixtures("cache")
def test_values_and_gradients_with_dropout_match_the_equations():
    # `observe_mask` needs values as wide as there are tokens; with these sizes, the same seed draws the same mask
    torch.manual_seed(3)
    mask = observe_mask(6, 0.3, batch_size=5).double()
    qkv = make_qkv(length=6, size=6)
    torch.manual_seed(3)
    outputs, expected = blockwise_attention(qkv, 0.7, 0.3), reference_attention(qkv, 0.7, mask)
    torch.testing.assert_close(outputs, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient(outputs, qkv), gradient(expected, qkv), rtol=1e-6, atol=1e-6)
    assert not torch.allclose(blockwise_attention(qkv, 0.7, 0.3), outputs)  # another mask


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_weights_are_dropped_independently_and_with_equal_probability(rate):
    torch.manual_seed(0)
    mask = observe_mask(128, rate, batch_size=8)
    assert mask.unique().tolist() == pytest.approx([0, 1 / (1 - rate)], rel=1e-3)
    kept = mask > 0
    shares = [kept.flatten()[lane::8].float().mean().item() for lane in range(8)]  # eight draws share one random word
    assert shares == pytest.approx([1 - rate] * 8, abs=0.015)
    flat = kept.flatten(0, 1).flatten(1).float()  # (B * heads, N * N)
    correlation = torch.corrcoef(flat).fill_diagonal_(0)
    assert correlation.abs().max() < 0.05  # no head or image repeats the mask of another
    assert torch.corrcoef(torch.stack([flat[:, :-1].flatten(), flat[:, 1:].flatten()]))[0, 1].abs() < 0.02


@pytest.mark.parametrize("rate", [0.002, 0.1, 0.999])
def test_dropout_rate_is_exact(rate):
    """Comparing 8 bits only would round a rate of 0.1 to 26 / 256, which is off by many standard deviations."""
    torch.manual_seed(0)
    kept = (observe_mask(64, rate, batch_size=400) > 0).double().flatten(1)  # (B, heads * N * N)
    deviation = (rate * (1 - rate) / kept.shape[1]) ** 0.5
    assert kept.mean().item() == pytest.approx(1 - rate, abs=4 * deviation / 20)
    assert kept.mean(dim=1).std().item() == pytest.approx(deviation, rel=0.2)


def test_dropout_does_not_depend_on_the_number_of_threads():
    threads, results = torch.get_num_threads(), []
    qkv = make_qkv(batch_size=6, length=65, heads=4, dtype=torch.float32)  # 66 KiB of weights per image
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fused_compact_vit, "CACHE_BYTES", 2**17)
            for forward, backward in ((1, 1), (1, 2), (2, 1)):
                torch.manual_seed(0)
                torch.set_num_threads(forward)
                outputs = blockwise_attention(qkv, 0.7, 0.1)
                torch.set_num_threads(backward)
                results.append((outputs, gradient(outputs, qkv)))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


def test_bfloat16_matches_float64_up_to_its_rounding():
    half = make_qkv(length=64, size=16).detach().bfloat16().requires_grad_()
    exact = half.detach().double().requires_grad_()
    outputs, expected = blockwise_attention(half, 0.25), blockwise_attention(exact, 0.25)
    assert outputs.dtype == torch.bfloat16
    tolerance = 8 * torch.finfo(torch.bfloat16).eps
    torch.testing.assert_close(outputs.double(), expected, rtol=tolerance, atol=tolerance)
    gradients = gradient(outputs, half).double(), gradient(expected, exact)
    torch.testing.assert_close(*gradients, rtol=tolerance, atol=tolerance)


def make_model(**options):
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    return CompactVitForImageClassification(CompactVitConfig(image_size=16, num_labels=3, **sizes, **options))


def saved_sizes(model, **inputs) -> list[int]:
    sizes = []
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda value: sizes.append(value.numel()) or value, lambda v: v)
    with hooks:
        model(**inputs)
    return sizes


@pytest.mark.parametrize(
    "implementation, dtype, device, dropout, expected",
    [
        ("sdpa", torch.float32, "cpu", 0.1, True),
        ("sdpa", torch.bfloat16, "cpu", 0.0, True),
        ("sdpa", torch.float32, "cpu", 0.0, False),
        ("sdpa", torch.float32, "meta", 0.1, False),
        ("eager", torch.float32, "cpu", 0.1, False),
        ("flex_attention", torch.float32, "cpu", 0.1, False),
    ],
)
def test_fast_path_is_used_by_sdpa_on_cpu_only(implementation, dtype, device, dropout, expected):
    qkv = torch.empty(2, 5, 3, 2, 4, dtype=dtype, device=device)
    assert uses_blockwise_attention(implementation, qkv, dropout) == expected


def test_no_attention_weights_are_saved_for_the_backward_pass():
    model = make_model(attention_probs_dropout_prob=0.1).train()
    inputs = {"pixel_values": torch.randn(32, 3, 16, 16)}
    weights = 32 * 2 * 64 * 64
    assert max(saved_sizes(model, **inputs)) < weights
    model.set_attn_implementation("eager")
    assert max(saved_sizes(model, **inputs)) >= weights


def test_training_in_bfloat16_has_the_gradients_of_eager_attention():
    model = make_model(attention_probs_dropout_prob=0.0, drop_path_rate=0.0).train()
    images, labels = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 0])
    gradients = {}
    for implementation in ("sdpa", "eager"):
        model.set_attn_implementation(implementation)
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            model(images, labels=labels).loss.backward()
        gradients[implementation] = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    cosine = torch.nn.functional.cosine_similarity(gradients["sdpa"], gradients["eager"], dim=0)
    assert cosine > 0.999


def test_gradient_checkpointing_draws_the_same_dropout_mask():
    model = make_model(attention_probs_dropout_prob=0.3, drop_path_rate=0.0).train()
    images, labels = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 0])
    gradients = []
    for _ in range(2):
        torch.manual_seed(5)
        model.zero_grad()
        model(images, labels=labels).loss.backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
        model.gradient_checkpointing_enable()
    torch.testing.assert_close(*gradients)


def test_second_derivatives_exist_with_eager_attention_and_are_refused_by_the_fast_path():
    model = make_model().double().eval()
    pixels = torch.randn(2, 3, 16, 16, dtype=torch.double, requires_grad=True)

    def penalty():
        (gradient,) = torch.autograd.grad(model(pixels).logits.square().sum(), pixels, create_graph=True)
        return gradient.square().sum()

    model.train()
    with pytest.raises(RuntimeError, match=r'Call `model.set_attn_implementation\("eager"\)`'):
        penalty()
    model.eval().set_attn_implementation("eager")
    (gradient,) = torch.autograd.grad(penalty(), pixels)
    direction, step = torch.randn_like(pixels), 1e-4
    with torch.no_grad():
        ends = [pixels + step * direction, pixels - step * direction]
    values = []
    for end in ends:
        pixels = end.requires_grad_()
        values.append(penalty().detach())
    torch.testing.assert_close((gradient * direction).sum(), (values[0] - values[1]) / (2 * step), rtol=1e-4, atol=0)


def test_functions_of_torch_func_transform_a_model_in_training():
    model = make_model(drop_path_rate=0.0).train()
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(parameters, image):
        return torch.func.functional_call(model, parameters, image[None]).logits.sum()

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0), randomness="different")
    assert gradients(parameters, torch.randn(2, 3, 16, 16))["classifier.bias"].tolist() == [[1, 1, 1], [1, 1, 1]]
