# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Local attention: a step attends to a window of the source alone (Luong et al. 2015, arXiv 1508.04025, section 3.1).

The window is [p_t - D, p_t + D]. `monotonic` (local-m): p_t = t, up to the last token. `predictive` (local-p): p_t = S
sigmoid(v_p^T tanh(W_p s_t)), and the weights are multiplied by a Gaussian around it, of standard deviation D / 2.
Positions are counted from 0, without padding. Only the window's keys are scored, so a step costs the same for a source
of any length. Symbols and shapes are those of `layers_bahdanau`; W is 2 D + 1.
"""

import torch

from .attention_bahdanau import BahdanauAttention, BahdanauLinear
from .configuration_bahdanau import BahdanauConfig


BASE = 256  # of the step counter's two digits, which a state in bfloat16 holds exactly


class BahdanauLocalAttention(BahdanauAttention):
    """[`BahdanauAttention`] to a window of the source."""

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.window, self.is_predictive = config.local_window, config.local_attention == "predictive"
        if self.is_predictive:
            self.position_proj = BahdanauLinear(config.hidden_size, config.hidden_size, False, "alignment")
            self.position_score = BahdanauLinear(config.hidden_size, 1, False, "score")

    def forward(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        steps: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        See [`BahdanauAttention`]. `steps` are t, `(B, T)`, for `monotonic`. The weights are 0 outside of the window;
        those of `predictive` sum to less than 1, as in the paper.
        """
        targets, length, _ = query.shape
        sources, source_length, _ = keys.shape
        query = query.reshape(sources, -1, query.shape[-1])  # (n, Q, H), of all targets of a source
        first = keys.new_zeros(sources, 1, dtype=torch.long)
        num_tokens = first + source_length
        if attention_mask is not None:
            tokens = (attention_mask != 0).long()
            first, num_tokens = tokens.argmax(dim=1, keepdim=True), tokens.sum(dim=1, keepdim=True)
        if self.is_predictive:
            score = self.position_score(torch.tanh(self.position_proj(query))).squeeze(-1)
            score = score.to(torch.promote_types(score.dtype, torch.float32))
            centers = num_tokens * score.sigmoid()  # p_t, (n, Q)
        else:
            assert steps is not None
            centers = torch.minimum(steps.reshape(sources, -1), (num_tokens - 1).clamp_min(0).to(steps.dtype))
        offsets = torch.arange(-self.window, self.window + 1, device=keys.device)
        positions = centers.detach().round().long().unsqueeze(-1) + offsets  # (n, Q, W)
        distances = positions - centers.unsqueeze(-1)
        is_inside = (positions >= 0) & (positions < num_tokens.unsqueeze(-1)) & (distances.abs() <= self.window)
        positions = (positions + first.unsqueeze(-1)).clamp(0, source_length - 1)

        rows = torch.arange(sources, device=keys.device)[:, None, None]
        if attention_mask is not None:
            is_inside = is_inside & (attention_mask[rows, positions] != 0)
        scores = self.compute_scores(query.flatten(0, 1).unsqueeze(1), keys[rows, positions].flatten(0, 1))
        weights = self.weigh(scores, is_inside.flatten(0, 1))  # (n * Q, 1, heads, W)
        if self.is_predictive:
            gaussian = torch.exp(-distances.square() / (2 * (self.window / 2) ** 2))
            weights = weights * gaussian.flatten(0, 1)[:, None, None].to(weights.dtype)
        weights = weights.to(values.dtype)
        contexts = self.read(weights, values[rows, positions].flatten(0, 1))
        weights = weights.unflatten(0, (sources, -1)).squeeze(2)  # (n, Q, heads, W)
        everywhere = weights.new_zeros(*weights.shape[:-1], source_length)
        weights = everywhere.scatter_add(-1, positions.unsqueeze(2).expand_as(weights), weights)
        return contexts.reshape(targets, length, -1), weights.reshape(targets, length, *weights.shape[2:])


def count_steps(
    counter: torch.Tensor, num_steps: int, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    The number t of each of the next steps, `(B, T)`, and the counter after them, `(B, 2)`: t's digits in base 256.

    Steps whose mask, `(B, T)`, is 0 do not count.
    """
    digits = counter.float()
    counted = digits.new_ones(digits.shape[0], num_steps) if mask is None else (mask > 0).float()
    steps = digits[:, :1] * BASE + digits[:, 1:] + counted.cumsum(dim=1)  # 1 for the first step
    last = steps[:, -1:]
    counter = torch.cat([torch.floor(last / BASE), torch.remainder(last, BASE)], dim=-1).to(counter.dtype)
    return (steps - 1).clamp_min(0), counter


__all__ = ["BahdanauLocalAttention"]
