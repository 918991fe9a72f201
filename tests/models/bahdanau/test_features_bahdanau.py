# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from reference import expected_logits
from small_models import make_batch, make_model, name_of

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.models.bahdanau import generation_bahdanau
from hf_attention.models.bahdanau.features_bahdanau import feature_ids, feature_names, split_features
from hf_attention.prediction.ensemble import EnsembleForSeq2SeqLM


VALUES = {"tags": ["IND", "PRS", "V"], "speaker": ["a", "b"]}
ROWS = [{"tags": "V; PRS", "speaker": "b"}, {"tags": ["IND"], "speaker": None}, {"tags": "", "speaker": ""}]
IDS = [[2, 5, 4], [3, 0, 0], [0, 0, 0]]
KINDS = [
    {},
    {"feature_mode": "add"},
    {"copy_mechanism": True},
    {"cell_type": "lstm", "attention_query": "current", "attention_type": "general", "readout_type": "tanh"},
    {"attention_query": "current", "input_feeding": True, "readout_type": "tanh", "copy_mechanism": True},
    {"attention_type": "none", "feature_mode": "add", "reset_after": False},
]
HARD = {"attention_query": "current", "readout_type": "tanh"}
KINDS_AND_HARD = [*KINDS, {"feature_mode": "add", "hard_attention": "monotonic", **HARD}]
kinds = pytest.mark.parametrize("options", KINDS, ids=name_of)


def make_tagged_model(**options):
    return make_model(**{"feature_values": VALUES, **options})


def tagged_batch():
    return {**make_batch(), "feature_ids": torch.tensor(IDS)}


def sources():
    batch = tagged_batch()
    batch.pop("labels")
    return batch


@kinds
def test_equations(options):
    model, batch = make_tagged_model(dtype=torch.float64, **options), tagged_batch()
    with torch.no_grad():
        logits = model(**batch).logits
    for row in range(3):
        features = [feature for feature in IDS[row] if feature]
        torch.testing.assert_close(logits[row], expected_logits(model, batch, row, features))


@kinds
def test_the_fast_path_and_the_plain_equations_agree(options):
    fast, batch = make_tagged_model(**options).train(), tagged_batch()
    plain = make_tagged_model(fused=False, **options).train()
    losses = [model(**batch).loss for model in (fast, plain)]
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    for (name, parameter), other in zip(fast.named_parameters(), plain.parameters()):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)
        if "feature" in name:
            assert (parameter.grad[[2, 3, 4, 5]] != 0).any(dim=1).all()
            assert not parameter.grad[[0, 1]].any()  # the padding, and one that no source has


@pytest.mark.parametrize("options", KINDS_AND_HARD, ids=name_of)
def test_cached_steps_equal_one_forward(options):
    model, batch = make_tagged_model(**options), tagged_batch()
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch.pop("labels"))
    cache, steps = None, []
    with torch.no_grad():
        expected = model(**batch, decoder_input_ids=decoder_input_ids).logits
        for chunk in decoder_input_ids.split([1, 2, 1], dim=1):
            outputs = model(**batch, decoder_input_ids=chunk, past_key_values=cache, use_cache=True)
            cache = outputs.past_key_values
            steps.append(outputs.logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), expected)


@pytest.mark.parametrize("options", KINDS_AND_HARD, ids=name_of)
@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_searches_are_those_of_transformers(options, num_beams, monkeypatch):
    model, searches = make_tagged_model(seed=3, **options), []
    for name in ("greedy_search", "beam_search"):
        search = getattr(generation_bahdanau, name)
        monkeypatch.setattr(
            generation_bahdanau, name, lambda *given, search=search: searches.append(1) or search(*given)
        )
    arguments = {"max_new_tokens": 7, "num_beams": num_beams, "num_return_sequences": num_beams}
    fast = model.generate(**sources(), **arguments)
    model.config.fused = False
    assert torch.equal(fast, model.generate(**sources(), **arguments))
    assert len(searches) == 1


