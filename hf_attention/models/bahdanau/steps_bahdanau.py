# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Decoding steps, as `search_bahdanau` needs them: targets share their source's annotations and keys, and a step of the
default decoder is fused.

Shapes: n sources still being translated, k targets of each, S source length, V vocabulary; others are those of
`layers_bahdanau`.
"""

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from .copy_bahdanau import mix_log_probs
from .fused_bahdanau import MAX_EXPONENT, active_dtype, is_plain, is_unmodified_linear
from .hard_bahdanau import first_joint, marginalize
from .layers_bahdanau import BahdanauDecoderLayer, EncoderMemory
from .onednn_bahdanau import linear, pack
from .search_bahdanau import Step


if TYPE_CHECKING:
    from .modeling_bahdanau import BahdanauForConditionalGeneration


class DecodingStep:
    """
    A step of any decoder. `copied_ids`, (n, S), are the target ids of the sources if the model copies; with a
    `vocabulary` the logits are of its tokens alone, and `copied_ids` their positions in it.
    """

    def __init__(
        self,
        model: "BahdanauForConditionalGeneration",
        memory: EncoderMemory,
        copied_ids: torch.Tensor | None = None,
        vocabulary: torch.Tensor | None = None,
    ):
        self.memory, self.copied_ids = memory, copied_ids
        self.decoder, self.lm_head = model.model.decoder, model.lm_head
        if vocabulary is not None:
            weight, bias = select_rows(model.lm_head, vocabulary)
            self.lm_head = partial(nn.functional.linear, weight=weight, bias=bias)

    def initial_state(self) -> torch.Tensor:
        return torch.cat(self.decoder.initial_states(self.memory.final_states), dim=-1)

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        decoder = self.decoder
        run = decoder.run_steps if decoder.config.input_feeding else decoder.run_layers
        embeds = decoder.embed_tokens(tokens).unsqueeze(1)
        outputs = run(embeds, list(state.split(decoder.state_sizes, dim=-1)), self.memory)
        logits, state = self.lm_head(outputs.readout[:, -1]), torch.cat(outputs.last_states, dim=-1)
        if self.copied_ids is None or outputs.generation_logits is None or outputs.weights is None:
            return logits, state
        weights = outputs.weights.mean(dim=2)  # over heads
        mixed = mix_log_probs(logits.unsqueeze(1), outputs.generation_logits, weights, self.copied_ids)
        return mixed[:, 0], state

    def keep(self, sources: torch.Tensor, targets: torch.Tensor) -> None:
        self.copied_ids = None if self.copied_ids is None else self.copied_ids[sources]
        annotations, mask, keys, final_states = self.memory
        mask = None if mask is None else mask[sources]
        self.memory = EncoderMemory(annotations[sources], mask, keys[sources], final_states[targets])


class ShortlistStep:
    """A step whose tokens are positions in a `vocabulary`, (K,), of which alone it computes the logits."""

    def __init__(self, step: Step, vocabulary: torch.Tensor) -> None:
        self.step, self.vocabulary = step, vocabulary

    def initial_state(self) -> torch.Tensor:
        return self.step.initial_state()

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.step(self.vocabulary[tokens], state)

    def keep(self, sources: torch.Tensor, targets: torch.Tensor) -> None:
        self.step.keep(sources, targets)


def select_rows(part: nn.Linear, rows: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weight and bias of a linear map, or of these outputs of it."""
    if rows is None:
        return part.weight, part.bias
    return part.weight[rows], None if part.bias is None else part.bias[rows]


