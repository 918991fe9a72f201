# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
One step of a search: of any decoder, of the default one by a function of its own, or of either compiled.

Shapes: n sources still being translated, k targets of each, S source length, V vocabulary; others are those of
`layers_bahdanau`.
"""

import torch
from torch import nn
from transformers import CompileConfig
from transformers.utils import logging

from .encoder_decoder_bahdanau import BahdanauSource
from .fused_bahdanau import LIMIT, without_autocast
from .layers_bahdanau import BahdanauAttentiveLayer, is_plain
from .products_bahdanau import linear, pack


logger = logging.get_logger(__name__)


class BahdanauStep:
    """One step of any decoder, with the source it reads."""

    is_static = False

    def __init__(self, model: nn.Module, annotations: torch.Tensor, mask: torch.Tensor | None, share: int):
        self.decoder, self.head = model.model.decoder, model.lm_head
        ends = self.decoder.read_ends(annotations, mask).repeat_interleave(share, dim=0)
        self.source = BahdanauSource(annotations, mask, self.decoder.project_keys(annotations), ends)

    def start(self) -> torch.Tensor:
        """The state before the first token, (n * k, state)."""
        return torch.cat(self.decoder.start(self.source.ends), dim=-1)

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens, (n * k), and the state before them, to logits, (n * k, V), and the state after."""
        decoder = self.decoder
        run = decoder.run_steps if decoder.config.input_feeding else decoder.run_layers
        embeds = decoder.embed_tokens(tokens).unsqueeze(1)
        states = list(state.split(decoder.state_sizes, dim=-1))
        _, states, _, readout = run(embeds, states, self.source, None, None)
        return self.head(readout[:, -1]), torch.cat(states, dim=-1)

    def select(self, sources: torch.Tensor, targets: torch.Tensor):
        """Leaves the other sources, and their targets, out."""
        annotations, mask, keys, ends = self.source
        mask = None if mask is None else mask[sources]
        self.source = BahdanauSource(annotations[sources], mask, keys[sources], ends[targets])


class FusedStep:
    """
    One step of a single GRU under additive attention with a maxout readout, exponentials in the place of tanh as in
    `fused_bahdanau`.
    """

    is_static = False

    def __init__(
        self, model: nn.Module, annotations: torch.Tensor, mask: torch.Tensor | None, share: int, packs: bool = True
    ):
        decoder, layer, readout = model.model.decoder, model.model.decoder.layers[0], model.model.decoder.readout
        device = annotations.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else annotations.dtype

        def weights_of(part: nn.Linear) -> tuple[torch.Tensor, torch.Tensor | None]:
            weight, bias = part.weight.to(dtype), None if part.bias is None else part.bias.to(dtype)
            return pack(weight, rows=len(annotations) * share) if packs else weight, bias

        self.embedding, self.share, self.dtype = decoder.embed_tokens.weight, share, dtype
        self.gates, self.context_gates = weights_of(layer.input_proj), weights_of(layer.context_proj)[0]
        self.recurrent, self.query = weights_of(layer.cell.recurrent), weights_of(layer.attention.query_proj)
        self.readout, self.head = weights_of(readout.state_proj), weights_of(model.lm_head)
        self.other_readout = [weights_of(part)[0] for part in (readout.input_proj, readout.context_proj)]
        self.score = layer.attention.score.weight[0].to(torch.promote_types(dtype, torch.float32))
        keys = decoder.project_keys(annotations).to(self.score.dtype)
        self.exp_keys = torch.exp(keys.clamp_(-LIMIT, LIMIT).mul_(2)).unsqueeze(1)  # (n, 1, S, A)
        self.annotations, self.mask = annotations.to(dtype), None if mask is None else (mask == 0).unsqueeze(1)
        self.first = torch.cat(decoder.start(decoder.read_ends(annotations, mask)), dim=-1).to(dtype)
        self.scratch = keys.new_empty(len(annotations), share, *keys.shape[1:])

    def start(self) -> torch.Tensor:
        return self.first.repeat_interleave(self.share, dim=0)

    @without_autocast
    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sources, _, length, size = self.exp_keys.shape
        query = linear(state, *self.query).to(self.score.dtype)
        query = torch.exp(query.clamp_(-LIMIT, LIMIT).mul_(2)).view(sources, self.share, 1, size)
        # the sum of v_a, which all scores have, leaves the softmax as it is
        if torch.compiler.is_compiling():  # into one loop
            scores = -2 * (self.score / (1 + self.exp_keys * query)).sum(dim=-1)
        else:
            one, scratch = self.score.new_ones(()), self.scratch[:sources]
            slopes = torch.addcmul(one, self.exp_keys, query, out=scratch).reciprocal_()
            scores = (slopes.view(-1, size) @ self.score).mul_(-2).view(sources, self.share, length)
        if self.mask is not None:
            scores.masked_fill_(self.mask, torch.finfo(scores.dtype).min)
        contexts = torch.bmm(scores.softmax(dim=-1).to(self.dtype), self.annotations).flatten(0, 1)  # (n * k, D)
        embeds = nn.functional.embedding(tokens, self.embedding).to(self.dtype)
        pairs = linear(state, *self.readout)
        for given, weight in zip((embeds, contexts), self.other_readout):
            pairs += linear(given, weight)
        gates = linear(embeds, *self.gates).add_(linear(contexts, self.context_gates))
        recurrent, hidden = linear(state, *self.recurrent), state.shape[-1]
        reset, update = torch.sigmoid(gates[:, : 2 * hidden] + recurrent[:, : 2 * hidden]).chunk(2, dim=-1)
        candidate = torch.addcmul(gates[:, 2 * hidden :], reset, recurrent[:, 2 * hidden :]).tanh_()
        logits = linear(pairs.unflatten(-1, (-1, 2)).amax(dim=-1), *self.head)
        return logits, torch.lerp(candidate, state, update)

    def select(self, sources: torch.Tensor, targets: torch.Tensor):
        self.exp_keys, self.annotations = self.exp_keys[sources], self.annotations[sources]
        self.mask = None if self.mask is None else self.mask[sources]


