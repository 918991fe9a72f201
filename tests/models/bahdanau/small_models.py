# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Small models of every kind, and a batch for them."""

import itertools

import torch

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration


SIZES = {
    "vocab_size": 17,
    "embedding_size": 5,
    "hidden_size": 6,
    "attention_size": 7,
    "maxout_size": 4,
    "initializer_range": 0.6,
    "attention_initializer_range": 0.6,
}


def combinations():
    for cell, reset_after, attention, query, feeding, readout in itertools.product(
        ["gru", "lstm", "rnn"],
        [True, False],
        ["additive", "dot", "scaled_dot", "general", "none"],
        ["previous", "current"],
        [False, True],
        ["maxout", "tanh", "linear"],
    ):
        if (not reset_after and cell != "gru") or (feeding and (query == "previous" or readout == "linear")):
            continue
        yield {
            "cell_type": cell,
            "reset_after": reset_after,
            "attention_type": attention,
            "attention_query": query,
            "input_feeding": feeding,
            "readout_type": readout,
        }


COMBINATIONS = list(combinations())
# one of every kind of loop in the decoder
KINDS = [
    {},
    {"reset_after": False},
    {"cell_type": "lstm", "encoder_layers": 2, "decoder_layers": 2},
    {"cell_type": "rnn", "attention_query": "current", "attention_type": "general", "readout_type": "tanh"},
    {"attention_query": "current", "input_feeding": True, "readout_type": "tanh", "decoder_layers": 2},
    {"attention_type": "none"},
    {"cell_type": "lstm", "initial_state_type": "copy", "encoder_hidden_size": 3}
    | {"encoder_layers": 2, "decoder_layers": 2},
    {"attention_type": "none", "attention_query": "current", "readout_type": "linear", "cell_type": "lstm"},
    {"num_attention_heads": 2, "attention_size": 8, "attention_function": "entmax15"},
    {"attention_query": "current", "hard_attention": "monotonic"},
    {"cell_type": "lstm", "attention_query": "current", "hard_attention": "monotonic", "max_jump": 2}
    | {"readout_type": "tanh", "decoder_layers": 2},
    {"attention_query": "current", "local_attention": "monotonic", "local_window": 1, "input_feeding": True},
    {"cell_type": "mingru", "attention_query": "current", "attention_type": "general", "decoder_layers": 2},
    {"attention_query": "current", "local_attention": "predictive", "local_window": 2, "attention_type": "general"},
]


def name_of(options):
    return "-".join(f"{value}" for value in options.values()) or "default"


def make_model(seed=0, dtype=torch.float32, **options):
    torch.manual_seed(seed)
    model = BahdanauForConditionalGeneration(BahdanauConfig(**{**SIZES, **options})).to(dtype).eval()
    with torch.no_grad():  # zero biases and a zero v_a would hide mistakes
        for parameter in model.parameters():
            if parameter.abs().sum() == 0 or parameter.dim() == 1:
                parameter.normal_(std=0.5)
    return model


def make_batch():
    """Three sources padded on the right, on the left, and not at all."""
    generator = torch.Generator().manual_seed(1)
    input_ids = torch.randint(3, 17, (3, 6), generator=generator)
    attention_mask = torch.ones_like(input_ids)
    attention_mask[0, 4:] = 0
    attention_mask[1, :3] = 0
    input_ids[attention_mask == 0] = 0
    labels = torch.randint(3, 17, (3, 4), generator=generator)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}
