# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import itertools

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from reference import Reference
from small_models import make_batch, make_model, name_of

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.hub.export import export_onnx
from hf_attention.models.bahdanau.hard_bahdanau import marginalize


CURRENT = {"attention_query": "current"}
HARD = [
    {**CURRENT, "hard_attention": "marginal"},
    {**CURRENT, "hard_attention": "marginal", "attention_type": "general", "readout_type": "tanh"},
    {**CURRENT, "hard_attention": "monotonic"},
    {**CURRENT, "hard_attention": "monotonic", "cell_type": "lstm", "attention_function": "entmax15"},
    {**CURRENT, "hard_attention": "monotonic", "max_jump": 2},
    {**CURRENT, "hard_attention": "monotonic", "max_jump": 9, "readout_type": "tanh", "decoder_layers": 2},
]


class HardReference(Reference):
    """Sums over every alignment, one by one."""

    def transition(self, s, annotations, before):
        """p(a_i = j | a_{i-1} = before), a list over j."""
        config, name, length = self.config, "model.decoder.attention", len(annotations)
        if config.max_jump is not None:
            jumps = self.linear(f"{name}.query_proj", s) + self.linear(f"{name}.key_proj", annotations[before])
            allowed = range(before, min(before + config.max_jump + 1, length))
            weights = self.distribute([jumps[j - before] for j in allowed])
        else:
            allowed = range(before if config.hard_attention == "monotonic" else 0, length)
            weights = self.distribute([score for (score,) in self.scores(name, s, [annotations[j] for j in allowed])])
        weights = dict(zip(allowed, weights))
        return [float(weights.get(j, 0.0)) for j in range(length)]

    def __call__(self, source_ids, decoder_input_ids, labels):
        """log p(y_1, ..., y_i) of each i, and p(a_i = j | y_<i), by summing over all alignments."""
        config, annotations = self.config, self.encode(source_ids)
        length, steps = len(annotations), len(labels)
        source = annotations[0][config.encoder_hidden_size :] if config.bidirectional else annotations[-1]
        states = []
        for state in torch.tanh(self.linear("model.decoder.initial_state", source)).chunk(config.decoder_layers):
            h, memory = state.chunk(2) if config.cell_type == "lstm" else (state, None)
            states.append([h, memory])
        transitions, emissions = [], []
        for token, label in zip(decoder_input_ids, labels):
            x = y = self.parameters["model.decoder.embed_tokens.weight"][token]
            for layer in range(config.decoder_layers):
                states[layer] = self.unit_step(f"model.decoder.layers.{layer}", x, *states[layer])
                x = states[layer][0]
            transitions.append([self.transition(x, annotations, before) for before in range(length)])
            readouts = [self.linear("lm_head", self.read(x, y, h)) for h in annotations]
            emissions.append([float(logits.softmax(dim=0)[label]) for logits in readouts])
        log_probs, priors = [], []
        for last in range(steps):
            total, by_position = 0.0, [0.0] * length
            for alignment in itertools.product(range(length), repeat=last + 1):
                before, probability = 0, 1.0  # every alignment starts before its first step at the first token
                for step, position in enumerate(alignment):
                    probability *= transitions[step][before][position]
                    if step == last:
                        by_position[position] += probability
                    probability *= emissions[step][position]
                    before = position
                total += probability
            log_probs.append(torch.tensor(total, dtype=torch.double).log())
            priors.append(torch.tensor(by_position, dtype=torch.double) / sum(by_position))
        return torch.stack(log_probs), torch.stack(priors)


