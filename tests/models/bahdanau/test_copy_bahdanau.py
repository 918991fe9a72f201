# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from reference import expected_logits
from small_models import make_batch, make_model, name_of

from hf_attention import BahdanauForConditionalGeneration
from hf_attention.models.bahdanau import generation_bahdanau
from hf_attention.models.bahdanau.copy_bahdanau import mix_log_probs
from hf_attention.prediction.ensemble import EnsembleForSeq2SeqLM


# the target has neither 0 nor 5 to 8 of the source, and 15 and 16 are beyond the list
MAPPED = {
    "encoder_vocab_size": 17,
    "vocab_size": 12,
    "source_to_target_ids": [-1, 1, 2, 4, 3, -1, -1, -1, -1, 5, 6, 7, 8, 9, 9],
}
KINDS = [
    {},
    MAPPED,
    {"cell_type": "lstm", "attention_query": "current", "attention_type": "general", "readout_type": "tanh"},
    {"attention_query": "current", "input_feeding": True, "readout_type": "tanh", "use_bias": False},
    {"reset_after": False, "decoder_layers": 2},
    {"num_attention_heads": 2, "attention_size": 8, "attention_function": "entmax15"},
]
copying = pytest.mark.parametrize("options", KINDS, ids=name_of)


def make_copier(**options):
    return make_model(**{"copy_mechanism": True, **options})


def make_copy_batch():
    batch = make_batch()
    batch["labels"] = batch["labels"].remainder(12)  # of the smallest target vocabulary
    return batch


def sources():
    batch = make_copy_batch()
    batch.pop("labels")
    return batch


@copying
def test_equations(options):
    model, batch = make_copier(dtype=torch.float64, **options), make_copy_batch()
    with torch.no_grad():
        logits = model(**batch).logits
    for row in range(3):
        torch.testing.assert_close(logits[row], expected_logits(model, batch, row))
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(3, 4, dtype=torch.float64))


@copying
def test_gradients_by_finite_differences(options):
    model, batch = make_copier(dtype=torch.float64, **options), make_copy_batch()
    labels = batch.pop("labels")
    inputs = {**batch, "decoder_input_ids": model.prepare_decoder_input_ids_from_labels(labels)}
    parameters = {name: value for name, value in model.named_parameters() if "copy_gate" in name or "atten" in name}

    def log_probs(*values):
        return torch.func.functional_call(model, dict(zip(parameters, values)), kwargs=inputs).logits

    values = [parameter.detach().requires_grad_() for parameter in parameters.values()]
    assert torch.autograd.gradcheck(log_probs, tuple(values), fast_mode=True)


@copying
def test_the_fast_path_and_the_plain_equations_agree(options):
    fast, batch = make_copier(**options).train(), make_copy_batch()
    plain = make_copier(fused=False, **options).train()
    losses = [model(**batch).loss for model in (fast, plain)]
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    for (name, parameter), other in zip(fast.named_parameters(), plain.parameters()):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)


@copying
def test_cached_steps_equal_one_forward(options):
    model, batch = make_copier(**options), make_copy_batch()
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch.pop("labels"))
    cache, steps = None, []
    with torch.no_grad():
        expected = model(**batch, decoder_input_ids=decoder_input_ids)
        encoder_outputs = model.get_encoder()(batch["input_ids"], attention_mask=batch["attention_mask"])
        for chunk in decoder_input_ids.split([1, 2, 1], dim=1):
            outputs = model(
                encoder_outputs=encoder_outputs,
                encoder_input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                decoder_input_ids=chunk,
                past_key_values=cache,
                use_cache=True,
            )
            cache = outputs.past_key_values
            steps.append(outputs)
    torch.testing.assert_close(torch.cat([step.logits for step in steps], dim=1), expected.logits)
    probs = torch.cat([step.generation_probs for step in steps], dim=1)
    torch.testing.assert_close(probs, expected.generation_probs)
    assert ((probs > 0) & (probs < 1)).all() and probs.shape == (3, 4)


@copying
@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_searches_are_those_of_transformers(options, num_beams, monkeypatch):
    model = make_copier(seed=3, **options)
    searches = []
    for name in ("greedy_search", "beam_search"):
        search = getattr(generation_bahdanau, name)
        monkeypatch.setattr(
            generation_bahdanau, name, lambda *given, search=search: searches.append(1) or search(*given)
        )
    arguments = {"max_new_tokens": 7, "num_beams": num_beams, "num_return_sequences": num_beams}
    fast = model.generate(**sources(), **arguments)
    assert searches
    model.config.fused = False
    assert torch.equal(fast, model.generate(**sources(), **arguments))
    assert len(searches) == 1


