# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Recurrent layers as ONNX's own operators, for the export."""

import contextlib
from collections.abc import Generator, Sequence

import torch
from torch import nn

from ..models.bahdanau.layers_bahdanau import BahdanauMinGRU, BahdanauRNN


OPSET = 18


@contextlib.contextmanager
def recurrences_as_onnx(model: nn.Module) -> Generator[None]:
    """Temporarily replaces recurrent layers by ONNX operators: the exporter would unroll them for a fixed length."""
    layers = [layer for layer in model.modules() if isinstance(layer, BahdanauRNN)]
    for layer in layers:
        layer.forward = OnnxRecurrence(layer).forward
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


class OnnxRecurrence:
    """
    A [`BahdanauRNN`] as ONNX's `GRU`, `LSTM` or `RNN`.

    The 2014 cell is ONNX's GRU with `linear_before_reset=0`, except that ONNX's z weights the old state: the update
    gate changes sign, since 1 - sigmoid(x) = sigmoid(-x). So does that of minGRU, a GRU without products of the state
    and with a linear candidate.
    """

    # ONNX's gates in order, as indices of PyTorch's
    gates = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}

    def __init__(self, layer: BahdanauRNN) -> None:
        self.size = layer.hidden_size
        is_minimal = not layer.reset_before and isinstance(layer.unit, BahdanauMinGRU)
        self.operator = "GRU" if layer.reset_before or is_minimal else type(layer.unit).__name__
        self.attributes: dict[str, float | Sequence[str] | Sequence[float]] = {"hidden_size": self.size}
        if self.operator == "GRU":
            self.attributes["linear_before_reset"] = int(not layer.reset_before)
        if is_minimal:
            self.attributes |= {
                "activations": ["Sigmoid", "Affine"],
                "activation_alpha": [1.0],
                "activation_beta": [0.0],
            }
        gates = self.gates[self.operator]
        signs = [-1 if (layer.reset_before or is_minimal) and gate == 1 else 1 for gate in gates]

        def reorder(tensor: torch.Tensor) -> torch.Tensor:
            parts = tensor.detach().split(self.size)
            return torch.cat([sign * parts[gate] for gate, sign in zip(gates, signs)])

        if layer.reset_before:
            cell = layer.cell
            weights = [layer.input_proj.weight, torch.cat([cell.recurrent.weight, cell.candidate.weight])]
            biases = [layer.input_proj.bias, None]
        elif is_minimal:
            proj = layer.unit.input_proj
            weights = [pad_reset(proj.weight), proj.weight.new_zeros(3 * self.size, self.size)]
            biases = [None if proj.bias is None else pad_reset(proj.bias), None]
        else:
            parameters = dict(layer.unit.named_parameters())
            weights = [parameters["weight_ih_l0"], parameters["weight_hh_l0"]]
            biases = [parameters.get("bias_ih_l0"), parameters.get("bias_hh_l0")]
        zeros = weights[0].new_zeros(len(weights[0]))
        self.weights = [reorder(weight).unsqueeze(0) for weight in weights]
        self.bias = torch.cat([reorder(zeros if bias is None else bias) for bias in biases]).unsqueeze(0)

    def forward(
        self, inputs: torch.Tensor, state: torch.Tensor | None = None, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As [`BahdanauRNN`], without a mask: `(B, T, input_size)` to `(B, T, H)` and `(B, state_size)`."""
        batch, length, _ = inputs.shape
        states = [None, None] if state is None else [part.unsqueeze(0) for part in state.split(self.size, dim=-1)]
        if self.operator != "LSTM":
            states = states[:1]
        last = [1, batch, self.size]
        hidden, *final_states = torch.onnx.ops.symbolic_multi_out(
            self.operator,
            [inputs.transpose(0, 1), *self.weights, self.bias, None, *states],
            self.attributes,
            dtypes=[inputs.dtype] * (1 + len(states)),
            shapes=[[length, 1, batch, self.size], *[last] * len(states)],
            version=OPSET,
        )
        return hidden.squeeze(1).transpose(0, 1), torch.cat([part.squeeze(0) for part in final_states], dim=-1)


def pad_reset(tensor: torch.Tensor) -> torch.Tensor:
    """minGRU's gates, (2 * H, ...), with zeros for the reset gate that it lacks, (3 * H, ...)."""
    return torch.cat([torch.zeros_like(tensor[: len(tensor) // 2]), tensor])
