# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import copy
import math
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoBackbone,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForMaskedImageModeling,
)

from hf_attention import (
    CompactVitBackbone,
    CompactVitConfig,
    CompactVitForImageClassification,
    CompactVitForMaskedImageModeling,
    CompactVitModel,
)


SIZES = {
    "image_size": 16,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "conv_channels": 5,
    "num_labels": 4,
    "initializer_range": 0.3,
}
KINDS = [
    {},
    {"num_conv_layers": 2, "position_embedding_type": "sinusoidal"},
    {"tokenizer_type": "patch", "position_embedding_type": "none"},
    {"tokenizer_type": "patch", "pooling_type": "cls"},
    {"pooling_type": "mean", "qkv_bias": True, "num_channels": 1, "layer_norm_eps": 0.1},
]


def option_id(options):
    return "-".join(f"{value}" for value in options.values()) or "default"


def make_model(model_class=CompactVitForImageClassification, **options):
    torch.manual_seed(0)
    model = model_class(CompactVitConfig(**{**SIZES, **options})).eval()
    with torch.no_grad():  # zero biases and unit norms would hide errors
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def make_images(model, size=16, batch_size=3):
    return torch.randn(batch_size, model.config.num_channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "preset, labels, image_size, parameters",
    [
        ("cct_2_3x2", 10, 32, 283_723),
        ("cct_4_3x2", 10, 32, 482_123),
        ("cct_6_3x1", 10, 32, 3_233_803),
        ("cct_6_3x2", 10, 32, 3_326_923),
        ("cct_7_3x1", 10, 32, 3_760_139),
        ("cct_7_3x2", 10, 32, 3_853_259),
        ("cct_7_7x2", 102, 224, 4_573_735),
        ("cct_14_7x2", 1000, 224, 22_367_273),
        ("cct_14_7x2", 1000, 384, 22_513_193),
    ],
)
def test_parameter_counts_of_the_papers_code(preset, labels, image_size, parameters):
    config = CompactVitConfig.from_preset(preset, num_labels=labels, image_size=image_size)
    with torch.device("meta"):
        assert CompactVitForImageClassification(config).num_parameters() == parameters


def norm(x, module, eps):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps) * module.weight + module.bias


def cubic(old, new):
    """The weights (new, old) of cubic interpolation: Keys 1981 with a = -0.75, edge values repeated."""
    weights = torch.zeros(new, old)
    for place in range(new):
        center = (place + 0.5) * old / new - 0.5
        for near in range(math.floor(center) - 1, math.floor(center) + 3):
            x = abs(center - near)
            weight = 1.25 * x**3 - 2.25 * x**2 + 1 if x <= 1 else -0.75 * (x**3 - 5 * x**2 + 8 * x - 4)
            weights[place, min(max(near, 0), old - 1)] += weight
    return weights


