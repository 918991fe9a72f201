# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from reference import Reference, expected_logits
from small_models import COMBINATIONS, KINDS, SIZES, make_batch, make_model, name_of
from transformers import AutoModel, AutoModelForSeq2SeqLM, DynamicCache

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration, BahdanauModel
from hf_attention.models.bahdanau.attention_bahdanau import BahdanauAttention


@pytest.mark.parametrize("options", COMBINATIONS, ids=name_of)
@pytest.mark.parametrize("layers", [1, 2])
def test_equations(options, layers):
    bidirectional = layers == 1
    extra = {} if bidirectional else {"encoder_hidden_size": 6}
    model = make_model(
        dtype=torch.float64,
        encoder_layers=layers,
        decoder_layers=layers,
        bidirectional=bidirectional,
        use_bias=layers == 2,
        **options,
        **extra,
    )
    batch = make_batch()
    with torch.no_grad():
        outputs = model(**batch, output_attentions=True)
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch["labels"])
    for row in range(3):
        keep = batch["attention_mask"][row].bool()
        logits, weights = Reference(model)(batch["input_ids"][row][keep].tolist(), decoder_input_ids[row].tolist())
        torch.testing.assert_close(outputs.logits[row], logits)
        if options["attention_type"] == "none":
            assert outputs.cross_attentions is None
        else:
            actual = outputs.cross_attentions[0][row, 0]
            torch.testing.assert_close(
                actual[:, keep], torch.tensor(weights, dtype=torch.float64), rtol=1e-5, atol=1e-6
            )
            assert actual[:, ~keep].abs().max() == 0 if (~keep).any() else True


@pytest.mark.parametrize("bidirectional", [True, False])
@torch.no_grad()
def test_the_decoder_starts_from_both_directions(bidirectional):
    """With padding, whose states are not final ones, and on the fast path, which the default decoder has."""
    model = make_model(dtype=torch.float64, bidirectional=bidirectional, initial_state_type="both")
    assert model.model.decoder.initial_state.in_features == model.config.encoder_output_size
    batch = make_batch()
    outputs = model(**batch)
    for row in range(3):
        torch.testing.assert_close(outputs.logits[row], expected_logits(model, batch, row))
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    found = model.generate(**inputs, num_beams=3, max_length=6)
    model.config.fused = False
    assert torch.equal(found, model.generate(**inputs, num_beams=3, max_length=6))


@pytest.mark.parametrize("options", [{"cell_type": "lstm"}, {}, {"reset_after": False}, {"attention_type": "none"}])
@torch.no_grad()
def test_the_decoder_starts_from_copies_of_the_encoders_states(options):
    """The states and memories of all layers, after the last token of rows that are padded on any side."""
    layers = {"encoder_layers": 2, "decoder_layers": 2, "encoder_hidden_size": 3, "initial_state_type": "copy"}
    model, batch = make_model(dtype=torch.float64, **layers, **options), make_batch()
    outputs = model(**batch)
    for row, mask in enumerate(batch["attention_mask"].bool()):
        source = batch["input_ids"][row, mask][None]
        encoded = model.model.encoder(source)
        assert encoded.last_states.shape == (1, sum(model.model.decoder.state_sizes))
        alone = model(encoder_outputs=encoded, labels=batch["labels"][row : row + 1])
        torch.testing.assert_close(outputs.logits[row], alone.logits[0])
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    predicted = model.generate(**inputs, num_beams=3, max_length=6)
    model.config.fused = False
    assert torch.equal(predicted, model.generate(**inputs, num_beams=3, max_length=6))
    with pytest.raises(ValueError, match="needs the `last_states` of the encoder"):
        model(encoder_outputs=(encoded[0],), labels=batch["labels"][2:])


