# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Products on a processor by oneDNN, as PyTorch's compiler makes them: sooner than its BLAS at a few dozen rows of
float32, and in bfloat16 too by weights that are packed once for many products.
"""

import torch
from torch import nn


HAS_ONEDNN = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight")
)
LARGE = 2**18  # weights, from which on it is sooner
FEW = 8  # rows, of which products in float32 are no sooner by packed weights
ROWS = 64  # that weights are packed for; others may use them


def uses_onednn(weight: torch.Tensor) -> bool:
    has_it = HAS_ONEDNN and torch.backends.mkldnn.enabled and not torch.compiler.is_compiling()
    return has_it and weight.device.type == "cpu" and weight.numel() >= LARGE


def linear(given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """
    `nn.functional.linear` of matrices, (N, in), (out, in) and (out), without gradients. The weight may be packed by
    [`pack`].
    """
    if weight.is_mkldnn or (given.dtype == torch.float32 and uses_onednn(weight)):
        return torch.ops.mkldnn._linear_pointwise(given, weight, bias, "none", [], "")
    return nn.functional.linear(given, weight, bias)


def pack(weight: torch.Tensor, rows: int) -> torch.Tensor:
    """A weight, (out, in), for many products of `rows` rows each: packed, where that is sooner, or as it is."""
    if not uses_onednn(weight):
        return weight
    if weight.dtype == torch.bfloat16:
        is_sooner = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    else:
        is_sooner = weight.dtype == torch.float32 and rows >= FEW
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), ROWS) if is_sooner else weight
