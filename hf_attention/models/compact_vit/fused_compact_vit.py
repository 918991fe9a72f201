# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The fast path of attention on CPU: softmax(Q K^T / sqrt(d)) V and its gradient, computed a few images at a time.

The only entry is [`uses_blockwise_attention`], which also documents how to switch this path off. PyTorch's fused
attention does not support dropout on CPU: with the paper's dropout of 0.1, `sdpa` falls back to an implementation that
stores tensors of shape (B, heads, N, N), and its backward pass is no faster in bfloat16 than in float32. Here, the
attention weights of a few images stay in the CPU's cache. The backward pass recomputes them; all that is stored of
size N x N is the dropout mask, at one bit per weight. Each weight is dropped independently, as in
`nn.functional.dropout`. In bfloat16, scores are rounded before the softmax, as in eager attention. There are no second
derivatives; eager attention has them.
"""

from typing import Any

import numpy
import torch


CACHE_BYTES = 2**20  # attention weights per thread at a time: the size of a core's second-level cache
BYTE_VALUES = 2**8  # dropout compares 8 random bits per weight
INTEGER_DTYPES = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def uses_blockwise_attention(implementation: str | None, qkv: torch.Tensor, dropout: float) -> bool:
    """
    Returns whether attention is computed by [`blockwise_attention`].

    This is the case for the default `attn_implementation="sdpa"` on CPU wherever it is faster: with dropout, or in
    bfloat16 up to the length at which the weights of a single image outgrow the cache. Compiled and exported models
    use PyTorch's attention. To switch the fast path off, load the model with `attn_implementation="eager"` or call
    `model.set_attn_implementation("eager")`.
    """
    if implementation != "sdpa" or qkv.device.type != "cpu" or torch.compiler.is_compiling() or dropout == 1:
        return False
    if is_transforming():
        return False
    return dropout > 0 or (qkv.dtype == torch.bfloat16 and qkv.shape[1] <= 512)


def is_transforming() -> bool:
    """Returns whether `torch.func` transforms the model (`vmap`, `grad`): only plain operations support that."""
    return torch._C._are_functorch_transforms_active()


def blockwise_attention(qkv: torch.Tensor, scaling: float, dropout: float = 0.0) -> torch.Tensor:
    """
    Computes the attention of every token to every token.

    Args:
        qkv (`torch.Tensor` of shape `(B, N, 3, heads, d)`): queries, keys and values.
        scaling (`float`): factor of the scores, 1 / sqrt(d).
        dropout (`float`, *optional*, defaults to 0.0): probability of dropping a weight, below 1.

    Returns:
        `torch.Tensor` of shape `(B, N, heads, d)`.
    """
    return BlockwiseAttention.apply(qkv, scaling, dropout)


class DropoutMaskSampler:
    """
    Draws dropout masks, independent of how many images are processed together. NumPy draws faster on CPU than
    PyTorch; its seed comes from PyTorch's generator.
    """

    def __init__(self, rate: float, weights_per_image: int) -> None:
        seed = int(torch.randint(2**62, (), device="cpu"))
        # 8 random bits per weight; where they equal the bound, a second random number decides, so the rate is exact
        self.bound, self.remainder = int(rate * BYTE_VALUES), rate * BYTE_VALUES % 1
        self.weights_per_image, self.bit_generator = weights_per_image, numpy.random.SFC64([seed, 0])
        self.tie_generator = numpy.random.Generator(numpy.random.SFC64([seed, 1]))

    def draw(self, images: int) -> numpy.ndarray:
        """Returns (images * weights_per_image,) booleans, True where a weight is dropped."""
        words = self.bit_generator.random_raw((images, -(-self.weights_per_image // 8)))  # 64 bits: eight weights
        random_bytes = words.view(numpy.uint8)[:, : self.weights_per_image].reshape(-1)
        dropped = random_bytes < self.bound
        if self.remainder:
            ties = numpy.flatnonzero(random_bytes == self.bound)
            dropped[ties] = self.tie_generator.random(len(ties)) < self.remainder
        return dropped


def mask_to_bits(dropped: numpy.ndarray) -> torch.Tensor:
    """Returns bytes with all bits set where a weight is kept, and no bit set where it is dropped."""
    return torch.from_numpy(dropped.view(numpy.int8)) - 1


def apply_mask(bits: torch.Tensor, weights: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Zeroes dropped weights by a bitwise "and", which is faster than a multiplication."""
    integers = INTEGER_DTYPES[weights.element_size()]
    torch.bitwise_and(weights.view(integers), bits.view(weights.shape), out=out.view(integers))
    return out


