# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from small_text_models import SENTENCES, make_bahdanau, make_marian, make_tokenizer

from hf_attention.faithfulness.text import make_text_examples


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session", params=["bahdanau", "luong", "sparse", "heads", "marian"])
def text_model(request, tokenizer):
    size = len(tokenizer)
    torch.manual_seed(0)
    if request.param == "marian":
        return make_marian(size)
    options = {
        "bahdanau": {},
        "luong": {"attention_type": "general", "attention_query": "current", "readout_type": "tanh"},
        "sparse": {"attention_function": "sparsemax"},
        "heads": {"num_attention_heads": 2, "attention_query": "current"},
    }
    return make_bahdanau(size, **options[request.param])


@pytest.fixture
def example(text_model, tokenizer):
    return make_text_examples(text_model, tokenizer, tokenizer, SENTENCES[:1], ["dcba"])[0]
