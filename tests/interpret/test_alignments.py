# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import copy

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, MarianConfig, MarianMTModel

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.interpret import align
from hf_attention.interpret.model_modes import eval_mode


SOURCES = ["ein kleiner Hund", "Katze", "zwei Hunde und eine Katze laufen"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(SOURCES, 60, "char")


def make(tokenizer, kind="bahdanau", **options):
    torch.manual_seed(0)
    if kind == "marian":
        config = MarianConfig(
            vocab_size=len(tokenizer), decoder_vocab_size=len(tokenizer), d_model=16, init_std=0.5,
            encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=16, decoder_ffn_dim=16, pad_token_id=0, eos_token_id=2, decoder_start_token_id=1,
            forced_eos_token_id=None,
        )  # fmt: skip
        return MarianMTModel(config).eval()
    sizes = {"embedding_size": 8, "hidden_size": 8, "attention_size": 8, "maxout_size": 8}
    spread = {"initializer_range": 1.0, "attention_initializer_range": 1.0}
    config = BahdanauConfig(vocab_size=len(tokenizer), **sizes, **spread, **options)
    model = BahdanauForConditionalGeneration(config).eval()
    if config.attention_type == "additive":
        torch.nn.init.normal_(model.model.decoder.layers[0].attention.score.weight, std=2.0)
    return model


@pytest.mark.parametrize("kind", ["bahdanau", "marian"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_beams": 3},
        {"num_beams": 3, "num_return_sequences": 2},
        {"do_sample": True, "num_return_sequences": 2},
    ],
    ids=str,
)
def test_generated_alignments_are_those_of_forced_decoding(tokenizer, kind, options):
    model = make(tokenizer, kind)
    alignments = align(model, tokenizer, SOURCES, max_new_tokens=9, min_new_tokens=5, **options)
    each = options.get("num_return_sequences", 1)
    assert [alignment.source for alignment in alignments] == [source for source in SOURCES for _ in range(each)]
    for alignment in alignments:
        source_ids = tokenizer(alignment.source, return_tensors="pt").input_ids
        assert alignment.source_tokens == tokenizer.convert_ids_to_tokens(source_ids[0].tolist())
        target_ids = tokenizer.convert_tokens_to_ids(alignment.target_tokens)
        model.set_attn_implementation("eager")
        with torch.no_grad():
            outputs = model(
                input_ids=source_ids, decoder_input_ids=torch.tensor([[1, *target_ids[:-1]]]), output_attentions=True
            )
        weights = outputs.cross_attentions[-1][0].mean(0)
        np.testing.assert_allclose(alignment.weights, weights.numpy(), atol=1e-5)
        log_probs = outputs.logits[0].log_softmax(-1)
        score = sum(log_probs[step, token].item() for step, token in enumerate(target_ids))
        length = len(target_ids) if "num_beams" in options else 1
        assert alignment.score == pytest.approx(score / length, abs=1e-3)


def test_beams_longer_than_the_best_one(tokenizer):
    model = make(tokenizer)
    with torch.no_grad():
        model.lm_head.bias[tokenizer.eos_token_id] = 9.0
    options = {"num_beams": 4, "max_new_tokens": 20, "length_penalty": -1.0}
    outputs = model.generate(
        **tokenizer(SOURCES, return_tensors="pt", padding=True, return_token_type_ids=False),
        **options,
        output_scores=True,
        return_dict_in_generate=True,
    )
    assert len(outputs.scores) > outputs.sequences.shape[1] - 1
    for alignment, sequence in zip(align(model, tokenizer, SOURCES, **options), outputs.sequences):
        tokens = tokenizer.convert_ids_to_tokens(sequence[1:].tolist())
        assert alignment.target_tokens == tokens[: tokens.index("</s>") + 1]
        assert alignment.weights.shape[0] == len(alignment.target_tokens)


def test_the_end_of_sequence_of_a_generation_config(tokenizer):
    model = make(tokenizer)
    unstopped = align(model, tokenizer, SOURCES, max_new_tokens=9, eos_token_id=None)
    end = unstopped[0].target_tokens[2]
    config = GenerationConfig(eos_token_id=tokenizer.convert_tokens_to_ids(end), max_new_tokens=9)
    for before, stopped in zip(unstopped, align(model, tokenizer, SOURCES, generation_config=config)):
        tokens = before.target_tokens
        assert stopped.target_tokens == tokens[: tokens.index(end) + 1 if end in tokens else None]
    alone = align(model, tokenizer, SOURCES[2:], generation_config=config)[0]
    assert stopped.score == pytest.approx(alone.score, abs=1e-4)
    for alignment in align(model, tokenizer, SOURCES, generation_config=config, num_beams=3):
        assert end not in alignment.target_tokens[:-1]
        assert "<pad>" not in alignment.target_tokens


@pytest.mark.parametrize("kind", ["bahdanau", "marian"])
@pytest.mark.parametrize("options", [{}, {"num_beams": 3}], ids=str)
def test_targets_with_a_given_prefix(tokenizer, kind, options):
    model, options = make(tokenizer, kind), {"max_new_tokens": 6, "batch_size": 2, **options}
    prompts = torch.tensor([[1, 5, 6], [1, 6, 7], [1, 7, 5]])
    expected = align(model, tokenizer, SOURCES, decoder_input_ids=prompts, **options)
    without_start = align(model, tokenizer, SOURCES, decoder_input_ids=prompts[:, 1:], **options)
    for index, (one, other) in enumerate(zip(expected, without_start)):
        alone = align(model, tokenizer, [SOURCES[index]], decoder_input_ids=prompts[index : index + 1], **options)[0]
        assert one.target_tokens == other.target_tokens == alone.target_tokens
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-5)
        np.testing.assert_allclose(one.weights, alone.weights, atol=1e-5)
    align(model, tokenizer, SOURCES, decoder_input_ids=prompts[:1], **options)
    align(model, tokenizer, SOURCES, decoder_input_ids=None, **options)
    with pytest.raises(ValueError, match="`decoder_input_ids` has 2 rows; pass 1 row, or 3"):
        align(model, tokenizer, SOURCES, decoder_input_ids=prompts[:2], **options)


