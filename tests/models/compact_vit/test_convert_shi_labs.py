# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import argparse
from itertools import pairwise

import pytest
import torch
from PIL import Image
from torch import nn
from transformers import AutoModelForImageClassification
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention import CompactVitConfig, CompactVitForImageClassification
from hf_attention.models.compact_vit.convert_shi_labs import (
    convert_shi_labs_checkpoint,
    convert_shi_labs_state_dict,
    main,
    resize_position_embeddings,
)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)

    def forward(self, x):
        batch, length, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        weights = ((q @ k.mT) * self.scale).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, length, dim))


class Block(nn.Module):
    """x += attention(pre_norm(x)); x = norm1(x); x += MLP(x)"""

    def __init__(self, dim, heads, hidden):
        super().__init__()
        self.pre_norm, self.self_attn, self.norm1 = nn.LayerNorm(dim), Attention(dim, heads), nn.LayerNorm(dim)
        self.linear1, self.linear2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        x = self.norm1(x + self.self_attn(self.pre_norm(x)))
        return x + self.linear2(nn.functional.gelu(self.linear1(x)))


class Theirs(nn.Module):
    """SHI-Labs' models with their parameter names, implemented from the paper's description."""

    def __init__(self, config):
        super().__init__()
        self.config, dim = config, config.hidden_size
        if config.tokenizer_type == "patch":
            layers = [nn.Sequential(nn.Conv2d(3, dim, config.patch_size, config.patch_size))]
        else:
            k = config.kernel_size
            channels = [3, *[64] * (config.num_conv_layers - 1), dim]
            layers = [
                nn.Sequential(
                    nn.Conv2d(i, o, k, max(1, k // 2 - 1), max(1, k // 2), bias=False),
                    nn.ReLU(),
                    nn.MaxPool2d(3, 2, 1),
                )
                for i, o in pairwise(channels)
            ]
        self.tokenizer, self.classifier = nn.Module(), nn.Module()
        self.tokenizer.conv_layers = nn.Sequential(*layers)
        classifier, length = self.classifier, config.num_patches
        if config.pooling_type == "cls":
            classifier.class_emb, length = nn.Parameter(torch.randn(1, 1, dim)), length + 1
        else:
            classifier.attention_pool = nn.Linear(dim, 1)
        if config.position_embedding_type != "none":
            classifier.positional_emb = nn.Parameter(torch.randn(1, length, dim))
        sizes = (dim, config.num_attention_heads, config.intermediate_size)
        classifier.blocks = nn.ModuleList(Block(*sizes) for _ in range(config.num_hidden_layers))
        classifier.norm, classifier.fc = nn.LayerNorm(dim), nn.Linear(dim, config.num_labels)
        for parameter in self.parameters():
            if parameter.dim() == 1:
                nn.init.normal_(parameter, mean=0.5, std=0.5)

    def forward(self, images):
        classifier = self.classifier
        x = self.tokenizer.conv_layers(images).flatten(2).transpose(1, 2)
        if self.config.pooling_type == "cls":
            x = torch.cat([classifier.class_emb.expand(len(x), -1, -1), x], dim=1)
        if self.config.position_embedding_type != "none":
            x = x + classifier.positional_emb
        for block in classifier.blocks:
            x = block(x)
        x = classifier.norm(x)
        if self.config.pooling_type == "cls":
            return classifier.fc(x[:, 0])
        return classifier.fc((classifier.attention_pool(x).softmax(dim=1).mT @ x).squeeze(1))


PRESETS = ["cct_2_3x2", "cct_7_3x1", "cct_7_7x2", "cvt_7_4", "vit_lite_7_4"]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("positions", ["learnable", "none"])
@torch.no_grad()
def test_converted_models_return_the_logits_of_shi_labs_models(preset, positions):
    torch.manual_seed(0)
    small = {"image_size": 64} if "7x2" in preset else {}
    config = CompactVitConfig.from_preset(preset, num_labels=10, position_embedding_type=positions, **small)
    theirs = Theirs(config).eval()
    ours = CompactVitForImageClassification(config).eval()
    ours.load_state_dict(convert_shi_labs_state_dict(theirs.state_dict()))
    images = torch.randn(2, 3, config.image_size, config.image_size)
    torch.testing.assert_close(ours(images).logits, theirs(images), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_command_converts_and_resizes_to_another_image_size(tmp_path):
    torch.manual_seed(0)
    theirs = Theirs(CompactVitConfig.from_preset("cct_2_3x2", num_labels=5)).eval()
    state_dict = {f"module.{name}": value for name, value in theirs.state_dict().items()}
    torch.save({"state_dict": state_dict}, tmp_path / "cct.pth")
    arguments = [str(tmp_path / "cct.pth"), str(tmp_path / "same"), "--preset", "cct_2_3x2", "--num_labels", "5"]
    main(arguments)
    model = AutoModelForImageClassification.from_pretrained(tmp_path / "same")
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(images).logits, theirs(images), rtol=1e-4, atol=1e-4)

    arguments[1] = str(tmp_path / "large")
    main([*arguments, "--image_size", "48", "--image_mean", "0.5", "0.4", "0.3"])
    processor = AutoImageProcessor.from_pretrained(tmp_path / "large")
    assert list(processor.image_mean) == [0.5, 0.4, 0.3]
    assert processor(Image.new("RGB", (9, 9)))["pixel_values"][0].shape == (3, 48, 48)
    large = AutoModelForImageClassification.from_pretrained(tmp_path / "large")
    images = torch.randn(2, 3, 48, 48)
    torch.testing.assert_close(large(images).logits, model(images, interpolate_pos_encoding=True).logits)


def test_averaged_weights_are_converted_by_default(tmp_path):
    raw, averaged = (Theirs(CompactVitConfig.from_preset("cct_2_3x2", num_labels=5)).state_dict() for _ in range(2))
    averaged = {f"_orig_mod.{name}": value for name, value in averaged.items()}
    saved = {"state_dict": raw, "state_dict_ema": averaged, "args": argparse.Namespace(model="cct_2")}
    torch.save(saved, tmp_path / "best.pth")
    config = CompactVitConfig.from_preset("cct_2_3x2", num_labels=5)
    model = convert_shi_labs_checkpoint(str(tmp_path / "best.pth"), config)
    torch.testing.assert_close(model.classifier.weight, averaged["_orig_mod.classifier.fc.weight"])
    model = convert_shi_labs_checkpoint(str(tmp_path / "best.pth"), config, ema=False)
    torch.testing.assert_close(model.classifier.weight, raw["classifier.fc.weight"])


def test_resizing_keeps_the_position_of_the_class_token_first():
    config = CompactVitConfig.from_preset("vit_lite_7_4", image_size=48)
    positions = torch.randn(1, 65, 256)
    resized = resize_position_embeddings(positions, config)
    assert resized.shape == (1, 145, 256)
    assert torch.equal(resized[:, 0], positions[:, 0])


def test_unknown_parameter_is_named_in_the_error():
    with pytest.raises(ValueError, match="'encoder.weight' is not a parameter of a SHI-Labs"):
        convert_shi_labs_state_dict({"encoder.weight": torch.zeros(1)})


def test_checkpoint_of_other_sizes_raises_before_anything_is_saved(tmp_path):
    theirs = Theirs(CompactVitConfig.from_preset("cct_2_3x2", num_labels=5))
    torch.save(theirs.state_dict(), tmp_path / "cct.pth")
    arguments = [str(tmp_path / "cct.pth"), str(tmp_path / "out"), "--preset", "cct_4_3x2", "--num_labels", "5"]
    with pytest.raises(ValueError, match=r"cct.pth does not fit this config"):
        main(arguments)
    assert not (tmp_path / "out").exists()
