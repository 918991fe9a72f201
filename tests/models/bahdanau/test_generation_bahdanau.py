# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import copy

import pytest
import torch
from small_models import KINDS, make_batch, make_model, name_of
from transformers import EosTokenCriteria, GenerationConfig, MaxLengthCriteria

from hf_attention.models.bahdanau import generation_bahdanau
from hf_attention.models.bahdanau.cache_bahdanau import CACHE_NAME


EOS = 2


def inputs_of(batch):
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}


def beam_search(model, input_ids, num_beams, max_new_tokens, length_penalty):
    """Beam search over one sentence, every hypothesis scored by uncached forwards, as generate() documents it."""
    start = model.config.decoder_start_token_id
    beams, finished = [((start,), 0.0)], []
    for step in range(max_new_tokens):
        candidates = []
        for tokens, score in beams:
            logits = model(input_ids=input_ids, decoder_input_ids=torch.tensor([tokens]), use_cache=False).logits
            for token, value in enumerate(logits[0, -1].log_softmax(-1).tolist()):
                candidates.append(((*tokens, token), score + value))
        candidates.sort(key=lambda candidate: -candidate[1])
        beams = []
        for rank, (tokens, score) in enumerate(candidates[: 2 * num_beams]):
            if tokens[-1] == EOS or step == max_new_tokens - 1:
                if rank < num_beams:
                    finished.append((tokens, score / (step + 1) ** length_penalty))
            elif len(beams) < num_beams:
                beams.append((tokens, score))
    return max(finished, key=lambda hypothesis: hypothesis[1])


@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_greedy_is_beam_1_and_uncached_argmax(options):
    model, inputs = make_model(**options), inputs_of(make_batch())
    greedy = model.generate(**inputs, max_new_tokens=6, eos_token_id=None)
    assert torch.equal(greedy, model.generate(**inputs, max_new_tokens=6, eos_token_id=None, use_cache=False))
    one_beam = model.generate(
        **inputs, max_new_tokens=6, num_beams=1, eos_token_id=None, return_dict_in_generate=True, output_scores=True
    )
    assert torch.equal(greedy, one_beam.sequences)
    tokens = greedy[:, :1]
    for _ in range(6):
        logits = model(**inputs, decoder_input_ids=tokens, use_cache=False).logits
        tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(greedy, tokens)


@pytest.mark.parametrize("options", KINDS, ids=name_of)
@pytest.mark.parametrize("length_penalty", [1.0, 0.0])
def test_beam_search(options, length_penalty):
    model, batch = make_model(seed=3, **options), make_batch()
    for row in range(3):
        input_ids = batch["input_ids"][row][batch["attention_mask"][row].bool()][None]
        expected, score = beam_search(model, input_ids, 3, 5, length_penalty)
        generated = model.generate(
            input_ids,
            num_beams=3,
            max_new_tokens=5,
            length_penalty=length_penalty,
            early_stopping="never",
            return_dict_in_generate=True,
            output_scores=True,
        )
        assert tuple(generated.sequences[0].tolist()) == expected
        assert generated.sequences_scores[0].item() == pytest.approx(score, rel=1e-4)


@pytest.mark.parametrize("options", KINDS, ids=name_of)
@pytest.mark.parametrize("num_beams", [1, 4])
def test_padded_batch_equals_single_sentences(options, num_beams):
    model, batch = make_model(**options), make_batch()
    together = model.generate(**inputs_of(batch), num_beams=num_beams, max_new_tokens=6, min_new_tokens=6)
    for row in range(3):
        input_ids = batch["input_ids"][row][batch["attention_mask"][row].bool()][None]
        alone = model.generate(input_ids, num_beams=num_beams, max_new_tokens=6, min_new_tokens=6)
        assert torch.equal(together[row], alone[0])


