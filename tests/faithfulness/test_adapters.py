# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The snippet for BertViz in the README, where it is installed."""

import pytest
import torch
from small_image_models import SIZE, make_compact
from small_text_models import make_bahdanau


def test_bertviz_draws_both_families(tokenizer):
    bertviz = pytest.importorskip("bertviz")
    model = make_bahdanau(len(tokenizer))
    source, target = (tokenizer(text, return_tensors="pt")["input_ids"] for text in ("abc", "cb"))
    tokens = [tokenizer.convert_ids_to_tokens(ids[0].tolist()) for ids in (source, target)]
    classifier = make_compact()
    classifier.set_attn_implementation("eager")
    with torch.no_grad():
        outputs = model(input_ids=source, labels=target, output_attentions=True)
        attentions = classifier(torch.zeros(1, 1, SIZE, SIZE), output_attentions=True).attentions
    options = {"encoder_tokens": tokens[0], "decoder_tokens": tokens[1], "html_action": "return"}
    assert "bertviz-" in bertviz.head_view(cross_attention=outputs.cross_attentions, **options).data
    assert "bertviz-" in bertviz.head_view(attentions, [str(place) for place in range(64)], html_action="return").data
