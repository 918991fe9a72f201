# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from test_modeling_bahdanau import SIZES, make_model

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration, BahdanauModel


def test_initial_weights_are_the_papers():
    config = BahdanauConfig.from_preset("rnnsearch_50", vocab_size=2000, hidden_size=200, attention_size=300)
    model = BahdanauForConditionalGeneration(config)
    layer = model.model.decoder.layers[0]
    for weight in (layer.attention.query_proj.weight, layer.attention.key_proj.weight):
        assert weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert layer.attention.score.weight.abs().max() == 0
    plain = [
        model.model.encoder.embed_tokens.weight[1:],
        model.model.encoder.layers[0].forward_rnn.input_proj.weight,
        layer.input_proj.weight,
        layer.context_proj.weight,
        model.model.decoder.readout.state_proj.weight,
        model.lm_head.weight,
    ]
    for weight in plain:
        assert weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert abs(weight.mean().item()) < 2e-4
    recurrent = [*layer.cell.recurrent.weight.split(200), layer.cell.candidate.weight]
    recurrent += model.model.encoder.layers[0].backward_rnn.cell.recurrent.weight.split(200)
    for weight in recurrent:
        size = weight.shape[1]
        torch.testing.assert_close(weight @ weight.T, torch.eye(size), rtol=0, atol=1e-5)


def test_initial_weights_of_the_fused_units():
    model = BahdanauForConditionalGeneration(BahdanauConfig(**{**SIZES, "hidden_size": 40, "cell_type": "lstm"}))
    unit = model.model.encoder.layers[0].forward_rnn.unit
    for gate in unit.weight_hh_l0.split(40):
        torch.testing.assert_close(gate @ gate.T, torch.eye(40), rtol=0, atol=1e-5)
    bias = unit.bias_ih_l0 + unit.bias_hh_l0
    assert bias[40:80].eq(1).all() and bias[:40].eq(0).all() and bias[80:].eq(0).all()
    assert model.model.decoder.layers[0].input_proj.bias[40:80].eq(1).all()


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("separate", [False, True])
def test_tables_save_load_and_resize(tmp_path, share, tie, separate):
    if share and separate:
        pytest.skip("two vocabularies cannot share a table")
    options = {"encoder_vocab_size": 13 if separate else None, "maxout_size": 5}
    model = make_model(share_encoder_decoder_embeddings=share, tie_word_embeddings=tie, **options)
    model.save_pretrained(tmp_path)
    loaded, info = BahdanauForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    for (name, value), other in zip(model.state_dict().items(), loaded.state_dict().values()):
        assert torch.equal(value, other), name

    source, target = loaded.model.encoder.embed_tokens, loaded.model.decoder.embed_tokens
    before = source.weight[:13].detach().clone(), target.weight[:17].detach().clone()
    loaded.resize_token_embeddings(20)
    if separate:
        loaded.resize_decoder_token_embeddings(20)
    source, target, head = loaded.model.encoder.embed_tokens, loaded.model.decoder.embed_tokens, loaded.lm_head
    assert source.num_embeddings == target.num_embeddings == head.weight.shape[0] == 20
    assert torch.equal(source.weight[:13], before[0]) and torch.equal(target.weight[:17], before[1])
    assert (source.weight is target.weight) == share and (head.weight is target.weight) == tie
    assert loaded.config.vocab_size == 20 and loaded.config.encoder_vocab_size == (20 if separate else None)
    loaded(input_ids=torch.tensor([[19, 2]]), labels=torch.tensor([[19, 2]])).loss.backward()
    loaded.save_pretrained(tmp_path)
    again = BahdanauForConditionalGeneration.from_pretrained(tmp_path)
    assert again.lm_head.out_features == 20


def test_the_base_model_resizes_both_tables(tmp_path):
    base = make_model().model
    base.resize_token_embeddings(20)
    assert base.encoder.embed_tokens.num_embeddings == base.decoder.embed_tokens.num_embeddings == 20
    base.save_pretrained(tmp_path)
    _, info = BahdanauModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
