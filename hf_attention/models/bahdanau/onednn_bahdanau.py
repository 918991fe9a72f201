# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
oneDNN linear layers for decoding on a CPU: large weights are prepacked once for all steps of a search.

Measured by `scripts/benchmarks/benchmark_fused.py`.
"""

import torch
from torch import nn


HAS_ONEDNN = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name)
    for name in ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
)
MIN_WEIGHTS = 2**18  # below this BLAS is as fast
PACKED_BATCH = 64  # rows that weights are packed for; other numbers of rows may use them


def pack(weight: torch.Tensor, rows: int) -> torch.Tensor:
    """A weight, (out, in), for many products of so many rows: prepacked where that is faster, or unchanged."""
    if not HAS_ONEDNN or not torch.backends.mkldnn.enabled or weight.device.type != "cpu":
        return weight
    has_fast_type = weight.dtype == torch.float32 or (
        weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
    if not has_fast_type or weight.numel() < MIN_WEIGHTS:
        return weight
    if rows == 1 and weight.dtype == torch.float32:  # bound by memory: packing takes as long as several steps
        return weight
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), PACKED_BATCH)


def linear(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`nn.functional.linear` without gradients, (N, in) to (N, out), of a weight from [`pack`]."""
    if weight.is_mkldnn:
        return torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return nn.functional.linear(inputs, weight, bias)