def reference(model, image):
    """Returns the logits and pooling weights of one image, computed from the paper's equations."""
    config, base = model.config, model.model
    tokens = image[None]
    for module in base.embeddings.patch_embeddings.projection:
        if isinstance(module, torch.nn.Conv2d):
            tokens = torch.nn.functional.conv2d(tokens, module.weight, module.bias, module.stride, module.padding)
            if config.tokenizer_type == "conv":  # the paper's order: ReLU, then pooling
                tokens = torch.nn.functional.max_pool2d(tokens.clamp(min=0), 3, 2, 1)
    rows, columns = tokens.shape[2:]
    tokens = tokens[0].flatten(1).T  # (N, D)
    if config.pooling_type == "cls":
        tokens = torch.cat([base.embeddings.cls_token[0], tokens])
    if config.position_embedding_type != "none":
        positions = base.embeddings.position_embeddings[0]
        if config.position_embedding_type == "sinusoidal":
            table = [
                [
                    (math.sin if place % 2 == 0 else math.cos)(
                        position / 10_000 ** (2 * (place // 2) / config.hidden_size)
                    )
                    for place in range(config.hidden_size)
                ]
                for position in range(config.num_patches)
            ]
            positions = torch.tensor(table)
        first, grid = positions.tensor_split([len(tokens) - rows * columns])
        height, width = (config.grid_size(side) for side in config.image_height_width)
        grid = cubic(width, columns) @ grid.view(height, width, -1)  # each row
        grid = cubic(height, rows) @ grid.transpose(0, 1)  # each column
        tokens = tokens + torch.cat([first, grid.transpose(0, 1).flatten(0, 1)])
    size = config.hidden_size // config.num_attention_heads
    for layer in base.layers:
        normed = norm(tokens, layer.layernorm_before, config.layer_norm_eps)
        qkv = normed @ layer.attention.qkv.weight.T
        if layer.attention.qkv.bias is not None:
            qkv = qkv + layer.attention.qkv.bias
        query, key, value = qkv.split(config.hidden_size, dim=1)
        heads = []
        for head in range(config.num_attention_heads):
            columns = slice(head * size, (head + 1) * size)
            scores = query[:, columns] @ key[:, columns].T / math.sqrt(size)
            weights = scores.exp() / scores.exp().sum(1, keepdim=True)
            heads.append(weights @ value[:, columns])
        attended = torch.cat(heads, dim=1) @ layer.attention.proj.weight.T + layer.attention.proj.bias
        tokens = norm(tokens + attended, layer.layernorm_after, config.layer_norm_eps)
        hidden = tokens @ layer.fc1.weight.T + layer.fc1.bias
        hidden = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
        tokens = tokens + hidden @ layer.fc2.weight.T + layer.fc2.bias
    tokens = norm(tokens, base.layernorm, config.layer_norm_eps)
    pool = None
    if config.pooling_type == "sequence":
        scores = tokens @ base.pooler.attention.weight[0] + base.pooler.attention.bias
        pool = scores.exp() / scores.exp().sum()
        pooled = sum(weight * token for weight, token in zip(pool, tokens))
    else:
        pooled = tokens[0] if config.pooling_type == "cls" else sum(tokens) / len(tokens)
    return model.classifier.weight @ pooled + model.classifier.bias, pool


@pytest.mark.parametrize("options", KINDS, ids=option_id)
@torch.no_grad()
def test_logits_match_the_equations(options):
    model = make_model(**options)
    images = make_images(model)
    outputs = model(images)
    for row, image in enumerate(images):
        logits, pool = reference(model, image)
        torch.testing.assert_close(outputs.logits[row], logits, rtol=1e-4, atol=1e-5)
        if pool is None:
            assert outputs.pooling_weights is None
        else:
            torch.testing.assert_close(outputs.pooling_weights[row], pool, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("options", KINDS, ids=option_id)
def test_outputs_have_the_documented_shapes(options):
    model = make_model(**options)
    model.set_attn_implementation("eager")
    outputs = model(
        make_images(model), labels=torch.tensor([0, 1, 3]), output_attentions=True, output_hidden_states=True
    )
    tokens = model.config.num_patches + (model.config.pooling_type == "cls")
    assert [tuple(h.shape) for h in outputs.hidden_states] == [(3, tokens, 12)] * 3
    assert [tuple(a.shape) for a in outputs.attentions] == [(3, 3, tokens, tokens)] * 2
    torch.testing.assert_close(outputs.attentions[0].sum(-1), torch.ones(3, 3, tokens))
    if outputs.pooling_weights is not None:
        torch.testing.assert_close(outputs.pooling_weights.sum(-1), torch.ones(3))
    assert outputs.loss.shape == ()
    assert isinstance(model(make_images(model), return_dict=False), tuple)


# PyTorch compiles flex attention for CPUs with AVX2 or better
no_flex = pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="the CPU lacks AVX2")


@pytest.mark.parametrize("implementation", ["sdpa", pytest.param("flex_attention", marks=no_flex)])
@torch.no_grad()
def test_attention_implementations_agree(implementation):
    model = make_model(hidden_size=48)
    images = make_images(model)
    model.set_attn_implementation("eager")
    expected = model(images).logits
    model.set_attn_implementation(implementation)
    torch.testing.assert_close(model(images).logits, expected, rtol=1e-4, atol=1e-5)


def test_sdpa_is_the_default():
    assert make_model().config._attn_implementation == "sdpa"


@pytest.mark.parametrize("options", KINDS, ids=option_id)
@torch.no_grad()
def test_positions_are_interpolated_to_other_image_sizes(options):
    model = make_model(**options)
    with pytest.raises(ValueError, match=r"Input image size \(24\*24\) doesn't match model \(16\*16\)"):
        model(make_images(model, 24))
    same = make_images(model)
    torch.testing.assert_close(model(same, interpolate_pos_encoding=True).logits, model(same).logits)
    wide = make_images(model, 24)[:, :, :16]
    outputs = model(wide, interpolate_pos_encoding=True)
    for logits, image in zip(outputs.logits, wide):
        torch.testing.assert_close(logits, reference(model, image)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", KINDS, ids=option_id)
@torch.no_grad()
def test_images_may_be_wider_than_high(tmp_path, options):
    model = make_model(image_size=[16, 24], **options)
    wide = make_images(model, 24)[:, :, :16]
    logits = model(wide).logits
    for row, image in zip(logits, wide):
        torch.testing.assert_close(row, reference(model, image)[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"Input image size \(24\*16\) doesn't match model \(16\*24\)"):
        model(wide.transpose(2, 3))
    assert model(wide.transpose(2, 3), interpolate_pos_encoding=True).logits.shape == logits.shape
    model.save_pretrained(tmp_path)
    loaded = CompactVitForImageClassification.from_pretrained(tmp_path)
    assert loaded.config.image_size == (16, 24)
    assert torch.equal(loaded(wide).logits, logits)


def test_wide_images_are_reconstructed():
    model = make_model(CompactVitForMaskedImageModeling, image_size=(16, 24), tokenizer_type="patch")
    images, mask = make_images(model, 24)[:, :, :16], torch.arange(24).expand(3, -1) % 2 == 0
    assert model(images, bool_masked_pos=mask).reconstruction.shape == images.shape
    with pytest.raises(ValueError, match="multiple of the 2 x 3 tokens, with square tokens"):
        make_model(CompactVitForMaskedImageModeling, image_size=(8, 15), tokenizer_type="patch")


def test_stochastic_depth_drops_branches_at_its_rate():
    model = make_model(num_hidden_layers=5, drop_path_rate=0.4)
    rates = [layer.drop_path_rate for layer in model.model.layers]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    layer = model.model.layers[-1]
    before, branch = torch.full((4000, 1, 1), 2.0), torch.ones(4000, 1, 1)
    assert torch.equal(layer.add_branch(before, branch), before + branch)
    layer.train()
    dropped = layer.add_branch(before, branch) - before
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert (dropped == 0).float().mean().item() == pytest.approx(0.4, abs=0.03)
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("options", KINDS, ids=option_id)
def test_saved_model_loads_with_every_auto_class(tmp_path, options):
    model = make_model(**options)
    model.save_pretrained(tmp_path)
    loaded, info = AutoModelForImageClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is CompactVitForImageClassification
    assert not any(info.values())
    for (name, value), other in zip(model.state_dict().items(), loaded.state_dict().values()):
        assert torch.equal(value, other), name
    # the sinusoidal table is not saved but computed again
    images = make_images(model)
    torch.testing.assert_close(loaded(images).logits, model(images).logits)
    assert type(AutoModel.from_pretrained(tmp_path)) is CompactVitModel
    # `AutoBackbone.from_pretrained` would ask the Hub for a repository of that name
    assert type(AutoBackbone.from_config(model.config)) is CompactVitBackbone
    backbone, info = CompactVitBackbone.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert type(AutoModelForMaskedImageModeling.from_pretrained(tmp_path)) is CompactVitForMaskedImageModeling
    half = AutoModelForImageClassification.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert all(torch.equal(a, b.bfloat16()) for a, b in zip(half.parameters(), model.parameters(), strict=True))
    assert half(images).logits.dtype == torch.bfloat16


def test_classifier_is_replaced_for_another_number_of_labels(tmp_path):
    make_model().save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch|ignore_mismatched_sizes"):
        AutoModelForImageClassification.from_pretrained(tmp_path, num_labels=7)
    model = AutoModelForImageClassification.from_pretrained(tmp_path, num_labels=7, ignore_mismatched_sizes=True)
    assert model.classifier.out_features == 7


def test_initial_weights_have_the_configured_deviations():
    config = CompactVitConfig.from_preset("cct_7_3x1", num_labels=10)
    model = CompactVitForImageClassification(config)
    assert model.model.layers[0].fc1.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert model.model.embeddings.position_embeddings.std().item() == pytest.approx(0.2, rel=0.02)
    convolution = model.model.embeddings.patch_embeddings.projection[0].weight
    assert convolution.std().item() == pytest.approx(math.sqrt(2 / 27), rel=0.05)
    assert model.classifier.bias.abs().max() == 0
    assert model.model.layernorm.weight.eq(1).all()


@pytest.mark.parametrize("options", KINDS, ids=option_id)
def test_backbone_returns_the_normalized_tokens_as_maps(options):
    model = make_model(CompactVitBackbone, out_features=["stem", "stage2"], **options)
    images = make_images(model, 24)[:, :, :16]
    outputs = model(images)
    rows, columns = (4, 6) if "tokenizer_type" in options or "num_conv_layers" in options else (8, 12)
    assert [tuple(feature.shape) for feature in outputs.feature_maps] == [(3, 12, rows, columns)] * 2
    assert outputs.hidden_states is None
    assert model.channels == [12, 12]
    encoder = make_model(CompactVitModel, **options)
    encoder.load_state_dict(model.model.state_dict(), strict=False)
    states = encoder(images, interpolate_pos_encoding=True, output_hidden_states=True).hidden_states
    for feature, tokens in zip(outputs.feature_maps, (states[0], states[2])):
        tokens = encoder.layernorm(tokens)[:, "cls" in options.values() :]
        for row in range(rows):
            for column in range(columns):
                torch.testing.assert_close(feature[:, :, row, column], tokens[:, row * columns + column])


@torch.no_grad()
def test_reconstruction_and_loss_match_the_decoder_pixel_by_pixel():
    model = make_model(CompactVitForMaskedImageModeling)
    images = make_images(model, 24)[:, :, :16]
    mask = torch.zeros(3, 8 * 12, dtype=torch.bool)
    mask[:, 17] = True  # row 1, column 5 of the tokens, each of 2 x 2 pixels
    outputs = model(images, bool_masked_pos=mask, interpolate_pos_encoding=True)
    tokens = model.model(images, bool_masked_pos=mask, interpolate_pos_encoding=True).last_hidden_state
    pixels = tokens @ model.decoder[0].weight.flatten(1).T + model.decoder[0].bias  # channel by channel, row by row
    expected = torch.empty_like(images)
    for channel in range(3):
        for y in range(16):
            for x in range(24):
                place = channel * 4 + y % 2 * 2 + x % 2
                expected[:, channel, y, x] = pixels[:, y // 2 * 12 + x // 2, place]
    torch.testing.assert_close(outputs.reconstruction, expected)
    error = (expected - images).abs()[:, :, 2:4, 10:12]
    torch.testing.assert_close(outputs.loss, error.mean(), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_masked_pixels_do_not_change_the_reconstruction():
    model = make_model(CompactVitForMaskedImageModeling, tokenizer_type="patch")
    model.model.embeddings.mask_token.normal_()
    images, mask = make_images(model), torch.zeros(3, 16, dtype=torch.bool)
    mask[:, 6] = True  # row 1, column 2 of 4 x 4 tokens
    changed = images.clone()
    changed[:, :, 4:8, 8:12] += 1
    masked = model(images, bool_masked_pos=mask).reconstruction
    torch.testing.assert_close(model(changed, bool_masked_pos=mask).reconstruction, masked)
    assert not torch.allclose(model(images).reconstruction, masked)
    assert not torch.allclose(model(changed).reconstruction, model(images).reconstruction)


def test_invalid_masks_and_sizes_raise():
    model = make_model(CompactVitForMaskedImageModeling)
    images, mask = make_images(model), torch.zeros(3, 64, dtype=torch.bool)
    with pytest.raises(ValueError, match="needs a model with a mask token"):
        make_model(CompactVitModel)(images, bool_masked_pos=mask)
    with pytest.raises(ValueError, match=r"`bool_masked_pos` must be of shape \(3, 64\) .*, got \(3, 8\)"):
        model(images, bool_masked_pos=mask[:, :8])
    with pytest.raises(ValueError, match=r"\(17, 16\) pixels cannot be divided into tokens of 2 x 2"):
        model(torch.randn(1, 3, 17, 16), interpolate_pos_encoding=True)
    with pytest.raises(
        ValueError, match="needs an `image_size` that is a multiple of the 10 x 10 tokens, with square tokens, got 19"
    ):
        make_model(CompactVitForMaskedImageModeling, image_size=19)


def test_gradient_checkpointing_changes_no_gradient():
    model = make_model(attention_probs_dropout_prob=0.0, drop_path_rate=0.0).train()
    images, labels = make_images(model), torch.tensor([0, 1, 3])
    model(images, labels=labels).loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    model.gradient_checkpointing_enable()
    model(images, labels=labels).loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name])


@pytest.mark.parametrize("options", [*KINDS, {"token_keep_rate": 0.5}], ids=option_id)
def test_compiled_model_is_one_graph_with_the_same_logits(options):
    model = make_model(**options)
    compiled = torch.compile(copy.deepcopy(model), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(make_images(model)).logits, model(make_images(model)).logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_training_step_is_one_graph(dtype):
    model = make_model().train()  # with dropout of the attention and stochastic depth
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        compiled(make_images(model), labels=torch.tensor([0, 1, 3])).loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor compiles C++ with g++")
@torch.no_grad()
def test_inductor_gives_the_same_logits():
    model = make_model()
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True)
    torch.testing.assert_close(
        compiled(make_images(model)).logits, model(make_images(model)).logits, rtol=1e-4, atol=1e-5
    )


def test_lora_trains_the_targeted_layers_only():
    model = get_peft_model(make_model(), LoraConfig(r=2, target_modules=["qkv", "fc1"]))
    assert sum(p.requires_grad for p in model.parameters()) == 8
    model(make_images(model), labels=torch.tensor([0, 1, 3])).loss.backward()


def test_invalid_pixel_values_raise():
    model = make_model()
    with pytest.raises(ValueError, match="1 channels, but the model's `num_channels` is 3"):
        model(torch.randn(1, 1, 16, 16))
    with pytest.raises(ValueError, match="specify `pixel_values`"):
        model()
    with pytest.raises(ValueError, match=r"shape \(batch, channels, height, width\), got \(3, 16, 16\)"):
        model(torch.randn(3, 16, 16))
    patches = make_model(tokenizer_type="patch")
    with pytest.raises(ValueError, match=r"3 x 16 pixels is smaller than a patch \(4 x 4\)"):
        patches(torch.randn(1, 3, 3, 16), interpolate_pos_encoding=True)
    assert model(torch.randn(1, 3, 1, 1), interpolate_pos_encoding=True).logits.isfinite().all()  # convolutions pad


def test_loading_a_checkpoint_of_another_image_size_raises(tmp_path):
    make_model().save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch|mismatched"):
        CompactVitForImageClassification.from_pretrained(tmp_path, image_size=32)
