# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The loss of training. The cross-entropy of an output projection without its logits: made for a few tokens at a time,
with their gradients; and the logits after all, where they are read.

Symbols and shapes are those of `layers_bahdanau`.
"""

from dataclasses import dataclass

import torch
from torch.autograd.function import once_differentiable
from transformers.loss.loss_utils import ForCausalLMLoss
from transformers.modeling_outputs import Seq2SeqLMOutput

from .fused_bahdanau import without_autocast
from .layers_bahdanau import is_exporting, is_plain
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


def target_lengths(labels: torch.LongTensor) -> torch.LongTensor | None:
    """How long each target is, at least 1, on CPU, where looking costs no synchronisation. (B, T) to (B)."""
    if labels.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    positions = torch.arange(1, labels.shape[1] + 1)
    return ((labels != -100) * positions).amax(dim=1).clamp_min(1)


@dataclass
class BahdanauSeq2SeqLMOutput(Seq2SeqLMOutput):
    """
    A `Seq2SeqLMOutput` whose `logits`, where the loss did without them, are made when they are read, of the weights as
    they then are, and for labels alone: elsewhere they are of no input. A copy of the output, such as mixed precision
    and DDP make, has none.
    """

    make_logits = None

    def __getattribute__(self, name: str):
        value = super().__getattribute__(name)
        if name == "logits" and value is None and self.make_logits is not None:
            value = vars(self)["logits"] = self.make_logits()
        return value

    def __getitem__(self, key):
        return self.logits if key == "logits" else super().__getitem__(key)

    def get(self, key, default=None):
        return self[key] if key == "logits" and self.logits is not None else super().get(key, default)

    def to_tuple(self) -> tuple:
        values = super().to_tuple()
        return values if self.make_logits is None else (values[0], self.logits, *values[1:])


class BahdanauLossMixin:
    """The loss for a model whose `lm_head` makes the logits."""

    def can_skip_logits(self) -> bool:
        """Whether the loss is transformers' own and the output projection plain (not LoRA's, not hooked)."""
        is_default = self.loss_function is ForCausalLMLoss
        return is_default and is_plain(self.lm_head) and not is_exporting()

    @torch.compiler.disable  # it takes the labels that there are, whose number varies
    def loss_without_logits(
        self,
        readout: torch.Tensor,
        labels: torch.LongTensor,
        label_smoothing: float = 0.0,
        num_items_in_batch: torch.Tensor | int | None = None,
        ignore_index: int = -100,
        **kwargs,
    ) -> torch.Tensor:
        """The loss of the readouts t_i, (B, T, R), as `ForCausalLMLoss` takes it of their logits."""
        if readout.device.type == "cpu":  # elsewhere choosing costs a synchronisation
            wanted = (labels.flatten() != ignore_index).nonzero()[:, 0]
            readout, labels = readout.flatten(0, 1).index_select(0, wanted), labels.flatten()[wanted]
        weight, bias = self.lm_head.weight, self.lm_head.bias
        total = LinearCrossEntropy.apply(
            readout.reshape(-1, readout.shape[-1]),
            weight.to(readout.dtype),
            None if bias is None else bias.to(readout.dtype),
            labels.reshape(-1),
            ignore_index,
            label_smoothing,
            torch.is_grad_enabled(),
        )
        return mean_loss(total, labels, num_items_in_batch, ignore_index)

    def make_logits(self, readout: torch.Tensor, autocast: bool) -> torch.Tensor:
        """(B, T, R) to (B, T, vocab), as they would have been made under autocast or without."""
        with torch.autocast(readout.device.type, dtype=readout.dtype if autocast else None, enabled=autocast):
            return self.lm_head(readout)
