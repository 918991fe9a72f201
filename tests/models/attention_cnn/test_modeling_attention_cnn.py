# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from transformers import AutoModel, AutoModelForImageClassification
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention import (
    AttentionCnnConfig,
    AttentionCnnForImageClassification,
    AttentionCnnModel,
    CompactVitImageProcessorPil,
)


SIZES = {"image_size": 12, "num_channels": 2, "hidden_sizes": [4, 6], "depths": [1, 2], "num_labels": 3}
KINDS = [
    {},
    {"attention_type": "se", "reduction_ratio": 1},
    {"attention_type": "non_local", "attention_stages": [1, 2]},
    {"attention_type": "non_local", "pairwise_function": "gaussian"},
    {"attention_type": "non_local", "pairwise_function": "dot_product"},
    {"attention_type": "non_local", "pairwise_function": "concatenation", "embedding_stride": 2},
    {"spatial_transformer": "affine", "pooled_size": 2},
    {"spatial_transformer": "attention", "warped_size": 8, "attention_type": "se", "reduction_ratio": 1},
]


def option_id(options):
    return "-".join(f"{value}" for value in options.values()) or "none"


def make_model(randomized=True, **options):
    torch.manual_seed(0)
    model = AttentionCnnForImageClassification(AttentionCnnConfig(**{**SIZES, **options})).eval()
    if randomized:
        with torch.no_grad():  # parameters initialized to zero or to the identity would hide errors
            for name, parameter in model.named_parameters():
                # with large changes, the window would be outside the image and get no gradient
                parameter.add_(torch.randn_like(parameter) * (0.01 if "spatial_transformer" in name else 0.2))
    return model