def bmm_into(left: torch.Tensor, right: torch.Tensor, scale: float, out: torch.Tensor) -> torch.Tensor:
    """Writes `scale` times the batched matrix product into `out`."""
    return torch.baddbmm(out, left, right, beta=0, alpha=scale, out=out)


def softmax_scores(query: torch.Tensor, key: torch.Tensor, scaling: float, out: torch.Tensor) -> torch.Tensor:
    """Writes the attention weights, softmax(Q K^T `scaling`), into `out`."""
    return torch.softmax(bmm_into(query, key.transpose(1, 2), scaling, out), dim=-1, out=out)


def block_layout(qkv: torch.Tensor) -> tuple[int, int]:
    """Returns the number of blocks and of images per block."""
    batch_size, length, _, heads, _ = qkv.shape
    images_in_cache = torch.get_num_threads() * CACHE_BYTES // (heads * length * length * qkv.element_size())
    images = min(max(images_in_cache, 1), max(batch_size, 1))
    return -(-batch_size // images), images


class BlockwiseAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qkv: torch.Tensor, scaling: float, dropout: float) -> torch.Tensor:
        batch_size, length, _, heads, size = qkv.shape
        blocks, images = block_layout(qkv)
        rows = images * heads
        outputs = qkv.new_empty(batch_size, length, heads, size)
        weights_buffer, context_buffer = qkv.new_empty(rows, length, length), qkv.new_empty(rows, length, size)
        sampler = DropoutMaskSampler(dropout, heads * length * length) if dropout else None
        packed_masks = []
        for block in range(blocks):
            part = slice(block * images, (block + 1) * images)
            query, key, value = qkv[part].permute(2, 0, 3, 1, 4).reshape(3, -1, length, size)  # (b * heads, N, d)
            weights = softmax_scores(query, key, scaling, weights_buffer[: len(query)])
            if sampler is not None:
                dropped = sampler.draw(len(weights) // heads)
                packed_masks.append(torch.from_numpy(numpy.packbits(dropped)))
                apply_mask(mask_to_bits(dropped), weights, out=weights)
            context = bmm_into(weights, value, 1 / (1 - dropout), context_buffer[: len(query)])
            outputs[part] = context.view(-1, heads, length, size).transpose(1, 2)
        ctx.save_for_backward(qkv, *packed_masks)
        ctx.scaling, ctx.scale, ctx.layout = scaling, 1 / (1 - dropout), (blocks, images)
        return outputs

    @staticmethod
    def backward(ctx: Any, *d_outputs: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        if torch.is_grad_enabled():  # so it is with `create_graph=True`
            raise RuntimeError(
                "The fast path of attention has no second derivatives (`create_graph=True`). Call "
                '`model.set_attn_implementation("eager")` before the forward pass.'
            )
        qkv, *packed_masks = ctx.saved_tensors
        _, length, _, heads, size = qkv.shape
        blocks, images = ctx.layout  # the forward pass's, even if the number of threads has changed since
        rows = images * heads
        d_qkv = torch.empty_like(qkv, memory_format=torch.contiguous_format)
        weights_buffer, kept_buffer, d_weights_buffer = (qkv.new_empty(rows, length, length) for _ in range(3))
        d_qkv_buffer = qkv.new_empty(3, rows, length, size)
        for block in range(blocks):
            part = slice(block * images, (block + 1) * images)
            query, key, value = qkv[part].permute(2, 0, 3, 1, 4).reshape(3, -1, length, size)
            d_context = d_outputs[0][part].transpose(1, 2).reshape(-1, length, size)
            weights = kept = softmax_scores(query, key, ctx.scaling, weights_buffer[: len(query)])
            d_weights = bmm_into(d_context, value.transpose(1, 2), ctx.scale, d_weights_buffer[: len(query)])
            if packed_masks:
                bits = mask_to_bits(numpy.unpackbits(packed_masks[block].numpy(), count=weights.numel()))
                apply_mask(bits, d_weights, out=d_weights)
                kept = apply_mask(bits, weights, out=kept_buffer[: len(query)])
            d_query, d_key, d_value = d_qkv_block = d_qkv_buffer[:, : len(query)]
            bmm_into(kept.transpose(1, 2), d_context, ctx.scale, d_value)
            # the derivative of the softmax: w * (d_w - sum of w * d_w)
            d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype, grad_input=d_weights)
            bmm_into(d_scores, key, ctx.scaling, d_query)
            bmm_into(d_scores.transpose(1, 2), query, ctx.scaling, d_key)
            d_qkv[part].permute(2, 0, 3, 1, 4).copy_(d_qkv_block.unflatten(1, (-1, heads)))
        return d_qkv, None, None


__all__ = []
