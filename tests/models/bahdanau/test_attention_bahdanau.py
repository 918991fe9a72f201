# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from peft import LoraConfig, get_peft_model
from reference import Reference
from small_models import make_batch, make_model, name_of

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration


@pytest.mark.parametrize(
    "options",
    [
        {"num_attention_heads": 4, "attention_size": 8},
        {"num_attention_heads": 2, "attention_size": 8, "attention_function": "sparsemax"},
        {"num_attention_heads": 2, "attention_size": 6, "attention_query": "current", "readout_type": "tanh"},
        {"attention_function": "entmax15", "cell_type": "lstm"},
        {"attention_function": "sparsemax", "attention_type": "general"},
        {"attention_function": "entmax15", "attention_type": "scaled_dot", "attention_query": "current"},
    ],
    ids=name_of,
)
def test_heads_and_sparse_weights_are_those_of_the_equations(options):
    model, batch = make_model(dtype=torch.float64, **options), make_batch()
    with torch.no_grad():
        outputs = model(**batch, output_attentions=True)
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch["labels"])
    heads = model.config.num_attention_heads
    for row in range(3):
        keep = batch["attention_mask"][row].bool()
        logits, weights = Reference(model)(batch["input_ids"][row][keep].tolist(), decoder_input_ids[row].tolist())
        torch.testing.assert_close(outputs.logits[row], logits)
        actual = outputs.cross_attentions[0][row]  # (heads, T, S)
        weights = torch.tensor(weights, dtype=torch.float64).view(4, heads, -1).transpose(0, 1)
        torch.testing.assert_close(actual[:, :, keep], weights, rtol=1e-5, atol=1e-6)
        assert actual[:, :, ~keep].eq(0).all()


def test_one_head_has_the_parameters_of_the_paper_and_several_heads_add_their_values():
    sizes = {"vocab_size": 11, "hidden_size": 6, "attention_size": 8, "encoder_hidden_size": 4}
    with torch.device("meta"):
        models = {
            heads: BahdanauForConditionalGeneration(BahdanauConfig(**sizes, num_attention_heads=heads))
            for heads in (1, 2, 4)
        }
    names = {heads: {name for name in model.state_dict() if ".attention." in name} for heads, model in models.items()}
    prefix = "model.decoder.layers.0.attention."
    assert names[1] == {f"{prefix}{name}" for name in ("query_proj.weight", "query_proj.bias", "key_proj.weight")} | {
        f"{prefix}score.weight"
    }
    assert names[2] == names[4] == names[1] | {f"{prefix}value_proj.weight"}
    # W_a and its bias, U_a, v_a of size 8 in all, and W^V
    one = (6 * 8 + 8) + 8 * 8 + 8
    for heads, expected in ((1, one), (2, one + 8 * 8), (4, one + 8 * 8)):
        attention = models[heads].get_submodule(prefix[:-1])
        assert sum(parameter.numel() for parameter in attention.parameters()) == expected


def test_heads_that_are_equal_are_one_head():
    """Two heads with the same units and all values are the one head with half the units."""
    two = make_model(num_attention_heads=2, attention_size=8)
    one = make_model(attention_size=4)
    state = two.state_dict()
    prefix = "model.decoder.layers.0.attention."
    for name in ("query_proj.weight", "query_proj.bias", "key_proj.weight", "score.weight"):
        half = state[prefix + name].chunk(2)[0]
        state[prefix + name] = torch.cat([half, half])
    state[f"{prefix}value_proj.weight"] = torch.eye(12)
    two.load_state_dict(state)
    one.load_state_dict(
        {name: state[name].chunk(2)[0] if prefix in name else state[name] for name in one.state_dict()}
    )
    batch = make_batch()
    actual, expected = two(**batch, output_attentions=True), one(**batch, output_attentions=True)
    torch.testing.assert_close(actual.logits, expected.logits)
    torch.testing.assert_close(actual.cross_attentions[0], expected.cross_attentions[0].expand(-1, 2, -1, -1))


def test_adapters_on_the_scores_and_values_of_heads_are_used():
    model = make_model(num_attention_heads=2, attention_size=8)
    batch = make_batch()
    adapted = get_peft_model(model, LoraConfig(target_modules=["score", "value_proj"], init_lora_weights=False))
    before = adapted(**batch).logits
    with adapted.disable_adapter():
        assert not torch.allclose(adapted(**batch).logits, before)
    torch.testing.assert_close(adapted.merge_and_unload()(**batch).logits, before)
