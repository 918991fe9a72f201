# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Converts checkpoints of SHI-Labs/Compact-Transformers (CCT, CVT, ViT-Lite) to this family.

    python -m hf_attention.models.compact_vit.convert_shi_labs checkpoint.pth FOLDER --preset cct_7_3x1 --num_labels 10

The `_sine` variants of that code save the table they were trained with as a parameter, so it is kept as one.
"""

import argparse
import re

import torch
from torch import nn
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from transformers.utils import logging

from .configuration_compact_vit import CompactVitConfig
from .image_processing_pil_compact_vit import CompactVitImageProcessorPil
from .modeling_compact_vit import CompactVitForImageClassification


logger = logging.get_logger(__name__)

# their names -> ours; the tokenizer's are made below
NAMES = (
    (r"^classifier\.positional_emb$", "model.embeddings.position_embeddings"),
    (r"^classifier\.class_emb$", "model.embeddings.cls_token"),
    (r"^classifier\.attention_pool\.", "model.pooler.attention."),
    (r"^classifier\.blocks\.(\d+)\.pre_norm\.", r"model.layers.\1.layernorm_before."),
    (r"^classifier\.blocks\.(\d+)\.norm1\.", r"model.layers.\1.layernorm_after."),
    (r"^classifier\.blocks\.(\d+)\.self_attn\.", r"model.layers.\1.attention."),
    (r"^classifier\.blocks\.(\d+)\.linear1\.", r"model.layers.\1.fc1."),
    (r"^classifier\.blocks\.(\d+)\.linear2\.", r"model.layers.\1.fc2."),
    (r"^classifier\.norm\.", "model.layernorm."),
    (r"^classifier\.fc\.", "classifier."),
)


def convert_shi_labs_state_dict(state_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """
    Renames a SHI-Labs state dict to one of [`CompactVitForImageClassification`]; the tensors stay as they are.

    Raises:
        `ValueError`: for a key that none of their models has.
    """
    converted = {}
    for key, value in state_dict.items():
        key = key.removeprefix("module.").removeprefix("_orig_mod.")  # of DataParallel and `torch.compile`
        if match := re.match(r"^tokenizer\.conv_layers\.(\d+)\.0\.(weight|bias)$", key):
            # a convolution of ours is followed by its ReLU and its pooling
            name = f"model.embeddings.patch_embeddings.projection.{3 * int(match[1])}.{match[2]}"
        else:
            for pattern, replacement in NAMES:
                if re.match(pattern, key):
                    name = re.sub(pattern, replacement, key)
                    break
            else:
                raise ValueError(f"{key!r} is not a weight of a SHI-Labs CCT, CVT or ViT-Lite.")
        converted[name] = value
    return converted


def resize_position_embeddings(positions: torch.Tensor, config: CompactVitConfig) -> torch.Tensor:
    """
    Positions trained on another image size, by bicubic interpolation. (1, N, D) to (1, N', D); a class token's stays.

    Raises `ValueError` where they are no square grid.
    """
    prefix = 1 if config.pooling_type == "cls" else 0
    grid = positions[:, prefix:]
    side, wanted = round(grid.shape[1] ** 0.5), config.grid_size(config.image_size)
    if side * side != grid.shape[1]:
        raise ValueError(f"{grid.shape[1]} positions are no square grid, so they cannot be resized.")
    if side == wanted:
        return positions
    grid = grid.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = nn.functional.interpolate(grid, size=(wanted, wanted), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :prefix], grid.flatten(2).transpose(1, 2)], dim=1)


def convert_shi_labs_checkpoint(
    file: str, config: CompactVitConfig, ema: bool = True
) -> CompactVitForImageClassification:
    """
    A model with the weights of a SHI-Labs checkpoint file, its positions resized where `config.image_size` differs.

    Args:
        ema (`bool`, *optional*, defaults to `True`):
            Whether to take the averaged weights of a file that has both, as timm's training writes it.

    Raises:
        `ValueError`: where the weights are not of `config`'s sizes.
    """
    with torch.serialization.safe_globals([argparse.Namespace]):  # timm keeps the run's options beside the weights
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    names = ("state_dict_ema", "model_ema") if ema else ()
    name = next((name for name in (*names, "state_dict", "model") if checkpoint.get(name) is not None), None)
    if name in names:
        logger.warning(f"{file}: converting its averaged weights ({name}). `ema=False` takes the others.")
    state_dict = convert_shi_labs_state_dict(checkpoint if name is None else checkpoint[name])
    positions = "model.embeddings.position_embeddings"
    if positions in state_dict:
        state_dict[positions] = resize_position_embeddings(state_dict[positions], config)
    model = CompactVitForImageClassification(config)
    try:
        model.load_state_dict(state_dict)
    except RuntimeError as error:
        raise ValueError(f"{file} is not a checkpoint of this config: {error}") from error
    return model.eval()


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a .pth file of SHI-Labs/Compact-Transformers")
    parser.add_argument("output_dir", help="the folder to write the model to")
    parser.add_argument("--preset", required=True, help="cct_7_3x1, cct_14_7x2, cvt_7_4, ...")
    parser.add_argument("--num_labels", type=int, required=True)
    parser.add_argument("--image_size", type=int, help="of the new model; positions are resized to it")
    parser.add_argument("--no_ema", action="store_true", help="take the raw weights of a file that has averaged ones")
    parser.add_argument("--no_positions", action="store_true", help="the checkpoint was made without positions")
    for name, default in (("image_mean", IMAGENET_DEFAULT_MEAN), ("image_std", IMAGENET_DEFAULT_STD)):
        described = "of each channel, with which the checkpoint was trained; ImageNet's without it"
        parser.add_argument(f"--{name}", type=float, nargs="+", default=default, help=described)
    options = parser.parse_args(arguments)
    changes = {} if options.image_size is None else {"image_size": options.image_size}
    if options.no_positions:
        changes["position_embedding_type"] = "none"
    config = CompactVitConfig.from_preset(options.preset, num_labels=options.num_labels, **changes)
    convert_shi_labs_checkpoint(options.checkpoint, config, not options.no_ema).save_pretrained(options.output_dir)
    CompactVitImageProcessorPil(
        num_channels=config.num_channels,
        size={"height": config.image_size, "width": config.image_size},
        image_mean=options.image_mean,
        image_std=options.image_std,
    ).save_pretrained(options.output_dir)


if __name__ == "__main__":
    main()


__all__ = ["convert_shi_labs_checkpoint", "convert_shi_labs_state_dict"]