def test_attentions_and_scores_of_beams_are_those_of_a_forced_forward():
    model, inputs = make_model(), inputs_of(make_batch())
    outputs = model.generate(
        **inputs,
        num_beams=3,
        num_return_sequences=2,
        max_new_tokens=5,
        min_new_tokens=5,
        output_attentions=True,
        output_scores=True,
        return_dict_in_generate=True,
    )
    assert outputs.sequences.shape == (6, 6)
    expanded = {name: value.repeat_interleave(2, dim=0) for name, value in inputs.items()}
    forced = model(**expanded, decoder_input_ids=outputs.sequences[:, :-1], output_attentions=True)
    followed = torch.stack(
        [step[0][outputs.beam_indices[:, t], 0, 0] for t, step in enumerate(outputs.cross_attentions)], dim=1
    )
    torch.testing.assert_close(followed, forced.cross_attentions[0][:, 0])
    transition = model.compute_transition_scores(outputs.sequences, outputs.scores, outputs.beam_indices)
    assert transition.shape == (6, 5)


def test_sampling():
    model, inputs = make_model(), inputs_of(make_batch())
    torch.manual_seed(0)
    sampled = model.generate(**inputs, do_sample=True, num_return_sequences=3, max_new_tokens=8, min_new_tokens=8)
    assert sampled.shape == (9, 9) and len({tuple(row) for row in sampled.tolist()}) > 3
    torch.manual_seed(0)
    again = model.generate(**inputs, do_sample=True, num_return_sequences=3, max_new_tokens=8, min_new_tokens=8)
    assert torch.equal(sampled, again)
    cold = model.generate(**inputs, do_sample=True, top_k=1, max_new_tokens=8, eos_token_id=None)
    assert torch.equal(cold, model.generate(**inputs, max_new_tokens=8, eos_token_id=None))
    beams = model.generate(**inputs, do_sample=True, num_beams=3, num_return_sequences=2, max_new_tokens=4)
    assert beams.shape[0] == 6


def test_constraints_and_stopping():
    model, inputs = make_model(), inputs_of(make_batch())
    only = model.generate(**inputs, max_new_tokens=5, num_beams=2, prefix_allowed_tokens_fn=lambda batch, ids: [5, 7])
    assert set(only[:, 1:].flatten().tolist()) <= {5, 7}
    stopped = model.generate(**inputs, min_new_tokens=9, stopping_criteria=[MaxLengthCriteria(max_length=4)])
    assert stopped.shape[1] == 4
    begun = torch.tensor([[1, 6, 7]]).expand(3, -1)
    forced = model.generate(**inputs, decoder_input_ids=begun, max_new_tokens=3, eos_token_id=None)
    assert torch.equal(forced[:, :3], begun)
    logits = model(**inputs, decoder_input_ids=forced[:, :-1]).logits
    assert torch.equal(forced[:, 3:], logits[:, 2:].argmax(-1))


def test_ends_with_eos_then_padding():
    model, inputs = make_model(), inputs_of(make_batch())
    with torch.no_grad():
        model.lm_head.bias[EOS] = 2.0
    tokens = model.generate(**inputs, max_new_tokens=30)
    for row in tokens.tolist():
        if EOS in row:
            assert set(row[row.index(EOS) + 1 :]) <= {0}


def test_inputs_embeds_and_encoder_outputs():
    model, inputs = make_model(), inputs_of(make_batch())
    expected = model.generate(**inputs, num_beams=2, max_new_tokens=5)
    mask = inputs["attention_mask"]
    embeds = model.get_input_embeddings()(inputs["input_ids"])
    assert torch.equal(
        model.generate(inputs_embeds=embeds, attention_mask=mask, num_beams=2, max_new_tokens=5), expected
    )
    encoded = model.get_encoder()(**inputs)
    assert torch.equal(
        model.generate(encoder_outputs=encoded, attention_mask=mask, num_beams=2, max_new_tokens=5), expected
    )


def make_ending_model(end=2.0, **options):
    """A model whose sentences end here and there, and twelve sources for it."""
    model = make_model(seed=5, **options).eval()
    with torch.no_grad():
        model.lm_head.bias[EOS] = end
    torch.manual_seed(7)
    inputs = {"input_ids": torch.randint(3, 17, (12, 9)), "attention_mask": torch.ones(12, 9, dtype=torch.long)}
    inputs["attention_mask"][::3, 4:] = 0
    return model, inputs


