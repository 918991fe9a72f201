# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""
Attention on a CPU, a few images at a time: softmax(Q K^T / sqrt(d)) V and its gradient, with dropout of the weights.

PyTorch's fused attention has no dropout on a CPU, so that 0.1, the paper's, sends `sdpa` to a path that keeps tensors
of (B, heads, N, N); and its backward pass is no faster in bfloat16 than in float32. Here the weights of a few images
stay in the processor's cache. Nothing of size N x N is kept: the backward pass makes the weights again, and draws the
same dropout from the same seed. Every weight is dropped by itself, as `nn.functional.dropout` does. In bfloat16 scores
are rounded before their softmax, as in eager attention.
"""

import torch
from torch.autograd.function import once_differentiable


CACHE = 2**20  # bytes of attention weights a thread at a time: a core's second-level cache
BYTE = 2**8  # dropout compares 8 random bits


def is_faster_in_blocks(qkv: torch.Tensor, dropout: float) -> bool:
    """
    Whether [`blockwise_attention`] is the faster way: on a CPU, with dropout, or in 16 bits as long as an image's
    weights are near the cache's size. What compiles or exports keeps to the attention that it knows.
    """
    if qkv.device.type != "cpu" or torch.compiler.is_compiling() or dropout == 1:
        return False
    return dropout > 0 or (qkv.dtype == torch.bfloat16 and qkv.shape[1] <= 512)


def blockwise_attention(qkv: torch.Tensor, scaling: float, dropout: float = 0.0) -> torch.Tensor:
    """
    Attention of every token to every token.

    Args:
        qkv (`torch.Tensor` of shape `(B, N, 3, heads, d)`): queries, keys and values.
        scaling (`float`): of the scores, 1 / sqrt(d).
        dropout (`float`, *optional*, defaults to 0.0): probability below 1 of leaving a weight out.

    Returns:
        `torch.Tensor` of shape `(B, N, heads, d)`.
    """
    return BlockwiseAttention.apply(qkv, scaling, dropout)


class Dropout:
    """Draws, block after block, which weights stay: 1 or 0 in the weights' type, into one buffer."""

    def __init__(self, rate: float, seed: int, weights: torch.Tensor):
        self.rate, self.scale = rate, 1 / (1 - rate)
        self.generator = torch.Generator().manual_seed(seed)
        self.bits = torch.empty(-(-weights.numel() // 8), dtype=torch.long)
        self.keep = torch.empty_like(weights)

    def draw(self, count: int) -> torch.Tensor:
        """(count, N, N)"""
        keep = self.keep[:count]
        # the bound is rounded up or down by chance, block by block, so that the rate is exact for every weight
        bound = int(self.rate * BYTE + torch.rand((), generator=self.generator).item())
        if bound == BYTE:
            return keep.zero_()
        self.bits.random_(-(2**63), None, generator=self.generator)  # all 64 bits: eight weights
        lanes = self.bits.view(torch.int8)[: keep.numel()].view(keep.shape)
        return torch.ge(lanes, bound - BYTE // 2, out=keep)


def make_buffer(qkv: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Room for the weights of some images, (images * heads, N, N), and how many images."""
    batch_size, length, _, heads, _ = qkv.shape
    room = torch.get_num_threads() * CACHE // (heads * length * length * qkv.element_size())
    images = min(max(room, 1), max(batch_size, 1))
    return qkv.new_empty(images * heads, length, length), images


def attend(query: torch.Tensor, key: torch.Tensor, scaling: float, out: torch.Tensor) -> torch.Tensor:
    torch.baddbmm(out, query, key.transpose(1, 2), beta=0, alpha=scaling, out=out)
    return torch.softmax(out, dim=-1, out=out)


class BlockwiseAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, qkv, scaling, dropout):
        batch_size, length, _, heads, size = qkv.shape
        ctx.save_for_backward(qkv)
        ctx.scaling, ctx.dropout = scaling, dropout
        ctx.seed = int(torch.randint(2**62, ())) if dropout else None
        outputs = qkv.new_empty(batch_size, length, heads, size)
        buffer, images = make_buffer(qkv)
        drop = Dropout(dropout, ctx.seed, buffer) if dropout else None
        for start in range(0, batch_size, images):
            block = qkv[start : start + images].permute(2, 0, 3, 1, 4)  # (3, b, heads, N, d)
            query, key, value = block.reshape(3, -1, length, size)
            weights = attend(query, key, scaling, buffer[: len(query)])
            if drop is not None:
                weights *= drop.draw(len(weights))
            found = torch.bmm(weights, value)
            if drop is not None:
                found *= drop.scale
            outputs[start : start + images] = found.view(-1, heads, length, size).transpose(1, 2)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx, d_outputs):
        (qkv,) = ctx.saved_tensors
        batch_size, length, _, heads, size = qkv.shape
        d_qkv = torch.empty_like(qkv, memory_format=torch.contiguous_format)
        buffer, images = make_buffer(qkv)
        d_buffer = torch.empty_like(buffer)
        drop = Dropout(ctx.dropout, ctx.seed, buffer) if ctx.dropout else None
        for start in range(0, batch_size, images):
            block = qkv[start : start + images].permute(2, 0, 3, 1, 4)
            query, key, value = block.reshape(3, -1, length, size)
            d_found = d_outputs[start : start + images].transpose(1, 2).reshape(-1, length, size)
            weights = attend(query, key, ctx.scaling, buffer[: len(query)])
            if drop is not None:
                d_found = d_found * drop.scale
                keep = drop.draw(len(weights))
            d_weights = torch.bmm(d_found, value.transpose(1, 2), out=d_buffer[: len(query)])
            kept = weights
            if drop is not None:
                d_weights *= keep
                kept = keep.mul_(weights)
            d_value = torch.bmm(kept.transpose(1, 2), d_found)
            # the softmax's derivative: w * (d_w - sum of w * d_w)
            d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype, grad_input=d_weights)
            d_query = torch.bmm(d_scores, key).mul_(ctx.scaling)
            d_key = torch.bmm(d_scores.transpose(1, 2), query).mul_(ctx.scaling)
            d_block = d_qkv[start : start + images].permute(2, 0, 3, 1, 4)
            for place, value in zip(d_block, (d_query, d_key, d_value)):
                place.copy_(value.view(-1, heads, length, size))
        return d_qkv, None, None


__all__ = []
