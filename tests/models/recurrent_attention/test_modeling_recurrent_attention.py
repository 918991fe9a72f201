# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import logging
import math

import pytest
import torch
from transformers import AutoModel, AutoModelForImageClassification

from hf_attention import (
    RecurrentAttentionConfig,
    RecurrentAttentionForImageClassification,
    RecurrentAttentionModel,
)
from hf_attention.models.recurrent_attention.modeling_recurrent_attention import (
    extract_glimpses,
    log_probability,
    make_pyramid,
    reinforce_loss,
)


SIZES = {"image_size": 12, "num_channels": 2, "num_glimpses": 4, "glimpse_size": 4, "num_scales": 2, "num_labels": 3}
SIZES |= {"glimpse_hidden_size": 7, "location_hidden_size": 5, "hidden_size": 6}


def make_model(**options):
    torch.manual_seed(0)
    model = RecurrentAttentionForImageClassification(RecurrentAttentionConfig(**{**SIZES, **options})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def make_images(size=12, batch_size=3):
    return torch.randn(batch_size, 2, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("stride, side", [(1, 12), (2, 12), (1, 11)])
def test_glimpses_match_the_retina_pixel_by_pixel(stride, side):
    images = make_images(side)
    locations = torch.tensor([[0.0, 0.0], [0.31, -0.47], [-1.0, 0.9]])
    pyramid = make_pyramid(images, num_scales=2, stride=stride)
    glimpses = extract_glimpses(pyramid, locations, 3, (side, side), stride)
    assert glimpses.shape == (3, 2, 2, 3, 3)

    def mean(row, channel, m, n, step):
        """The mean of a square of `step` pixels, with 0 outside the image."""
        total = 0.0
        for y in range(n * step, (n + 1) * step):
            for x in range(m * step, (m + 1) * step):
                if 0 <= y < side and 0 <= x < side:
                    total += float(images[row, channel, y, x])
        return total / step**2

    for row in range(3):
        for scale, step in enumerate((stride, 2 * stride)):
            column, line = ((float(value) + 1) * side / 2 for value in locations[row])
            for channel in range(2):
                for y in range(3):
                    for x in range(3):
                        u, v = (
                            (column / step + x - 1) - 0.5,
                            (line / step + y - 1) - 0.5,
                        )  # in squares, from their centers
                        expected = 0.0
                        for n in range(math.floor(v), math.floor(v) + 2):
                            for m in range(math.floor(u), math.floor(u) + 2):
                                near = (1 - abs(u - m)) * (1 - abs(v - n))
                                expected += mean(row, channel, m, n, step) * near
                        assert float(glimpses[row, scale, channel, y, x]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("cell_type", ["rnn", "gru"])
@pytest.mark.parametrize("glimpse_channels", [[], [3, 4]])
@torch.no_grad()
def test_model_matches_the_equations_glimpse_by_glimpse(cell_type, glimpse_channels):
    """Computes the paper's equations for one image and one glimpse at a time."""
    model, images = make_model(cell_type=cell_type, glimpse_channels=glimpse_channels), make_images()
    outputs, base = model(images), model.model
    linear = lambda module, x: module.weight @ x + module.bias  # noqa: E731
    for row, image in enumerate(images):
        location, state = torch.zeros(2), torch.zeros(6)
        for step in range(4):
            torch.testing.assert_close(outputs.locations[row, step], location, rtol=1e-3, atol=1e-4)
            retina = extract_glimpses(make_pyramid(image[None], 2), location[None], 4, (12, 12))[0]
            torch.testing.assert_close(outputs.glimpses[row, step], retina, rtol=1e-3, atol=1e-3)
            network = base.glimpse_network
            if glimpse_channels:
                first, second = (layer for layer in network.convolutions if isinstance(layer, torch.nn.Conv2d))
                conv = torch.nn.functional.conv2d
                features = conv(retina, first.weight, first.bias, stride=1, padding=1).clamp(min=0)
                retina = conv(features, second.weight, second.bias, stride=2, padding=1).clamp(min=0)
            what = linear(network.what, linear(network.what_hidden, retina.flatten()).clamp(min=0))
            where = linear(network.where, linear(network.where_hidden, location).clamp(min=0))
            g = (what + where).clamp(min=0)
            cell = base.core.cell
            from_g, from_state = cell.weight_ih @ g + cell.bias_ih, cell.weight_hh @ state + cell.bias_hh
            if cell_type == "rnn":
                state = (from_g + from_state).clamp(min=0)
            else:
                (r_g, z_g, n_g), (r_s, z_s, n_s) = from_g.chunk(3), from_state.chunk(3)
                update = torch.sigmoid(z_g + z_s)
                state = (1 - update) * torch.tanh(n_g + torch.sigmoid(r_g + r_s) * n_s) + update * state
            output = linear(base.locator.mean, linear(base.locator.hidden, state).clamp(min=0))
            location = torch.tanh(output / math.sqrt(3))
        logits = linear(model.classifier, state)
        torch.testing.assert_close(outputs.logits[row].softmax(0), logits.softmax(0), rtol=1e-3, atol=1e-4)


def test_parameter_count_matches_that_computed_by_hand():
    """The paper's layers at its widths: 128 for h_g and h_l, 256 for g and h."""
    what = (3 * 12 * 12) * 128 + 128 + 128 * 256 + 256
    where = 2 * 128 + 128 + 128 * 256 + 256
    core = 2 * (256 * 256 + 256)
    locator = 256 * 128 + 128 + 128 * 2 + 2
    model = RecurrentAttentionForImageClassification(RecurrentAttentionConfig(num_labels=10))
    assert model.num_parameters() == what + where + core + locator + 257 + 256 * 10 + 10 == 289_421


def test_initial_weights_have_the_intended_distribution():
    model = RecurrentAttentionForImageClassification(RecurrentAttentionConfig())
    for name, parameter in model.named_parameters():
        if "bias" in name:
            assert not parameter.any(), name
        elif "weight_hh" in name:
            torch.testing.assert_close(parameter @ parameter.T, torch.eye(256), atol=1e-5, rtol=0)
        else:  # uniform with variance 2 / inputs
            assert parameter.abs().max().item() == pytest.approx(math.sqrt(6 / parameter.shape[1]), rel=0.05), name


def test_log_probability_matches_torch_distributions():
    locations, means = torch.tensor([[0.3, -0.2], [0.0, 0.5]]), torch.tensor([[0.1, 0.1], [0.0, 0.5]])
    expected = torch.distributions.Normal(means, 0.2).log_prob(locations).sum(dim=1)
    torch.testing.assert_close(log_probability(locations, means, 0.2), expected)
    mixed = (0.7 * expected.exp() + 0.3 / 4).log()
    torch.testing.assert_close(log_probability(locations, means, 0.2, exploration=0.3), mixed)
    outside = torch.tensor([[1.2, 0.0]])
    log_prob = log_probability(outside, means[:1], 0.5, exploration=0.3)
    expected = torch.distributions.Normal(means[:1], 0.5).log_prob(outside).sum(dim=1) + math.log(0.7)
    torch.testing.assert_close(log_prob, expected)


def test_reinforce_estimates_the_gradient_of_a_two_armed_bandit():
    """
    The rewards left and right of 0 are 0.2 and 0.9; the arm is the sign of l ~ N(mu, s^2). The expected reward is J =
    0.2 + 0.7 Phi(mu / s), so dJ/dmu = 0.7 phi(mu / s) / s, and the gradient of the loss must be its negative. A
    baseline must not change the mean of the gradient, and must reduce its variance.
    """
    mu, std, draws = torch.tensor([0.1, 0.0], requires_grad=True), 0.3, 400_000
    expected = 0.7 * math.exp(-((0.1 / std) ** 2) / 2) / math.sqrt(2 * math.pi) / std
    torch.manual_seed(0)
    chosen = mu.detach() + torch.randn(draws, 2) * std
    rewards = torch.where(chosen[:, 0] > 0, 0.9, 0.2)
    means = mu.expand(draws, 2).clone().requires_grad_()
    spreads = []
    for baseline in (0.0, float(rewards.mean())):
        log_probs = log_probability(chosen, means, std).unsqueeze(1)
        loss = reinforce_loss(rewards, log_probs, torch.full((draws, 1), baseline))
        (each,) = torch.autograd.grad(loss, means)
        each = each * draws
        assert -each[:, 0].mean().item() == pytest.approx(expected, abs=4 * float(each[:, 0].std()) / math.sqrt(draws))
        assert each[:, 1].mean().item() == pytest.approx(0, abs=4 * float(each[:, 1].std()) / math.sqrt(draws))
        spreads.append(float(each[:, 0].std()))
    assert spreads[1] < 0.6 * spreads[0]


def test_reinforce_loss_has_the_gradients_computed_by_hand():
    baselines = torch.tensor([[0.2, 0.5], [0.1, 0.9]], requires_grad=True)
    log_probs = torch.zeros(2, 2, requires_grad=True)
    rewards = torch.tensor([1.0, 0.0])
    reinforce_loss(rewards, log_probs, baselines).backward()
    torch.testing.assert_close(baselines.grad, 2 * (baselines.detach() - rewards[:, None]) / 4)
    torch.testing.assert_close(log_probs.grad, -(rewards[:, None] - baselines.detach()) / 2)


def test_training_loss_is_the_sum_of_its_three_parts():
    model = make_model(reinforce_weight=0.5).train()
    images, labels = make_images(), torch.tensor([0, 1, 2])
    torch.manual_seed(3)
    with_loss = model(images, labels=labels)
    torch.manual_seed(3)
    outputs = model.model(images)
    torch.testing.assert_close(with_loss.locations, outputs.locations)
    logits = model.classifier(outputs.pooler_output)
    rewards = logits.softmax(-1).gather(1, labels[:, None])[:, 0].detach()
    advantages = rewards[:, None] - outputs.baselines
    expected = torch.nn.functional.cross_entropy(logits, labels)
    expected = expected + 0.5 * ((advantages**2).mean() - (advantages * outputs.log_probs).sum(1).mean())
    torch.testing.assert_close(with_loss.loss, expected)
    soft = torch.nn.functional.one_hot(labels, 3).float()
    torch.manual_seed(3)
    torch.testing.assert_close(model(images, labels=soft).loss, expected)


@pytest.mark.parametrize("detach_locator", [True, False])
def test_each_loss_trains_its_own_modules(detach_locator):
    model = make_model(reinforce_weight=0.0, detach_locator=detach_locator).train()
    model(make_images(), labels=torch.tensor([0, 1, 2])).loss.backward()
    base = model.model
    learned = lambda module: any(p.grad is not None and p.grad.any() for p in module.parameters())  # noqa: E731
    assert all(map(learned, (base.core, base.glimpse_network, model.classifier)))
    assert not learned(base.locator)
    assert not learned(base.baseline)
    # REINFORCE trains the locator and the baseline, and the core only without `detach_locator`
    base.zero_grad()
    outputs = base(make_images())
    reinforce_loss(torch.tensor([1.0, 0.0, 1.0]), outputs.log_probs, outputs.baselines).backward()
    assert learned(base.locator)
    assert learned(base.baseline)
    assert learned(base.core) != detach_locator
    assert learned(base.glimpse_network) != detach_locator


def test_training_without_labels_warns(caplog):
    logging.Logger.warning_once.cache_clear()
    model, images = make_model(), make_images()
    model(images)
    model.train()(images, labels=torch.tensor([0, 1, 2]))
    assert not caplog.text
    model(images)
    assert "does not train where to look" in caplog.text


def test_reinforce_does_not_change_the_gradient_of_the_classifier():
    images, labels, gradients = make_images(), torch.tensor([0, 1, 2]), []
    for weight in (0.0, 1.0):
        model = make_model(reinforce_weight=weight).train()
        torch.manual_seed(1)
        model(images, labels=labels).loss.backward()
        gradients.append(model.classifier.weight.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("cell_type", ["rnn", "gru"])
def test_gradient_of_the_core_matches_finite_differences(cell_type):
    """The locator is zeroed, so that the locations do not change."""
    model = make_model(cell_type=cell_type, reinforce_weight=0.0).double().train()
    for parameter in model.model.locator.parameters():
        parameter.data.zero_()
    weight = model.model.core.cell.weight_ih

    def loss():
        torch.manual_seed(1)
        return model(make_images().double(), labels=torch.tensor([0, 1, 2])).loss

    (gradient,) = torch.autograd.grad(loss(), weight)
    place = divmod(int(gradient.abs().argmax()), gradient.shape[1])
    with torch.no_grad():
        weight[place] += 1e-3
        above = loss()
        weight[place] -= 2e-3
        slope = (above - loss()) / 2e-3
    assert float(gradient[place]) == pytest.approx(float(slope), rel=5e-3)  # the loss is computed in float32


def test_evaluation_without_copies_is_deterministic():
    model, images = make_model(), make_images()
    assert torch.equal(model(images).logits, model(images).logits)


def test_evaluation_averages_the_probabilities_of_the_copies():
    images, labels = make_images(), torch.tensor([0, 1, 2])
    several = make_model(num_eval_copies=5)
    torch.manual_seed(2)
    outputs = several(images, labels=labels)
    torch.manual_seed(2)
    base = several.model(images.repeat(5, 1, 1, 1), sample=True)
    probabilities = several.classifier(base.pooler_output).softmax(-1).view(5, 3, 3).mean(0)
    torch.testing.assert_close(outputs.logits.softmax(-1), probabilities)
    torch.testing.assert_close(outputs.loss, -probabilities[range(3), labels].log().mean())
    torch.testing.assert_close(outputs.locations, base.locations[:3])
    torch.testing.assert_close(outputs.glimpses, base.glimpses[:3])
    assert not torch.equal(several(images).logits, outputs.logits)


def test_training_with_copies_returns_outputs_of_one_copy():
    model = make_model(num_train_copies=4).train()
    outputs = model(make_images(), labels=torch.tensor([0, 1, 2]))
    assert outputs.logits.shape == (3, 3)
    assert outputs.locations.shape == (3, 4, 2)
    outputs.loss.backward()


def test_exploration_covers_the_entire_image():
    model = make_model(exploration=0.5, initial_location="center", location_std=0.01).train()
    outputs = model.model(make_images(batch_size=1).expand(400, -1, -1, -1))
    explored = (outputs.locations[:, 1] - outputs.locations[:, 1].median(dim=0).values).abs().amax(dim=1) > 0.1
    assert explored.float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert outputs.locations[:, 1].min() < -0.9
    assert outputs.locations[:, 1].max() > 0.9
    assert outputs.log_probs.isfinite().all()
    assert (model.eval()(make_images()).locations == model(make_images()).locations).all()


@pytest.mark.parametrize("initial_location", ["random", "center"])
def test_first_location_in_training_and_evaluation(initial_location):
    model = make_model(initial_location=initial_location, location_std=0.5)
    assert (model(make_images()).locations[:, 0] == 0).all()
    locations = model.train()(make_images(batch_size=500)).locations
    assert locations.abs().max() <= 1
    if initial_location == "center":
        assert (locations[:, 0] == 0).all()
    else:
        assert locations[:, 0].std().item() == pytest.approx(1 / math.sqrt(3), rel=0.1)
    assert locations[:, 1].std() > 0.2


def test_a_single_glimpse_trains_without_reinforce():
    model = make_model(num_glimpses=1).train()
    loss = model(make_images(), labels=torch.tensor([0, 1, 2])).loss
    loss.backward()
    assert loss.isfinite()
    assert model.model.locator.mean.weight.grad is None


@pytest.mark.parametrize("cell_type", ["rnn", "gru"])
def test_saved_model_loads_with_every_auto_class(tmp_path, cell_type):
    model = make_model(cell_type=cell_type)
    model.save_pretrained(tmp_path)
    loaded, info = AutoModelForImageClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is RecurrentAttentionForImageClassification
    assert not any(info.values())
    images = make_images()
    torch.testing.assert_close(loaded(images).logits, model(images).logits)
    base = AutoModel.from_pretrained(tmp_path)
    assert type(base) is RecurrentAttentionModel
    torch.testing.assert_close(base(images).locations, model(images).locations)
    half = AutoModelForImageClassification.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert all(torch.equal(a, b.bfloat16()) for a, b in zip(half.parameters(), model.parameters(), strict=True))
    outputs = half(images)
    assert outputs.glimpses.dtype == torch.bfloat16
    assert outputs.locations.dtype == torch.float32


def test_images_of_any_size_but_not_of_other_channels_are_accepted():
    model = make_model()
    assert model(make_images(20)).logits.shape == (3, 3)
    assert isinstance(model(make_images(), return_dict=False), tuple)
    with pytest.raises(ValueError, match="has 3 channels, but the model's `num_channels` is 2"):
        model(torch.randn(1, 3, 12, 12))
    with pytest.raises(ValueError, match="specify `pixel_values`"):
        model()


def test_training_moves_the_second_glimpse_to_the_object():
    """The first glimpse shows the side on which the object is; only a second one there shows its class."""
    torch.manual_seed(0)
    config = RecurrentAttentionConfig(
        image_size=16,
        num_channels=1,
        num_glimpses=2,
        glimpse_size=4,
        num_scales=3,
        num_labels=2,
        hidden_size=32,
        glimpse_hidden_size=32,
        location_hidden_size=32,
        initial_location="center",
        num_train_copies=4,
        location_std=0.3,
    )
    model = RecurrentAttentionForImageClassification(config)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def draw(count):
        images, labels = torch.zeros(count, 1, 16, 16), torch.randint(2, (count,))
        right = torch.randint(2, (count,))
        for image, label, side in zip(images, labels, right):
            columns = slice(10, 14) if side else slice(2, 6)
            stripes = torch.tensor([1.0, 0.0]).repeat(2) if label else torch.tensor([0.0, 1.0]).repeat(2)
            image[0, 6:10, columns] = stripes
        return images, labels, right

    model.train()
    for _ in range(300):
        images, labels, _ = draw(64)
        loss = model(images, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    images, labels, right = draw(200)
    columns = model.eval()(images).locations[:, 1, 0]
    assert columns[right == 1].mean() > columns[right == 0].mean() + 0.3