@pytest.mark.parametrize("options", KINDS, ids=name_of)
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"num_beams": 3},
        {"num_beams": 4, "early_stopping": True, "num_return_sequences": 2},
        {"num_beams": 2, "early_stopping": "never", "length_penalty": 2.0},
        {"num_beams": 3, "length_penalty": -0.5},
        {"num_beams": 3, "min_new_tokens": 6},
        {"min_length": 5},
        {"num_beams": 3, "eos_token_id": [EOS, 9, 11]},
        {"num_beams": 2, "eos_token_id": None},
        {"eos_token_id": [EOS, 9], "pad_token_id": 13},
        {"num_beams": 2, "decoder_input_ids": torch.tensor([[1, 6, 7]]).expand(12, -1)},
        {"decoder_input_ids": torch.tensor([[1, 6, 7]]).expand(12, -1)},
    ],
    ids=lambda arguments: "-".join(arguments) or "greedy",
)
def test_searches_return_what_generate_returns(options, arguments, monkeypatch):
    searched = []
    for name in ("greedy_search", "beam_search"):
        search = getattr(generation_bahdanau, name)
        monkeypatch.setattr(
            generation_bahdanau, name, lambda *given, search=search: searched.append(1) or search(*given)
        )
    for end in (0.0, 2.0, 5.0):
        model, inputs = make_ending_model(end, **options)
        searched.clear()
        generated = model.generate(**inputs, max_new_tokens=12, **arguments)
        assert searched
        with monkeypatch.context() as patch:
            patch.setattr(type(model), "can_search", lambda *_: False)
            assert torch.equal(generated, model.generate(**inputs, max_new_tokens=12, **arguments))


def test_finished_sentences_leave_the_batch(monkeypatch):
    model, inputs = make_ending_model()
    sizes = []
    step = generation_bahdanau.FusedDecodingStep.__call__
    monkeypatch.setattr(
        generation_bahdanau.FusedDecodingStep, "__call__", lambda *given: sizes.append(len(given[1])) or step(*given)
    )
    for num_beams in (1, 3):
        sizes.clear()
        model.generate(**inputs, num_beams=num_beams, max_new_tokens=12)
        assert sizes[0] == 12 * num_beams and sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0]


@pytest.fixture
def no_search(monkeypatch):
    monkeypatch.setattr(generation_bahdanau, "greedy_search", None)
    monkeypatch.setattr(generation_bahdanau, "beam_search", None)


@pytest.mark.parametrize(
    "arguments",
    [
        {"do_sample": True},
        {"repetition_penalty": 1.2},
        {"output_scores": True, "return_dict_in_generate": True},
        {"use_cache": False},
        {"stopping_criteria": [EosTokenCriteria([3, 4, 5])]},
        {"decoder_attention_mask": torch.ones(12, 1, dtype=torch.long)},
    ],
    ids=lambda arguments: "-".join(arguments),
)
def test_other_options_are_left_to_generate(arguments, no_search):
    model, inputs = make_ending_model()
    for num_beams in (1, 2):
        if num_beams == 1 or "decoder_attention_mask" not in arguments:
            model.generate(**inputs, max_new_tokens=4, num_beams=num_beams, **arguments)


def test_a_modified_model_is_left_to_generate(no_search, monkeypatch):
    class Other(type(make_ending_model()[0])):
        def forward(self, *args, **kwargs):
            return super().forward(*args, **kwargs)

    def replace(model):
        model.model.decoder.forward = model.model.decoder.forward

    model, inputs = make_ending_model()
    changes = (
        lambda model: setattr(model.config, "fused", False),
        lambda model: setattr(model, "__class__", Other),
        lambda model: model.model.decoder.dropout.train(),
        lambda model: model.lm_head.register_forward_hook(lambda *_: None),
        replace,
    )
    for change in changes:
        changed = copy.deepcopy(model)
        change(changed)
        for num_beams in (1, 2):
            changed.generate(**inputs, max_new_tokens=3, num_beams=num_beams)