COMPILED = {}  # steps by what `torch.compile` was told, so that nothing is compiled twice
# PyTorch's units are traced; and beside batch, beams and source, types and devices may vary
COMPILING = {"allow_rnn": True, "recompile_limit": 64}


class CompiledStep:
    """A step by `torch.compile`, one graph of it. Its batch stays whole."""

    is_static = True

    def __init__(self, step: BahdanauStep | FusedStep, config: CompileConfig):
        self.step, self.start, self.key = step, step.start, str(config.to_dict())
        if self.key not in COMPILED:
            COMPILED[self.key] = torch.compile(run_step, **config.to_dict())

    def __call__(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        try:
            with torch._dynamo.config.patch(COMPILING):
                logits, state = COMPILED[self.key](self.step, tokens.contiguous(), state)
        except torch._dynamo.exc.BackendCompilerFailed as error:
            reason = " ".join(str(error).splitlines()[:2])
            logger.warning_once(f"`compile_config` is passed over: the step does not compile here. {reason}")
            COMPILED[self.key] = run_step
            return self.step(tokens, state)
        return logits, state.clone()  # a CUDA graph writes over what it gave


def run_step(step: BahdanauStep | FusedStep, tokens: torch.Tensor, state: torch.Tensor):
    return step(tokens, state)


def can_fuse(model: nn.Module) -> bool:
    """Whether [`FusedStep`] is this model's step: the default kind of decoder, its linear maps plain."""
    config, layer, readout = model.config, model.model.decoder.layers[0], model.model.decoder.readout
    if not isinstance(layer, BahdanauAttentiveLayer) or config.decoder_layers > 1 or config.readout_type != "maxout":
        return False
    if config.cell_type != "gru" or not config.reset_after or config.attention_type != "additive":
        return False
    if type(model.model.decoder.embed_tokens) is not nn.Embedding:
        return False
    attention = layer.attention
    parts = (layer.input_proj, layer.context_proj, layer.cell.recurrent, attention.query_proj, attention.score)
    return all(map(is_plain, (*parts, readout.state_proj, readout.input_proj, readout.context_proj, model.lm_head)))
