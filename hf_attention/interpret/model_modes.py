# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Context managers that change how a model runs and restore it afterwards: evaluation mode, eager attention."""

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn
from transformers import PreTrainedModel
from transformers.utils import logging


logger = logging.get_logger(__name__)


@contextmanager
def eval_mode(model: nn.Module) -> Generator[None, None, None]:
    """Sets a model to evaluation mode; afterwards restores the mode of each of its modules."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def eager_attention(model: PreTrainedModel) -> Generator[None, None, None]:
    """Switches a model to `eager` attention, since fused implementations return no weights; then switches back."""
    implementation = model.config._attn_implementation
    if implementation in (None, "eager"):
        yield
        return
    logger.info(f"Computing attention weights with `eager` instead of `{implementation}` attention.")
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(implementation)