def test_accelerates_wrapper_is_accepted_under_autocast_alone():
    """accelerate replaces `forward` by one that enters autocast, and keeps the original as `_original_forward`."""
    model, _ = make_ending_model()
    assert model.forward_is_unmodified()
    model._original_forward = model.forward
    model.forward = torch.autocast("cpu", dtype=torch.bfloat16)(model.forward)
    assert not model.forward_is_unmodified()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.forward_is_unmodified()
        model._original_forward = lambda: None
        assert not model.forward_is_unmodified()


@pytest.mark.parametrize(
    "names", [("_pad_token_tensor",), ("_eos_token_tensor",), ("_pad_token_tensor", "_eos_token_tensor")]
)
def test_without_the_names_that_transformers_keeps_its_tokens_under(names, no_search, monkeypatch):
    model, inputs = make_ending_model()
    can_search, answers = type(model).can_search, []

    def can_search_without(model, *given):
        with monkeypatch.context() as patch:  # transformers' own search still has them
            for name in names:
                patch.delattr(given[3], name)
            answers.append(can_search(model, *given))
        return answers[-1]

    for num_beams in (1, 2):
        arguments = {**inputs, "num_beams": num_beams, "max_new_tokens": 6}
        generated = []
        for stand_in in (can_search_without, lambda *_: False):
            monkeypatch.setattr(type(model), "can_search", stand_in)
            generated.append(model.generate(**arguments))
        assert torch.equal(*generated)
    assert answers == [False, False]


def test_several_prompts_of_one_source_and_ids_of_32_bits():
    model, inputs = make_ending_model()
    one = {name: value[:1] for name, value in inputs.items()}
    prompts = torch.tensor([[1, 5], [1, 6], [1, 7]])
    generated = model.generate(**one, decoder_input_ids=prompts, max_new_tokens=4)
    assert torch.equal(generated[:, :2], prompts)
    given = inputs | {"decoder_input_ids": torch.ones(12, 1, dtype=torch.int32)}
    for num_beams in (1, 2):
        expected = model.generate(**inputs, num_beams=num_beams, max_new_tokens=4)
        assert torch.equal(model.generate(**given, num_beams=num_beams, max_new_tokens=4), expected)


def test_invalid_inputs_of_a_search_are_named():
    model, inputs = make_ending_model()
    encoded = model.get_encoder()(**inputs)
    with pytest.raises(ValueError, match="attention_mask"):
        model.generate(encoder_outputs=encoded, attention_mask=torch.ones(12, 1), max_new_tokens=2)
    with pytest.raises(ValueError, match="decoder_input_ids.*99"):
        model.generate(**inputs, decoder_input_ids=torch.full((12, 2), 99), max_new_tokens=2)


def test_targets_share_the_keys_of_their_source():
    model, inputs = make_ending_model()
    outputs = model.generate(
        **inputs,
        num_beams=3,
        max_new_tokens=4,
        return_dict_in_generate=True,
        output_attentions=True,
        eos_token_id=None,
    )
    layer = outputs[CACHE_NAME].layers[0]
    assert layer.keys.shape[0] == 36 and layer.values.shape[0] == 12
    assert outputs.cross_attentions[0][0].shape == (36, 1, 1, 9)


def test_searches_under_autocast(monkeypatch):
    model, inputs = make_ending_model()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        generated = model.generate(**inputs, max_new_tokens=5, eos_token_id=None)
        monkeypatch.setattr(type(model), "can_search", lambda *_: False)
        expected = model.generate(**inputs, max_new_tokens=5, eos_token_id=None)
    assert (generated == expected).float().mean() > 0.9  # the searches align in float32, and so round otherwise


class Streamer:
    def __init__(self):
        self.tokens, self.has_ended = [], False

    def put(self, tokens):
        self.tokens += tokens.flatten().tolist()

    def end(self):
        self.has_ended = True


