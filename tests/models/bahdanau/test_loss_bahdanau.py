# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The fused loss, compared with the loss of all logits."""

import pytest
import torch
from torch.nn.functional import cross_entropy, linear
from transformers.utils import find_labels

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.models.bahdanau import loss_bahdanau
from hf_attention.models.bahdanau.loss_bahdanau import LinearCrossEntropy


SIZES = {"vocab_size": 23, "embedding_size": 6, "hidden_size": 12, "attention_size": 10, "encoder_hidden_size": 4}
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}


def make(**options) -> BahdanauForConditionalGeneration:
    torch.manual_seed(0)
    model = BahdanauForConditionalGeneration(BahdanauConfig(**SIZES, **IDS, **options)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def make_batch() -> dict[str, torch.Tensor]:
    """Sources and targets of several lengths, the longest not first, one target with a gap and one without a label."""
    torch.manual_seed(1)
    batch = {"input_ids": torch.randint(3, 23, (4, 9)), "labels": torch.randint(3, 23, (4, 7))}
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    batch["attention_mask"][0, 2:] = batch["attention_mask"][1, 5:] = batch["attention_mask"][3, :3] = 0
    batch["labels"][0, 3:] = batch["labels"][1, :2] = batch["labels"][2] = -100
    return batch


@pytest.mark.parametrize("rows", [1, 4, 100])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_values_and_gradients_are_those_of_all_logits(rows, use_bias, smoothing, monkeypatch):
    monkeypatch.setattr(loss_bahdanau, "CHUNK", rows * 23)
    torch.manual_seed(0)
    states, weight, bias = (
        torch.randn(*shape, dtype=torch.double, requires_grad=True) for shape in ((11, 5), (23, 5), (23,))
    )
    given = [states, weight, *([bias] if use_bias else [])]
    labels = torch.randint(23, (11,))
    labels[[0, 4, 10]] = -100
    total = LinearCrossEntropy.apply(states, weight, bias if use_bias else None, labels, -100, smoothing, True)
    expected = cross_entropy(linear(*given), labels, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(torch.autograd.grad(3 * total, given), torch.autograd.grad(3 * expected, given))


OPTIONS = [
    {},
    {"use_bias": False, "tie_word_embeddings": True, "maxout_size": 6, "share_encoder_decoder_embeddings": True},
    {"encoder_layers": 2, "decoder_layers": 2},
    {"reset_after": False},
    {"cell_type": "lstm", "attention_query": "current", "attention_type": "general", "readout_type": "tanh"},
    {"cell_type": "rnn", "attention_query": "current", "input_feeding": True, "readout_type": "tanh"},
    {"attention_type": "none", "bidirectional": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "default")
@pytest.mark.parametrize("num_items_in_batch", [None, 5, torch.tensor(5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_fused_loss_trains_a_model_as_its_logits_do(options, num_items_in_batch, smoothing):
    model, batch = make(**options).train(), make_batch()
    results = []
    for skip_logits in (False, True):
        options_of_loss = {"num_items_in_batch": num_items_in_batch, "smoothing": smoothing}
        outputs = model(**batch, skip_logits=skip_logits, **options_of_loss)
        gradients = torch.autograd.grad(outputs.loss, list(model.parameters()), allow_unused=True)
        results.append((outputs.loss.double(), gradients))
    (loss, gradients), (other_loss, other_gradients) = results
    # transformers takes the loss of all logits in float32
    torch.testing.assert_close(other_loss, loss, rtol=1e-6, atol=0)
    for expected, gradient in zip(gradients, other_gradients):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


def test_logits_are_none_where_the_loss_is_fused():
    model, batch = make(), make_batch()
    assert "logits" in model.eval()(**batch)
    model.train()
    outputs = model(**batch)
    assert outputs.logits is None
    assert next(iter(outputs)) == "loss"
    assert model(**batch, skip_logits=False).logits.shape == (4, 7, 23)
    assert model(**batch, return_dict=False)[0] == outputs.loss
    model.config.fused = False
    assert model(**batch).logits.shape == (4, 7, 23)
    assert model(**batch, skip_logits=True).logits is not None


def test_a_hooked_output_projection_is_called():
    model, batch, calls = make().train(), make_batch(), []
    model.lm_head.register_forward_pre_hook(lambda *_: calls.append(1))
    assert model(**batch).logits is not None
    assert len(calls) == 1


@pytest.mark.parametrize("fused", [True, False])
def test_smoothing_is_that_of_cross_entropy(fused):
    model, batch = make(fused=fused).train(), make_batch()
    logits = model(**batch, skip_logits=False).logits.float()
    expected = cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), label_smoothing=0.2)
    torch.testing.assert_close(model(**batch, smoothing=0.2).loss.float(), expected)
    assert not [name for name in find_labels(type(model)) if name != "labels"]  # the Trainer's evaluation needs all


def test_invalid_labels_are_named_and_another_loss_gets_its_logits():
    model, batch = make().train(), make_batch()
    with pytest.raises(ValueError, match="skip_logits=True.*labels"):
        model(input_ids=batch["input_ids"], decoder_input_ids=batch["input_ids"], skip_logits=True)
    with pytest.raises(ValueError, match=r"`labels` of shape \(4, 7\).*\(4, 5\)"):
        model(**batch, decoder_input_ids=batch["labels"][:, :5].clamp_min(0))
    model.loss_function = lambda logits, **_: logits.sum()
    outputs = model(**batch)
    torch.testing.assert_close(outputs.loss, outputs.logits.sum())


def test_attention_requested_in_training_covers_every_step():
    model, batch = make().train(), make_batch()
    weights = model(**batch, output_attentions=True).cross_attentions[0]
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(4, 1, 7, dtype=torch.double))


def test_a_loss_in_bfloat16_is_summed_in_float32():
    torch.manual_seed(0)
    given = [torch.randn(512, 32), 0.3 * torch.randn(1000, 32), torch.randn(1000)]
    given = [tensor.bfloat16().requires_grad_() for tensor in given]
    labels = torch.randint(1000, (512,))
    results = LinearCrossEntropy.apply(*given, labels, -100, 0.0, True)
    assert results.dtype == torch.float32
    exact = [tensor.detach().double().requires_grad_() for tensor in given]
    expected = cross_entropy(linear(*exact), labels, reduction="sum")
    assert results.item() == pytest.approx(expected.item(), rel=2e-3)
    for gradient, reference in zip(torch.autograd.grad(results, given), torch.autograd.grad(expected, exact)):
        assert (gradient.double() - reference).norm() < 0.01 * reference.norm()


def test_the_old_name_of_smoothing_still_works():
    model, batch = make().train(), make_batch()
    torch.testing.assert_close(model(**batch, label_smoothing=0.2).loss, model(**batch, smoothing=0.2).loss)
