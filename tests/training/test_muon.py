# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from small_images import make_cnn, make_model, make_trainer
from transformers import CLIPConfig, CLIPForImageClassification

from hf_attention.training.muon import MuonWithAdamW, orthogonalize


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)])
def test_orthogonalizing_keeps_singular_vectors_and_brings_singular_values_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    values = left.T @ orthogonalize(matrix).float() @ right.T  # diagonal for the same singular vectors
    torch.testing.assert_close(values, values.diag().diag(), atol=0.05, rtol=0)
    assert values.diag().min() > 0.6
    assert values.diag().max() < 1.3


def test_matrices_are_updated_as_by_torchs_muon_and_vectors_as_by_adamw():
    torch.manual_seed(0)
    matrix, vector, gradients = (
        torch.randn(12, 5),
        torch.randn(5),
        [(torch.randn(12, 5), torch.randn(5)) for _ in "123"],
    )
    own, other = ([torch.nn.Parameter(value.clone()) for value in (matrix, vector)] for _ in "12")
    groups = [{"params": [own[1]]}, {"params": [own[0]], "lr": 0.02, "momentum": 0.95}]
    optimizers = [MuonWithAdamW(groups, lr=0.01, weight_decay=0.1)]
    # torch's buffer is an average of the gradients, ours their sum; only its direction counts
    optimizers += [torch.optim.Muon(other[:1], lr=0.02, momentum=0.95, weight_decay=0.1)]
    optimizers += [torch.optim.AdamW(other[1:], lr=0.01, weight_decay=0.1)]
    for values in gradients:
        for parameters in (own, other):
            for parameter, value in zip(parameters, values):
                parameter.grad = value.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(own[0], other[0], atol=1e-3, rtol=0)
    assert (own[0] - matrix).abs().max() > 0.01
    torch.testing.assert_close(own[1], other[1])
    assert own[0].grad is not None


def test_a_kernel_is_a_matrix_with_a_row_per_output():
    torch.manual_seed(0)
    kernel = torch.randn(6, 4, 3, 3).contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(6, 4, 3, 3)
    updated = []
    for shape in ((6, 4, 3, 3), (6, 36)):
        parameter = torch.nn.Parameter(
            kernel.clone().view(shape) if len(shape) == 4 else kernel.reshape(shape).clone()
        )
        parameter.grad = gradient.reshape(shape).clone()
        MuonWithAdamW([{"params": [parameter], "momentum": 0.95}], lr=0.02).step()
        updated.append(parameter.detach().reshape(6, 36))
    torch.testing.assert_close(updated[0], updated[1], atol=1e-4, rtol=0)


def test_vectors_are_refused():
    with pytest.raises(ValueError, match=r"Muon is for matrices and kernels, got a parameter \(3,\)\."):
        MuonWithAdamW([{"params": [torch.nn.Parameter(torch.zeros(3))], "momentum": 0.95}])


def test_muon_trains_the_matrices_below_the_head(tmp_path):
    model = make_model(tokenizer_type="patch")
    trainer = make_trainer(tmp_path, model, muon_learning_rate=0.03, learning_rate=0.01, weight_decay=0.1)
    groups = trainer.create_optimizer().param_groups
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = [{names[parameter] for parameter in group["params"]} for group in groups]
    assert sorted(name for group in found for name in group) == sorted(names.values())
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(0.01, 0.1), (0.01, 0.0), (0.03, 0.1)]
    assert found[0] == {"classifier.weight", "model.pooler.attention.weight"}
    assert "model.embeddings.position_embeddings" in found[1]
    assert "model.embeddings.patch_embeddings.projection.0.weight" in found[2]
    assert all(name.endswith("weight") and "norm" not in name for name in found[2])


def test_the_head_of_a_model_without_a_base_is_trained_by_adamw(tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = CLIPConfig(vision_config={**sizes, "image_size": 8, "patch_size": 4}, num_labels=3)
    model = CLIPForImageClassification(config)
    assert model.base_model is model
    groups = make_trainer(tmp_path, model, muon_learning_rate=0.03).create_optimizer().param_groups
    by_muon = {id(parameter) for group in groups if "momentum" in group for parameter in group["params"]}
    assert id(model.classifier.weight) not in by_muon
    assert id(model.vision_model.encoder.layers[0].mlp.fc1.weight) in by_muon


def test_muon_with_a_frozen_base_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`muon_learning_rate` is for what is below the head, which `freeze` keeps"):
        make_trainer(tmp_path, muon_learning_rate=0.03, freezes=True)


def test_schedules_with_a_final_learning_rate_begin_at_that_of_the_run(tmp_path):
    schedule = {"lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": {"lr_end": 0.005, "power": 1.0}}
    trainer = make_trainer(tmp_path, muon_learning_rate=0.04, learning_rate=0.01, **schedule)
    trainer.create_optimizer_and_scheduler(num_training_steps=2)
    for _ in "12":
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
    assert [group["lr"] for group in trainer.optimizer.param_groups] == pytest.approx([0.005, 0.005, 0.02])


@pytest.mark.parametrize("make", [make_model, make_cnn])
def test_a_resumed_run_has_the_same_weights(tmp_path, make):
    states = []
    for folder, checkpoint in (("one", None), ("two", str(tmp_path / "one" / "run" / "checkpoint-2"))):
        trainer = make_trainer(tmp_path / folder, make(), muon_learning_rate=0.02)
        trainer.train(resume_from_checkpoint=checkpoint)
        states.append(trainer.model.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert any(not torch.equal(value, states[0][name]) for name, value in make().state_dict().items())
