# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from test_modeling_bahdanau import KINDS, make_batch, make_model, name_of

from hf_attention.models.bahdanau import encoder_decoder_bahdanau


pytestmark = pytest.mark.usefixtures("small_products_by_onednn")


@pytest.mark.parametrize("options", KINDS, ids=name_of)
def test_decoder_mask_passes_over_padding(options):
    model, batch = make_model(**options), make_batch()
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch.pop("labels"))
    padded = torch.cat([torch.zeros(3, 2, dtype=torch.long), decoder_input_ids], dim=1)
    mask = (padded != 0).long()
    with torch.no_grad():
        expected = model(**batch, decoder_input_ids=decoder_input_ids).logits
        found = model(**batch, decoder_input_ids=padded, decoder_attention_mask=mask).logits
    torch.testing.assert_close(found[:, 2:], expected)


def test_source_of_one_token_and_a_row_of_padding():
    model = make_model()
    one = model(input_ids=torch.tensor([[5]]), labels=torch.tensor([[3, 2]]), output_attentions=True)
    assert one.cross_attentions[0].eq(1).all()
    batch = make_batch()
    batch["attention_mask"][2] = 0
    outputs = model(**batch, output_attentions=True)
    assert outputs.logits.isfinite().all()
    # weighed evenly, as the docstring says, and no neighbour is touched
    torch.testing.assert_close(outputs.cross_attentions[0][2], torch.full((1, 4, 6), 1 / 6))
    torch.testing.assert_close(outputs.logits[:2], model(**make_batch()).logits[:2])


def test_the_encoder_leaves_padding_out(monkeypatch):
    torch.manual_seed(1)
    inputs = {"input_ids": torch.randint(3, 17, (4, 9)), "attention_mask": torch.ones(4, 9, dtype=torch.long)}
    inputs["attention_mask"][0, 2:] = inputs["attention_mask"][1, 5:] = inputs["attention_mask"][3, :3] = 0
    for options in (
        {},
        {"cell_type": "lstm"},
        {"bidirectional": False, "attention_type": "none"},
        {"reset_after": False},
    ):
        encoder = make_model(dtype=torch.double, **options).model.encoder
        found = encoder(**inputs).last_hidden_state
        with monkeypatch.context() as patch:
            patch.setattr(encoder_decoder_bahdanau, "worthwhile_lengths", lambda _: None)
            torch.testing.assert_close(found, encoder(**inputs).last_hidden_state)
