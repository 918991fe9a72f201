# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration


SIZES = {"vocab_size": 20, "embedding_size": 6, "hidden_size": 8, "encoder_hidden_size": 4, "attention_size": 8}
FAITHFUL = {"attention_function": "sparsemax", "attention_query": "current", "maxout_size": 6}


def make_model(**options):
    torch.manual_seed(0)
    model = BahdanauForConditionalGeneration(BahdanauConfig(**{**SIZES, **FAITHFUL, **options}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    with torch.no_grad():
        model.get_encoder().embed_tokens.weight[0] = 0  # as padding is
    return model.eval()


SOURCE, TARGET = torch.tensor([[4, 9, 12, 7, 15, 6, 11, 5, 2]]), torch.tensor([[7, 3, 11, 2]])


def run_with_gradients(model):
    """The log-probabilities of the target, the weights (T, S), and the norms of the gradients (T, S)."""
    embeds = model.get_encoder().embed_tokens(SOURCE).detach().requires_grad_()
    outputs = model(inputs_embeds=embeds, labels=TARGET, output_attentions=True)
    scores = outputs.logits.log_softmax(dim=-1).gather(-1, TARGET.unsqueeze(-1))[0, :, 0]
    gradients = [torch.autograd.grad(score, embeds, retain_graph=True)[0][0].norm(dim=-1) for score in scores]
    return scores, outputs.cross_attentions[0][0].mean(dim=0), torch.stack(gradients)


@pytest.mark.parametrize("window", [0, 1, 2])
@pytest.mark.parametrize("options", [{}, {"attention_type": "general"}, {"readout_type": "tanh", "cell_type": "lstm"}])
def test_zero_weight_means_zero_influence(window, options):
    """A token has a gradient only if it is at most `window` away from a position with a weight in that very step."""
    _, weights, gradients = run_with_gradients(make_model(annotation_window=window, **options))
    near = torch.nn.functional.max_pool1d(weights[:, None], 2 * window + 1, 1, window)[:, 0] > 0
    assert (weights == 0).any()
    assert (gradients[~near] == 0).all()
    assert (gradients[weights > 0] > 0).any()


def test_with_the_previous_query_earlier_weights_count_too():
    model = make_model(annotation_window=0, attention_query="previous")
    model.config.fused = False
    _, weights, gradients = run_with_gradients(model)
    reached = weights.cumsum(dim=0) > 0
    assert (gradients[~reached] == 0).all()
    assert (gradients[reached & (weights == 0)] > 0).any()


def test_tokens_without_weight_can_be_removed():
    """Embeddings alone: the source without the tokens whose weights are all 0 has the same outputs."""
    model = make_model(annotation_window=0)
    with torch.no_grad():
        outputs = model(input_ids=SOURCE, labels=TARGET, output_attentions=True)
        kept = outputs.cross_attentions[0][0].amax(dim=(0, 1)) > 0
        assert 0 < int(kept.sum()) < SOURCE.shape[1]
        short = model(input_ids=SOURCE[:, kept], labels=TARGET)
    torch.testing.assert_close(short.logits, outputs.logits)


def test_a_recurrent_encoder_does_have_influence_without_weight():
    _, weights, gradients = run_with_gradients(make_model())
    assert (gradients[weights == 0] > 0).any()


def test_annotations_are_those_of_a_loop():
    model = make_model(annotation_window=2)
    layer = model.get_encoder().layers[0]
    with torch.no_grad():
        annotations = model.get_encoder()(SOURCE).last_hidden_state[0]
        embeds = model.get_encoder().embed_tokens(SOURCE)[0]
        for place in range(9):
            window = torch.zeros(6, 5)
            for offset in range(-2, 3):
                if 0 <= place + offset < 9:
                    window[:, offset + 2] = embeds[place + offset]
            expected = torch.tanh(layer.proj.weight @ window.flatten() + layer.proj.bias)
            torch.testing.assert_close(annotations[place], expected)


@pytest.mark.parametrize("side", ["right", "left", "middle"])
def test_padding_has_no_influence(side):
    model = make_model(annotation_window=2)
    tokens = SOURCE[0].tolist()
    places = {"right": (9, 3), "left": (0, 3), "middle": (4, 2)}[side]
    padded = torch.tensor([tokens[: places[0]] + [13] * places[1] + tokens[places[0] :]])
    mask = torch.tensor([[1] * places[0] + [0] * places[1] + [1] * (9 - places[0])])
    with torch.no_grad():
        expected = model(input_ids=SOURCE, labels=TARGET).logits
        torch.testing.assert_close(model(input_ids=padded, attention_mask=mask, labels=TARGET).logits, expected)


def test_it_learns_generates_and_is_saved(tmp_path):
    model = make_model(annotation_window=1).train()
    model(input_ids=SOURCE, labels=TARGET).loss.backward()
    assert model.get_encoder().layers[0].proj.weight.grad.abs().sum() > 0
    model.eval()
    tokens = model.generate(SOURCE, max_new_tokens=5, num_beams=2)
    model.save_pretrained(tmp_path)
    loaded = BahdanauForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.config.annotation_window == 1
    assert torch.equal(loaded.generate(SOURCE, max_new_tokens=5, num_beams=2), tokens)
    loaded.config.fused = False
    assert torch.equal(loaded.generate(SOURCE, max_new_tokens=5, num_beams=2), tokens)


@pytest.mark.parametrize(
    "options, name",
    [
        ({"attention_type": "none", "attention_function": "softmax"}, "attention_type"),
        ({"encoder_layers": 2}, "encoder_layers"),
        ({"initial_state_type": "both"}, "initial_state_type"),
    ],
)
def test_options_that_do_not_fit(options, name):
    with pytest.raises(StrictDataclassError, match=f"`annotation_window=1` is for attention .* got `{name}="):
        BahdanauConfig(annotation_window=1, **options)
    with pytest.raises(StrictDataclassError, match="`annotation_window` must be at least 0"):
        BahdanauConfig(annotation_window=-1)


KEYS = {"annotation_window": 1, "recurrent_keys": True, "attention_query": "previous"}


@pytest.mark.parametrize("options", [{}, {"attention_query": "current"}, {"attention_type": "general"}])
def test_with_recurrent_keys_tokens_without_weight_act_through_the_weights_alone(options, monkeypatch):
    """If the weights are held, a token has a gradient only near a position that has had a weight."""
    model = make_model(**{**KEYS, **options})
    model.config.fused = False
    scores, weights, gradients = run_with_gradients(model)
    reached = torch.nn.functional.max_pool1d(weights.cumsum(dim=0)[:, None], 3, 1, 1)[:, 0] > 0
    assert not reached.all()
    assert (gradients[~reached] > 0).any()  # through the weights
    (attention,) = [module for module in model.modules() if hasattr(module, "weigh")]
    weigh = attention.weigh
    monkeypatch.setattr(attention, "weigh", lambda *inputs: weigh(*inputs).detach())
    held, _, gradients = run_with_gradients(model)
    torch.testing.assert_close(held, scores)
    assert (gradients[~reached] == 0).all()
    assert (gradients[weights > 0] > 0).all()


def test_recurrent_keys_are_the_states_of_a_recurrent_encoder():
    model = make_model(**KEYS)
    layer, tokens = model.get_encoder().layers[0], model.get_encoder().embed_tokens(SOURCE)
    with torch.no_grad():
        outputs = model.get_encoder()(SOURCE).last_hidden_state
        torch.testing.assert_close(outputs[..., 8:], layer.keys(tokens)[0])
        expected = model.get_decoder().layers[0].attention.key_proj(layer.keys(tokens)[0])
        torch.testing.assert_close(model.get_decoder().project_keys(outputs), expected)


@pytest.mark.parametrize("options", [{}, {"hard_attention": "marginal", "attention_query": "current"}])
def test_recurrent_keys_with_padding_and_in_generation(options):
    model = make_model(**{**KEYS, **options})
    padded = torch.cat([torch.full((1, 2), 13), SOURCE], dim=1)
    mask = (padded != 13).long()
    with torch.no_grad():
        expected = model(input_ids=SOURCE, labels=TARGET).logits
        torch.testing.assert_close(model(input_ids=padded, attention_mask=mask, labels=TARGET).logits, expected)
    tokens = model.generate(SOURCE, max_new_tokens=5, num_beams=2, do_sample=False)
    model.config.fused = False
    assert torch.equal(model.generate(SOURCE, max_new_tokens=5, num_beams=2, do_sample=False), tokens)


@pytest.mark.parametrize("options", [{}, {"annotation_window": 1, "feature_vocab_size": 4}])
def test_options_that_do_not_fit_recurrent_keys(options):
    with pytest.raises(StrictDataclassError, match="`recurrent_keys=True` is for annotations of tokens with a window"):
        BahdanauConfig(recurrent_keys=True, **options)