@torch.no_grad()
@kinds
def test_an_ensemble_of_two_equal_models_translates_as_one(options):
    ensemble = EnsembleForSeq2SeqLM([make_tagged_model(**options), make_tagged_model(**options)])
    expected = make_tagged_model(**options).generate(**sources(), num_beams=3, max_new_tokens=5)
    assert torch.equal(ensemble.generate(**sources(), num_beams=3, max_new_tokens=5), expected)


def test_scheduled_sampling_reads_the_features():
    model, batch = make_tagged_model(scheduled_sampling_probability=1.0, copy_mechanism=True), tagged_batch()
    assert model.train()(**batch).loss.isfinite()


def test_attended_features_are_columns_after_the_source():
    model, batch = make_tagged_model(), tagged_batch()
    weights = model(**batch, output_attentions=True).cross_attentions[0]
    assert weights.shape == (3, 1, 4, 6 + 3)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 1, 4))
    assert (weights[0, ..., 6:] > 0).all() and not weights[1, ..., 7:].any() and not weights[2, ..., 6:].any()
    without = make_model()  # the same weights, but for the embeddings of features
    without.load_state_dict({name: value for name, value in model.state_dict().items() if "features" not in name})
    batch.pop("feature_ids")
    expected = without(**batch, output_attentions=True).cross_attentions[0]
    torch.testing.assert_close(weights[2, ..., :6], expected[2])  # the source without features


def test_names_become_ids(caplog):
    assert feature_ids(VALUES, ROWS) == [[2, 5, 4], [3], []]
    config = BahdanauConfig(feature_values=VALUES)
    assert config.feature_vocab_size == 6
    assert feature_names(config) == ["", "speaker=a", "speaker=b", "tags=IND", "tags=PRS", "tags=V"]
    assert feature_ids(VALUES, [{"tags": "V|X", "speaker": "c"}], "|") == [[5]]
    assert "left out: X (tags), c (speaker)" in caplog.text
    assert split_features(" a ;; b;") == ["a", "b"]


def test_they_are_saved_with_the_model(tmp_path):
    model, batch = make_tagged_model(), tagged_batch()
    model.save_pretrained(tmp_path)
    loaded = BahdanauForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(loaded.encode_features(ROWS), torch.tensor(IDS))
    torch.testing.assert_close(loaded(**batch).logits, model(**batch).logits)


def test_under_autocast():
    for options in KINDS[:3]:
        model, batch = make_tagged_model(**options), tagged_batch()
        expected = model(**batch).loss
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        torch.testing.assert_close(loss, expected, rtol=0.05, atol=0.05)


def test_invalid_features_are_named_in_the_error():
    batch = tagged_batch()
    ids = batch.pop("feature_ids")
    for mode in ("attend", "add"):
        model = make_tagged_model(feature_mode=mode)
        with pytest.raises(ValueError, match=r"reads features of the source \(speaker, tags\): pass `feature_ids`"):
            model(**batch)
        with pytest.raises(ValueError, match=r"`feature_ids` must be of shape \(batch, features\) for 3 sources"):
            model(**batch, feature_ids=ids[:2])
        with pytest.raises(ValueError, match="`feature_ids` holds id 6"):
            model(**batch, feature_ids=ids + 1)
        with pytest.raises(ValueError, match="reads the feature column speaker, but a row has only tags"):
            model.encode_features([{"tags": "V"}])
        with pytest.raises(ValueError, match="must be text, or a list of texts, but one is 3"):
            model.encode_features([{"tags": 3, "speaker": "a"}])
    with pytest.raises(ValueError, match="the model has no features"):
        make_model()(**batch, feature_ids=ids)
    with pytest.raises(StrictDataclassError, match="`feature_vocab_size` is 7, but `feature_values` with the"):
        make_tagged_model(feature_vocab_size=7)
    with pytest.raises(StrictDataclassError, match="needs soft attention .*, but `attention_type` is 'none'"):
        make_tagged_model(attention_type="none")
    with pytest.raises(StrictDataclassError, match="but `hard_attention` is 'marginal'"):
        make_tagged_model(hard_attention="marginal", **HARD)
    with pytest.raises(StrictDataclassError, match="but `local_attention` is 'predictive'"):
        make_tagged_model(local_attention="predictive", **HARD)
