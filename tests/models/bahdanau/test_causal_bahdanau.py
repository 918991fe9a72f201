# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from small_models import KINDS, SIZES, make_batch, make_model, name_of
from subprocess_utils import run_code
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    DynamicCache,
    EncoderDecoderModel,
    SpeechEncoderDecoderModel,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

from hf_attention import BahdanauConfig, BahdanauForCausalLM, BahdanauModel, CompactVitConfig, CompactVitModel
from hf_attention.models.bahdanau.cache_bahdanau import CACHE_NAME
from hf_attention.models.bahdanau.decoder_bahdanau import BahdanauDecoder


# without those that need the family's own encoder
SOFT = [options for options in KINDS if "hard_attention" not in options and "copy" not in options.values()]
DECODER = {"is_decoder": True, "is_encoder_decoder": False, "add_cross_attention": True}
IDS = torch.tensor([[1, 5, 9, 4], [1, 7, 3, 16], [1, 12, 12, 8]])


def make_decoder(seed=0, **options):
    """A decoder over states of size 8, or, without cross attention, a language model."""
    torch.manual_seed(seed)
    if options.get("add_cross_attention", True):
        options = {"cross_attention_hidden_size": 8, **options}
    model = BahdanauForCausalLM(BahdanauConfig(**{**SIZES, **DECODER, **options})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.abs().sum() == 0 or parameter.dim() == 1:
                parameter.normal_(std=0.5)
    return model


def make_source(size=8):
    states = torch.randn(3, 6, size, generator=torch.Generator().manual_seed(3))
    return {"encoder_hidden_states": states, "encoder_attention_mask": make_batch()["attention_mask"]}


@pytest.mark.parametrize("options", SOFT, ids=name_of)
def test_it_is_the_decoder_of_an_encoder_decoder(tmp_path, options):
    parent, batch = make_model(**options), make_batch()
    parent.save_pretrained(tmp_path)
    model = BahdanauForCausalLM.from_pretrained(tmp_path)
    decoder_input_ids = parent.prepare_decoder_input_ids_from_labels(batch.pop("labels"))
    expected = parent(**batch, decoder_input_ids=decoder_input_ids, output_attentions=True)
    states = expected.encoder_last_hidden_state.detach().requires_grad_()
    actual = model(
        decoder_input_ids,
        encoder_hidden_states=states,
        encoder_attention_mask=batch["attention_mask"],
        output_attentions=True,
    )
    torch.testing.assert_close(actual.logits, expected.logits)
    if parent.model.decoder.has_attention:
        torch.testing.assert_close(actual.cross_attentions[0], expected.cross_attentions[0])
    expected.logits.square().sum().backward()
    actual.logits.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in parent.named_parameters()}
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-4)
    assert states.grad.abs().sum() > 0
    assert parent.config.is_encoder_decoder and not model.config.is_encoder_decoder


@pytest.mark.parametrize("options", [*SOFT, {"add_cross_attention": False}], ids=name_of)
def test_cached_steps_and_both_paths_equal_one_forward(options):
    model = make_decoder(**options)
    source = {} if "add_cross_attention" in options else make_source()
    with torch.no_grad():
        fused = model(IDS, **source)
        model.config.fused = False
        full = model(IDS, **source, use_cache=False)
        torch.testing.assert_close(fused.logits, full.logits)
        assert CACHE_NAME not in full
        steps, cache = [], None
        for chunk in IDS.split([1, 2, 1], dim=1):
            outputs = model(chunk, **source, **{CACHE_NAME: cache})
            cache = outputs[CACHE_NAME]
            steps.append(outputs.logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), full.logits)


def test_the_first_state_is_that_of_the_mean_of_the_source():
    model, source = make_decoder(attention_type="none", initial_state_type="mean"), make_source()
    logits = model(IDS, **source).logits
    for row in range(3):
        states = source["encoder_hidden_states"][row][source["encoder_attention_mask"][row] > 0]
        mean = states.mean(dim=0).expand(1, 5, 8)  # of which every state is the mean
        torch.testing.assert_close(model(IDS[row : row + 1], encoder_hidden_states=mean).logits[0], logits[row])


