# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError

from hf_attention import CompactVitConfig, CompactVitForImageClassification


SIZES = {"image_size": 32, "num_channels": 1, "conv_channels": 4, "hidden_size": 8, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 8, "num_hidden_layers": 2, "num_labels": 3, "num_conv_layers": 2}


def make_model(**options):
    torch.manual_seed(0)
    model = CompactVitForImageClassification(CompactVitConfig(**{**SIZES, **options}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def evidence_of(model, pixel_values, token):
    """W x_n of one token, and its score before the pool's softmax."""
    hidden = model.model(pixel_values).last_hidden_state[0, token]
    score = model.model.pooler.attention(hidden) if model.config.pooling_type == "sequence" else hidden[:0]
    return torch.cat([model.classifier(hidden), score])


@pytest.mark.parametrize("pooling_type", ["mean", "sequence"])
@pytest.mark.parametrize("window", [0, 1])
def test_a_pixel_outside_of_the_receptive_field_has_zero_influence_on_the_evidence(window, pooling_type):
    model = make_model(attention_window=window, pooling_type=pooling_type)
    pixels, (row, column) = torch.randn(1, 1, 32, 32, requires_grad=True), (3, 4)
    jacobian = torch.autograd.functional.jacobian(
        lambda pixels: evidence_of(model, pixels, row * 8 + column), pixels
    )  # (evidence, 1, 1, 32, 32)
    # two times a convolution and a pooling of 3 pixels, in steps of 2: token i reads the pixels 4 i - 6 to 4 i + 6
    reach = 4 * 2 * window + 6
    field = torch.zeros(32, 32, dtype=torch.bool)
    field[max(4 * row - reach, 0) : 4 * row + reach + 1, max(4 * column - reach, 0) : 4 * column + reach + 1] = True
    gradients = jacobian.abs().sum(dim=0)[0, 0]
    assert not field.all()
    assert (gradients[~field] == 0).all()
    assert (gradients[field] > 0).any()
    pixels = pixels.detach()
    with torch.no_grad():  # not only near the image: any change
        changed = torch.where(field, pixels, 100 * torch.randn(1, 1, 32, 32))
        expected = evidence_of(model, pixels, row * 8 + column)
        torch.testing.assert_close(evidence_of(model, changed, row * 8 + column), expected)
        assert not torch.allclose(model(changed).logits, model(pixels).logits)


def test_without_a_window_all_pixels_count():
    model, pixels = make_model(), torch.randn(1, 1, 32, 32)
    jacobian = torch.autograd.functional.jacobian(lambda pixels: evidence_of(model, pixels, 28), pixels)
    assert (jacobian.abs().sum(dim=0) > 0).float().mean() > 0.9


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_weights_are_zero_outside_of_the_window_and_the_same_in_all_implementations(size):
    model = make_model(attention_window=1, attention_probs_dropout_prob=0.3)
    pixels = torch.randn(2, 1, *size)
    rows, columns = (model.config.grid_size(side) for side in size)
    options = {"interpolate_pos_encoding": True}
    with torch.no_grad():
        expected = model(pixels, **options).logits
        model.set_attn_implementation("eager")
        outputs = model(pixels, output_attentions=True, **options)
    torch.testing.assert_close(outputs.logits, expected)
    for weights in outputs.attentions:
        grid = weights.unflatten(3, (rows, columns)).unflatten(2, (rows, columns))
        for row, column in [(0, 0), (2, 3), (rows - 1, columns - 1)]:
            inside = torch.zeros(rows, columns, dtype=torch.bool)
            inside[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
            assert (grid[:, :, row, column][..., ~inside] == 0).all()
            assert (grid[:, :, row, column][..., inside] > 0).all()


def test_it_trains_with_dropout_and_is_saved(tmp_path):
    model = make_model(attention_window=0, attention_probs_dropout_prob=0.3).train()
    model(torch.randn(2, 1, 32, 32), labels=torch.tensor([0, 2])).loss.backward()
    assert model.model.layers[0].attention.qkv.weight.grad.abs().sum() > 0
    model.save_pretrained(tmp_path)
    assert CompactVitForImageClassification.from_pretrained(tmp_path).config.attention_window == 0


@pytest.mark.parametrize("options", [{"pooling_type": "cls"}, {"token_keep_rate": 0.5}])
def test_options_that_do_not_fit(options):
    with pytest.raises(StrictDataclassError, match="`attention_window=1` is for tokens that stay on their grid"):
        CompactVitConfig(attention_window=1, **options)


def test_implementations_without_masks_are_refused():
    model = make_model(attention_window=1)
    model.config._attn_implementation = "flex_attention"
    with pytest.raises(ValueError, match="`attention_window=1` needs `attn_implementation` 'eager' or 'sdpa'"):
        model(torch.randn(1, 1, 32, 32))
