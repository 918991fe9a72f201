# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The training loss, and the fast path that computes it without keeping the logits: a few tokens at a time, together
with their gradients.

Symbols and shapes are those of `layers_bahdanau`.
"""

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.loss.loss_utils import ForCausalLMLoss

from .fused_bahdanau import (
    first_derivatives_only,
    is_exporting,
    is_transforming,
    is_unmodified_linear,
    without_autocast,
)


CHUNK = 2**21  # logits at once: 8 MiB, which fit a CPU's cache
GPU_CHUNK = 2**26


class LinearCrossEntropy(torch.autograd.Function):
    """
    The summed cross-entropy of states W^T + b, in float32 at least.

    The gradients are computed with the loss, while the logits exist (as in Liger Kernel: Hsu et al. 2024, arXiv
    2410.10989, section 3.2).
    """

    @staticmethod
    @without_autocast
    def forward(ctx, states, weight, bias, labels, ignore_index, smoothing, is_training):
        """
        Args:
            states (`(N, R)`), weight (`(vocab, R)`), bias (`(vocab)`, *optional*).
            labels (`(N)`): `ignore_index` where there is no loss.
            smoothing (`float`): the share of the target that is spread over the vocabulary.
            is_training (`bool`): whether to compute the gradients.

        Returns:
            The sum, a scalar.
        """
        rows = max(1, (CHUNK if states.device.type == "cpu" else GPU_CHUNK) // len(weight))
        wide = torch.promote_types(states.dtype, torch.float32)
        total = states.new_zeros((), dtype=wide)
        d_states = torch.empty_like(states) if is_training else None
        d_weight = torch.zeros_like(weight, dtype=wide) if is_training else None
        d_bias = torch.zeros_like(bias, dtype=wide) if is_training and bias is not None else None
        for start in range(0, len(states), rows):
            chunk, targets = states[start : start + rows], labels[start : start + rows, None]
            logits = nn.functional.linear(chunk, weight, bias).to(wide)
            is_ignored = targets == ignore_index
            targets = targets.masked_fill(is_ignored, 0)
            logits.sub_(logits.amax(dim=-1, keepdim=True))
            losses = (smoothing - 1) * logits.gather(1, targets)
            if smoothing:
                losses -= smoothing * logits.mean(dim=-1, keepdim=True)
            sums = logits.exp_().sum(dim=-1, keepdim=True)
            total += (losses + sums.log()).masked_fill_(is_ignored, 0).sum()
            if d_states is None or d_weight is None:
                continue
            # softmax minus the target
            has_loss = (~is_ignored).to(wide)
            d_logits = logits.mul_(has_loss / sums)
            if smoothing:
                d_logits -= has_loss * (smoothing / len(weight))
            d_logits.scatter_add_(1, targets, has_loss * (smoothing - 1))
            if d_bias is not None:
                d_bias += d_logits.sum(dim=0)
            d_logits = d_logits.to(states.dtype)
            d_states[start : start + rows] = d_logits @ weight
            if d_weight.dtype == d_logits.dtype:
                d_weight.addmm_(d_logits.t(), chunk)
            else:
                d_weight += d_logits.t() @ chunk
        if d_weight is not None:
            d_bias = None if bias is None or d_bias is None else d_bias.to(bias.dtype)
            ctx.save_for_backward(d_states, d_weight.to(weight.dtype), d_bias)
        return total

    @staticmethod
    @first_derivatives_only
    def backward(ctx, d_total):
        gradients = (
            None if gradient is None else gradient * d_total.to(gradient.dtype) for gradient in ctx.saved_tensors
        )
        return *gradients, None, None, None, None


def can_fuse_loss(model: PreTrainedModel) -> bool:
    """Whether [`fused_loss`] is the loss of a model with an unmodified `lm_head`."""
    if not model.config.fused or model.config.copy_mechanism or model.config.hard_attention:
        return False
    if is_exporting() or is_transforming():
        return False
    return model.loss_function is ForCausalLMLoss and is_unmodified_linear(model.lm_head)


@torch.compiler.disable  # the number of labels varies
def fused_loss(
    lm_head: nn.Linear,
    readout: torch.Tensor,
    labels: torch.Tensor,
    smoothing: float = 0.0,
    num_items_in_batch: torch.Tensor | int | None = None,
    ignore_index: int = -100,
) -> torch.Tensor:
    """The loss of the readouts t_i, (B, T, R), that `ForCausalLMLoss` computes from their logits."""
    if readout.device.type == "cpu":  # elsewhere selecting costs a synchronization
        positions = (labels.flatten() != ignore_index).nonzero()[:, 0]
        readout, labels = readout.flatten(0, 1).index_select(0, positions), labels.flatten()[positions]
    total = LinearCrossEntropy.apply(
        readout.reshape(-1, readout.shape[-1]),
        lm_head.weight.to(readout.dtype),
        None if lm_head.bias is None else lm_head.bias.to(readout.dtype),
        labels.reshape(-1),
        ignore_index,
        smoothing,
        torch.is_grad_enabled(),
    )
    return mean_loss(total, labels, num_items_in_batch, ignore_index)


def smoothed_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    smoothing: float,
    num_items_in_batch: torch.Tensor | int | None = None,
    ignore_index: int = -100,
) -> torch.Tensor:
    """The mean cross-entropy of logits, (B, T, vocab), against smoothed labels, (B, T)."""
    total = nn.functional.cross_entropy(
        logits.float().flatten(0, 1),
        labels.flatten(),
        ignore_index=ignore_index,
        label_smoothing=smoothing,
        reduction="sum",
    )
    return mean_loss(total, labels, num_items_in_batch, ignore_index)


def mean_loss(
    total: torch.Tensor, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None, ignore_index: int
) -> torch.Tensor:
    """A summed loss divided by the number of labels, or by the Trainer's count over all processes and steps."""
    if num_items_in_batch is None:
        num_items_in_batch = (labels != ignore_index).sum()
    elif isinstance(num_items_in_batch, torch.Tensor):
        num_items_in_batch = num_items_in_batch.to(total.device)
    return total / num_items_in_batch


def target_lengths(labels: torch.Tensor) -> torch.Tensor | None:
    """The length of each target, at least 1, on CPU, where reading it costs no synchronization. (B, T) to (B)."""
    if labels.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    positions = torch.arange(1, labels.shape[1] + 1)
    return ((labels != -100) * positions).amax(dim=1).clamp_min(1)
