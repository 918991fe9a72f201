# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Attention over the annotations: scores, their distribution over the source, and the context.

Symbols and shapes are those of `layers_bahdanau`.
"""

import math

import torch
from torch import nn

from .configuration_bahdanau import BahdanauConfig
from .sparse_bahdanau import entmax15, sparsemax


class BahdanauLinear(nn.Linear):
    """
    An `nn.Linear` tagged with its role, which selects its initial distribution: `gates` W, `recurrent` U, `alignment`
    W_a and U_a, `score` v_a. (transformers initializes custom code leaf by leaf.)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool, init_role: str):
        super().__init__(in_features, out_features, bias=bias)
        self.init_role = init_role


class BahdanauKeyProjection(BahdanauLinear):
    """U_a, or W_a of `general` scores. It is called outside its layer, so FSDP shards it as a unit of its own."""


class BahdanauAttention(nn.Module):
    """
    Attention(q, K, V) over the annotations of one source.

    Scores: `additive` v_a^T tanh(W_a s + U_a h_j) (appendix A.1.2); `dot` s^T h_j and `general` s^T W_a h_j (Luong et
    al. 2015, equation 8); `scaled_dot` s^T h_j / sqrt(H) (Vaswani et al. 2017, equation 1).

    Several heads (Vaswani et al. 2017, section 3.2.2) divide the alignment layer: head k scores with its own v_a over
    its A / heads units, and its context is W^V_k sum_j alpha_ijk h_j, of size D / heads. The context c_i is their
    concatenation; W^O is part of the maps that read c_i.
    """

    def __init__(self, config: BahdanauConfig):
        super().__init__()
        self.attention_type, self.num_heads = config.attention_type, config.num_attention_heads
        self.attention_function = config.attention_function
        if config.attention_type == "additive":
            head_size = config.attention_size // config.num_attention_heads
            self.query_proj = BahdanauLinear(config.hidden_size, config.attention_size, config.use_bias, "alignment")
            self.key_proj = BahdanauKeyProjection(
                config.encoder_output_size, config.attention_size, False, "alignment"
            )
            self.score = BahdanauLinear(head_size, config.num_attention_heads, False, "score")
            if config.num_attention_heads > 1:
                self.value_proj = nn.Linear(config.encoder_output_size, config.encoder_output_size, bias=False)
        elif config.attention_type == "general":
            self.key_proj = BahdanauKeyProjection(config.encoder_output_size, config.hidden_size, False, "alignment")

    @property
    def is_bahdanaus(self) -> bool:
        """Whether it is the attention of appendix A.1.2, which the fast path computes."""
        return self.attention_type == "additive" and self.num_heads == 1 and self.attention_function == "softmax"

    def project_keys(self, annotations: torch.Tensor) -> torch.Tensor:
        """The part of the scores that all target steps share: `(B, S, D)` to `(B, S, A)` (or `(B, S, H)`)."""
        return self.key_proj(annotations) if self.attention_type in ("additive", "general") else annotations

    def forward(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            query (`torch.Tensor` of shape `(B, T, H)`): decoder states s.
            keys (`torch.Tensor` of shape `(B, S, A)`): from [`~BahdanauAttention.project_keys`].
            values (`torch.Tensor` of shape `(B, S, D)`): annotations h_j.
            attention_mask (`torch.Tensor` of shape `(B, S)`, *optional*):
                1 for tokens, 0 for padding. A row that holds only padding gets uniform attention.

        Several targets may share one source: the queries' batch is then a multiple of the keys'.

        Returns:
            The contexts c_i, `(B, T, D)`, and the weights alpha_ij of each head, `(B, T, heads, S)`.
        """
        targets, length, _ = query.shape
        query = query.reshape(keys.shape[0], -1, query.shape[-1])
        weights = self.weigh(self.compute_scores(query, keys), attention_mask).to(values.dtype)  # (B, T, heads, S)
        contexts = self.read(weights, values)
        return contexts.reshape(targets, length, -1), weights.reshape(targets, length, *weights.shape[2:])

    def compute_scores(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """e_ij of each head: `(B, T, H)` and `(B, S, A)` to `(B, T, heads, S)`."""
        if self.attention_type == "additive":
            query = self.query_proj(query)  # (B, T, A)
            hidden = torch.tanh(query.unsqueeze(2) + keys.unsqueeze(1)).unflatten(-1, (self.num_heads, -1))
            # each head's score of each head's units, of which its own is kept: quantized and adapted linear maps can
            # do no more, and may expect a matrix
            scores = self.score(hidden.flatten(0, 3)).view(*hidden.shape[:-1], self.num_heads)
            return scores.diagonal(dim1=-2, dim2=-1).transpose(2, 3)
        scores = query @ keys.transpose(1, 2)  # (B, T, S)
        if self.attention_type == "scaled_dot":
            scores = scores / math.sqrt(query.shape[-1])
        return scores.unsqueeze(2)

    def weigh(self, scores: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
        """alpha_ij, in float32 at least: `(B, T, heads, S)` and `(B, S)` to `(B, T, heads, S)`."""
        if attention_mask is not None:
            scores = scores.masked_fill(attention_mask[:, None, None] == 0, torch.finfo(scores.dtype).min)
        precision = torch.promote_types(scores.dtype, torch.float32)
        if self.attention_function == "softmax":
            return nn.functional.softmax(scores, dim=-1, dtype=precision)
        return {"sparsemax": sparsemax, "entmax15": entmax15}[self.attention_function](scores.to(precision))

    def read(self, weights: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """c_i: `(B, T, heads, S)` and `(B, S, D)` to `(B, T, D)`."""
        if self.num_heads == 1:
            return weights.squeeze(2) @ values
        contexts = self.value_proj(weights.flatten(1, 2) @ values)  # (B, T * heads, D)
        # (B, T, heads, heads, D / heads)
        contexts = contexts.unflatten(1, (-1, self.num_heads)).unflatten(-1, (self.num_heads, -1))
        return contexts.diagonal(dim1=2, dim2=3).transpose(2, 3).flatten(2)


__all__ = ["BahdanauAttention"]