class HardDecodingStep(DecodingStep):
    """A step with hard attention: the state ends with the joint distribution of the last step, (S, vocab)."""

    def initial_state(self) -> torch.Tensor:
        state, (annotations, mask, *_) = super().initial_state(), self.memory
        joint = first_joint(annotations, mask, len(state) // len(annotations))
        return torch.cat([state, joint.expand(-1, -1, self.decoder.config.vocab_size).flatten(1)], dim=-1)

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (self.memory.annotations.shape[1], self.decoder.config.vocab_size)
        *states, joint = state.split([*self.decoder.state_sizes, shape[0] * shape[1]], dim=-1)
        outputs = self.decoder.run_layers(self.decoder.embed_tokens(tokens).unsqueeze(1), states, self.memory)
        assert outputs.weights is not None
        transitions, logits = outputs.weights.transpose(1, 2), self.lm_head(outputs.readout)
        log_probs, _, joint = marginalize(logits, transitions, tokens.unsqueeze(1), joint.unflatten(-1, shape))
        return log_probs[:, 0], torch.cat([*outputs.last_states, joint.flatten(1)], dim=-1)


class FusedDecodingStep:
    """
    A step of a single GRU layer under additive attention with a maxout readout. As in `fused_bahdanau`, exponentials
    replace tanh.
    """

    def __init__(
        self,
        model: "BahdanauForConditionalGeneration",
        memory: EncoderMemory,
        copied_ids: torch.Tensor | None = None,
        vocabulary: torch.Tensor | None = None,
    ):
        decoder, layer, readout = model.model.decoder, model.model.decoder.layers[0], model.model.decoder.readout
        assert isinstance(layer, BahdanauDecoderLayer)  # as `can_fuse_step` checks
        annotations, mask, keys, final_states = memory
        dtype = active_dtype(annotations)

        def packed(part: nn.Linear, rows: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
            weight, bias = select_rows(part, rows)
            return pack(weight.to(dtype), len(final_states)), None if bias is None else bias.to(dtype)

        self.num_targets = len(final_states) // len(annotations)
        self.embedding, self.dtype = decoder.embed_tokens.weight, dtype
        self.gates, self.context_gates = packed(layer.input_proj), packed(layer.context_proj)
        self.recurrent, self.query = packed(layer.cell.recurrent), packed(layer.attention.query_proj)
        self.state_readout, self.lm_head = packed(readout.state_proj), packed(model.lm_head, vocabulary)
        self.input_readout, self.context_readout = packed(readout.input_proj), packed(readout.context_proj)
        self.copied_ids = copied_ids
        if decoder.copy_gate is not None:
            self.copy_gate = packed(decoder.copy_gate.proj)
        self.score = layer.attention.score.weight[0].to(torch.promote_types(dtype, torch.float32))
        keys = keys.to(self.score.dtype)
        self.exp_keys = torch.exp(keys.clamp_(-MAX_EXPONENT, MAX_EXPONENT).mul_(2)).unsqueeze(1)  # (n, 1, S, A)
        self.annotations, self.mask = annotations.to(dtype), None if mask is None else (mask == 0).unsqueeze(1)
        self.first = torch.cat(decoder.initial_states(final_states), dim=-1).to(dtype)
        self.scratch = keys.new_empty(len(annotations), self.num_targets, *keys.shape[1:])

    def initial_state(self) -> torch.Tensor:
        return self.first

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(state.device.type, enabled=False):  # all weights have one type already
            return self.compute(tokens, state)

    def compute(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sources, _, length, size = self.exp_keys.shape
        query = linear(state, *self.query).to(self.score.dtype).clamp_(-MAX_EXPONENT, MAX_EXPONENT)
        query = torch.exp(query.mul_(2)).view(sources, self.num_targets, 1, size)
        u = torch.addcmul(self.score.new_ones(()), self.exp_keys, query, out=self.scratch[:sources]).reciprocal_()
        # the sum of v_a, which is part of all scores, does not change the softmax
        scores = (u.view(-1, size) @ self.score).mul_(-2).view(sources, self.num_targets, length)
        if self.mask is not None:
            scores.masked_fill_(self.mask, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1)  # (n, k, S)
        contexts = torch.bmm(weights.to(self.dtype), self.annotations).flatten(0, 1)  # (n * k, D)
        embeds = nn.functional.embedding(tokens, self.embedding).to(self.dtype)
        pairs = linear(state, *self.state_readout)
        pairs = pairs.add_(linear(embeds, *self.input_readout)).add_(linear(contexts, *self.context_readout))
        gates = linear(embeds, *self.gates).add_(linear(contexts, *self.context_gates))
        recurrent, hidden = linear(state, *self.recurrent), state.shape[-1]
        reset, update = torch.sigmoid(gates[:, : 2 * hidden] + recurrent[:, : 2 * hidden]).chunk(2, dim=-1)
        candidate = torch.addcmul(gates[:, 2 * hidden :], reset, recurrent[:, 2 * hidden :]).tanh_()
        logits = linear(pairs.unflatten(-1, (-1, 2)).amax(dim=-1), *self.lm_head)
        if self.copied_ids is not None:
            gate = linear(torch.cat([contexts, state, embeds], dim=-1), *self.copy_gate)  # (n * k, 1)
            weights = weights.view(len(state), 1, length)
            logits = mix_log_probs(logits.unsqueeze(1), gate, weights, self.copied_ids)[:, 0]
        return logits, torch.lerp(candidate, state, update)

    def keep(self, sources: torch.Tensor, targets: torch.Tensor) -> None:
        self.exp_keys, self.annotations = self.exp_keys[sources], self.annotations[sources]
        self.mask = None if self.mask is None else self.mask[sources]
        self.copied_ids = None if self.copied_ids is None else self.copied_ids[sources]


def can_fuse_step(model: "BahdanauForConditionalGeneration") -> bool:
    """Whether [`FusedDecodingStep`] is this model's step: the default kind of decoder with unmodified linear maps."""
    config, decoder = model.config, model.model.decoder
    layer, readout = decoder.layers[0], decoder.readout
    if not isinstance(layer, BahdanauDecoderLayer) or config.decoder_layers > 1 or config.readout_type != "maxout":
        return False
    if config.cell_type != "gru" or not config.reset_after or not layer.attention.is_bahdanaus:
        return False
    if type(decoder.embed_tokens) is not nn.Embedding or not is_plain(decoder.embed_tokens.weight):
        return False
    attention = layer.attention
    parts = (layer.input_proj, layer.context_proj, layer.cell.recurrent, attention.query_proj, attention.score)
    parts += (readout.state_proj, readout.input_proj, readout.context_proj, model.lm_head)
    parts += () if decoder.copy_gate is None else (decoder.copy_gate.proj,)
    return all(map(is_unmodified_linear, parts))


__all__ = ["DecodingStep", "FusedDecodingStep", "HardDecodingStep", "ShortlistStep", "can_fuse_step"]
