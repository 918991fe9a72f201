# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Quantized weights in every family: weights that only linear maps may read, and quantized modules."""

import sys
from pathlib import Path

import pytest
import torch
from small_classifiers import CLASSIFIERS, make_classifier
from torch import nn

from hf_attention import (
    BahdanauConfig,
    BahdanauForCausalLM,
    StackedAttentionConfig,
    StackedAttentionForVisualQuestionAnswering,
)
from hf_attention.models.bahdanau.fused_bahdanau import is_unmodified_linear


sys.path.append(str(Path(__file__).parent / "bahdanau"))

from small_models import KINDS, SIZES, make_batch, make_model, name_of


class LinearOnlyWeight(torch.Tensor):
    """A weight in 8 bits, as torchao has it: `linear` and `embedding` read it, and every other operation fails."""

    @staticmethod
    def __new__(cls, weight):
        return torch.Tensor._make_wrapper_subclass(cls, weight.shape, dtype=weight.dtype, device=weight.device)

    def __init__(self, weight):
        self.scale = weight.detach().abs().amax(dim=1, keepdim=True).clamp_min(1e-6) / 127
        self.integers = (weight.detach() / self.scale).round().to(torch.int8)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function in (nn.functional.linear, nn.functional.embedding):
            args = [given.integers * given.scale if isinstance(given, cls) else given for given in args]
        with torch._C.DisableTorchFunctionSubclass():
            return function(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.detach.default:
            return cls(args[0].integers * args[0].scale)
        raise NotImplementedError(f"{function} of a quantized weight")


def linear_only(model):
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            module.weight = nn.Parameter(LinearOnlyWeight(module.weight), requires_grad=False)
    return model


def dynamic(model):
    if torch.backends.quantized.engine == "none":
        pytest.skip("this build of torch has no quantized modules")
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear, nn.GRU, nn.LSTM}, dtype=torch.qint8)


def torchao(model):
    quantization = pytest.importorskip("torchao.quantization")
    quantization.quantize_(model, quantization.Int8WeightOnlyConfig())
    return model


def quanto(model):
    quanto = pytest.importorskip("optimum.quanto")
    quanto.quantize(model, weights=quanto.qint8)
    quanto.freeze(model)
    return model


def bitsandbytes(model):
    bitsandbytes = pytest.importorskip("bitsandbytes")
    for parent in list(model.modules()):
        for name, linear in list(parent.named_children()):
            if isinstance(linear, nn.Linear):
                sizes = (linear.in_features, linear.out_features, linear.bias is not None)
                quantized = bitsandbytes.nn.Linear8bitLt(*sizes, has_fp16_weights=False)
                quantized.load_state_dict(linear.state_dict())
                setattr(parent, name, quantized.to("cpu"))
    return model


METHODS = [linear_only, dynamic, torchao, quanto, bitsandbytes]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("options", [*KINDS, {"tie_word_embeddings": True, "maxout_size": 5}], ids=name_of)
@torch.no_grad()
def test_translation_models_take_quantized_weights(options, method):
    if method is bitsandbytes and "hard_attention" in options:
        pytest.skip("bitsandbytes' linear maps take up to three dimensions, and hard attention has one more")
    model, batch = make_model(initializer_range=0.2, **options), make_batch()
    before = model(**batch)
    quantized = method(model).eval()
    outputs = quantized(**batch)
    torch.testing.assert_close(outputs.logits, before.logits, rtol=0.1, atol=0.3)
    assert torch.isfinite(outputs.loss)
    assert torch.isfinite(quantized.train()(**batch).loss)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    for num_beams in (1, 3):
        searches = {"max_new_tokens": 4, "num_beams": num_beams, "do_sample": False}
        quantized.eval().config.fused = True
        tokens = quantized.generate(**inputs, **searches)
        quantized.config.fused = False
        assert torch.equal(tokens, quantized.generate(**inputs, **searches))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CLASSIFIERS)
@torch.no_grad()
def test_image_classifiers_take_quantized_weights(name, method):
    options = {"pairwise_function": "concatenation"} if name == "attention_cnn" else {}
    model, images = make_classifier(name, **options)
    before = model(images).logits
    quantized = method(model).eval()
    torch.testing.assert_close(quantized(images).logits, before, rtol=0.1, atol=0.1)
    assert torch.isfinite(quantized.train()(images, labels=torch.tensor([0, 1, 2])).loss)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("add_cross_attention", [False, True])
@torch.no_grad()
def test_decoders_take_quantized_weights(add_cross_attention, method):
    torch.manual_seed(0)
    options = {"is_decoder": True, "is_encoder_decoder": False, "add_cross_attention": add_cross_attention}
    if add_cross_attention:
        options["cross_attention_hidden_size"] = 8
    model = BahdanauForCausalLM(BahdanauConfig(**SIZES, **options)).eval()
    batch = {"input_ids": torch.tensor([[1, 5, 9, 4], [1, 7, 3, 16], [1, 12, 12, 8]])}
    if add_cross_attention:
        batch["encoder_hidden_states"] = torch.randn(3, 5, 8)
    before = model(**batch)
    quantized = method(model).eval()
    torch.testing.assert_close(quantized(**batch).logits, before.logits, rtol=0.1, atol=0.1)
    assert torch.isfinite(quantized.train()(**batch, labels=batch["input_ids"]).loss)
    assert len(quantized.eval().generate(**batch, max_new_tokens=4, num_beams=3)) == 3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("update_type", ["mlp", "gru"])
@torch.no_grad()
def test_visual_question_answering_takes_quantized_weights(update_type, method):
    torch.manual_seed(0)
    sizes = {"vocab_size": 9, "hidden_size": 16, "attention_size": 12, "conv_channels": [4, 6]}
    config = StackedAttentionConfig(num_labels=3, image_size=12, update_type=update_type, **sizes)
    model = StackedAttentionForVisualQuestionAnswering(config).eval()
    inputs = {"pixel_values": torch.randn(3, 3, 12, 12), "input_ids": torch.tensor([[1, 2], [3, 4], [5, 6]])}
    before = model(**inputs).logits
    quantized = method(model).eval()
    torch.testing.assert_close(quantized(**inputs).logits, before, rtol=0.1, atol=0.1)
    assert torch.isfinite(quantized.train()(**inputs, labels=torch.tensor([0, 1, 2])).loss)


def test_only_plain_weights_are_read_by_the_fast_paths():
    linear = nn.Linear(3, 4)
    assert is_unmodified_linear(linear)
    assert not is_unmodified_linear(linear_only(nn.Sequential(linear))[0])
    linear.weight = nn.Parameter(torch.eye(4, 3).to_sparse(), requires_grad=False)
    assert not is_unmodified_linear(linear)