@pytest.mark.parametrize("options", HARD, ids=name_of)
def test_the_loss_is_that_of_the_sum_over_all_alignments(options):
    model, batch = make_model(dtype=torch.float64, **options), make_batch()
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch["labels"])
    with torch.no_grad():
        outputs = model(**batch, output_attentions=True)
        total = 0.0
        for row in range(3):
            keep, labels = batch["attention_mask"][row].bool(), batch["labels"][row]
            expected, priors = HardReference(model)(
                batch["input_ids"][row][keep].tolist(), decoder_input_ids[row].tolist(), labels.tolist()
            )
            actual = outputs.logits[row].gather(1, labels.unsqueeze(1)).squeeze(1)
            torch.testing.assert_close(actual.cumsum(dim=0), expected)
            weights = outputs.cross_attentions[0][row, 0]
            torch.testing.assert_close(weights[:, keep], priors, rtol=1e-6, atol=1e-9)
            assert weights[:, ~keep].lt(1e-30).all()
            total += expected[-1]
    torch.testing.assert_close(outputs.loss.double(), -total / 12, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(outputs.logits.exp().sum(dim=-1), torch.ones(3, 4, dtype=torch.double))


@pytest.mark.parametrize("options", HARD, ids=name_of)
def test_cached_steps_padding_and_training_have_the_values_of_one_forward(options):
    model, batch = make_model(**options), make_batch()
    labels = batch["labels"]
    ids = model.prepare_decoder_input_ids_from_labels(labels)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        full = model(**inputs, decoder_input_ids=ids, use_cache=False).logits
        steps, cache = [], None
        for chunk in ids.split([1, 2, 1], dim=1):
            outputs = model(**inputs, decoder_input_ids=chunk, past_key_values=cache, use_cache=True)
            cache = outputs.past_key_values
            steps.append(outputs.logits)
        torch.testing.assert_close(torch.cat(steps, dim=1), full)
        padded = torch.cat([torch.zeros(3, 2, dtype=torch.long), ids], dim=1)
        mask = (padded != 0).long()
        skipped = model(**inputs, decoder_input_ids=padded, decoder_attention_mask=mask).logits[:, 2:]
        torch.testing.assert_close(skipped, full)
        two = model(**inputs, decoder_input_ids=ids.repeat_interleave(2, dim=0)).logits  # two targets of each source
        torch.testing.assert_close(two[::2], full)
    expected = model(**batch).loss
    torch.testing.assert_close(model.train()(**batch).loss, expected)


def test_underflow_and_impossible_positions_leave_values_and_gradients_finite():
    torch.manual_seed(0)
    logits = (200 * torch.randn(1, 50, 7, 5)).requires_grad_()
    transitions = torch.zeros(1, 7, 50, 7)
    transitions[:, torch.arange(7), :, (torch.arange(7) + 1).clamp(max=6)] = 1.0  # one step ahead
    transitions.requires_grad_()
    joint = torch.full((1, 7, 1), -torch.inf)
    joint[:, 0] = 0.0
    log_probs, priors, _ = marginalize(logits, transitions, torch.zeros(1, 50, dtype=torch.long), joint)
    path = (torch.arange(50) + 1).clamp(max=6)
    torch.testing.assert_close(log_probs[0], logits[0, torch.arange(50), path].log_softmax(dim=-1))
    torch.testing.assert_close(priors[0, 0], torch.eye(7)[path])
    for gradient in torch.autograd.grad(log_probs.sum(), [logits, transitions]):
        assert gradient.isfinite().all()


def test_the_base_model_returns_what_is_summed():
    for options, is_monotonic in ((HARD[2], True), (HARD[0], False)):
        model, batch = make_model(**options), make_batch()
        batch["decoder_input_ids"] = batch.pop("labels")
        outputs = model.model(**batch, output_attentions=True)
        assert outputs.last_hidden_state.shape == (3, 4, 6, 4)
        transitions = outputs.cross_attentions[0]  # (B, K, T, S)
        assert transitions.shape == (3, 6 if is_monotonic else 1, 4, 6)
        torch.testing.assert_close(transitions.sum(dim=-1), torch.ones(transitions.shape[:-1]))
        if is_monotonic:  # no alignment moves back
            assert transitions[2].permute(1, 0, 2).tril(-1).eq(0).all()


def test_jumps_have_their_own_parameters():
    sizes = {"vocab_size": 11, "hidden_size": 6, "encoder_hidden_size": 4, "attention_query": "current"}
    with torch.device("meta"):
        config = BahdanauConfig(**sizes, hard_attention="monotonic", max_jump=3)
        attention = BahdanauForConditionalGeneration(config).model.decoder.attention
    # U of s_i, with its bias, and of h_k
    assert sum(parameter.numel() for parameter in attention.parameters()) == 4 * 6 + 4 + 4 * 8


def test_the_target_so_far_is_observed():
    model, batch = make_model(**HARD[2]), make_batch()
    with pytest.raises(ValueError, match="`hard_attention='monotonic'` observes the target so far"):
        model(batch["input_ids"], decoder_inputs_embeds=torch.randn(3, 4, 5))


@pytest.mark.parametrize(
    "options",
    [
        {"attention_query": "previous"},
        {"input_feeding": True},
        {"readout_type": "linear"},
        {"attention_type": "none"},
        {"num_attention_heads": 2},
        {"copy_mechanism": True},
        {"scheduled_sampling_probability": 0.1},
    ],
)
def test_options_that_would_make_the_sum_inexact_are_named(options):
    ((name, value),) = options.items()
    with pytest.raises(StrictDataclassError, match=f"`hard_attention='marginal'` sums .* got `{name}={value!r}`"):
        BahdanauConfig(**{**CURRENT, "hard_attention": "marginal", **options})


def test_a_hard_model_is_saved_loaded_and_not_exported(tmp_path):
    model, batch = make_model(**HARD[4]), make_batch()
    model.save_pretrained(tmp_path)
    loaded = BahdanauForConditionalGeneration.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded(**batch).logits, model(**batch).logits)
    for dtype in (torch.bfloat16, torch.double):
        loss = BahdanauForConditionalGeneration.from_pretrained(tmp_path, dtype=dtype)(**batch).loss
        torch.testing.assert_close(loss.float(), model(**batch).loss, rtol=0.05, atol=0.05)
    with pytest.raises(ValueError, match="`hard_attention='monotonic'` cannot be exported"):
        export_onnx(str(tmp_path))
