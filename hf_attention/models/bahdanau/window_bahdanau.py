# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Annotations that carry their own neighborhood alone, so that the weights show what the decoder reads.

The annotations of a recurrent encoder carry the complete source, so a weight shows where something was read and not
what. Here a convolution computes h_j from the tokens j - w to j + w. Together with a first state that does not read
the source (`BahdanauDecoder.final_states`), the source reaches an output through the weights alone. With
`recurrent_keys` a recurrent encoder selects and the decoder reads only what is selected, as in rationales (Lei et al.
2016, arXiv 1606.04155). Symbols and shapes are those of `layers_bahdanau`.
"""

import torch
from torch import nn

from .configuration_bahdanau import BahdanauConfig
from .layers_bahdanau import BahdanauEncoderLayer, invert_permutation, reorder


class BahdanauWindowEncoderLayer(nn.Module):
    """h_j = tanh(W [x_{j-w}; ...; x_{j+w}]), with zeros beyond the source; recurrent states follow for the keys."""

    def __init__(self, config: BahdanauConfig, input_size: int):
        super().__init__()
        assert config.annotation_window is not None
        self.window = config.annotation_window
        self.proj = nn.Linear((2 * self.window + 1) * input_size, config.encoder_output_size, bias=config.use_bias)
        self.keys = BahdanauEncoderLayer(config, input_size) if config.recurrent_keys else None

    def forward(
        self,
        hidden_states: torch.Tensor,
        orders: tuple[torch.Tensor, torch.Tensor] | None = None,
        lengths: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        (B, S, E) to (B, S, D) or, with `recurrent_keys`, (B, S, 2 D), and (B, D) that nothing reads, where padding is
        zeros; `orders` and `lengths` as for `BahdanauEncoderLayer`.
        """
        states = None if self.keys is None else self.keys(hidden_states, orders, lengths)[0]
        if orders is not None:  # a masked token is not there, so its neighbors are next to each other
            hidden_states = reorder(hidden_states, orders[0])
        padded = nn.functional.pad(hidden_states, (0, 0, self.window, self.window))
        windows = padded.unfold(1, 2 * self.window + 1, 1)  # (B, S, E, 2w + 1)
        annotations = torch.tanh(self.proj(windows.flatten(2)))
        if orders is not None:
            annotations = reorder(annotations, invert_permutation(orders[0]))
        last = annotations[:, 0]
        return annotations if states is None else torch.cat([annotations, states], dim=-1), last


__all__ = ["BahdanauWindowEncoderLayer"]
