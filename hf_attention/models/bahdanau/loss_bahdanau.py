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
The cross-entropy of an output projection without its logits: made for a few tokens at a time, with their gradients.
"""

import torch
from torch.autograd.function import once_differentiable

from .fused_bahdanau import without_autocast
from .products_bahdanau import linear


CHUNK = 2**21  # logits at once: 8 MiB, which a processor's cache holds
GPU_CHUNK = 2**26


class LinearCrossEntropy(torch.autograd.Function):
    """
    The summed cross-entropy of states W^T + b, in float32 at least.

    The gradients are made with the loss, while the logits are at hand (as in Liger Kernel: Hsu et al. 2024, arXiv
    2410.10989, section 3.2).
    """

    @staticmethod
    @without_autocast
    def forward(ctx, states, weight, bias, labels, ignore_index, label_smoothing, is_training):
        """
        Args:
            states (`(N, R)`), weight (`(vocab, R)`), bias (`(vocab)`, *optional*).
            labels (`(N)`): `ignore_index` where no loss is taken.
            label_smoothing (`float`): the share of the target that is spread over the vocabulary.
            is_training (`bool`): whether the gradients are wanted.

        Returns:
            the sum, a scalar.
        """
        rows = max(1, (CHUNK if states.device.type == "cpu" else GPU_CHUNK) // len(weight))
        wide = torch.promote_types(states.dtype, torch.float32)
        total = states.new_zeros((), dtype=wide)
        if is_training:
            d_states = torch.empty_like(states)
            d_weight = torch.zeros_like(weight, dtype=wide)
            d_bias = None if bias is None else torch.zeros_like(bias, dtype=wide)
        for start in range(0, len(states), rows):
            chunk, targets = states[start : start + rows], labels[start : start + rows, None]
            logits = linear(chunk, weight, bias).to(wide)
            is_ignored = targets == ignore_index
            targets = targets.masked_fill(is_ignored, 0)
            logits.sub_(logits.amax(dim=-1, keepdim=True))
            losses = (label_smoothing - 1) * logits.gather(1, targets)
            if label_smoothing:
                losses -= label_smoothing * logits.mean(dim=-1, keepdim=True)
            sums = logits.exp_().sum(dim=-1, keepdim=True)
            total += (losses + sums.log()).masked_fill_(is_ignored, 0).sum()
            if not is_training:
                continue
            # softmax less the target
            is_taken = (~is_ignored).to(wide)
            slopes = logits.mul_(is_taken / sums)
            if label_smoothing:
                slopes -= is_taken * (label_smoothing / len(weight))
            slopes.scatter_add_(1, targets, is_taken * (label_smoothing - 1))
            if bias is not None:
                d_bias += slopes.sum(dim=0)
            slopes = slopes.to(states.dtype)
            d_states[start : start + rows] = linear(slopes, weight.t())
            if d_weight.dtype == slopes.dtype:
                d_weight.addmm_(slopes.t(), chunk)
            else:
                d_weight += slopes.t() @ chunk
        if is_training:
            d_bias = None if bias is None else d_bias.to(bias.dtype)
            ctx.save_for_backward(d_states, d_weight.to(weight.dtype), d_bias)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, d_total):
        gradients = (
            None if gradient is None else gradient * d_total.to(gradient.dtype) for gradient in ctx.saved_tensors
        )
        return *gradients, None, None, None, None


def smoothed_loss(
    logits: torch.Tensor,
    labels: torch.LongTensor,
    label_smoothing: float,
    num_items_in_batch: torch.Tensor | int | None = None,
    ignore_index: int = -100,
    **kwargs,
) -> torch.Tensor:
    """The mean cross-entropy of logits, (B, T, vocab), against smoothed labels, (B, T)."""
    total = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1),
        labels.flatten(),
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction="sum",
    )
    return mean_loss(total, labels, num_items_in_batch, ignore_index)


def mean_loss(total: torch.Tensor, labels: torch.LongTensor, num_items_in_batch, ignore_index: int) -> torch.Tensor:
    """A summed loss by the number of labels, or by the Trainer's, which counts those of every process and step."""
    if num_items_in_batch is None:
        num_items_in_batch = (labels != ignore_index).sum()
    elif isinstance(num_items_in_batch, torch.Tensor):
        num_items_in_batch = num_items_in_batch.to(total.device)
    return total / num_items_in_batch
