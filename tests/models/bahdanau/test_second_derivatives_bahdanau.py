# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from small_models import KINDS, make_batch, make_model, name_of
from torch.func import functional_call, grad, hessian, jvp, vmap


def make_loss(**options):
    """The loss of a model as a function of the source's embeddings, and the embeddings."""
    model, batch = make_model(dtype=torch.double, **options), make_batch()
    embeds = model.get_input_embeddings()(batch.pop("input_ids")).detach().requires_grad_()
    return model, batch, embeds


@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_second_derivatives_are_those_by_differences(options):
    model, batch, embeds = make_loss(fused=False, **options)
    batch["decoder_input_ids"] = batch.pop("labels")
    torch.autograd.gradgradcheck(lambda values: model(inputs_embeds=values, **batch).logits, embeds, fast_mode=True)


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_the_fast_path_names_its_switch_instead_of_leaving_second_derivatives_out(options, is_training):
    model, batch, embeds = make_loss(**options)
    model.train(is_training)

    def penalty():
        (gradient,) = torch.autograd.grad(model(inputs_embeds=embeds, **batch).loss, embeds, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), model.lm_head.weight)[0]

    fused = None
    if (is_training and "hard_attention" not in options) or not options:
        with pytest.raises(RuntimeError, match="Set `model.config.fused = False`"):
            penalty()
    else:  # these kinds have no fast path in evaluation, and hard attention none in training
        fused = penalty()
    model.config.fused = False
    torch.testing.assert_close(penalty(), penalty() if fused is None else fused)


@pytest.mark.parametrize("fused", [True, False])
def test_functions_of_torch_func_transform_the_model(fused):
    model, batch, embeds = make_loss(fused=fused)
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(bias, embeds, labels, mask):
        inputs = {"inputs_embeds": embeds, "labels": labels, "attention_mask": mask}
        return functional_call(model, {**parameters, "lm_head.bias": bias}, (), inputs).loss

    model.config.fused = fused
    bias, embeds = parameters["lm_head.bias"], embeds.detach()
    inputs = (embeds, batch["labels"], batch["attention_mask"])
    gradient = grad(loss)(bias, *inputs)
    matrix = hessian(loss)(bias, *inputs)
    _, slope = jvp(lambda values: loss(values, *inputs), (bias,), (torch.ones_like(bias),))
    per_row = vmap(grad(loss), in_dims=(None, 0, 0, 0))(bias, *(values.unsqueeze(1) for values in inputs))

    model.config.fused = False
    expected = torch.autograd.functional.jacobian(lambda values: loss(values, *inputs), bias)
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close(matrix, torch.autograd.functional.hessian(lambda values: loss(values, *inputs), bias))
    torch.testing.assert_close(slope, expected.sum(), check_dtype=False)
    torch.testing.assert_close(per_row.mean(dim=0), expected, check_dtype=False)