def test_a_streamer_gets_every_token():
    model, inputs = make_ending_model()
    streamer = Streamer()
    generated = model.generate(
        **{name: value[:1] for name, value in inputs.items()}, max_new_tokens=5, streamer=streamer
    )
    assert streamer.tokens == generated[0].tolist() and streamer.has_ended


def test_a_cache_that_has_read_something_goes_on():
    model, inputs = make_ending_model()
    read, begun = torch.tensor([[4, 9]]).expand(12, -1), torch.tensor([[1, 6]]).expand(12, -1)
    cache = model(**inputs, decoder_input_ids=read, use_cache=True)[CACHE_NAME]
    arguments = {"decoder_input_ids": begun, "max_new_tokens": 4, "eos_token_id": None}
    generated = model.generate(**inputs, **arguments, **{CACHE_NAME: cache})
    tokens = torch.cat([read, begun], dim=1)
    for _ in range(4):
        logits = model(**inputs, decoder_input_ids=tokens, use_cache=False).logits
        tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(generated, tokens[:, 2:])
    assert not torch.equal(generated, model.generate(**inputs, **arguments))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_beams": 2, "low_memory": True}, "`low_memory=True` is not supported"),
        ({"decoder_inputs_embeds": torch.zeros(12, 3, 5)}, "exactly one of .* `decoder_inputs_embeds`"),
    ],
)
def test_what_generate_refuses_is_refused_here_too(arguments, message):
    model, inputs = make_ending_model()
    with pytest.raises(ValueError, match=message):
        model.generate(**inputs, max_new_tokens=4, **arguments)


@torch.no_grad()
def test_keys_that_float32_could_not_hold_as_exponentials():
    """Keys of 55 and of 30 with queries of -55 give sums whose tanh is 0 and -1."""
    model, inputs = make_ending_model()
    decoder, keys = model.model.decoder, torch.full((12, 9, 7), 55.0)
    keys[:, ::2] = 30
    decoder.project_keys = lambda _: keys.clone()
    attention = decoder.layers[0].attention
    attention.query_proj.weight.zero_()
    attention.query_proj.bias.fill_(-55.0)
    encoded, tokens = model.get_encoder()(**inputs), torch.arange(3, 15)
    memory = decoder.remember(encoded[0], inputs["attention_mask"], 1)
    step = generation_bahdanau.FusedDecodingStep(model, memory)
    generated, _ = step(tokens, step.initial_state())
    given = {"encoder_outputs": encoded, "attention_mask": inputs["attention_mask"]}
    outputs = model(**given, decoder_input_ids=tokens[:, None], output_attentions=True)
    torch.testing.assert_close(generated, outputs.logits[:, 0])
    weights = outputs.cross_attentions[0][1, 0, 0]  # of a row without padding
    expected = torch.tensor([-1.0, 0.0] * 4 + [-1.0]) * attention.score.weight.sum()
    torch.testing.assert_close(weights, expected.softmax(dim=-1))


def test_a_search_that_likes_short_targets_hopes_for_the_next_length():
    """Scores by two beams: ln 0.09, then (ln 0.9 + ln 0.09) * 2 and, better than both, (2 ln 0.9 + ln 0.99) * 3."""

    class Step:  # of pad, start, end and a word; the token read does not matter
        probabilities = torch.tensor([[0.005, 0.005, 0.09, 0.9]] * 2 + [[0.003, 0.003, 0.99, 0.004]])

        def initial_state(self):
            return torch.zeros(2, 1, dtype=torch.long)

        def __call__(self, tokens, state):
            return self.probabilities[state[:, 0]].log(), state + 1

        def keep(self, sources, targets):
            raise AssertionError("the only sentence is active until the end")

    config = GenerationConfig(num_beams=2, max_length=40, length_penalty=-1.0, early_stopping="never")
    config.num_return_sequences = 1
    start, eos = torch.ones(2, 1, dtype=torch.long), torch.tensor([2])
    assert generation_bahdanau.beam_search(Step(), start, config, eos, 0, []).tolist() == [[1, 3, 3, 2]]
