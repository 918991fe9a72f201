# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Models whose weights FSDP shards over the processes."""

import copy
import os
from collections.abc import Generator
from contextlib import contextmanager

from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel, Trainer


def check_sharding(trainer: Trainer) -> None:
    """Raises `ValueError` if FSDP is requested, but accelerate would not or could not shard the model."""
    args, model = trainer.args, trainer.model
    is_requested = bool(args.fsdp) or os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    if is_requested and not trainer.is_fsdp_enabled:
        raise ValueError(
            f"`fsdp` shards a model over the GPUs of several processes, but this run has {args.world_size} on "
            f"{args.device.type}: each would train a complete copy. Leave it out, or start a process per GPU."
        )
    if trainer.is_fsdp_enabled and args.save_on_each_node:
        raise ValueError(
            "`save_on_each_node` saves complete weights, but `fsdp` collects them on the first host alone. Name an "
            "`output_dir` that all hosts share, and leave it out."
        )
    if not trainer.is_fsdp_enabled or not isinstance(model, PreTrainedModel):
        return
    if shared := shared_parameters(model):
        raise ValueError(
            f"`fsdp` cannot shard this model, because modules share a weight ({', '.join(shared)}). Train a model "
            "with separate embeddings (`share_encoder_decoder_embeddings=false,tie_word_embeddings=false` in "
            "`config_overrides`), or leave out `fsdp`."
        )


def shared_parameters(model: PreTrainedModel) -> list[str]:
    """
    Returns the names of parameters that modules share, other than the input embeddings and the output projection,
    which accelerate shards together.
    """
    together = {model.get_input_embeddings(), model.get_output_embeddings()}
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    shared = [group for group in names.values() if len(group) > 1]
    return [
        name
        for group in shared
        for name in group
        if not {model.get_submodule(other.rpartition(".")[0]) for other in group} <= together
    ]


def full_model(trainer: Trainer) -> PreTrainedModel:
    """
    Returns the trainer's model, on the first process with all its weights even if FSDP shards them. All processes call
    this, and the first may then use the model alone.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not trainer.is_fsdp_enabled:
        return model
    weights = trainer.accelerator.get_state_dict(trainer.model)
    if not trainer.is_world_process_zero():
        return model
    with own_class(model):
        full = type(model)(copy.deepcopy(model.config))
    if model.can_generate():
        full.generation_config = model.generation_config
    full.load_state_dict(weights)
    return full.to(trainer.args.device).eval()


@contextmanager
def own_class(model: nn.Module) -> Generator[None]:
    """
    Temporarily gives a model that FSDP2 shards its own class instead of the one that FSDP made, whose code would be
    saved with the model.
    """
    sharded = type(model)
    if isinstance(model, FSDPModule):
        model.__class__ = next(cls for cls in sharded.__mro__[1:] if not issubclass(cls, FSDPModule))
    try:
        yield
    finally:
        model.__class__ = sharded


__all__ = ["check_sharding", "full_model", "own_class"]