@pytest.mark.parametrize("kind", ["bahdanau", "marian"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_alignments_with_given_targets(tokenizer, kind, side):
    model = make(tokenizer, kind).train()
    target_tokenizer = copy.deepcopy(tokenizer)
    target_tokenizer.padding_side = side
    targets = ["Hund", "eine Katze", "x"]
    alignments = align(model, tokenizer, SOURCES, targets, target_tokenizer, batch_size=2)
    assert model.training
    for alignment, source, target in zip(alignments, SOURCES, targets):
        assert alignment.target_tokens == tokenizer.convert_ids_to_tokens(tokenizer(target).input_ids)
        assert alignment.weights.shape == (len(tokenizer(target).input_ids), len(tokenizer(source).input_ids))
        np.testing.assert_allclose(alignment.weights.sum(1), 1, rtol=1e-5)
    for row, alignment in enumerate(alignments):
        alone = align(model, tokenizer, SOURCES[row : row + 1], targets[row : row + 1])[0]
        np.testing.assert_allclose(alone.weights, alignment.weights, atol=1e-5)
        assert alone.score == pytest.approx(alignment.score, rel=1e-4)


def test_the_score_of_a_model_in_bfloat16(tokenizer):
    model, target = make(tokenizer).bfloat16(), "Hund" * 8
    alignment = align(model, tokenizer, SOURCES[:1], [target])[0]
    labels = tokenizer(target, return_tensors="pt").input_ids
    with torch.no_grad():
        # the same computation as in `align`, since other kernels round bfloat16 differently
        batch = tokenizer(SOURCES[:1], return_tensors="pt", return_token_type_ids=False)
        logits = model(**batch, labels=labels, output_attentions=True).logits[0]
    expected = logits.double().log_softmax(-1)[range(labels.shape[1]), labels[0]].sum()
    assert alignment.score == pytest.approx(float(expected), rel=1e-5)


def test_eval_mode_restores_the_mode_of_each_module():
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
    model[0].eval()  # frozen in a model that trains
    with eval_mode(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == [True, False, True]


def test_layers_heads_and_restored_implementation(tokenizer):
    model = make(tokenizer, "marian")
    model.set_attn_implementation("sdpa")
    first = align(model, tokenizer, SOURCES[:1], ["Hund"], layer=0, head=0)[0]
    second = align(model, tokenizer, SOURCES[:1], ["Hund"], layer=0, head=1)[0]
    mean = align(model, tokenizer, SOURCES[:1], ["Hund"], layer=0)[0]
    assert not np.allclose(first.weights, second.weights)
    np.testing.assert_allclose((first.weights + second.weights) / 2, mean.weights, atol=1e-6)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    "sources, targets, message",
    [
        ("one string", None, "`sources` must be a list of sentences"),
        (["a", "b"], "ab", "`targets` must be a list of sentences"),
        (["a", " "], None, "which is not a text"),
        ([None], None, "`sources` has None at position 0"),
        (["a", "b"], ["c"], r"`targets` \(1\) must have the same length as `sources` \(2\)"),
    ],
)
def test_sources_and_targets_that_are_no_lists_of_texts_are_errors(tokenizer, sources, targets, message):
    with pytest.raises(ValueError, match=message):
        align(make(tokenizer), tokenizer, sources, targets)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layer": 2}, "`layer` is 2, but the model has 2 layers"),
        ({"head": -3}, "`head` is -3, but the layer has 2 heads"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
    ],
)
def test_layers_heads_and_batch_sizes_out_of_range_are_errors(tokenizer, options, message):
    with pytest.raises(ValueError, match=message):
        align(make(tokenizer, "marian"), tokenizer, SOURCES[:1], ["Hund"], **options)


def test_generation_without_end_of_sequence(tokenizer):
    alignments = align(make(tokenizer), tokenizer, SOURCES, max_new_tokens=7, eos_token_id=None)
    assert all(len(alignment.target_tokens) == 7 for alignment in alignments)


def test_a_model_without_attention_is_an_error(tokenizer):
    model = make(tokenizer, attention_type="none")
    for targets in (None, ["b"]):
        with pytest.raises(ValueError, match="no `cross_attentions`"):
            align(model, tokenizer, ["a"], targets, max_new_tokens=3)


def test_a_target_with_its_own_vocabulary_is_decoded_by_its_tokenizer(tmp_path):
    source, target = train_tokenizer(["ein Hund"], 60, "char"), train_tokenizer(["a dog is here"], 60, "char")
    sizes = {"embedding_size": 8, "hidden_size": 8, "attention_size": 8, "maxout_size": 8}
    config = BahdanauConfig(vocab_size=len(target), encoder_vocab_size=len(source), **sizes)
    BahdanauForConditionalGeneration(config).save_pretrained(tmp_path)
    source.save_pretrained(tmp_path)
    target.save_pretrained(tmp_path / "target_tokenizer")
    model = BahdanauForConditionalGeneration.from_pretrained(tmp_path)
    alignment = align(model, source, ["Hund"], ["dog"])[0]
    assert alignment.target == "dog"
    assert alignment.score == align(model, source, ["Hund"], ["dog"], target)[0].score
    model.config.name_or_path = ""
    with pytest.raises(ValueError, match="target has its own vocabulary: pass `target_tokenizer="):
        align(model, source, ["Hund"])