def test_scores_of_beams_are_those_of_a_forward_pass():
    model, batch = make_copier(**MAPPED), sources()
    arguments = {"max_new_tokens": 5, "min_new_tokens": 5, "num_beams": 3, "num_return_sequences": 2}
    outputs = model.generate(
        **batch, **arguments, length_penalty=0.0, return_dict_in_generate=True, output_scores=True
    )
    expanded = {name: value.repeat_interleave(2, dim=0) for name, value in batch.items()}
    logits = model(**expanded, decoder_input_ids=outputs.sequences[:, :-1]).logits
    scores = logits.gather(-1, outputs.sequences[:, 1:, None]).sum(dim=(1, 2))  # they are log-probabilities
    torch.testing.assert_close(outputs.sequences_scores, scores, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_an_ensemble_of_two_equal_models_translates_as_one():
    ensemble = EnsembleForSeq2SeqLM([make_copier(), make_copier()])
    expected = make_copier().generate(**sources(), num_beams=3, max_new_tokens=5)
    assert torch.equal(ensemble.generate(**sources(), num_beams=3, max_new_tokens=5), expected)


def test_a_source_token_without_a_target_id_is_not_copied():
    logits, gate = torch.zeros(1, 1, 4), torch.zeros(1, 1)  # P_vocab is uniform, p_gen 1/2
    weights = torch.tensor([[[0.5, 0.25, 0.25]]])
    copied = torch.tensor([[-1, 3, 3]])
    probabilities = mix_log_probs(logits, gate, weights, copied).exp()
    # 1/8 each, and 1/4 more for token 3, divided by 3/4
    torch.testing.assert_close(probabilities, torch.tensor([[[1 / 6, 1 / 6, 1 / 6, 1 / 2]]]))


def test_probabilities_far_below_the_smallest_number_have_finite_logarithms_and_gradients():
    logits = torch.tensor([[[300.0, 0.0, -300.0]]], requires_grad=True)
    gate = torch.tensor([[-200.0]], requires_grad=True)
    weights = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    log_probs = mix_log_probs(logits, gate, weights, torch.tensor([[1, 2]]))
    torch.testing.assert_close(log_probs[0, 0], torch.tensor([-200.0, 0.0, -800.0]))
    log_probs.sum().backward()
    assert all(tensor.grad.isfinite().all() for tensor in (logits, gate, weights))


def test_under_autocast_the_mixture_is_in_single_precision():
    model, batch = make_copier(), make_copy_batch()
    expected = model(**batch)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(**batch)
    outputs.loss.backward()
    assert outputs.logits.dtype == torch.float32
    torch.testing.assert_close(outputs.loss, expected.loss, rtol=0.05, atol=0.05)


def test_smoothing_and_scheduled_sampling_read_the_mixture():
    model, batch = make_copier(scheduled_sampling_probability=1.0).train(), make_copy_batch()
    outputs = model(**batch, smoothing=0.1)
    labels = batch["labels"]
    flat = torch.nn.functional.cross_entropy(outputs.logits.flatten(0, 1), labels.flatten(), label_smoothing=0.1)
    torch.testing.assert_close(outputs.loss, flat)
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(labels)
    annotations = model.get_encoder()(batch["input_ids"], attention_mask=batch["attention_mask"])[0]
    mixed = model.sample_decoder_inputs(decoder_input_ids, (annotations,), batch["attention_mask"], batch["input_ids"])
    greedy = model.eval().generate(**sources(), max_new_tokens=3, eos_token_id=None)
    assert torch.equal(mixed, greedy[:, :4])  # always its own prediction


def test_attentions_are_returned_only_if_they_are_requested():
    model, batch = make_copier(), make_copy_batch()
    assert model(**batch).cross_attentions is None
    assert model(**batch, output_attentions=True).cross_attentions[0].shape == (3, 1, 4, 6)


def test_it_is_saved_and_resized_with_its_ids(tmp_path):
    model, batch = make_copier(**MAPPED), make_copy_batch()
    model.save_pretrained(tmp_path)
    loaded = BahdanauForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.config.source_to_target_ids == MAPPED["source_to_target_ids"]
    expected = model(**batch).logits
    assert torch.equal(loaded(**batch).logits, expected)
    loaded.resize_token_embeddings(20)  # the source's; new tokens have no counterpart
    torch.testing.assert_close(loaded(**batch).logits, expected)
    with pytest.raises(ValueError, match="holds 8, which is outside the target's vocabulary of 8"):
        loaded.resize_decoder_token_embeddings(8)


def test_inputs_without_the_sources_ids_are_refused():
    model, batch = make_copier(), make_copy_batch()
    ids = batch.pop("input_ids")
    encoder_outputs = model.get_encoder()(ids, attention_mask=batch["attention_mask"])
    with pytest.raises(ValueError, match="pass `input_ids` or, next to `encoder_outputs`"):
        model(encoder_outputs=encoder_outputs, **batch)
    with pytest.raises(ValueError, match=r"`encoder_input_ids` of shape \(3, 5\) do not fit a source of 6 positions"):
        model(encoder_outputs=encoder_outputs, encoder_input_ids=ids[:, 1:], **batch)
    with pytest.raises(ValueError, match="`encoder_input_ids` holds id 17"):
        model(encoder_outputs=encoder_outputs, encoder_input_ids=ids + 17 - ids.max(), **batch)
    embeds = model.get_input_embeddings()(ids)
    by_embeds = model(inputs_embeds=embeds, encoder_input_ids=ids, **batch).logits
    torch.testing.assert_close(by_embeds, model(input_ids=ids, **batch).logits)