NOTES = [
    (
        [[0.990, 0.099, 0.099]],
        [[0.050, 0.000, 0.998], [0.020, 0.020, 0.999], [0.976, 0.098, 0.195], [0.020, 0.999, 0.020]],
        [[1, 2, 5], [1, 1, 5], [3, 2, 4], [6, 1, 2]],
        [0.189, 0.184, 0.442, 0.184],
        [2.805, 1.631, 4.005],
    ),
    (
        [[0.2, 0.9, 0.0]],
        [[0.1, 0, 0.8], [0.1, 0.9, 0], [0, 0.1, 0.8], [0.2, 0.1, 0.6], [0.9, 0, 0.1]],
        None,
        None,
        [0.243, 0.339, 0.370],
    ),
    # keys chosen so that the weights are 0.2 and 0.8
    ([[1.0]], [[0.0], [1.3862944]], [[1, 2, 9], [9, 1, 1]], [0.2, 0.8], [7.4, 1.2, 2.6]),
]


@pytest.mark.parametrize("query, keys, values, weights, context", NOTES)
def test_worked_examples_of_dot_product_attention(query, keys, values, weights, context):
    config = BahdanauConfig(hidden_size=len(query[0]), bidirectional=False, attention_type="dot")
    keys = torch.tensor([keys])
    values = keys if values is None else torch.tensor([values], dtype=torch.float32)
    found_context, found_weights = BahdanauAttention(config)(torch.tensor([query]), keys, values)
    torch.testing.assert_close(found_context[0, 0], torch.tensor(context), rtol=0, atol=6e-4)
    if weights is not None:
        torch.testing.assert_close(found_weights[0, 0, 0], torch.tensor(weights), rtol=0, atol=6e-4)


@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_gradients_by_finite_differences(options):
    model = make_model(dtype=torch.float64, **options)
    batch = make_batch()
    source = model.model.encoder.embed_tokens(batch["input_ids"]).detach().requires_grad_()
    target = torch.randn(3, 4, SIZES["embedding_size"], dtype=torch.float64, requires_grad=True)
    observes = options.get("hard_attention") == "monotonic"  # which needs the tokens themselves
    parameters = dict(model.named_parameters())
    names = [name for name in parameters if "decoder" in name or "encoder.layers.0" in name]
    names = [name for name in names if "embed" not in name]

    def logits(source, target, *values):  # transformers takes the loss in single precision
        return torch.func.functional_call(
            model,
            dict(zip(names, values)),
            kwargs={
                "inputs_embeds": source,
                "attention_mask": batch["attention_mask"],
                **({"decoder_input_ids": batch["labels"]} if observes else {"decoder_inputs_embeds": target}),
            },
        ).logits

    values = [parameters[name].detach().requires_grad_() for name in names]
    # fast mode compares random projections of the numerical and the analytical Jacobian
    target = target.detach() if observes else target
    assert torch.autograd.gradcheck(logits, (source, target, *values), fast_mode=True)


def test_rnnsearch_50_has_the_papers_parameters():
    vocabulary, m, n, n_align, maxout = 30_000, 620, 1000, 1000, 500
    encoder = vocabulary * m + 2 * 3 * (m * n + n * n)
    alignment = n * n_align + 2 * n * n_align + n_align
    decoder = vocabulary * m + n * n + 3 * (m * n + n * n + 2 * n * n)
    readout = 2 * maxout * n + 2 * maxout * m + 2 * maxout * 2 * n + vocabulary * maxout
    with torch.device("meta"):
        model = BahdanauForConditionalGeneration(BahdanauConfig.from_preset("rnnsearch_50"))
    assert sum(p.numel() for p in model.parameters()) == encoder + alignment + decoder + readout
    assert not any("bias" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_cached_steps_equal_one_forward(options):
    model, batch = make_model(**options), make_batch()
    labels = batch.pop("labels")
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(labels)
    with torch.no_grad():
        full = model(**batch, decoder_input_ids=decoder_input_ids, use_cache=False)
        assert full.past_key_values is None
        steps, past_key_values = [], None
        for chunk in decoder_input_ids.split([1, 2, 1], dim=1):
            outputs = model(**batch, decoder_input_ids=chunk, past_key_values=past_key_values, use_cache=True)
            past_key_values = outputs.past_key_values
            steps.append(outputs.logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), full.logits)
    assert past_key_values.get_seq_length() == 4


