# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
What `torchrun` runs for test_sharding.py: models sharded by FSDP2 over two processes on the CPU.

accelerate shards on accelerators alone, so it is told that these processes have some; torch shards on a CPU too.
"""

import copy
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method
from transformers import AutoModelForImageClassification, PreTrainedModel

from hf_attention import (
    AttentionCnnConfig,
    BahdanauConfig,
    BahdanauForConditionalGeneration,
    CompactVitConfig,
    RecurrentAttentionConfig,
)
from hf_attention.training.command_line import parse
from hf_attention.training.image_arguments import IMAGE_ARGUMENTS
from hf_attention.training.image_classification import train_image_classification
from hf_attention.training.translation import train_translation
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS


TEXT = {"vocab_size": 16, "embedding_size": 8, "hidden_size": 8, "attention_size": 8, "maxout_size": 8, "dropout": 0.0}
TEXT |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
LUONG = {"attention_query": "current", "attention_type": "general", "readout_type": "tanh", "input_feeding": True}
TRANSLATORS = {
    "fused": {},
    "plain": {"fused": False},
    "2014": {"reset_after": False},
    "luong": LUONG,
    "seq2seq": {"attention_type": "none", "attention_query": "current", "readout_type": "linear"},
    "deep": {"cell_type": "lstm", "encoder_layers": 2, "decoder_layers": 2, "scheduled_sampling_probability": 0.5},
}
SIZES = {"image_size": 8, "num_channels": 1, "hidden_size": 16}
VIT = {**SIZES, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "drop_path_rate": 0.0}
VIT |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
CNN = {"image_size": 8, "num_channels": 1, "hidden_sizes": [4, 8], "depths": [1, 1]}
CLASSIFIERS = {
    "cct": CompactVitConfig(**VIT, num_conv_layers=1),
    "vit": CompactVitConfig(**VIT, tokenizer_type="patch", patch_size=4, pooling_type="cls"),
    "se": AttentionCnnConfig(**CNN, attention_type="se", reduction_ratio=2, spatial_transformer="affine"),
    "non-local": AttentionCnnConfig(**CNN, attention_type="non_local"),
    "glimpses": RecurrentAttentionConfig(**SIZES, num_glimpses=3, glimpse_size=3, num_scales=2),
}


def shard(model: PreTrainedModel) -> PreTrainedModel:
    """Shards a model in place, as accelerate does."""
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, auto_wrap_policy="TRANSFORMER_BASED_WRAP")
    accelerator = SimpleNamespace(
        state=SimpleNamespace(fsdp_plugin=plugin),
        torch_device_mesh=None,
        parallelism_config=None,
        mixed_precision="no",
        is_main_process=True,
        device=torch.device("cpu"),
    )
    return fsdp2_prepare_model(accelerator, model)


def compare(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> tuple[dict, PreTrainedModel, PreTrainedModel]:
    """Returns how far loss and gradients of the sharded model are from the model's own, and both models."""
    plain = copy.deepcopy(model).train()
    sharded = shard(model).train()
    losses = []
    for own in (plain, sharded):
        torch.manual_seed(0)
        loss = own(**inputs).loss
        loss.backward()
        losses.append(loss.item())
    gradients = {name: parameter.grad for name, parameter in plain.named_parameters()}
    errors = [
        (parameter.grad.full_tensor() - gradients[name]).abs().max().item()
        for name, parameter in sharded.named_parameters()
        if parameter.grad is not None or gradients[name] is not None
    ]
    units = sum(isinstance(module, FSDPModule) for module in sharded.modules())
    return {"loss": abs(losses[0] - losses[1]), "gradient": max(errors), "units": units}, plain.eval(), sharded.eval()


def compare_families() -> dict[str, dict]:
    results = {}
    ids = torch.tensor([[5, 6, 7, 2], [8, 9, 2, 0]])
    source = {"input_ids": ids, "attention_mask": (ids != 0).long()}
    for name, options in TRANSLATORS.items():
        torch.manual_seed(0)
        model = BahdanauForConditionalGeneration(BahdanauConfig(**{**TEXT, **options}))
        labels = torch.tensor([[4, 5, 2], [6, 2, -100]])
        results[name], plain, sharded = compare(model, {**source, "labels": labels})
        register_fsdp_forward_method(sharded, "generate")  # as the Trainer does
        for beams in (1, 2):
            expected, found = (
                own.generate(**source, max_length=6, num_beams=beams, synced_gpus=own is sharded)
                for own in (plain, sharded)
            )
            results[name][f"beams {beams}"] = torch.equal(expected, found)
    for name, config in CLASSIFIERS.items():
        torch.manual_seed(0)
        model = AutoModelForImageClassification.from_config(config)
        images = {"pixel_values": torch.rand(2, 1, 8, 8), "labels": torch.tensor([0, 1])}
        results[name], _, _ = compare(model, images)
    return results


def pretend_accelerators() -> None:
    initialize = PartialState.__init__

    def initialize_as_gpu(state: PartialState, *args, **kwargs) -> None:
        initialize(state, *args, **kwargs)
        if state.distributed_type == DistributedType.MULTI_CPU:
            state.distributed_type = DistributedType.MULTI_GPU

    PartialState.__init__ = initialize_as_gpu


def main(folder: Path, pairs: list[str], images: list[str]) -> None:
    pretend_accelerators()
    results: dict[str, object] = {}
    translation = [*pairs, "--save_steps", "2", "--output_dir", str(folder / "pairs"), "--fsdp"]
    results["pairs"] = train_translation(*parse(TRANSLATION_ARGUMENTS, translation))
    resumed = ["--resume_from_checkpoint", str(folder / "pairs" / "checkpoint-2")]
    results["resumed"] = train_translation(*parse(TRANSLATION_ARGUMENTS, [*translation, *resumed]))
    classification = [*images, "--output_dir", str(folder / "images"), "--fsdp"]
    results["images"] = train_image_classification(*parse(IMAGE_ARGUMENTS, classification))
    sharing = ["--config_overrides", "share_encoder_decoder_embeddings=true"]
    elsewhere = ["--output_dir", str(folder / "elsewhere"), "--fsdp"]
    for name, recipe, kinds, arguments in (
        ("shared", train_translation, TRANSLATION_ARGUMENTS, [*pairs, *sharing, *elsewhere]),
        ("average", train_image_classification, IMAGE_ARGUMENTS, [*images, "--ema_decay", "0.5", *elsewhere]),
        ("every node", train_image_classification, IMAGE_ARGUMENTS, [*images, "--save_on_each_node", *elsewhere]),
    ):
        try:
            recipe(*parse(kinds, arguments))
        except ValueError as error:
            results[name] = str(error)
    results["families"] = compare_families()
    if PartialState().is_main_process:
        (folder / "sharded.json").write_text(json.dumps(results))
    PartialState().destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *json.loads(sys.argv[2]))
