# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Muon for matrices and convolution kernels, and AdamW for all other parameters, in one optimizer."""

import torch
from torch import nn


COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic, chosen by Jordan for the slope at 0
MOMENTUM = 0.9  # less than torch's 0.95, for runs of few steps


def orthogonalize(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """
    Returns a matrix (rows, columns) with the singular vectors of `matrix` and singular values near 1 (about 0.7 to
    1.2), in bfloat16: `steps` Newton-Schulz iterations X <- a X + (b A + c A^2) X, A = X X^T.
    """
    a, b, c = COEFFICIENTS
    value = matrix.bfloat16()
    is_tall = len(value) > value.shape[1]
    value = value.T if is_tall else value
    value = value / value.norm().clamp(min=1e-7)  # the norm bounds the singular values
    for _ in range(steps):
        gram = value @ value.T
        value = torch.addmm(value, torch.addmm(gram, gram, gram, beta=b, alpha=c), value, beta=a)
    return value.T if is_tall else value


class MuonWithAdamW(torch.optim.AdamW):
    """
    AdamW that updates parameter groups with a `momentum` by Muon (Jordan et al. 2024,
    https://kellerjordan.github.io/posts/muon/): M <- momentum M + G, and W <- (1 - lr weight_decay) W - lr scale
    orthogonalize(G + momentum M), where scale is sqrt(max(1, rows / columns)). A kernel (outputs, inputs, height,
    width) is a matrix with a row per output. `torch.optim.Muon` computes the same for matrices alone.

    Args:
        params, kwargs: of `torch.optim.AdamW`. Parameters of groups with `momentum` have two dimensions or more.

    Raises:
        `ValueError`: for a vector in a group with `momentum`.
    """

    def __init__(self, params, **kwargs) -> None:
        super().__init__(params, **kwargs)
        for group in self.param_groups:
            for parameter in group["params"] if "momentum" in group else []:
                if parameter.dim() < 2:
                    raise ValueError(f"Muon is for matrices and kernels, got a parameter {tuple(parameter.shape)}.")

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = []
        for group in self.param_groups:
            for parameter in group["params"] if "momentum" in group else []:
                if parameter.grad is not None:
                    self.update_matrix(parameter, group)
                    gradients.append((parameter, parameter.grad))
                    parameter.grad = None  # AdamW leaves out parameters without
        super().step()
        for parameter, gradient in gradients:
            parameter.grad = gradient
        return loss

    def update_matrix(self, parameter: torch.Tensor, group: dict) -> None:
        momentum, gradient = group["momentum"], parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
            state["step"] = torch.zeros(())  # which AdamW expects of any state that it loads
        buffer = state["momentum_buffer"].mul_(momentum).add_(gradient)
        update = orthogonalize(gradient.add(buffer, alpha=momentum).flatten(1))
        scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update.view(parameter.shape).to(parameter.dtype), alpha=-group["lr"] * scale)


def split_parameters(model: nn.Module, decayed: list[str], head: set[str], weight_decay: float) -> list[dict]:
    """
    Returns parameter groups for AdamW, and one for Muon: matrices and kernels among `decayed` (names), without the
    `head`, for which Muon's authors use AdamW too, and without vectors in the shape of a matrix.
    """
    parts: tuple[list[nn.Parameter], ...] = ([], [], [])
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_matrix = parameter.dim() > 1 and min(len(parameter), parameter[0].numel()) > 1
            parts[1 if name not in decayed else 2 if is_matrix and name not in head else 0].append(parameter)
    options = (
        {"weight_decay": weight_decay},
        {"weight_decay": 0.0},
        {"weight_decay": weight_decay, "momentum": MOMENTUM},
    )
    return [{"params": part, **option} for part, option in zip(parts, options) if part]


__all__ = ["MuonWithAdamW", "orthogonalize", "split_parameters"]
