# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Maps of a translation: how much each token of the target is said to depend on each token of the source.

Each function takes a [`TextExample`] and returns weights (T, S), a row for each token of the target.
"""

from collections.abc import Callable

import numpy as np
import torch

from ..interpret.alignments import select_layer
from .attention_hooks import (
    find_value_maps,
    plain_attention,
    recorded_output,
    recorded_weights,
    recurrent_attentions,
    value_norms,
)
from .text import TextExample


NUM_STEPS = 32  # of the integral
STEPS_AT_ONCE = 8

TextMap = Callable[[TextExample], np.ndarray]


def attention(example: TextExample) -> np.ndarray:
    """The cross-attention of the last layer, mean of its heads: of a recurrent decoder, Bahdanau's weights."""
    with plain_attention(example.model), torch.no_grad():
        _, outputs = example.run(example.input_ids, output_attentions=True)
    return to_map(example, select_layer(outputs.cross_attentions, -1, None)[0])


def shifted_attention(example: TextExample) -> np.ndarray:
    """
    The attention of the step in which the token is the decoder's input, one later than the step that predicts it
    (Shift-Att; Chen et al. 2020, arXiv 2004.14837).
    """
    weights = attention(example)
    return np.concatenate([weights[1:], weights[-1:]])


def value_attention(example: TextExample) -> np.ndarray:
    """
    The norms of the weighted values: || alpha_ij f(h_j) || (Kobayashi et al. 2020, arXiv 2004.10102),
    where f is W^V W^O of the last layer, or, of a recurrent decoder, the readout's map C_o of the annotations.
    """
    model = example.model
    maps = None if recurrent_attentions(model) else find_value_maps(model)
    with plain_attention(model), torch.no_grad():
        if maps is None:
            _, outputs = example.run(example.input_ids, output_attentions=True)
            annotations, decoder = outputs.encoder_last_hidden_state[0], model.get_decoder()  # (S, D)
            if hasattr(decoder, "readable"):  # without what only the scores read
                annotations = decoder.readable(annotations)
            readout = getattr(decoder, "readout", None)
            readout = getattr(readout, "context_proj", None)
            norms = (annotations if readout is None else readout(annotations)).norm(dim=-1)
            weights = select_layer(outputs.cross_attentions, -1, None)[0]
            return to_map(example, weights[:, : len(norms)] * norms)
        _, values, output = maps
        with recorded_output(values) as recorded:
            _, outputs = example.run(example.input_ids, output_attentions=True)
        weights = outputs.cross_attentions[-1].float()
        return to_map(example, value_norms(weights, recorded[-1].float(), output)[0])


def attention_rollout(example: TextExample) -> np.ndarray:
    """
    The cross-attention of the last layer, followed through the encoder's layers by rollout (Abnar & Zuidema 2020,
    arXiv 2005.00928).

    Raises `ValueError` for an encoder without self-attention.
    """
    with plain_attention(example.model), torch.no_grad():
        _, outputs = example.run(example.input_ids, output_attentions=True)
    if not outputs.get("encoder_attentions"):
        raise ValueError("The encoder has no self-attention, so there is nothing to roll out.")
    reached = select_layer(outputs.cross_attentions, -1, None)[0]
    for layer in outputs.encoder_attentions[::-1]:
        reached = (reached @ layer[0].mean(dim=0) + reached) / 2
    return to_map(example, reached)


def attention_gradient(example: TextExample) -> np.ndarray:
    """
    The weights of the step times the gradient of the token's log-odds with respect to them, mean of the heads of the
    last layer: with a sign (attention x gradient; Serrano & Smith 2019, arXiv 1906.03731).
    """
    with plain_attention(example.model), torch.enable_grad(), recorded_weights(example.model) as recorded:
        odds, outputs = example.log_odds(output_attentions=True)
        # transformers returns the tensors that the outputs depend on, a recurrent decoder copies of them
        tensors = recorded or [outputs.cross_attentions[-1]]
        gradients = torch.autograd.grad(odds.sum(), tensors, allow_unused=True)
    products = [
        torch.zeros_like(tensor) if gradient is None else tensor * gradient
        for tensor, gradient in zip(tensors, gradients)
    ]
    steps = torch.cat(products, dim=1).transpose(1, 2) if recorded else products[0]  # (T, heads, steps, S)
    places = torch.arange(odds.shape[1], device=odds.device)
    return to_map(example, steps.mean(dim=1)[places, places])


def gradient(example: TextExample) -> np.ndarray:
    """The norm of the gradient of the token's log-odds with respect to each embedding (Simonyan et al. 2013)."""
    gradients, _ = embedding_gradients(example)
    return to_map(example, gradients[0].norm(dim=-1))


def input_gradient(example: TextExample) -> np.ndarray:
    """The gradient of the token's log-odds times the embedding, with its sign (Shrikumar et al. 2016)."""
    gradients, embeddings = embedding_gradients(example)
    return to_map(example, (gradients[0] * embeddings).sum(dim=-1))


def integrated_gradients(example: TextExample) -> np.ndarray:
    """
    The integral of the gradient of the token's log-odds from embeddings of zeros to those of the source, with its sign
    (Sundararajan et al. 2017, arXiv 1703.01365, equation 1), by the midpoint rule. A row sums to the difference of the
    log-odds.
    """
    scales = (torch.arange(NUM_STEPS, device=example.input_ids.device) + 0.5) / NUM_STEPS
    gradients = [embedding_gradients(example, part)[0].sum(dim=0) for part in scales.split(STEPS_AT_ONCE)]
    _, embeddings = embedding_gradients(example)
    return to_map(example, (torch.stack(gradients).sum(dim=0) * embeddings).sum(dim=-1) / NUM_STEPS)


def embedding_gradients(example: TextExample, scales: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients (scales, T, S, E) of the log-odds where the embeddings are scaled, and the embeddings (S, E)."""
    scales = torch.ones(1, device=example.input_ids.device) if scales is None else scales
    leaves: list[torch.Tensor] = []

    def scaled(embeddings: torch.Tensor) -> torch.Tensor:
        factors = scales.repeat_interleave(len(embeddings) // len(scales)).view(-1, 1, 1)
        leaves.append(embeddings.detach()[0])
        leaves.append((factors * embeddings).detach().requires_grad_())
        return leaves[1]

    with torch.enable_grad(), example.embedded(scaled):
        odds, _ = example.log_odds(len(scales))
        (gradients,) = torch.autograd.grad(odds.sum(), leaves[1:])
    return gradients.unflatten(0, (len(scales), -1)), leaves[0]


def to_map(example: TextExample, weights: torch.Tensor) -> np.ndarray:
    """The weights as an array, of the source's tokens alone: attended features follow them."""
    return weights[:, : example.input_ids.shape[1]].detach().double().cpu().numpy()


TEXT_MAPS: dict[str, TextMap] = {
    "attention": attention,
    "shifted attention": shifted_attention,
    "attention x value norm": value_attention,
    "attention rollout": attention_rollout,
    "attention x gradient": attention_gradient,
    "gradient": gradient,
    "gradient x input": input_gradient,
    "integrated gradients": integrated_gradients,
}

__all__ = []