def make_images(size=12):
    return torch.randn(3, 2, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("options", KINDS, ids=option_id)
def test_outputs_contain_the_attention_of_the_config(options):
    model = make_model(**options)
    outputs = model(make_images(), labels=torch.tensor([0, 1, 2]), output_attentions=True, output_hidden_states=True)
    assert outputs.logits.shape == (3, 3)
    assert outputs.loss.shape == ()
    stages = model.config.resolved_attention_stages
    if model.config.attention_type == "se":
        assert [tuple(gates.shape) for gates in outputs.gates] == [(3, 4), (3, 6), (3, 6)]
        assert all((gates > 0).all() and (gates < 1).all() for gates in outputs.gates)
    else:
        assert outputs.gates is None
    if model.config.attention_type == "non_local":
        base = 6 if model.config.embedding_stride == 2 else 12
        positions = [(base // 2 ** (stage - 1)) ** 2 for stage in stages]
        assert [tuple(weights.shape) for weights in outputs.attentions] == [(3, 1, size, size) for size in positions]
        assert positions[-1] == model.config.grid_size(12) ** 2
        if "gaussian" in model.config.pairwise_function:
            torch.testing.assert_close(outputs.attentions[-1].sum(-1), torch.ones(3, 1, positions[-1]))
        assert model(make_images()).attentions is None
    else:
        assert outputs.attentions is None
    if model.config.spatial_transformer == "none":
        assert outputs.theta is None
        assert outputs.warped_pixel_values is None
    else:
        side = model.config.warped_size or 12
        assert outputs.theta.shape == (3, 2, 3)
        assert outputs.warped_pixel_values.shape == (3, 2, side, side)
    assert len(outputs.hidden_states) == 3
    assert isinstance(model(make_images(), return_dict=False), tuple)


def test_parameter_counts_match_those_computed_by_hand():
    def count(**options):
        return AttentionCnnForImageClassification(AttentionCnnConfig(num_labels=10, **options)).num_parameters()

    widths = [(16, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)]  # in and out of each block
    convolutions = sum(9 * out * (inside + out) + 4 * out for inside, out in widths)
    shortcuts = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    plain = 27 * 16 + 32 + convolutions + shortcuts + 64 * 10 + 10
    assert count() == plain
    gates = sum(2 * out * (out // 4) + out // 4 + out for _, out in widths)
    assert count(attention_type="se", reduction_ratio=4) == plain + gates == 180_914
    non_local = 3 * (64 * 32 + 32) + 32 * 64 + 64 + 2 * 64
    assert count(attention_type="non_local") == plain + non_local
    window = 75 * 8 + 8 + 200 * 16 + 16 + 49 * 16 * 32 + 3 * 32  # including the layer norm
    assert count(spatial_transformer="affine") == plain + window + 33 * 6
    assert count(spatial_transformer="attention") == plain + window + 33 * 3


@torch.no_grad()
def test_logits_without_attention_match_the_blocks_computed_by_hand():
    model = make_model()
    norm = lambda x, module: torch.nn.functional.batch_norm(  # noqa: E731
        x, module.running_mean, module.running_var, module.weight, module.bias
    )
    conv = torch.nn.functional.conv2d
    base, images = model.model, make_images()
    x = norm(conv(images, base.embedder.weight, padding=1), base.norm).clamp(min=0)
    for stage, halves in zip(base.stages, (False, True)):
        for number, block in enumerate(stage.blocks):
            stride = 2 if halves and number == 0 else 1
            y = norm(conv(x, block.conv1.weight, stride=stride, padding=1), block.norm1).clamp(min=0)
            y = norm(conv(y, block.conv2.weight, padding=1), block.norm2)
            if number == 0 and halves:
                x = norm(conv(x, block.shortcut[0].weight, stride=2), block.shortcut[1])
            x = (x + y).clamp(min=0)
    pooled = x.flatten(2).sum(2) / 36
    expected = pooled @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(model(images).logits, expected, rtol=1e-4, atol=1e-5)

    # the same feature maps, pooled to 3 x 3 positions
    pooled_model = make_model(pooled_size=3)
    pooled_model.model.load_state_dict(base.state_dict())
    pooled = x.reshape(3, 6, 3, 2, 3, 2).mean(dim=(3, 5)).reshape(3, 54)  # channel by channel, then row by row
    expected = pooled @ pooled_model.classifier.weight.T + pooled_model.classifier.bias
    torch.testing.assert_close(pooled_model(images).logits, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_gates_are_on_the_branch_alone():
    block = make_model(attention_type="se", reduction_ratio=2).model.stages[1].blocks[0]
    maps = torch.randn(2, 4, 8, 8)
    branch = block.norm2(block.conv2(block.norm1(block.conv1(maps)).relu()))
    squeeze = branch.flatten(2).sum(dim=2) / 16
    hidden = (squeeze @ block.attention.reduce.weight.T + block.attention.reduce.bias).clamp(min=0)
    gates = 1 / (1 + (-hidden @ block.attention.expand.weight.T - block.attention.expand.bias).exp())
    expected = (block.shortcut(maps) + gates[:, :, None, None] * branch).clamp(min=0)
    outputs, output_gates = block(maps)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(output_gates, gates)


def test_dropout_is_applied_before_the_classifier():
    model = make_model(hidden_dropout_prob=1.0).train()
    logits = model(make_images()).logits
    torch.testing.assert_close(logits, model.classifier.bias.expand(3, 3))
    assert not torch.allclose(model.eval()(make_images()).logits, logits)


def test_initial_weights_have_the_deviation_of_he():
    """He et al. 2015 (arXiv 1502.01852), equation 14, with the fan-out."""
    model = AttentionCnnForImageClassification(AttentionCnnConfig())
    assert model.model.stages[1].blocks[0].conv1.weight.shape == (32, 16, 3, 3)
    assert model.model.stages[1].blocks[0].conv1.weight.std().item() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.05)
    assert model.model.embedder.weight.std().item() == pytest.approx((2 / (9 * 16)) ** 0.5, rel=0.15)


@pytest.mark.parametrize(
    "options",
    [
        {"spatial_transformer": "affine"},
        {"spatial_transformer": "attention"},
        *(
            {"attention_type": "non_local", "pairwise_function": name, "attention_stages": [1, 2]}
            for name in ("embedded_gaussian", "gaussian", "dot_product", "concatenation")
        ),
    ],
    ids=option_id,
)
@pytest.mark.parametrize("training", [False, True])
@torch.no_grad()
def test_attention_initially_does_not_change_the_logits(options, training):
    """The spatial transformer is initialized to the identity, and the non-local block to zero."""
    with_attention, plain = make_model(randomized=False, **options), make_model()
    missing, unexpected = with_attention.load_state_dict(plain.state_dict(), strict=False)
    assert missing
    assert not unexpected
    with_attention.train(training), plain.train(training)
    images = make_images()
    torch.testing.assert_close(with_attention(images).logits, plain(images).logits, rtol=1e-4, atol=1e-5)
    if options.get("spatial_transformer"):
        assert torch.equal(with_attention(images).theta, torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(3, 2, 3))


@pytest.mark.parametrize("options", KINDS, ids=option_id)
def test_every_parameter_gets_a_gradient(options):
    model = make_model(**options).train()
    model(make_images(), labels=torch.tensor([0, 1, 2])).loss.backward()
    without_gradient = [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    # a softmax does not change if a constant is added to all its inputs
    assert all(name.endswith("theta.bias") or name.endswith("phi.bias") for name in without_gradient)


@pytest.mark.parametrize("options", KINDS, ids=option_id)
def test_saved_model_loads_with_every_auto_class(tmp_path, options):
    model = make_model(**options)
    model.save_pretrained(tmp_path)
    loaded, info = AutoModelForImageClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is AttentionCnnForImageClassification
    assert not any(info.values())
    images = make_images()
    torch.testing.assert_close(loaded(images).logits, model(images).logits)
    base = AutoModel.from_pretrained(tmp_path)
    assert type(base) is AttentionCnnModel
    torch.testing.assert_close(base(images).pooler_output, model.model(images).pooler_output)
    half = AutoModelForImageClassification.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert all(torch.equal(a, b.bfloat16()) for a, b in zip(half.parameters(), model.parameters(), strict=True))
    assert half(images).logits.dtype == torch.bfloat16


def test_images_of_any_size_but_not_of_other_channels_are_accepted():
    model = make_model(attention_type="non_local")
    assert model(make_images(16)).logits.shape == (3, 3)
    with pytest.raises(ValueError, match="has 3 channels, but the model's `num_channels` is 2"):
        model(torch.randn(1, 3, 12, 12))
    with pytest.raises(ValueError, match="specify `pixel_values`"):
        model()


def test_classifier_is_replaced_for_another_number_of_labels(tmp_path):
    make_model().save_pretrained(tmp_path)
    model = AutoModelForImageClassification.from_pretrained(tmp_path, num_labels=7, ignore_mismatched_sizes=True)
    assert model.classifier.out_features == 7


def test_the_image_processor_belongs_to_the_family(tmp_path):
    make_model().save_pretrained(tmp_path)
    CompactVitImageProcessorPil(num_channels=1).save_pretrained(tmp_path)
    assert type(AutoImageProcessor.from_pretrained(tmp_path)) is CompactVitImageProcessorPil


@pytest.mark.parametrize("options", KINDS[1:3] + KINDS[6:], ids=option_id)
def test_compiled_model_is_one_graph_with_the_same_logits(options):
    model = make_model(**options)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(make_images()).logits, model(make_images()).logits, rtol=1e-4, atol=1e-5)
