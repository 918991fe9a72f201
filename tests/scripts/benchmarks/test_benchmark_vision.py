# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
from types import SimpleNamespace

import benchmark_vision
import pytest
import torch
import vision_peers

from hf_attention import CompactVitConfig, CompactVitForImageClassification


TINY = ["--preset", "cct_2_3x2", "--batch_size", "2", "--rounds", "2", "--num_threads", "1", "--peak_tflops", "2"]


def test_results_and_scaling_curve_are_written(tmp_path, capsys):
    file, picture = tmp_path / "vision.json", tmp_path / "scaling.png"
    arguments = [*TINY, "--image_sizes", "16", "24", "--parts", "training", "inference", "--bf16"]
    benchmark_vision.main([*arguments, "--output_file", str(file), "--plot_file", str(picture)])
    written = json.loads(file.read_text())
    assert written["options"]["bf16"]
    assert written["peak_tflops"] == 2
    assert set(written["results"]) == {"16", "24"}
    for parts in written["results"].values():
        for name in ("compact_vit", "plain CCT", "floor", "transformers ViT"):
            training, inference = parts["training"][name], parts["inference"][name]
            assert len(training["seconds"]) == len(inference["seconds"]) == 2
            assert min(*training["images_per_second"], training["saved_mib"], inference["single_image_ms"]) > 0
            for row in (training, inference):
                flops = [rate * value for rate, value in zip(row["tflops_per_second"], row["seconds"])]
                assert flops[0] == pytest.approx(flops[1])
                assert flops[0] > 0
                assert row["of_the_peak"] == pytest.approx([rate / 2 for rate in row["tflops_per_second"]])
        assert parts["training"]["compact_vit"]["parameters"] == parts["training"]["plain CCT"]["parameters"]
        assert parts["training"]["floor"]["saved_mib"] < parts["training"]["compact_vit"]["saved_mib"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "| plain CCT | 1.00 |" in capsys.readouterr().out


def test_flops_match_those_counted_by_hand():
    first, second = 16 * 16 * 64 * 27, 8 * 8 * 128 * 64 * 9  # convolutions of 3x3, halved after each
    layer = 16 * 128 * (384 + 128 + 128 + 128) + 2 * 16 * 16 * 128
    forward = first + second + 2 * layer + 2 * 16 * 128 + 128 * 10
    options = SimpleNamespace(preset="cct_2_3x2", bf16=False, device="cpu")
    pixels = torch.randn(5, 3, 16, 16)
    assert benchmark_vision.count_batch("compact_vit", options, pixels, False) == 5 * 2 * forward
    assert benchmark_vision.count_batch("compact_vit", options, pixels, True) == 5 * 2 * (3 * forward - first)
    # the floor has no products of attention or pooling
    floor = forward - 2 * 2 * 16 * 16 * 128 - 2 * 16 * 128
    assert benchmark_vision.count_batch("floor", options, pixels, False) == 5 * 2 * floor


def test_memory_is_measured_in_a_separate_process(tmp_path):
    file = tmp_path / "vision.json"
    arguments = [
        *TINY,
        "--image_sizes",
        "16",
        "--parts",
        "memory",
        "--implementations",
        "floor",
        "--output_file",
        str(file),
    ]
    benchmark_vision.main(arguments)
    row = json.loads(file.read_text())["results"]["16"]["memory"]["floor"]
    assert row["peak_mib"] > 50
    assert row["peak_of"] == "process"
    assert row["first_batch_seconds"] > 0


@pytest.mark.parametrize("preset", ["cct_2_3x2", "cct_6_3x1"])
@torch.no_grad()
def test_plain_cct_with_the_same_weights_has_the_same_logits(preset):
    config = CompactVitConfig.from_preset(preset, num_labels=10, image_size=16)
    ours, plain = CompactVitForImageClassification(config).eval(), vision_peers.PlainCct(config).eval()
    ours_state = ours.state_dict()
    names = {
        "positions": "model.embeddings.position_embeddings",
        "norm.": "model.layernorm.",
        "pool.": "model.pooler.attention.",
        "head.": "classifier.",
        "layers.": "model.layers.",
    }
    parts = {".norm_before.": ".layernorm_before.", ".norm_after.": ".layernorm_after."}
    parts |= {".qkv.": ".attention.qkv.", ".proj.": ".attention.proj."}
    state = {}
    for name in plain.state_dict():
        other = name.replace("tokenizer.", "model.embeddings.patch_embeddings.projection.")
        for short, long in names.items():
            other = long + other.removeprefix(short) if other.startswith(short) else other
        for short, long in parts.items():
            other = other.replace(short, long)
        state[name] = ours_state.pop(other)
    assert not ours_state
    plain.load_state_dict(state)
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(plain(images), ours(images).logits, rtol=1e-4, atol=1e-5)


def test_unknown_implementation_and_preset_raise(capsys):
    with pytest.raises(SystemExit):
        benchmark_vision.main(["--implementations", "none"])
    assert "argument --implementations/--ways: invalid choice: 'none'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="There is no preset"):
        benchmark_vision.main([*TINY, "--preset", "cct_1", "--parts", "inference"])