@pytest.mark.parametrize("options", [{}, {"add_cross_attention": False}, SOFT[2]], ids=name_of)
def test_its_searches_are_those_of_transformers(options):
    model = make_decoder(**options)
    source = {} if "add_cross_attention" in options else make_source()
    for search in ({}, {"num_beams": 3}, {"num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.0}):
        model.config.fused = True
        fused = model.generate(IDS[:, :2], **source, max_new_tokens=6, **search)
        model.config.fused = False
        plain = model.generate(IDS[:, :2], **source, max_new_tokens=6, **search)
        assert torch.equal(fused, plain)
        assert torch.equal(plain, model.generate(IDS[:, :2], **source, max_new_tokens=6, use_cache=False, **search))
    tokens = IDS[:, :2]
    for _ in range(6):
        tokens = torch.cat([tokens, model(tokens, **source, use_cache=False).logits[:, -1:].argmax(-1)], dim=1)
    greedy = model.generate(IDS[:, :2], **source, max_new_tokens=6, eos_token_id=None)
    assert torch.equal(greedy, tokens)


def test_prompts_are_padded_on_the_left():
    model = make_decoder(add_cross_attention=False)
    ids, mask = torch.tensor([[0, 0, 5, 9], [4, 6, 5, 9]]), torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    both = model.generate(ids, attention_mask=mask, max_new_tokens=5, eos_token_id=None)
    alone = model.generate(ids[:1, 2:], max_new_tokens=5, eos_token_id=None)
    assert torch.equal(both[0, 4:], alone[0, 2:])


def test_a_language_model_is_a_gru_over_its_inputs():
    model = make_decoder(add_cross_attention=False)
    decoder = model.model.decoder
    state = torch.zeros(3, model.config.hidden_size)
    unit, readout = decoder.layers[0].unit, decoder.readout
    for step in range(4):
        embeds = decoder.embed_tokens.weight[IDS[:, step]]
        previous, state = state, unit(embeds[:, None], state[None])[1][0]
        pairs = readout.state_proj(previous) + readout.input_proj(embeds)  # the paper's readout reads s_{i-1}
        logits = model.lm_head(torch.maximum(pairs[:, ::2], pairs[:, 1::2]))
        torch.testing.assert_close(model(IDS).logits[:, step], logits)
    loss = torch.nn.functional.cross_entropy(model(IDS).logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten())
    torch.testing.assert_close(model(IDS, labels=IDS).loss, loss)


@pytest.mark.parametrize("options", [{}, {"add_cross_attention": False}], ids=name_of)
def test_the_loss_without_logits_is_the_same(options):
    model, labels = make_decoder(**options).train(), IDS.clone()
    labels[0, 2:] = labels[1, 3:] = -100
    source = {} if "add_cross_attention" in options else make_source()
    for extra in ({}, {"num_items_in_batch": torch.tensor(11)}):
        outputs = model(IDS, labels=labels, **source, **extra)
        expected = model(IDS, labels=labels, skip_logits=False, **source, **extra)
        assert outputs.logits is None and expected.logits.shape == (3, 4, 17)
        torch.testing.assert_close(outputs.loss, expected.loss)
        gradients = [torch.autograd.grad(given.loss, list(model.parameters())) for given in (outputs, expected)]
        torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("options", [{}, {"add_cross_attention": False}], ids=name_of)
@pytest.mark.parametrize("is_first", [False, True])
def test_masked_padding_has_no_influence_on_the_loss(options, is_first, monkeypatch):
    """After the tokens no mask is needed, so no step is computed alone."""
    model, source = make_decoder(**options).train(), {} if "add_cross_attention" in options else make_source()
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]])
    mask = mask.flip(1) if is_first else mask
    ids, labels = IDS.masked_fill(mask == 0, 0), IDS.masked_fill(mask == 0, -100)
    labels[torch.arange(3), mask.argmax(dim=1)] = -100  # nothing comes before the first token
    masks, run = [], BahdanauDecoder.run_layers
    monkeypatch.setattr(BahdanauDecoder, "run_layers", lambda *args: masks.append(args[4]) or run(*args))
    loss = model(ids, attention_mask=mask, labels=labels, **source).loss
    assert (masks[0] is None) == (not is_first)
    total = 0.0
    for row in range(3):
        kept = IDS[row : row + 1, mask[row] > 0]
        one = {name: value[row : row + 1] for name, value in source.items()}
        total += model(kept, labels=kept, **one, num_items_in_batch=1).loss
    expected = total / (labels != -100).sum()
    torch.testing.assert_close(loss, expected)
    gradients = [torch.autograd.grad(value, list(model.parameters())) for value in (loss, expected)]
    torch.testing.assert_close(*gradients)