@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_outputs_have_the_shapes_of_transformers(options):
    model, batch = make_model(**options), make_batch()
    outputs = model(**batch, output_attentions=True, output_hidden_states=True)
    config = model.config
    assert outputs.logits.shape == (3, 4, 17)
    assert outputs.encoder_last_hidden_state.shape == (3, 6, config.encoder_output_size)
    assert [tuple(h.shape) for h in outputs.encoder_hidden_states] == [(3, 6, 5)] + [
        (3, 6, config.encoder_output_size)
    ] * config.encoder_layers
    assert [tuple(h.shape) for h in outputs.decoder_hidden_states] == [(3, 4, 5)] + [(3, 4, 6)] * config.decoder_layers
    if config.attention_type == "none":
        assert outputs.cross_attentions is None
    else:
        heads = config.num_attention_heads
        assert [tuple(a.shape) for a in outputs.cross_attentions] == [(3, heads, 4, 6)]
        sums = outputs.cross_attentions[0].sum(-1)
        if config.local_attention == "predictive":  # whose Gaussian reduces them
            assert (sums > 0).all() and (sums < 1).all()
        else:
            torch.testing.assert_close(sums, torch.ones(3, heads, 4))
    plain = model(**batch, return_dict=False)
    torch.testing.assert_close(plain[0], outputs.loss)
    assert set(model(**batch).keys()) == {"loss", "logits", "encoder_last_hidden_state"}


def test_loss_is_the_mean_over_tokens_that_count():
    model, batch = make_model(), make_batch()
    batch["labels"][0, 2:] = -100
    outputs = model(**batch)
    log_probs = outputs.logits.log_softmax(-1)
    picked = [
        -log_probs[b, t, batch["labels"][b, t]] for b in range(3) for t in range(4) if batch["labels"][b, t] >= 0
    ]
    torch.testing.assert_close(outputs.loss, torch.stack(picked).mean())
    torch.testing.assert_close(model(**batch, num_items_in_batch=5).loss, torch.stack(picked).sum() / 5)


def test_inputs_embeds_and_encoder_outputs():
    model, batch = make_model(), make_batch()
    expected = model(**batch).logits
    embeds = model.get_input_embeddings()(batch["input_ids"])
    mask, labels = batch["attention_mask"], batch["labels"]
    torch.testing.assert_close(model(inputs_embeds=embeds, attention_mask=mask, labels=labels).logits, expected)
    encoder_outputs = model.get_encoder()(batch["input_ids"], attention_mask=mask)
    for given in (encoder_outputs, encoder_outputs.to_tuple()):
        torch.testing.assert_close(model(encoder_outputs=given, attention_mask=mask, labels=labels).logits, expected)


@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_gradient_checkpointing_changes_no_gradient(options):
    model, batch = make_model(**options).train(), make_batch()
    model(**batch).loss.backward()
    expected = {
        name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    model.zero_grad()
    model.gradient_checkpointing_enable()
    model(**batch).loss.backward()
    for name, gradient in expected.items():
        torch.testing.assert_close(dict(model.named_parameters())[name].grad, gradient)


def test_dropout_acts_in_training_alone():
    model, batch = make_model(dropout=0.5), make_batch()
    assert torch.equal(model(**batch).logits, model(**batch).logits)
    model.train()
    batch["skip_logits"] = False
    assert not torch.equal(model(**batch).logits, model(**batch).logits)


def test_scheduled_sampling():
    model, batch = make_model(scheduled_sampling_probability=1.0), make_batch()
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch["labels"])
    encoder_outputs = model.get_encoder()(batch["input_ids"], attention_mask=batch["attention_mask"])
    mixed = model.sample_decoder_inputs(decoder_input_ids, encoder_outputs, batch["attention_mask"])
    # always its own guess: greedy decoding
    greedy = model.generate(
        batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=3, eos_token_id=None
    )
    assert torch.equal(mixed, greedy[:, :4])
    assert not torch.equal(mixed, decoder_input_ids)

    expected = model(**{**batch, "labels": batch["labels"], "decoder_input_ids": mixed}).loss
    model.train()
    torch.testing.assert_close(model(**batch).loss, expected)
    model.eval()
    assert model(**batch).loss != expected  # the reference's own tokens in evaluation
    model.config.scheduled_sampling_probability = 0.0
    model.train()
    batch["skip_logits"] = False
    assert torch.equal(model(**batch).logits, model(**{**batch, "decoder_input_ids": decoder_input_ids}).logits)


