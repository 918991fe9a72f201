# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The snippets for BertViz and inseq in the README, where they are installed."""

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


def test_inseq_returns_the_gradients_of_the_tokens_probabilities(tokenizer):
    inseq = pytest.importorskip("inseq")
    model = make_bahdanau(len(tokenizer))
    explained = inseq.load_model(model, "saliency", tokenizer=tokenizer)
    explained.embed_ids = lambda ids, as_targets=False: (
        model.get_decoder() if as_targets else model.get_encoder()
    ).embed_tokens(ids)
    result = explained.attribute("abc", "cb", show_progress=False).sequence_attributions[0].source_attributions

    source, target = (tokenizer(text, return_tensors="pt")["input_ids"] for text in ("abc", "cb"))
    embeddings = model.get_encoder().embed_tokens(source).detach().requires_grad_()
    logits = model(inputs_embeds=embeddings, attention_mask=torch.ones_like(source), labels=target).logits
    for step, token in enumerate(target[0]):
        probability = logits.softmax(dim=-1)[0, step, token]
        (gradient,) = torch.autograd.grad(probability, embeddings, retain_graph=True)
        torch.testing.assert_close(result[:, step], gradient[0].abs(), rtol=1e-4, atol=1e-6)
