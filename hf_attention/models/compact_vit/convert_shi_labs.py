# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Convert checkpoints of SHI-Labs/Compact-Transformers (CCT, CVT, ViT-Lite) to Compact ViT models.

    python -m hf_attention.models.compact_vit.convert_shi_labs checkpoint.pth FOLDER --preset cct_7_3x1 --num_labels 10

The `_sine` variants of that code save their sinusoidal position table as a parameter, so it is converted to learnable
positions.
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

# SHI-Labs' names -> ours; those of the tokenizer are converted in `convert_shi_labs_state_dict`
KEY_PATTERNS = (
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
    Renames the keys of a SHI-Labs state dict to those of [`CompactVitForImageClassification`]. The tensors are not
    changed.

    Raises:
        `ValueError`: for a key that is not in any SHI-Labs model.
    """
    converted = {}
    for key, value in state_dict.items():
        key = key.removeprefix("module.").removeprefix("_orig_mod.")  # DataParallel, `torch.compile`
        if match := re.match(r"^tokenizer\.conv_layers\.(\d+)\.0\.(weight|bias)$", key):
            # each of our convolutions is followed by pooling and ReLU
            name = f"model.embeddings.patch_embeddings.projection.{3 * int(match[1])}.{match[2]}"
        else:
            for pattern, replacement in KEY_PATTERNS:
                if re.match(pattern, key):
                    name = re.sub(pattern, replacement, key)
                    break
            else:
                raise ValueError(f"{key!r} is not a parameter of a SHI-Labs CCT, CVT or ViT-Lite.")
        converted[name] = value
    return converted


def resize_position_embeddings(positions: torch.Tensor, config: CompactVitConfig) -> torch.Tensor:
    """
    Interpolates position embeddings to the image size of `config` (bicubic): (1, N, D) to (1, N', D). The position of
    a class token is not changed.

    Raises:
        `ValueError`: if the positions do not form a square grid.
    """
    prefix = 1 if config.pooling_type == "cls" else 0
    grid = positions[:, prefix:]
    side, new_shape = round(grid.shape[1] ** 0.5), tuple(map(config.grid_size, config.image_height_width))
    if side * side != grid.shape[1]:
        raise ValueError(f"{grid.shape[1]} positions do not form a square grid, so they cannot be resized.")
    if (side, side) == new_shape:
        return positions
    grid = grid.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = nn.functional.interpolate(grid, size=new_shape, mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :prefix], grid.flatten(2).transpose(1, 2)], dim=1)


def convert_shi_labs_checkpoint(
    file: str, config: CompactVitConfig, ema: bool = True
) -> CompactVitForImageClassification:
    """
    Loads a SHI-Labs checkpoint file into a model. Its positions are resized if `config.image_size` differs.

    Args:
        ema (`bool`, *optional*, defaults to `True`):
            Whether to load the averaged (EMA) weights of a file that has both, as timm's training script saves it.

    Raises:
        `ValueError`: if the weights do not have the sizes of `config`.
    """
    with torch.serialization.safe_globals([argparse.Namespace]):  # timm saves the options of the run in the same file
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    ema_names = ("state_dict_ema", "model_ema") if ema else ()
    name = next((name for name in (*ema_names, "state_dict", "model") if checkpoint.get(name) is not None), None)
    if name in ema_names:
        logger.warning(f"{file}: converting the averaged weights ({name}). `ema=False` converts the raw weights.")
    state_dict = convert_shi_labs_state_dict(checkpoint if name is None else checkpoint[name])
    positions = "model.embeddings.position_embeddings"
    if positions in state_dict:
        state_dict[positions] = resize_position_embeddings(state_dict[positions], config)
    model = CompactVitForImageClassification(config)
    try:
        model.load_state_dict(state_dict)
    except RuntimeError as error:
        raise ValueError(f"The checkpoint {file} does not fit this config: {error}") from error
    return model.eval()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a .pth file from SHI-Labs/Compact-Transformers")
    parser.add_argument("output_dir", help="the folder to write the model to")
    parser.add_argument("--preset", required=True, help="cct_7_3x1, cct_14_7x2, cvt_7_4, ...")
    parser.add_argument("--num_labels", type=int, required=True)
    parser.add_argument("--image_size", type=int, help="image size of the new model; positions are resized to it")
    parser.add_argument(
        "--no_ema", action="store_true", help="convert the raw weights, even if the file also has averaged ones"
    )
    parser.add_argument("--no_positions", action="store_true", help="the checkpoint was trained without positions")
    for name, default in (("image_mean", IMAGENET_DEFAULT_MEAN), ("image_std", IMAGENET_DEFAULT_STD)):
        help_text = "one value per channel, as used to train the checkpoint (default: ImageNet's)"
        parser.add_argument(f"--{name}", type=float, nargs="+", default=default, help=help_text)
    options = parser.parse_args(arguments)
    overrides = {} if options.image_size is None else {"image_size": options.image_size}
    if options.no_positions:
        overrides["position_embedding_type"] = "none"
    config = CompactVitConfig.from_preset(options.preset, num_labels=options.num_labels, **overrides)
    convert_shi_labs_checkpoint(options.checkpoint, config, not options.no_ema).save_pretrained(options.output_dir)
    height, width = config.image_height_width
    CompactVitImageProcessorPil(
        num_channels=config.num_channels,
        size={"height": height, "width": width},
        image_mean=options.image_mean,
        image_std=options.image_std,
    ).save_pretrained(options.output_dir)


if __name__ == "__main__":
    main()


__all__ = ["convert_shi_labs_checkpoint", "convert_shi_labs_state_dict"]