def test_auto_classes_and_dtype(tmp_path):
    make_model().save_pretrained(tmp_path)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path, device_map="cpu")
    assert type(model) is BahdanauForConditionalGeneration
    assert type(AutoModel.from_pretrained(tmp_path)) is BahdanauModel
    for argument in ({"dtype": torch.bfloat16}, {"dtype": "bfloat16"}, {"torch_dtype": torch.bfloat16}):
        half = AutoModelForSeq2SeqLM.from_pretrained(tmp_path, **argument)
        assert half.dtype == torch.bfloat16
    outputs = half(**make_batch())
    assert outputs.logits.dtype == torch.bfloat16
    torch.testing.assert_close(outputs.loss.float(), model(**make_batch()).loss, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_bf16_autocast(options):
    if options.get("cell_type") == "lstm" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("PyTorch has no LSTM in bfloat16 for a CPU without AVX-512")
    model, batch = make_model(**options), make_batch()
    expected = model(**batch).loss
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**batch).loss
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=0.05, atol=0.05)


def test_base_model_weights_load_into_the_head_model(tmp_path):
    model = make_model()
    model.model.save_pretrained(tmp_path)
    loaded, info = BahdanauForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert info["missing_keys"] == {"lm_head.weight", "lm_head.bias"}
    for (name, value), other in zip(model.model.state_dict().items(), loaded.model.state_dict().values()):
        assert torch.equal(value, other), name


def test_torch_compile():
    model, batch = make_model(), make_batch()
    expected = model(**batch)
    compiled = torch.compile(copy.deepcopy(model), backend="aot_eager")
    outputs = compiled(**batch)
    torch.testing.assert_close(outputs.logits, expected.logits)
    torch.testing.assert_close(outputs.loss, expected.loss)


def test_compiled_training_is_that_of_the_same_functions():
    """Targets of other lengths, once they are known to vary, compile nothing anew."""
    model = make_model().train()
    compiled = torch.compile(model, backend="eager")
    for length in (4, 6, 7, 9):
        batch = make_batch()
        batch["labels"] = torch.randint(3, 17, (3, length))
        batch["labels"][0, 2:] = -100
        with torch._dynamo.config.patch(error_on_recompile=length > 6):
            actual, expected = (given(**batch).loss for given in (compiled, model))
        torch.testing.assert_close(actual, expected)
        gradients = [torch.autograd.grad(loss, list(model.parameters())) for loss in (actual, expected)]
        torch.testing.assert_close(*gradients)


def test_lora():
    model = get_peft_model(make_model(), LoraConfig(r=2, target_modules="all-linear", task_type="SEQ_2_SEQ_LM"))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert any("attention.query_proj.lora_A" in name for name in trained)
    batch = make_batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    before = model(**batch).loss
    before.backward()
    optimizer.step()
    assert model(**batch).loss < before


