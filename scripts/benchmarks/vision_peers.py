# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the vision family's speed is compared with: a lower bound, a plain CCT, and other libraries' models."""

import argparse
import importlib.util
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import dropout


if TYPE_CHECKING:  # imported by the functions below, because the benchmark also measures the import
    from hf_attention import CompactVitConfig


LABELS = 10
DROP_PATH_RATE = 0.1  # stochastic depth of the last layer, as in the recipe


class PlainLayer(nn.Module):
    def __init__(self, config: "CompactVitConfig", drop_path: float) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads, self.drop_path = config.num_attention_heads, drop_path
        self.attention_dropout = config.attention_probs_dropout_prob
        self.norm_before, self.norm_after = nn.LayerNorm(size), nn.LayerNorm(size)
        self.qkv, self.proj = nn.Linear(size, 3 * size, bias=False), nn.Linear(size, size)
        self.fc1, self.fc2 = nn.Linear(size, config.intermediate_size), nn.Linear(config.intermediate_size, size)

    def attend(self, tokens: torch.Tensor) -> torch.Tensor:
        batch_size, length, size = tokens.shape
        qkv = self.qkv(tokens).reshape(batch_size, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]
        weights = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)
        weights = dropout(weights, self.attention_dropout, self.training)
        return self.proj((weights @ value).transpose(1, 2).reshape(batch_size, length, size))

    def drop(self, branch: torch.Tensor) -> torch.Tensor:
        if self.drop_path == 0 or not self.training:
            return branch
        keep = 1 - self.drop_path
        return branch.div(keep) * (keep + torch.rand(len(branch), 1, 1, device=branch.device)).floor()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = self.norm_after(tokens + self.drop(self.attend(self.norm_before(tokens))))
        return tokens + self.drop(self.fc2(nn.functional.gelu(self.fc1(tokens))))


def tokenizer(config: "CompactVitConfig", layers: Callable[[], list[nn.Module]]) -> nn.Sequential:
    """Returns convolutions of the config's sizes, each followed by `layers`."""
    sizes = [config.num_channels, *[config.conv_channels] * (config.num_conv_layers - 1), config.hidden_size]
    kernel = config.kernel_size
    stride, padding = max(1, kernel // 2 - 1), max(1, kernel // 2)
    modules = []
    for inputs, outputs in pairwise(sizes):
        modules += [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False), *layers()]
    return nn.Sequential(*modules)


class PlainCct(nn.Module):
    """The same model, written from sections 3.2 and 3.3 of Hassani et al. 2021."""

    def __init__(self, config: "CompactVitConfig") -> None:
        super().__init__()
        self.tokenizer = tokenizer(config, lambda: [nn.ReLU(), nn.MaxPool2d(3, 2, 1)])
        self.positions = nn.Parameter(torch.randn(1, config.num_patches, config.hidden_size) * 0.2)
        last = max(config.num_hidden_layers - 1, 1)
        self.layers = nn.ModuleList(
            PlainLayer(config, DROP_PATH_RATE * i / last) for i in range(config.num_hidden_layers)
        )
        self.norm = nn.LayerNorm(config.hidden_size)
        self.pool, self.head = nn.Linear(config.hidden_size, 1), nn.Linear(config.hidden_size, LABELS)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        tokens = self.tokenizer(pixels).flatten(2, 3).transpose(-2, -1) + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        return self.head((self.pool(tokens).softmax(dim=1).transpose(-1, -2) @ tokens).squeeze(-2))


class Subsample(nn.Module):
    """Keeps every second position, which is free, instead of pooling."""

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        return grid[:, :, ::2, ::2]


class Floor(nn.Module):
    """A lower bound: only the convolutions and linear maps of the model."""

    def __init__(self, config: "CompactVitConfig") -> None:
        super().__init__()
        size = config.hidden_size
        self.tokenizer = tokenizer(config, lambda: [Subsample()])
        layers = []
        for _ in range(config.num_hidden_layers):
            maps = [nn.Linear(size, 3 * size, bias=False), nn.Linear(size, size)]
            maps += [nn.Linear(size, config.intermediate_size), nn.Linear(config.intermediate_size, size)]
            layers.append(nn.ModuleList(maps))
        self.layers, self.head = nn.ModuleList(layers), nn.Linear(size, LABELS)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        tokens = self.tokenizer(pixels).flatten(2).transpose(1, 2)
        for qkv, proj, fc1, fc2 in self.layers:
            values = qkv(tokens).unflatten(-1, (3, -1))[..., 0, :]
            tokens = fc2(fc1(proj(values)))
        return self.head(tokens[:, 0])


def make_config(options: argparse.Namespace, image_size: int) -> "CompactVitConfig":
    from hf_attention import CompactVitConfig

    rates = {"attention_probs_dropout_prob": 0.1, "drop_path_rate": DROP_PATH_RATE}
    return CompactVitConfig.from_preset(options.preset, num_labels=LABELS, image_size=image_size, **rates)


def make_ours(config: "CompactVitConfig") -> nn.Module:
    from hf_attention import CompactVitForImageClassification

    return CompactVitForImageClassification(config)


def make_ours_without_dropout(config: "CompactVitConfig") -> nn.Module:
    config.attention_probs_dropout_prob = 0.0
    return make_ours(config)


def make_vit(config: "CompactVitConfig") -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    names = ("image_size", "num_channels", "hidden_size", "num_hidden_layers", "num_attention_heads")
    names += ("intermediate_size", "attention_probs_dropout_prob", "num_labels")
    sizes = {name: getattr(config, name) for name in names}
    patch_size = config.image_size // config.grid_size(config.image_size)
    return ViTForImageClassification(ViTConfig(patch_size=patch_size, hidden_dropout_prob=0.0, **sizes))


def make_vit_pytorch(config: "CompactVitConfig") -> nn.Module:
    # import a single file, because the package requires torchvision
    file = Path(importlib.util.find_spec("vit_pytorch").submodule_search_locations[0], "cct.py")
    spec = importlib.util.spec_from_file_location("vit_pytorch_cct", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kernel = config.kernel_size
    return module.CCT(
        img_size=config.image_size,
        embedding_dim=config.hidden_size,
        n_input_channels=config.num_channels,
        n_conv_layers=config.num_conv_layers,
        kernel_size=kernel,
        stride=max(1, kernel // 2 - 1),
        padding=max(1, kernel // 2),
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        mlp_ratio=config.intermediate_size / config.hidden_size,
        num_classes=LABELS,
        positional_embedding="learnable",
        dropout_rate=0.0,
        attention_dropout=config.attention_probs_dropout_prob,
        stochastic_depth_rate=DROP_PATH_RATE,
    )


IMPLEMENTATIONS = {
    "compact_vit": make_ours,
    "compact_vit, no dropout": make_ours_without_dropout,
    "plain CCT": PlainCct,
    "floor": Floor,
    "transformers ViT": make_vit,
}
COUNTED = {"floor": Floor, "transformers ViT": make_vit}  # their products differ from those of the plain CCT
if importlib.util.find_spec("vit_pytorch"):
    IMPLEMENTATIONS["vit-pytorch CCT"] = make_vit_pytorch
