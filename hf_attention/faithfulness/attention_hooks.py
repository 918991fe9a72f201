# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Attention weights inside a model: recorded with their gradients, replaced by uniform ones, and their values."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from ..interpret.model_modes import eager_attention


@contextmanager
def plain_attention(model: PreTrainedModel) -> Generator[None, None, None]:
    """Switches to implementations that compute the attention weights: `eager` attention and no fused recurrence."""
    fused = getattr(model.config, "fused", None)
    with eager_attention(model):
        if fused is not None:
            model.config.fused = False
        try:
            yield
        finally:
            if fused is not None:
                model.config.fused = fused


def recurrent_attentions(model: nn.Module) -> list[nn.Module]:
    """The attention modules of this project's recurrent decoders, whose method `weigh` computes the weights."""
    return [module for module in model.modules() if hasattr(module, "weigh")]


@contextmanager
def recorded_weights(model: nn.Module) -> Generator[list[torch.Tensor], None, None]:
    """
    Collects the weights (B, steps, heads, S) that a recurrent decoder computes, in the order of the steps, as the
    tensors that its outputs depend on. (The `cross_attentions` of its outputs are copies, without gradients.)
    """
    recorded: list[torch.Tensor] = []
    modules = recurrent_attentions(model)

    def record(module: Any) -> Any:
        def weigh(*inputs: Any) -> torch.Tensor:
            weights = type(module).weigh(module, *inputs)
            recorded.append(weights)
            return weights

        return weigh

    for module in modules:
        module.weigh = record(module)
    try:
        yield recorded
    finally:
        for module in modules:
            del module.weigh


@contextmanager
def uniform_attention(model: PreTrainedModel) -> Generator[None, None, None]:
    """
    Replaces attention weights by uniform ones (Wiegreffe & Pinter 2019, arXiv 1908.04626, without
    retraining): the cross-attention of an encoder-decoder; else the self-attention of all layers, and a sequence pool.

    Raises `ValueError` for a model whose attention is not recognized.
    """
    modules: list[Any] = recurrent_attentions(model)
    with plain_attention(model), ExitStack() as stack:

        def equal(module: Any) -> Any:
            def weigh(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
                is_possible = scores > torch.finfo(scores.dtype).min / 2
                return type(module).weigh(module, torch.where(is_possible, 0.0, scores), mask)

            return weigh

        for module in modules:
            module.weigh = equal(module)
            stack.callback(delattr, module, "weigh")
        handles = []
        if not modules:
            projections = find_queries(model)
            if not projections:
                raise ValueError(f"The attention of {type(model).__name__} is not recognized.")
            if not model.config.is_encoder_decoder and has_position_bias(model):
                raise ValueError(f"The scores of {type(model).__name__} depend on positions, not on queries alone.")
            handles += [module.register_forward_hook(zero_query(name)) for name, module in projections]
        for handle in handles:
            stack.callback(handle.remove)
        yield


def find_queries(model: PreTrainedModel) -> list[tuple[str, nn.Module]]:
    """The maps to the queries: of cross-attention if the model has a decoder, else of all layers and the pool."""
    names = ("q_proj", "query", "qkv", "q")
    found = [(name.rpartition(".")[2], name, module) for name, module in model.named_modules()]
    if model.config.is_encoder_decoder:
        return [(last, module) for last, name, module in found if last in names and is_cross(name)]
    # the pool's map to scores is named as a layer's attention is, but it is linear
    return [
        (last, module)
        for last, name, module in found
        if last in names or (name.endswith("pooler.attention") and isinstance(module, nn.Linear))
    ]


def is_cross(name: str) -> bool:
    """Whether a module's name is that of cross-attention, in transformers' models."""
    return any(part in name.lower() for part in ("encoder_attn", "crossattention", "cross_attn", "encdecattention"))


def has_position_bias(model: PreTrainedModel) -> bool:
    """Whether learned biases of positions are added to the scores, as in Swin and BEiT."""
    return any("position_bias" in name or "attention_bias" in name for name, _ in model.named_parameters())


def zero_query(name: str) -> Any:
    """A hook that makes all scores equal: it replaces the queries (of `qkv` the first third) by zeros."""

    def hook(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        if name != "qkv":
            return torch.zeros_like(output)
        third = output.shape[-1] // 3
        return torch.cat([torch.zeros_like(output[..., :third]), output[..., third:]], dim=-1)

    return hook


def find_value_maps(model: PreTrainedModel) -> tuple[str, nn.Linear, nn.Linear] | None:
    """
    The maps W^V and W^O of the last layer (of cross-attention, if the model has a decoder), and the name of the first;
    `None` where there are none of a known name.
    """
    value: tuple[str, nn.Linear] | None = None
    output = None
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear) or (model.config.is_encoder_decoder and not is_cross(name)):
            continue
        last = name.rpartition(".")[2]
        if last in ("v_proj", "value", "qkv"):
            value, output = (last, module), None
        elif output is None and value and (last in ("o_proj", "out_proj", "proj") or name.endswith("output.dense")):
            output = module
    return None if value is None or output is None else (*value, output)


@contextmanager
def recorded_output(module: nn.Module) -> Generator[list[torch.Tensor], None, None]:
    """Collects what a module returns."""
    outputs: list[torch.Tensor] = []
    handle = module.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


def value_norms(weights: torch.Tensor, values: torch.Tensor, output: nn.Linear) -> torch.Tensor:
    """
    Computes the norm of what each position adds to the output of attention, || sum_h alpha^h_ij x_j W^V_h W^O_h ||
    (Kobayashi et al. 2020, arXiv 2004.10102).

    Args:
        weights (`torch.Tensor` of shape `(B, heads, T, S)`), values (`(B, S, D)`): all heads' x_j W^V.

    Returns:
        `torch.Tensor` of shape `(B, T, S)`.
    """
    heads = weights.shape[1]
    maps = output.weight.detach().unflatten(1, (heads, -1))  # (out, heads, d)
    transformed = torch.einsum("bshd,ohd->bhso", values.unflatten(2, (heads, -1)), maps)
    # the Gram matrix of the heads' vectors, instead of one vector for each pair of positions
    gram = torch.einsum("bhso,bgso->bhgs", transformed, transformed)
    return torch.einsum("bhts,bhgs,bgts->bts", weights, gram, weights).clamp_min(0).sqrt()


__all__ = []