@pytest.mark.parametrize("tie", [False, True])
def test_trained_tokens_of_shared_tables_are_merged_into_the_same_model(tie):
    options = {"share_encoder_decoder_embeddings": True, "tie_word_embeddings": tie, "maxout_size": 5}
    # PEFT leaves out the bias of a tied `lm_head`
    model = make_model(use_bias=False, **options)
    model = get_peft_model(model, LoraConfig(target_modules=["query_proj"], trainable_token_indices=[3, 4, 5]))
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    batch = make_batch()
    before = model.eval()(**batch).logits
    merged = model.merge_and_unload()
    torch.testing.assert_close(merged(**batch).logits, before)
    source, target = merged.model.encoder.embed_tokens.weight, merged.model.decoder.embed_tokens.weight
    assert torch.equal(source, target)
    assert torch.equal(merged.lm_head.weight, target) == tie


@pytest.mark.parametrize(
    "change, message",
    [
        ({"input_ids": torch.tensor([[5, 99]])}, "`input_ids` holds id 99"),
        ({"labels": torch.tensor([[5, 17]])}, "`labels` holds id 17"),
        ({"labels": torch.tensor([[5, -3]])}, "`labels` holds id -3"),
        ({"input_ids": torch.zeros(1, 0, dtype=torch.long)}, "source is empty"),
        ({"input_ids": None}, "exactly one of `input_ids` or `inputs_embeds`"),
        ({"labels": None}, "exactly one of `decoder_input_ids`"),
        ({"attention_mask": torch.ones(1, 1)}, r"`attention_mask` must be of shape \(1, 2\)"),
        ({"attention_mask": torch.ones(2, 2)}, r"`attention_mask` must be of shape \(1, 2\)"),
        ({"decoder_attention_mask": torch.ones(1, 1)}, r"`decoder_attention_mask` must be of shape \(1, 2\)"),
        ({"past_key_values": DynamicCache()}, "must be a BahdanauCache, got DynamicCache"),
        ({"input_ids": torch.tensor([5, 6])}, r"`input_ids` must be of shape \(batch, length\), got \(2,\)"),
        ({"labels": torch.zeros(1, 0, dtype=torch.long)}, "target is empty"),
        ({"labels": torch.tensor([[5, 6]] * 2)}, "`labels` have 2 rows, but there are 1 sources"),
        ({"input_ids": torch.tensor([[5, 6]] * 2), "labels": torch.tensor([[5]] * 3)}, "3 targets .* 2 sources"),
        ({"input_ids": torch.zeros(0, 2, dtype=torch.long)}, "1 targets .* do not fit 0 sources"),
    ],
)
def test_invalid_inputs_are_named_in_the_error(change, message):
    batch = {"input_ids": torch.tensor([[5, 6]]), "labels": torch.tensor([[5, 6]]), **change}
    with pytest.raises(ValueError, match=message):
        make_model()(**batch)


def test_labels_without_a_pad_token():
    model = make_model(pad_token_id=None)
    with pytest.raises(ValueError, match="`pad_token_id` is None"):
        model(input_ids=torch.tensor([[5, 6]]), labels=torch.tensor([[5, 6]]))


def test_initial_input_weights_of_the_fused_units():
    model = make_model(embedding_size=60, hidden_size=50, initializer_range=0.03)
    for direction in ("forward_rnn", "backward_rnn"):
        weight = getattr(model.model.encoder.layers[0], direction).unit.weight_ih_l0
        assert weight.std().item() == pytest.approx(0.03, rel=0.05)