def vision_inputs():
    return {"pixel_values": torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(5))}


def text_inputs():
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])
    return {"input_ids": torch.arange(15).view(3, 5) + 5, "attention_mask": mask}


def speech_inputs():
    mask = torch.ones(3, 400, dtype=torch.long)
    mask[1, 150:] = 0
    return {
        "input_values": torch.randn(3, 400, generator=torch.Generator().manual_seed(5)),
        "attention_mask": mask,
    }


SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
IMAGE = {"image_size": 16, "num_channels": 1}
SPEECH = {"conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (5, 4), "num_feat_extract_layers": 2}
SPEECH |= {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "do_stable_layer_norm": True}
SPEECH |= {"feat_extract_norm": "layer"}  # a group norm would see the padding
ENCODERS = {
    "compact_vit": lambda: (
        VisionEncoderDecoderModel,
        CompactVitModel(CompactVitConfig(**IMAGE, **SMALL, num_conv_layers=1, pooling_type="mean")),
        vision_inputs(),
    ),
    "vit": lambda: (VisionEncoderDecoderModel, ViTModel(ViTConfig(**IMAGE, **SMALL, patch_size=8)), vision_inputs()),
    "bert": lambda: (EncoderDecoderModel, BertModel(BertConfig(vocab_size=30, **SMALL)), text_inputs()),
    "wav2vec2": lambda: (
        SpeechEncoderDecoderModel,
        Wav2Vec2Model(Wav2Vec2Config(vocab_size=30, **SMALL, **SPEECH)),
        speech_inputs(),
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("size", [None, 8])
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of `EncoderDecoderModel` about its loss
def test_it_decodes_in_transformers_encoder_decoders(tmp_path, name, size):
    torch.manual_seed(0)
    wrapper, encoder, inputs = ENCODERS[name]()
    decoder = make_decoder(cross_attention_hidden_size=size)
    model = wrapper(encoder=encoder, decoder=decoder).eval()
    ids = {"pad_token_id": 0, "decoder_start_token_id": 1}
    model.config.update(ids)
    model.generation_config.update(**ids, bos_token_id=1, eos_token_id=2)
    labels = torch.tensor([[5, 9, 2], [7, 3, 2], [12, 2, -100]])

    outputs = model(**inputs, labels=labels, output_attentions=True)
    states = outputs.encoder_last_hidden_state
    if size is None and name != "wav2vec2":  # that one returns the projected states
        states = model.enc_to_dec_proj(states)
    source_mask = inputs.get("attention_mask")
    if name == "wav2vec2":
        source_mask = encoder._get_feature_vector_attention_mask(states.shape[1], source_mask)
    shifted = torch.tensor([[1, 5, 9], [1, 7, 3], [1, 12, 2]])
    logits = decoder(shifted, encoder_hidden_states=states, encoder_attention_mask=source_mask).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(outputs.loss, loss)
    weights = outputs.cross_attentions[0]
    assert len(outputs.cross_attentions) == 1 and weights.shape == (3, 1, 3, states.shape[1])
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 1, 3))
    if source_mask is not None:
        assert (weights[source_mask[:, None, None].expand_as(weights) == 0] == 0).all()

    for search in ({}, {"num_beams": 3}):
        cached = model.generate(**inputs, max_new_tokens=5, **search)
        assert torch.equal(cached, model.generate(**inputs, max_new_tokens=5, use_cache=False, **search))
        alone = decoder.generate(
            torch.ones(3, 1, dtype=torch.long),
            encoder_hidden_states=states,
            encoder_attention_mask=source_mask,
            max_new_tokens=5,
            **search,
        )
        assert torch.equal(cached, alone)  # by this family's own search
    shown = model.generate(
        **inputs, max_new_tokens=4, num_beams=2, return_dict_in_generate=True, output_attentions=True
    )
    assert [step[0].shape[1:3] for step in shown.cross_attentions] == [(1, 1)] * len(shown.cross_attentions)

    model.train()
    model(**inputs, labels=labels).loss.backward()
    assert next(encoder.parameters()).grad is not None and decoder.lm_head.weight.grad.abs().sum() > 0
    model.eval().save_pretrained(tmp_path)
    loaded = wrapper.from_pretrained(tmp_path)
    assert type(loaded.decoder) is BahdanauForCausalLM
    torch.testing.assert_close(loaded(**inputs, labels=labels).loss, loss)


def test_it_is_loaded_by_from_encoder_decoder_pretrained(tmp_path):
    _, encoder, inputs = ENCODERS["vit"]()
    encoder.save_pretrained(tmp_path / "encoder")
    decoder = make_decoder()
    decoder.save_pretrained(tmp_path / "decoder")
    model = VisionEncoderDecoderModel.from_encoder_decoder_pretrained(tmp_path / "encoder", tmp_path / "decoder")
    logits = model(**inputs, decoder_input_ids=IDS).logits
    states = encoder.eval()(**inputs).last_hidden_state
    torch.testing.assert_close(logits, decoder(IDS, encoder_hidden_states=states).logits)


def test_the_default_config_makes_a_decoder_as_that_of_bert_does():
    wrapper, encoder, inputs = ENCODERS["vit"]()
    configs = wrapper.config_class.from_encoder_decoder_configs(encoder.config, BahdanauConfig(**SIZES))
    model = wrapper(configs)
    assert (model.decoder.config.is_encoder_decoder, model.decoder.config.encoder_output_size) == (False, 6)
    assert model(**inputs, decoder_input_ids=IDS).logits.shape == (3, 4, 17)


def test_auto_classes_presets_and_resizing(tmp_path):
    config = BahdanauConfig.from_preset("small", vocab_size=40, **DECODER)
    assert config.ties_lm_head and config.encoder_output_size == 512
    model = AutoModelForCausalLM.from_config(config)
    assert type(model) is BahdanauForCausalLM and model.lm_head.weight is model.get_input_embeddings().weight
    model.resize_token_embeddings(43)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.config.vocab_size == 43 and loaded.lm_head.weight is loaded.get_input_embeddings().weight
    torch.testing.assert_close(loaded.state_dict(), model.state_dict())
    with pytest.raises(ValueError, match="decoder alone .* Load it with `AutoModelForCausalLM`"):
        BahdanauModel.from_pretrained(tmp_path)


def test_it_loads_without_the_plugin(tmp_path):
    model, source = make_decoder(), make_source()
    model.save_pretrained(tmp_path / "decoder")
    make_model().save_pretrained(tmp_path / "parent")
    torch.save(source, tmp_path / "source.pt")
    code = f"""
import sys
sys.modules["hf_attention"] = None
import torch
from transformers import AutoModelForCausalLM
decoder, parent = (
    AutoModelForCausalLM.from_pretrained({str(tmp_path)!r} + name, trust_remote_code=True)
    for name in ("/decoder", "/parent")
)
assert type(parent).__module__.startswith("transformers_modules")
source = torch.load({str(tmp_path)!r} + "/source.pt")
print(decoder.generate(torch.tensor({IDS.tolist()}), **source, max_new_tokens=5, num_beams=2).tolist())
"""
    assert run_code(code) == str(model.generate(IDS, **source, max_new_tokens=5, num_beams=2).tolist())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"encoder_hidden_states": None}, "needs a source: pass `encoder_hidden_states`"),
        (
            {"encoder_hidden_states": torch.zeros(3, 6, 7)},
            r"`encoder_hidden_states` must hold .* \(batch, length, 8\)",
        ),
        ({"encoder_attention_mask": torch.ones(3, 5)}, "`encoder_attention_mask` must be of shape"),
        ({"input_ids": IDS + 1}, "`input_ids` holds id 17"),
        ({"labels": IDS + 1}, "`labels` holds id 17"),
        ({"labels": IDS[:, 1:]}, "give a label, or -100, for every token"),
        ({"past_key_values": DynamicCache()}, "must be a BahdanauCache, got DynamicCache"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_invalid_inputs_are_named_in_the_error(change, message):
    with pytest.raises(ValueError, match=message):
        make_decoder()(**{"input_ids": IDS, **make_source(), **change})


def test_a_language_model_has_no_source():
    with pytest.raises(ValueError, match="no cross attention.*`add_cross_attention=True`"):
        make_decoder(add_cross_attention=False)(IDS, **make_source())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"copy_mechanism": True}, "`copy_mechanism=True` needs the model's own encoder"),
        ({"initial_state_type": "copy", "encoder_hidden_size": 3}, "`initial_state_type='copy'` needs an encoder"),
    ],
)
def test_the_decoder_of_a_model_that_needs_its_encoder_is_refused(tmp_path, options, message):
    make_model(**options).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=message):
        BahdanauForCausalLM.from_pretrained(tmp_path)
