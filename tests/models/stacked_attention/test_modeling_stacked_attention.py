# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForVisualQuestionAnswering

from hf_attention import (
    StackedAttentionConfig,
    StackedAttentionForVisualQuestionAnswering,
    StackedAttentionModel,
)


SIZES = {"vocab_size": 11, "image_size": 12, "num_channels": 2, "conv_channels": [4, 5]}
SIZES |= {"hidden_size": 6, "attention_size": 7, "num_glimpses": 3, "num_labels": 4}
IDS = torch.tensor([[4, 2, 9, 0, 0], [1, 3, 3, 7, 10], [5, 0, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]])


def make_model(**options):
    torch.manual_seed(0)
    model = StackedAttentionForVisualQuestionAnswering(StackedAttentionConfig(**{**SIZES, **options})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embedding" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return model


def make_images(batch_size=3, height=12, width=12):
    return torch.randn(batch_size, 2, height, width, generator=torch.Generator().manual_seed(1))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_step(x, h, weights):
    """PyTorch's equations of a gated unit, with its order of the gates: reset, update, new."""
    (from_x, from_h, bias_x, bias_h), size = weights, len(h)
    a, b = from_x @ x + bias_x, from_h @ h + bias_h
    r, z = sigmoid(a[:size] + b[:size]), sigmoid(a[size : 2 * size] + b[size : 2 * size])
    n = np.tanh(a[2 * size :] + r * b[2 * size :])
    return (1 - z) * n + z * h


def normalize(x, w, name):
    """Layer normalization."""
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(x, w, name):
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def answer_by_the_equations(w, image, ids, update_type):
    """One image and one question without padding, in loops: logits, weights and states of all glimpses."""
    maps = image
    for layer in range(2):
        kernel, norm = w[f"model.image_encoder.convolutions.{3 * layer}.weight"], 3 * layer + 1
        scale, shift, mean, var = (
            w[f"model.image_encoder.convolutions.{norm}.{name}"]
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        rows, columns = (size // 2 for size in maps.shape[1:])
        padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
        maps = np.zeros((len(kernel), rows, columns))
        for channel in range(len(kernel)):
            for i in range(rows):
                for j in range(columns):
                    value = (kernel[channel] * padded[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4]).sum()
                    value = (value - mean[channel]) / np.sqrt(var[channel] + 1e-5) * scale[channel] + shift[channel]
                    maps[channel, i, j] = max(value, 0)
    tokens = []
    for i in range(maps.shape[1]):
        for j in range(maps.shape[2]):
            place = [(2 * j + 1) / maps.shape[2] - 1, (2 * i + 1) / maps.shape[1] - 1]
            feature = linear(maps[:, i, j], w, "model.image_encoder.projection")
            tokens.append(np.concatenate([normalize(feature, w, "model.image_encoder.norm"), place]))
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    u, largest, total = np.zeros(6), np.full(6, -np.inf), np.zeros(6)
    for token in ids:
        x = w["model.embedding.weight"][token]
        u = gru_step(x, u, [w[f"model.question_encoder.{name}_l0"] for name in names])
        largest, total = np.maximum(largest, u), total + x
    u = largest + total
    weights, states, context = [], [], None
    for k in range(3):
        glimpse = f"model.glimpses.{k}"
        query = linear(normalize(u, w, f"{glimpse}.norm"), w, f"{glimpse}.query")
        if k > 0:
            query = query + w[f"{glimpse}.previous.weight"] @ context
        scores = [
            w[f"{glimpse}.score.weight"][0] @ np.tanh(w[f"{glimpse}.key.weight"] @ v[:-2] + query) for v in tokens
        ]
        if k > 0:
            slope = linear(normalize(u, w, f"{glimpse}.norm"), w, f"{glimpse}.distance")[0]
            distances = [np.hypot(*(v - context)[-2:]) for v in tokens]
            scores = [score + slope * distance for score, distance in zip(scores, distances)]
        p = np.exp(scores) / np.exp(scores).sum()
        context = sum(p_i * v_i for p_i, v_i in zip(p, tokens))
        if update_type == "add":
            u = u + context
        elif update_type == "gru":
            u = gru_step(context, u, [w[f"model.update.{name}"] for name in names])
        else:
            layers = f"model.updates.{k}.layers"
            inner = linear(normalize(np.concatenate([u, context]), w, f"{layers}.0"), w, f"{layers}.1")
            u = u + linear(np.maximum(inner, 0), w, f"{layers}.3")
        weights.append(p)
        states.append(u)
    u = normalize(u, w, "norm")
    return linear(u + np.maximum(linear(u, w, "hidden"), 0), w, "classifier"), np.stack(weights), np.stack(states)


@pytest.mark.parametrize("update_type", ["mlp", "gru", "add"])
def test_outputs_match_the_equations_in_loops_with_padded_questions(update_type):
    model, images = make_model(update_type=update_type), make_images(height=10, width=12)
    outputs = model(images, IDS, MASK, output_attentions=True)
    base = model.model(images, IDS, MASK)
    assert outputs.attentions[0].shape == (3, 1, 3, 6)
    w = {name: value.double().numpy() for name, value in model.state_dict().items()}
    for row, length in enumerate((3, 5, 1)):
        ids = IDS[row, :length].tolist()
        logits, weights, states = answer_by_the_equations(w, images[row].double().numpy(), ids, update_type)
        for actual, expected in (
            (outputs.logits[row], logits),
            (outputs.attentions[0][row, 0], weights),
            (base.last_hidden_state[row], states),
            (base.pooler_output[row], states[-1]),
        ):
            np.testing.assert_allclose(actual.detach().numpy(), expected, atol=2e-5, rtol=2e-4)


def test_a_token_is_in_the_middle_of_what_it_sees():
    convolutions = make_model(image_size=40).model.image_encoder.convolutions
    with torch.no_grad():
        for module in convolutions:
            if isinstance(module, torch.nn.Conv2d):
                module.weight.abs_()
            elif isinstance(module, torch.nn.BatchNorm2d):
                module.reset_running_stats()
                module.weight.abs_()
                module.bias.zero_()
    image = torch.ones(1, 2, 40, 40, requires_grad=True)
    convolutions(image)[0, :, 4, 6].sum().backward()
    seen = image.grad[0].sum(0).nonzero()
    cell = StackedAttentionConfig(**SIZES).grid_stride
    middle = torch.tensor([4.5, 6.5]) * cell
    torch.testing.assert_close((seen.amin(0) + seen.amax(0) + 1) / 2, middle)


def test_padding_changes_nothing():
    model, images = make_model(), make_images()
    padded = model(images[:1], IDS[:1], MASK[:1], output_attentions=True)
    alone = model(images[:1], IDS[:1, :3], output_attentions=True)
    torch.testing.assert_close(padded.logits, alone.logits)
    torch.testing.assert_close(padded.attentions, alone.attentions)


def test_several_questions_per_image_are_the_same_as_the_image_repeated():
    model, images, labels = make_model(), make_images(2), torch.tensor([[0, 3, 1], [2, -100, 3]])
    ids, mask = (torch.stack([rows, rows.flip(0)]) for rows in (IDS, MASK))
    several = model(images, ids, mask, labels=labels, output_attentions=True)
    one = model(
        images.repeat_interleave(3, 0),
        ids.flatten(0, 1),
        mask.flatten(0, 1),
        labels=labels.flatten(),
        output_attentions=True,
    )
    assert several.logits.shape == (2, 3, 4)
    assert several.attentions[0].shape == (2, 3, 1, 3, 9)
    torch.testing.assert_close(several.logits.flatten(0, 1), one.logits)
    torch.testing.assert_close(several.attentions[0].flatten(0, 1), one.attentions[0])
    torch.testing.assert_close(several.loss, one.loss)
    assert model.model(images, ids, mask).last_hidden_state.shape == (2, 3, 3, 6)


def test_loss_is_the_cross_entropy_of_indices_and_of_probabilities():
    model, labels = make_model(), torch.tensor([3, 0, 1])
    outputs = model(make_images(), IDS, MASK, labels=labels)
    expected = -outputs.logits.log_softmax(-1)[range(3), labels].mean()
    torch.testing.assert_close(outputs.loss, expected)
    soft = torch.nn.functional.one_hot(labels, 4).float()
    torch.testing.assert_close(model(make_images(), IDS, MASK, labels=soft).loss, expected)


@pytest.mark.parametrize("update_type", ["mlp", "gru", "add"])
def test_gradients_reach_every_parameter(update_type):
    model = make_model(update_type=update_type).train()
    model(make_images(), IDS, MASK, labels=torch.tensor([0, 1, 2])).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name
    used = {*model.model.embedding.weight.grad.any(dim=1).nonzero().flatten().tolist()}
    assert {5, 4} <= used <= {*IDS[MASK == 1].tolist()}


def test_attention_is_returned_on_request_and_sums_to_one():
    model = make_model()
    assert model(make_images(), IDS, MASK).attentions is None
    (weights,) = model(make_images(), IDS, MASK, output_attentions=True).attentions
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 1, 3))
    model.config.output_attentions = True
    torch.testing.assert_close(model(make_images(), IDS, MASK).attentions[0], weights)
    assert isinstance(model(make_images(), IDS, MASK, return_dict=False), tuple)


def test_the_vocabulary_can_grow():
    model = make_model()
    before = model(make_images(), IDS, MASK).logits
    model.resize_token_embeddings(20)
    assert model.config.vocab_size == 20
    torch.testing.assert_close(model(make_images(), IDS, MASK).logits, before)
    assert model(make_images(), IDS + 9).logits.isfinite().all()


@pytest.mark.parametrize("update_type", ["mlp", "gru", "add"])
def test_saved_model_loads_with_every_auto_class(tmp_path, update_type):
    model = make_model(update_type=update_type)
    model.save_pretrained(tmp_path)
    auto_map = json.loads((tmp_path / "config.json").read_text())["auto_map"]
    assert set(auto_map) == {"AutoConfig", "AutoModel", "AutoModelForVisualQuestionAnswering"}
    loaded, info = AutoModelForVisualQuestionAnswering.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is StackedAttentionForVisualQuestionAnswering
    assert not any(info.values())
    torch.testing.assert_close(loaded(make_images(), IDS, MASK).logits, model(make_images(), IDS, MASK).logits)
    base = AutoModel.from_pretrained(tmp_path)
    assert type(base) is StackedAttentionModel
    expected = model.model(make_images(), IDS, MASK).pooler_output
    torch.testing.assert_close(base(make_images(), IDS, MASK).pooler_output, expected)
    half = AutoModelForVisualQuestionAnswering.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert half(make_images(), IDS, MASK).logits.dtype == torch.bfloat16


HIDDEN = """
import sys
sys.modules["hf_attention"] = None  # as where the plugin is not installed
import torch
from transformers import AutoModel, AutoModelForVisualQuestionAnswering
folder, inputs, output = sys.argv[1:]
inputs = torch.load(inputs)
model = AutoModelForVisualQuestionAnswering.from_pretrained(folder, trust_remote_code=True)
assert type(model).__module__.startswith("transformers_modules"), type(model).__module__
with torch.no_grad():
    outputs = model(**inputs, output_attentions=True)
    state = AutoModel.from_pretrained(folder, trust_remote_code=True)(**inputs).pooler_output
torch.save([outputs.logits, outputs.attentions[0], state], output)
"""


def test_the_folder_works_without_the_plugin(tmp_path):
    model, inputs = make_model(), {"pixel_values": make_images(), "input_ids": IDS, "attention_mask": MASK}
    model.save_pretrained(tmp_path / "model")
    torch.save(inputs, tmp_path / "inputs.pt")
    arguments = [str(tmp_path / name) for name in ("model", "inputs.pt", "outputs.pt")]
    run = subprocess.run([sys.executable, "-c", HIDDEN, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    outputs = model(**inputs, output_attentions=True)
    expected = [outputs.logits, outputs.attentions[0], model.model(**inputs).pooler_output]
    torch.testing.assert_close(torch.load(tmp_path / "outputs.pt"), [tensor.detach() for tensor in expected])


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({"pixel_values": None}, "specify `pixel_values`"),
        ({"pixel_values": torch.zeros(2, 12, 12)}, r"\(batch, channels, height, width\), got \(2, 12, 12\)"),
        ({"pixel_values": torch.zeros(3, 2, 12, 3)}, "of 12 x 3 pixels, but a token has 4 on a side"),
        ({"pixel_values": torch.zeros(3, 3, 12, 12)}, "has 3 channels, but the model's `num_channels` is 2"),
        ({"pixel_values": torch.zeros(2, 2, 12, 12)}, r"`input_ids` must be of shape \(2, length\).*got \(3, 5\)"),
        ({"input_ids": None}, "specify `input_ids`"),
        ({"input_ids": IDS[0]}, r"`input_ids` must be of shape \(3, length\).*got \(5,\)"),
        ({"input_ids": IDS[:, :0]}, r"got \(3, 0\)"),
        ({"input_ids": IDS + 1}, "has token 11, which is outside the vocabulary of 11 tokens"),
        ({"input_ids": IDS - 1}, "has token -1, which is outside the vocabulary"),
        ({"attention_mask": MASK[:, :4]}, r"must have the shape of `input_ids`, \(3, 5\), got \(3, 4\)"),
        ({"attention_mask": MASK.flip(1)}, "Set the tokenizer's `padding_side` to 'right'"),
        ({"attention_mask": MASK * 0}, "a question has one token or more"),
        (
            {"labels": torch.tensor([0, 1])},
            r"of shape \(3,\), or.*, got torch.int64 of shape \(2,\)",
        ),
        ({"labels": torch.tensor([0, 4, 1])}, "`labels` has 4, but the model has 4 answers"),
        ({"labels": torch.tensor([0, -1, 1])}, "`labels` has -1"),
    ],
)
def test_bad_input_is_named_in_the_error(inputs, message):
    with pytest.raises(ValueError, match=message):
        make_model()(**{"pixel_values": make_images(), "input_ids": IDS, "attention_mask": MASK, **inputs})


def test_training_learns_to_look_at_the_color_that_is_asked_for():
    """Two objects of two colors; the question names a color, and the answer is its place, one of four."""
    torch.manual_seed(1)
    model = StackedAttentionForVisualQuestionAnswering(
        StackedAttentionConfig(
            vocab_size=3, image_size=(8, 16), num_channels=2, conv_channels=[8], num_glimpses=1, num_labels=4
        )
    )
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)

    def draw(count):
        images = torch.zeros(count, 2, 8, 16)
        places = torch.stack([torch.randperm(4)[:2] for _ in range(count)])  # of two objects, in a row of four
        for channel in (0, 1):
            for column in (4 * places[:, channel], 4 * places[:, channel] + 1):
                images[range(count), channel, 3, column] = 1.0
        asked = torch.randint(2, (count,))
        places = places[range(count), asked]
        return images, asked[:, None] + 1, places

    for _ in range(400):
        images, questions, places = draw(32)
        loss = model(images, questions, labels=places).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    images, questions, places = draw(200)
    outputs = model.eval()(images, questions, output_attentions=True)
    assert (outputs.logits.argmax(-1) == places).float().mean() > 0.95
    columns = outputs.attentions[0].view(200, 4, 8).sum(1).argmax(-1)
    assert ((columns - 2 * places).abs() <= 1).float().mean() > 0.8  # the tokens that see the object