def test_the_share_of_guesses_that_are_read():
    model = make_model(vocab_size=200, scheduled_sampling_probability=0.3)
    torch.manual_seed(0)
    ids = torch.randint(3, 200, (40, 30))
    mixed = model.sample_decoder_inputs(ids, (torch.randn(40, 4, 12),))
    assert (mixed != ids)[:, 1:].float().mean().item() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(
    "options, readouts",
    [
        ({}, [(3, 4, 4)]),
        ({"attention_query": "current", "input_feeding": True, "readout_type": "tanh"}, [(3, 1, 6)] * 4),
    ],
)
def test_dropout_acts_on_embeddings_on_layers_and_on_the_readout(options, readouts, monkeypatch):
    """With two layers in encoder and decoder: embeddings and states of both, and between the decoder's layers."""
    model, batch = make_model(encoder_layers=2, decoder_layers=2, dropout=0.5, **options).train(), make_batch()
    shapes, dropped = [], []
    forward = torch.nn.Dropout.forward

    def record(module, given):
        result = forward(module, given)
        shapes.append(tuple(given.shape))
        dropped.append(((result == 0) & (given != 0)).float().mean().item())
        return result

    monkeypatch.setattr(torch.nn.Dropout, "forward", record)
    model(**batch)
    between = [(3, 1, 6)] * 4 if "input_feeding" in options else [(3, 4, 6)]
    assert sorted(shapes) == sorted([(3, 6, 5), (3, 6, 12), (3, 6, 12), (3, 4, 5), *between, *readouts])
    assert all(0.1 < share < 0.9 for share in dropped)


def test_ids_of_a_source_are_of_its_own_vocabulary():
    model = make_model(encoder_vocab_size=25)
    model(input_ids=torch.tensor([[20, 24]]), labels=torch.tensor([[5, 16]]))
    with pytest.raises(ValueError, match="`input_ids` holds id 25"):
        model(input_ids=torch.tensor([[25]]), labels=torch.tensor([[5]]))
    with pytest.raises(ValueError, match="`labels` holds id 20"):
        model(input_ids=torch.tensor([[20]]), labels=torch.tensor([[20]]))


