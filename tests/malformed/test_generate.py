# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Malformed inputs and options of `generate` and image classifiers: the right result, or an error that names them."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration


sys.path.append(str(Path(__file__).parents[1] / "models"))

from small_classifiers import CLASSIFIERS, make_classifier


IDS = torch.tensor([[5, 6, 2], [7, 2, 0]])
MASK = (IDS != 0).long()
ROWS = torch.ones(2, 1, dtype=torch.long)


def make_model(**options):
    torch.manual_seed(0)
    sizes = {"vocab_size": 17, "embedding_size": 5, "hidden_size": 6, "attention_size": 7, "maxout_size": 4}
    ranges = {"initializer_range": 0.6, "attention_initializer_range": 0.6}
    return BahdanauForConditionalGeneration(BahdanauConfig(**sizes, **ranges, **options)).eval()


MODELS = {"fused": make_model(), "plain": make_model(fused=False), "lstm": make_model(cell_type="lstm")}


def generate(model, **changes):
    inputs = {"input_ids": IDS, "attention_mask": MASK, "max_new_tokens": 4, **changes}
    return model.generate(**{name: value for name, value in inputs.items() if value is not None})


INVALID = {
    "no new tokens": ({"max_new_tokens": 0}, "`max_new_tokens` must be greater than 0, but is 0"),
    "negative new tokens": ({"max_new_tokens": -1}, "`max_new_tokens` must be greater than 0, but is -1"),
    "NaN new tokens": ({"max_new_tokens": math.nan}, "`max_new_tokens` must be an integer, got nan"),
    "half a token": ({"max_new_tokens": 2.5}, "`max_new_tokens` must be an integer, got 2.5"),
    "new tokens as text": ({"max_new_tokens": "4"}, "`max_new_tokens` must be an integer, got '4'"),
    "length 0": ({"max_new_tokens": None, "max_length": 0}, "`max_length` is set to 0"),
    "length of the prompt": ({"max_new_tokens": None, "max_length": 1}, "`max_length` is set to 1"),
    "negative length": ({"max_new_tokens": None, "max_length": -1}, "`max_length` is set to -1"),
    "infinite length": ({"max_new_tokens": None, "max_length": math.inf}, "`max_length` must be an integer, got inf"),
    "no beams": ({"num_beams": 0}, "`num_beams` must be at least 1, got 0"),
    "negative beams": ({"num_beams": -1}, "`num_beams` must be at least 1, got -1"),
    "half a beam": ({"num_beams": 1.5}, "`num_beams` must be an integer, got 1.5"),
    "beams as text": ({"num_beams": "2"}, "`num_beams` must be an integer, got '2'"),
    "NaN beams": ({"num_beams": math.nan}, "`num_beams` must be an integer, got nan"),
    "more results than beams": ({"num_beams": 2, "num_return_sequences": 3}, "`num_return_sequences` \\(3\\)"),
    "several greedy results": ({"num_return_sequences": 2}, "do not support `num_return_sequences`"),
    "no results": ({"num_return_sequences": 0}, "`num_return_sequences` must be at least 1, got 0"),
    "negative results": ({"num_return_sequences": -1}, "`num_return_sequences` must be at least 1, got -1"),
    "NaN penalty": ({"num_beams": 2, "length_penalty": math.nan}, "`length_penalty` must be a finite number, got nan"),
    "infinite penalty": ({"num_beams": 2, "length_penalty": math.inf}, "`length_penalty` must be a finite number"),
    "penalty as text": ({"num_beams": 2, "length_penalty": "1"}, "`length_penalty` must be a finite number, got '1'"),
    "unknown stopping": ({"num_beams": 2, "early_stopping": "soon"}, "`early_stopping` must be a boolean or 'never'"),
    "temperature 0": ({"do_sample": True, "temperature": 0.0}, "`temperature` \\(=0.0\\)"),
    "NaN temperature": ({"do_sample": True, "temperature": math.nan}, "`temperature` \\(=nan\\)"),
    "negative top_k": ({"do_sample": True, "top_k": -1}, "`top_k` has to be a strictly positive integer"),
    "repetition penalty 0": ({"repetition_penalty": 0.0}, "`penalty` has to be a strictly positive float"),
    "no bad words": ({"bad_words_ids": []}, "`bad_words_ids` has to be a non-empty list"),
    "flat bad words": ({"bad_words_ids": [5]}, "`bad_words_ids` has to be a list of lists"),
    "bad words outside": ({"bad_words_ids": [[99]]}, "vocabulary size is 17, but .* \\[99\\]"),
    "forced start outside": ({"forced_bos_token_id": 99}, "`forced_bos_token_id` is outside the vocabulary of 17"),
    "forced end outside": ({"forced_eos_token_id": 99}, "`forced_eos_token_id` is outside the vocabulary of 17"),
    "start outside": ({"decoder_start_token_id": 99}, "`decoder_input_ids` holds id 99"),
    "negative start": ({"decoder_start_token_id": -1}, "`decoder_input_ids` holds id -1"),
    "nothing allowed": ({"prefix_allowed_tokens_fn": lambda *_: []}, "`prefix_allowed_tokens_fn` returned an empty"),
    "empty batch": ({"input_ids": IDS[:0], "attention_mask": MASK[:0]}, "`input_ids` has no rows"),
    "empty source": ({"input_ids": IDS[:, :0], "attention_mask": MASK[:, :0]}, "The source is empty"),
    "ids of one dimension": ({"input_ids": IDS[0], "attention_mask": MASK[0]}, "`input_ids` must be of shape"),
    "ids of three dimensions": ({"input_ids": IDS[None], "attention_mask": None}, "`input_ids` must be of shape"),
    "ids as a list": ({"input_ids": IDS.tolist()}, "`input_ids` must be a tensor, got list"),
    "ids of numpy": ({"input_ids": IDS.numpy()}, "`input_ids` must be a tensor, got ndarray"),
    "float ids": (
        {"input_ids": IDS.float()},
        "`input_ids` must be of type torch.long or torch.int, got torch.float32",
    ),
    "8-bit ids": ({"input_ids": IDS.to(torch.uint8)}, "`input_ids` must be of type .* got torch.uint8"),
    "boolean ids": ({"input_ids": IDS.bool()}, "`input_ids` must be of type .* got torch.bool"),
    "ids outside": ({"input_ids": IDS + 90}, "`input_ids` holds id 97"),
    "negative ids": ({"input_ids": IDS - 6}, "`input_ids` holds id -6"),
    "short mask": ({"attention_mask": MASK[:, :2]}, "`attention_mask` must be of shape \\(2, 3\\)"),
    "mask of one row": ({"attention_mask": MASK[:1]}, "`attention_mask` must be of shape \\(2, 3\\)"),
    "mask of three dimensions": (
        {"attention_mask": MASK[:, None]},
        "`attention_mask` passed to `generate` must be 2D",
    ),
    "mask as a list": ({"attention_mask": MASK.tolist()}, "`attention_mask` must be a tensor, got list"),
    "additive mask": (
        {"attention_mask": (1 - MASK) * -1e9},
        "`attention_mask` must be 1 for tokens and 0 for padding",
    ),
    "NaN mask": ({"attention_mask": MASK * math.nan}, "`attention_mask` must be 1 for tokens and 0 for padding"),
    "half a mask": ({"attention_mask": MASK * 0.5}, "`attention_mask` must be 1 for tokens and 0 for padding"),
    "targets outside": ({"decoder_input_ids": ROWS * 99}, "`decoder_input_ids` holds id 99"),
    "float targets": ({"decoder_input_ids": ROWS.float()}, "`decoder_input_ids` must be of type"),
    "targets of another batch": (
        {"decoder_input_ids": ROWS.repeat(2, 1)[:3]},
        "`decoder_input_ids` have 3 rows, but `input_ids` 2",
    ),
    "empty targets": ({"decoder_input_ids": ROWS[:, :0]}, "`decoder_input_ids` must hold at least one token"),
    "targets of one dimension": ({"decoder_input_ids": ROWS[:, 0]}, "`decoder_input_ids` must be of shape"),
    "ids and embeddings": ({"inputs_embeds": torch.zeros(2, 3, 5)}, "`inputs_embeds` and `input_ids`"),
    "wide embeddings": (
        {"input_ids": None, "inputs_embeds": torch.zeros(2, 3, 9)},
        "`inputs_embeds` must be of shape",
    ),
    "flat embeddings": ({"input_ids": None, "inputs_embeds": torch.zeros(3, 5)}, "`inputs_embeds` must be of shape"),
    "annotations of another batch": (
        {"encoder_outputs": (torch.zeros(1, 3, 12),)},
        "`attention_mask` must be of shape",
    ),
    "annotations of another length": ({"encoder_outputs": (torch.zeros(2, 2, 12),)}, "`attention_mask` must be of"),
    "wide annotations": (
        {"encoder_outputs": (torch.zeros(2, 3, 99),)},
        "annotations of shape \\(batch, length, 12\\)",
    ),
    "a tensor as outputs": (
        {"encoder_outputs": torch.zeros(2, 3, 12)},
        "annotations of shape \\(batch, length, 12\\)",
    ),
    "an unknown option": ({"beams": 3}, "`model_kwargs` are not used by the model: \\['beams'\\]"),
    "options as a dict": ({"generation_config": {"num_beams": 2}}, "`generation_config` must be a GenerationConfig"),
    "a streamer of beams": ({"streamer": object(), "num_beams": 2}, "`streamer` cannot be used with beam search"),
    "an unknown cache": ({"cache_implementation": "disk"}, "Invalid `cache_implementation` \\(disk\\)"),
    "assisted": ({"prompt_lookup_num_tokens": 2}, "assisted generation is not supported with stateful models"),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("changes, words", INVALID.values(), ids=INVALID)
def test_an_invalid_argument_is_named(model, changes, words):
    with pytest.raises(ValueError, match=words):
        generate(model, **changes)


UNUSUAL = {
    "as many beams as tokens": {"num_beams": 17},
    "more beams than tokens": {"num_beams": 18},
    "all beams returned": {"num_beams": 3, "num_return_sequences": 3},
    "a negative length penalty": {"num_beams": 2, "length_penalty": -1.0},
    "never stopping early": {"num_beams": 3, "early_stopping": "never"},
    "longer than allowed": {"min_length": 50},
    "ends that cannot be produced": {"eos_token_id": 99},
    "several ends": {"eos_token_id": [2, 5]},
    "bad words": {"bad_words_ids": [[5], [6, 7]]},
    "a forced start": {"forced_bos_token_id": 5},
    "allowed tokens": {"prefix_allowed_tokens_fn": lambda *_: [3, 4]},
    "no token twice": {"no_repeat_ngram_size": 1},
    "a start for each row": {"decoder_start_token_id": [1, 5]},
    "a prompt without the start": {"decoder_input_ids": torch.tensor([[5], [6]])},
    "a padded prompt": {
        "decoder_input_ids": torch.tensor([[0, 1], [1, 6]]),
        "decoder_attention_mask": torch.tensor([[0, 1], [1, 1]]),
    },
    "a row of padding": {"attention_mask": torch.tensor([[1, 1, 1], [0, 0, 0]])},
    "padding alone": {"input_ids": IDS * 0, "attention_mask": MASK * 0},
    "32-bit ids": {"input_ids": IDS.int()},
    "a boolean mask": {"attention_mask": MASK.bool()},
    "a float mask": {"attention_mask": MASK.float()},
    "an integer of numpy": {"num_beams": np.int64(2)},
    "no cache": {"use_cache": False},
    "a config": {"generation_config": GenerationConfig(num_beams=2, max_new_tokens=3, decoder_start_token_id=1)},
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_argument_gives_what_transformers_own_search_does(name):
    fused, plain = generate(MODELS["fused"], **UNUSUAL[name]), generate(MODELS["plain"], **UNUSUAL[name])
    assert torch.equal(fused, plain)
    assert fused.min() >= 0 and fused.max() < 17


LOSSES = {
    "labels as probabilities": ({"labels": torch.ones(2, 3)}, "`labels` must be of type torch.long or torch.int"),
    "labels of another batch": ({"labels": torch.ones(3, 2, dtype=torch.long)}, "do not fit 2 sources"),
    "empty labels": ({"labels": torch.ones(2, 0, dtype=torch.long)}, "The target is empty"),
    "flat labels": ({"labels": torch.ones(2, dtype=torch.long)}, "`labels` must be of shape"),
    "labels outside": ({"labels": torch.full((2, 3), 17)}, "`labels` holds id 17"),
    "skipped logits": ({"skip_logits": True}, "`skip_logits=True` returns only the loss"),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("changes, words", LOSSES.values(), ids=LOSSES)
def test_invalid_labels_are_named(model, changes, words):
    with pytest.raises(ValueError, match=words):
        model(input_ids=IDS, attention_mask=MASK, **changes)


IMAGES = torch.zeros(2, 3, 12, 12)
PIXELS = {
    "no images": (None, "You have to specify `pixel_values`"),
    "gray images": (IMAGES[:, :1], "1 channels, but the model's `num_channels` is 3"),
    "one image without a batch": (IMAGES[0], "`pixel_values` must be of shape \\(batch, channels, height, width\\)"),
    "videos": (IMAGES[None], "`pixel_values` must be of shape \\(batch, channels, height, width\\)"),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("pixels, words", PIXELS.values(), ids=PIXELS)
def test_invalid_pixel_values_are_named(name, pixels, words):
    with pytest.raises(ValueError, match=words):
        make_classifier(name)[0](pixels)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_pixel_values_of_other_types_are_converted(name):
    model, images = make_classifier(name)
    images = (images * 50 + 128).clamp(0, 255).to(torch.uint8)
    expected = model(images.float()).logits
    assert torch.equal(model(images).logits, expected)
    assert torch.equal(model(images.double()).logits, expected)
