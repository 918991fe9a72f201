# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Attention on a CPU, a few images at a time: softmax(Q K^T / sqrt(d)) V and its gradient, with dropout of the weights.

PyTorch's fused attention has no dropout on a CPU, so that 0.1, the paper's, sends `sdpa` to a path that keeps tensors
of (B, heads, N, N); and its backward pass is no faster in bfloat16 than in float32. Here the weights of a few images
stay in the processor's cache. The backward pass makes the weights again: of size N x N a bit a weight is kept, which
says what dropout left out. Every weight is dropped by itself, as `nn.functional.dropout` does. In bfloat16 scores are
rounded before their softmax, as in eager attention. (No double backward, nor `torch.func`: eager attention has both.)
"""

import numpy
import torch
from torch.autograd.function import once_differentiable


CACHE = 2**20  # bytes of attention weights a thread at a time: a core's second-level cache
BYTE = 2**8  # dropout compares 8 random bits
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


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
    """
    Which weights of every image are left out, each by itself, whatever images come together. On a CPU numpy draws
    faster than PyTorch: from a seed of PyTorch's generator.
    """

    def __init__(self, rate: float, weights: int):
        seed = int(torch.randint(2**62, (), device="cpu"))
        # 8 random bits a weight; where they are neither below the rate nor above it, a number of its own decides
        self.bound, self.rest = int(rate * BYTE), rate * BYTE % 1
        self.weights, self.bits = weights, numpy.random.SFC64([seed, 0])
        self.ties = numpy.random.Generator(numpy.random.SFC64([seed, 1]))

    def draw(self, images: int) -> numpy.ndarray:
        """(images * weights,) booleans"""
        numbers = self.bits.random_raw((images, -(-self.weights // 8)))  # of 64 bits: eight weights
        lanes = numbers.view(numpy.uint8)[:, : self.weights].reshape(-1)
        left_out = lanes < self.bound
        if self.rest:
            ties = numpy.flatnonzero(lanes == self.bound)
            left_out[ties] = self.ties.random(len(ties)) < self.rest
        return left_out


def to_bits(left_out: numpy.ndarray) -> torch.Tensor:
    """All bits where a weight stays, none where it is left out."""
    return torch.from_numpy(left_out.view(numpy.int8)) - 1


def keep(bits: torch.Tensor, weights: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """`weights`, 0 where one is left out: by "and" with all of its bits or none, which is faster than a product."""
    integers = INTEGERS[weights.element_size()]
    torch.bitwise_and(weights.view(integers), bits.view(weights.shape), out=out.view(integers))
    return out


def product(left: torch.Tensor, right: torch.Tensor, scale: float, out: torch.Tensor) -> torch.Tensor:
    return torch.baddbmm(out, left, right, beta=0, alpha=scale, out=out)


def attend(query: torch.Tensor, key: torch.Tensor, scaling: float, out: torch.Tensor) -> torch.Tensor:
    return torch.softmax(product(query, key.transpose(1, 2), scaling, out), dim=-1, out=out)


def blocks_of(qkv: torch.Tensor) -> tuple[int, int]:
    """How many blocks of how many images."""
    batch_size, length, _, heads, _ = qkv.shape
    room = torch.get_num_threads() * CACHE // (heads * length * length * qkv.element_size())
    images = min(max(room, 1), max(batch_size, 1))
    return -(-batch_size // images), images


class BlockwiseAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, qkv, scaling, dropout):
        batch_size, length, _, heads, size = qkv.shape
        blocks, images = blocks_of(qkv)
        rows = images * heads
        outputs = qkv.new_empty(batch_size, length, heads, size)
        every_weight, every_found = qkv.new_empty(rows, length, length), qkv.new_empty(rows, length, size)
        left_out = qkv.new_empty(blocks, -(-every_weight.numel() // 8), dtype=torch.uint8) if dropout else None
        drop = Dropout(dropout, heads * length * length) if dropout else None
        for index in range(blocks):
            own = slice(index * images, (index + 1) * images)
            block = qkv[own].permute(2, 0, 3, 1, 4)  # (3, b, heads, N, d)
            query, key, value = block.reshape(3, -1, length, size)
            weights = attend(query, key, scaling, every_weight[: len(query)])
            if drop is not None:
                dropped = drop.draw(len(weights) // heads)
                packed = torch.from_numpy(numpy.packbits(dropped))
                left_out[index, : len(packed)] = packed
                keep(to_bits(dropped), weights, out=weights)
            found = product(weights, value, 1 / (1 - dropout), every_found[: len(query)])
            outputs[own] = found.view(-1, heads, length, size).transpose(1, 2)
        ctx.save_for_backward(qkv, left_out)
        ctx.scaling, ctx.scale, ctx.blocks = scaling, 1 / (1 - dropout), (blocks, images)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx, d_outputs):
        qkv, left_out = ctx.saved_tensors
        _, length, _, heads, size = qkv.shape
        blocks, images = ctx.blocks  # as many threads there may be now
        rows = images * heads
        d_qkv = torch.empty_like(qkv, memory_format=torch.contiguous_format)
        every_weight, every_kept, every_d_weight = (qkv.new_empty(rows, length, length) for _ in range(3))
        every_found = qkv.new_empty(3, rows, length, size)
        for index in range(blocks):
            own = slice(index * images, (index + 1) * images)
            block = qkv[own].permute(2, 0, 3, 1, 4)
            query, key, value = block.reshape(3, -1, length, size)
            d_found = d_outputs[own].transpose(1, 2).reshape(-1, length, size)
            weights = kept = attend(query, key, ctx.scaling, every_weight[: len(query)])
            d_weights = product(d_found, value.transpose(1, 2), ctx.scale, every_d_weight[: len(query)])
            if left_out is not None:
                dropped = numpy.unpackbits(left_out[index].numpy(), count=weights.numel())
                bits = to_bits(dropped)
                keep(bits, d_weights, out=d_weights)
                kept = keep(bits, weights, out=every_kept[: len(query)])
            d_query, d_key, d_value = d_found_block = every_found[:, : len(query)]
            product(kept.transpose(1, 2), d_found, ctx.scale, d_value)
            # the softmax's derivative: w * (d_w - sum of w * d_w)
            d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype, grad_input=d_weights)
            product(d_scores, key, ctx.scaling, d_query)
            product(d_scores.transpose(1, 2), query, ctx.scaling, d_key)
            d_qkv[own].permute(2, 0, 3, 1, 4).copy_(d_found_block.unflatten(1, (-1, heads)))
        return d_qkv, None, None


__all__ = []