def test_scores_in_bfloat16_are_weighed_in_float32():
    """As under autocast, where the annotations may be in float32: compared with the softmax in float64."""
    torch.manual_seed(0)
    attention = BahdanauAttention(BahdanauConfig(hidden_size=8, bidirectional=False, attention_type="dot"))
    query, keys, values = torch.randn(1, 3, 8).bfloat16(), torch.randn(1, 500, 8).bfloat16(), torch.randn(1, 500, 8)
    contexts, weights = attention(query, keys, values)
    expected = (query @ keys.transpose(1, 2)).double().softmax(dim=-1)
    torch.testing.assert_close(weights[:, :, 0].double(), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(contexts.double(), expected @ values.double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_decoder_state_skips_masked_tokens(options):
    model, batch = make_model(**options), make_batch()
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch.pop("labels"))
    padded = torch.cat([torch.zeros(3, 2, dtype=torch.long), decoder_input_ids], dim=1)
    mask = (padded != 0).long()
    with torch.no_grad():
        expected = model(**batch, decoder_input_ids=decoder_input_ids).logits
        actual = model(**batch, decoder_input_ids=padded, decoder_attention_mask=mask).logits
    torch.testing.assert_close(actual[:, 2:], expected)


def test_source_of_one_token_and_a_row_of_padding():
    model = make_model()
    one = model(input_ids=torch.tensor([[5]]), labels=torch.tensor([[3, 2]]), output_attentions=True)
    assert one.cross_attentions[0].eq(1).all()
    batch = make_batch()
    batch["attention_mask"][2] = 0
    outputs = model(**batch, output_attentions=True)
    assert outputs.logits.isfinite().all()
    # uniform attention, as the docstring says, and no effect on the other rows
    torch.testing.assert_close(outputs.cross_attentions[0][2], torch.full((1, 4, 6), 1 / 6))
    torch.testing.assert_close(outputs.logits[:2], model(**make_batch()).logits[:2])


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
        assert loaded.vocab_size == 17
        loaded.resize_decoder_token_embeddings(20)
    source, target, head = loaded.model.encoder.embed_tokens, loaded.model.decoder.embed_tokens, loaded.lm_head
    assert source.num_embeddings == target.num_embeddings == head.weight.shape[0] == 20
    assert torch.equal(source.weight[:13], before[0]) and torch.equal(target.weight[:17], before[1])
    assert (source.weight is target.weight) == share and (head.weight is target.weight) == tie
    assert loaded.config.tie_word_embeddings == (share or tie) and loaded.config.ties_lm_head == tie
    assert loaded.vocab_size == loaded.model.vocab_size == 20
    assert loaded.config.vocab_size == 20 and loaded.config.encoder_vocab_size == (20 if separate else None)
    loaded(input_ids=torch.tensor([[19, 2]]), labels=torch.tensor([[19, 2]])).loss.backward()
    loaded.save_pretrained(tmp_path)
    again = BahdanauForConditionalGeneration.from_pretrained(tmp_path)
    assert again.lm_head.out_features == again.vocab_size == 20
    inputs = torch.tensor([[12, 2]])
    assert torch.equal(again.generate(inputs, num_beams=2), loaded.generate(inputs, num_beams=2))


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("size, multiple, expected", [(9, None, 9), (None, 8, 24), (9, 8, 16), (18, 8, 24)])
def test_tables_shrink_and_are_padded(tmp_path, size, multiple, expected, separate):
    model = make_model(tie_word_embeddings=True, maxout_size=5, encoder_vocab_size=17 if separate else None)
    resize = model.resize_decoder_token_embeddings if separate else model.resize_token_embeddings
    head = model.lm_head.weight[:9].detach().clone(), model.lm_head.bias[:9].detach().clone()
    resize(size, pad_to_multiple_of=multiple)
    assert model.vocab_size == model.config.vocab_size == model.lm_head.out_features == expected
    assert model.lm_head.weight is model.model.decoder.embed_tokens.weight
    assert torch.equal(model.lm_head.weight[:9], head[0])
    assert torch.equal(model.lm_head.bias[:9], head[1])
    assert model.lm_head.bias.shape == (expected,)
    assert model.model.encoder.embed_tokens.num_embeddings == (17 if separate else expected)
    inputs = torch.tensor([[8, 2]])
    assert model(input_ids=inputs, labels=inputs).logits.shape == (1, 2, expected)
    model.save_pretrained(tmp_path)
    loaded = BahdanauForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(loaded.generate(inputs), model.generate(inputs))


def test_a_vocabulary_that_would_lose_a_special_token_is_refused_before_it_is_resized():
    model = make_model(encoder_vocab_size=13)
    with pytest.raises(ValueError, match=r"`eos_token_id` \(2\) is outside the vocabulary of 2 tokens"):
        model.resize_decoder_token_embeddings(2)
    with pytest.raises(ValueError, match="`encoder_vocab_size` must be at least 1, got 0"):
        model.resize_token_embeddings(0)
    assert model.vocab_size == model.lm_head.out_features == 17
    assert model.config.encoder_vocab_size == model.model.encoder.embed_tokens.num_embeddings == 13


def test_one_vocabulary_given_twice_is_resized_as_one():
    model = make_model(encoder_vocab_size=17, share_encoder_decoder_embeddings=True)
    model.resize_token_embeddings(20)
    assert model.model.encoder.embed_tokens.weight is model.model.decoder.embed_tokens.weight
    assert model.vocab_size == model.lm_head.out_features == 20


def test_the_base_model_resizes_both_tables(tmp_path):
    base = make_model().model
    base.resize_token_embeddings(20)
    assert base.encoder.embed_tokens.num_embeddings == base.decoder.embed_tokens.num_embeddings == 20
    base.save_pretrained(tmp_path)
    _, info = BahdanauModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_config_may_ask_for_tuples(probability):
    model, batch = make_model(scheduled_sampling_probability=probability).train(), make_batch()
    loss = model(**batch).loss
    model.config.return_dict = False
    assert torch.equal(model(**batch)[0], loss)
    inputs = {"attention_mask": batch["attention_mask"], "max_new_tokens": 3}
    for fused in (True, False):
        model.eval().config.fused = fused
        assert model.generate(batch["input_ids"], **inputs).shape == (3, 4)
