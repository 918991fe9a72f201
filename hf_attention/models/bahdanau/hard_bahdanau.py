# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Exact hard attention: each target token reads one annotation, and the model sums over all alignments a_1, ..., a_T.

p(y_i | y_<i, x) = sum over j of p(a_i = j | y_<i, x) p(y_i | a_i = j, y_<i, x) (Wu et al. 2018, arXiv 1808.10024,
section 3; Wu & Cotterell 2019, arXiv 1905.06319). The decoder's states do not depend on the alignment, so the sums are
exact. `marginal`: a_i does not depend on a_{i-1}, as in IBM model 1. `monotonic`: a_i >= a_{i-1}, a hidden Markov
model, summed by the forward algorithm. Symbols and shapes are those of `layers_bahdanau`; K is the number of previous
positions that a distribution is conditioned on, 1 (`marginal`) or S (`monotonic`).
"""

import torch
from torch import nn

from .attention_bahdanau import BahdanauAttention, BahdanauKeyProjection, BahdanauLinear
from .configuration_bahdanau import BahdanauConfig


IMPOSSIBLE = -1e30  # as a log-probability: far below all others, and finite, as its gradient then is


class BahdanauHardAttention(BahdanauAttention):
    """The distribution of a_i given a_{i-1}, from the same scores as [`BahdanauAttention`] (of order zero)."""

    def __init__(self, config: BahdanauConfig):
        super().__init__(config)
        self.is_monotonic = config.hard_attention == "monotonic"

    def forward(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        See [`BahdanauAttention`]. Returns the annotations of each target, `(B, 1, S, D)`, of which the readout of each
        step reads all one by one, and the transitions p(a_i = j | a_{i-1}), `(B, T, K, S)`.
        """
        targets, length, _ = query.shape
        query = query.reshape(keys.shape[0], -1, query.shape[-1])
        weights = self.weigh(self.compute_scores(query, keys), attention_mask).to(values.dtype)
        values = values.repeat_interleave(targets // values.shape[0], dim=0)
        return values.unsqueeze(1), weights.reshape(targets, length, *weights.shape[2:])

    def compute_scores(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """The scores of a_i = j for each a_{i-1}: `(B, T, H)` and `(B, S, A)` to `(B, T, K, S)`."""
        scores = super().compute_scores(query, keys)
        if not self.is_monotonic:
            return scores
        distances = distances_between(keys.shape[1], keys.device)
        return scores.expand(-1, -1, len(distances), -1).masked_fill(distances < 0, torch.finfo(scores.dtype).min)


class BahdanauJumpAttention(BahdanauHardAttention):
    """
    The monotonic distribution of order one: a_i - a_{i-1} is 0, ..., w, scored by U [s_i; h_k] of the position k that
    it leaves (Wu & Cotterell 2019).
    """

    def __init__(self, config: BahdanauConfig):
        nn.Module.__init__(self)
        self.attention_type, self.attention_function = "additive", config.attention_function
        assert config.max_jump is not None
        self.query_proj = BahdanauLinear(config.hidden_size, config.max_jump + 1, config.use_bias, "alignment")
        self.key_proj = BahdanauKeyProjection(config.encoder_output_size, config.max_jump + 1, False, "alignment")

    def compute_scores(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """The scores of a_i = j for each a_{i-1}: `(B, T, H)` and `(B, S, w + 1)` to `(B, T, S, S)`."""
        jumps = self.query_proj(query).unsqueeze(2) + keys.unsqueeze(1)  # (B, T, S, w + 1)
        distances, longest = distances_between(keys.shape[1], keys.device), keys.shape[2] - 1
        scores = jumps.gather(-1, distances.clamp(0, longest).expand(*jumps.shape[:2], -1, -1))
        return scores.masked_fill((distances < 0) | (distances > longest), torch.finfo(scores.dtype).min)


def distances_between(length: int, device: torch.device) -> torch.Tensor:
    """j - k of each position k, in rows, and each position j. To (S, S)."""
    positions = torch.arange(length, device=device)
    return positions - positions.unsqueeze(1)


def first_joint(annotations: torch.Tensor, mask: torch.Tensor | None, num_targets: int) -> torch.Tensor:
    """
    What [`marginalize`] starts from: before the first step the alignment is at the first token, and all y are as
    likely. Of annotations (n, S, D) and their mask to (n * num_targets, S, 1).
    """
    joint = annotations.new_full((*annotations.shape[:2], 1), IMPOSSIBLE, dtype=torch.float32)
    first = torch.zeros(len(joint), 1, dtype=torch.long, device=joint.device)
    first = first if mask is None else (mask != 0).long().argmax(dim=1, keepdim=True)
    return joint.scatter(1, first.unsqueeze(-1), 0.0).repeat_interleave(num_targets, dim=0)


def marginalize(
    logits: torch.Tensor,
    transitions: torch.Tensor,
    tokens: torch.Tensor,
    joint: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    The sum over all alignments, step by step: the forward algorithm, in log space.

    Args:
        logits (`torch.Tensor` of shape `(B, T, S, vocab)`): of p(y_i | a_i = j).
        transitions (`torch.Tensor` of shape `(B, K, T, S)`): p(a_i = j | a_{i-1}).
        tokens (`torch.Tensor` of shape `(B, T)`): y_{i-1}.
        joint (`torch.Tensor` of shape `(B, S, vocab)`, or `(B, S, 1)`):
            log p(a_0 = j, y_0 | y_<0) of the step before the first, from the last call or [`first_joint`].
        mask (`torch.Tensor` of shape `(B, T)`, *optional*): steps whose mask is 0 are left out.

    Returns:
        log p(y_i | y_<i), `(B, T, vocab)`; p(a_i = j | y_<i), `(B, 1, T, S)`, before y_i is known; and the joint
        distribution of the last step, `(B, S, vocab)`.
    """
    emissions = logits.log_softmax(dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    transitions = transitions.to(emissions.dtype)
    is_possible, smallest = transitions > 0, torch.finfo(emissions.dtype).tiny
    log_transitions = transitions.clamp_min(smallest).log().masked_fill(~is_possible, IMPOSSIBLE)
    if transitions.shape[1] == 1:
        joints = emissions + log_transitions[:, 0].unsqueeze(-1)
        return joints.logsumexp(dim=2), transitions, joints[:, -1]
    log_probs, priors = [], []
    joint = joint.to(emissions.dtype).expand(-1, -1, emissions.shape[-1])
    for step in range(tokens.shape[1]):
        token = tokens[:, step, None, None].expand(-1, joint.shape[1], 1)
        before = joint.gather(2, token).log_softmax(dim=1)  # log p(a_{i-1} | y_<i), (B, S, 1)
        prior = (before + log_transitions[:, :, step]).logsumexp(dim=1)  # log p(a_i | y_<i), (B, S)
        new_joint = prior.unsqueeze(-1) + emissions[:, step]
        joint = new_joint if mask is None else torch.where(mask[:, step, None, None] > 0, new_joint, joint)
        log_probs.append(new_joint.logsumexp(dim=1))
        priors.append(prior.exp())
    return torch.stack(log_probs, dim=1), torch.stack(priors, dim=1).unsqueeze(1), joint


__all__ = ["BahdanauHardAttention", "BahdanauJumpAttention"]
