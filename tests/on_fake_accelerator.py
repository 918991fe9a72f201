# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Compares models on a fake accelerator with the CPU; `test_fake_accelerator.py` runs it in a subprocess."""

import copy

import numpy as np
import pytest
import torch
from fake_accelerator import FAR, near, on_far
from PIL import Image

from hf_attention import (
    AttentionCnnConfig,
    AttentionCnnForImageClassification,
    BahdanauConfig,
    BahdanauForConditionalGeneration,
    CompactVitConfig,
    CompactVitForImageClassification,
    CompactVitForMaskedImageModeling,
    CompactVitImageProcessorPil,
    RecurrentAttentionConfig,
    RecurrentAttentionForImageClassification,
)
from hf_attention.data.augmentation import ImageAugmentation
from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.interpret import saliency
from hf_attention.interpret.alignments import align
from hf_attention.interpret.image_attention import attention_maps
from hf_attention.interpret.image_windows import windows


RECURRENT = {
    "default": {},
    "2014": {"reset_after": False},
    "lstm": {"cell_type": "lstm", "attention_type": "general", "attention_query": "current", "readout_type": "tanh"},
    "input feeding": {"attention_query": "current", "input_feeding": True},
    "no attention": {"attention_type": "none", "bidirectional": False},
    "dot product": {"attention_type": "scaled_dot", "encoder_hidden_size": 64, "cell_type": "rnn"},
    "scheduled sampling": {"scheduled_sampling_probability": 0.5},
    "heads": {"num_attention_heads": 4},
    "sparse": {"attention_function": "entmax15"},
    "hard": {"attention_query": "current", "hard_attention": "monotonic"},
    "jumps": {"attention_query": "current", "hard_attention": "monotonic", "max_jump": 3, "readout_type": "tanh"},
    "local": {"attention_query": "current", "local_attention": "monotonic", "local_window": 2},
    "predicted window": {"attention_query": "current", "local_attention": "predictive", "local_window": 2},
    "dropout": {"dropout": 0.3},
}


def bahdanau(kind):
    return BahdanauForConditionalGeneration(BahdanauConfig.from_preset("tiny", vocab_size=40, **RECURRENT[kind]))


def pairs():
    source, labels = torch.randint(4, 40, (3, 6)), torch.randint(4, 40, (3, 5))
    mask = torch.ones_like(source)
    mask[0, 4:], mask[1, :2] = 0, 0
    labels[0, 3:] = -100
    return {"input_ids": source, "attention_mask": mask, "labels": labels}


# elsewhere than on the CPU, dropout on attention weights is PyTorch's own, of other numbers
NO_DROPOUT = {"attention_probs_dropout_prob": 0.0}


def compact_vit(**options):
    config = CompactVitConfig.from_preset("cct_2_3x2", num_labels=10, **{**NO_DROPOUT, **options})
    return CompactVitForImageClassification(config)


def attention_cnn(**options):
    return AttentionCnnForImageClassification(AttentionCnnConfig(**SEES, **options))


SEES = {"num_channels": 3, "num_labels": 10}
IMAGES = {
    "compact_vit": compact_vit,
    "compact_vit, stochastic depth": lambda: compact_vit(drop_path_rate=0.5),
    "compact_vit, pruned": lambda: compact_vit(token_keep_rate=0.5),
    "attention_cnn, se": lambda: attention_cnn(attention_type="se"),
    "attention_cnn, non-local": lambda: attention_cnn(attention_type="non_local"),
    "attention_cnn, affine": lambda: attention_cnn(spatial_transformer="affine"),
    "attention_cnn, attention": lambda: attention_cnn(spatial_transformer="attention", warped_size=16),
    "recurrent_attention": lambda: RecurrentAttentionForImageClassification(RecurrentAttentionConfig(**SEES)),
}


def both_ways(model, given, **options):
    """Loss and gradients here and there, of one seed; and what waited there."""
    other = copy.deepcopy(model)
    torch.manual_seed(1)
    here = model(**given, **options).loss
    if model.training:  # as cuDNN wants it
        here.backward()
    torch.manual_seed(1)
    with on_far() as far:
        other.to("far")
        there = {name: value.to("far") for name, value in given.items()}
        far.waits.clear()
        loss = other(**there, **options).loss
        if model.training:
            loss.backward()
    assert loss.device == FAR
    torch.testing.assert_close(near(loss), here)
    for (name, one), two in zip(model.named_parameters(), other.parameters()):
        assert (one.grad is None) == (two.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(near(two.grad), one.grad, atol=1e-6, rtol=1e-4, msg=name)
    return far.waits


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("training", [True, False])
def test_recurrent_models(kind, training):
    torch.manual_seed(0)
    assert both_ways(bahdanau(kind).train(training), pairs(), smoothing=0.1) == []


@pytest.mark.parametrize("kind", IMAGES)
def test_image_models(kind):
    torch.manual_seed(0)
    model = IMAGES[kind]().train(kind != "compact_vit, pruned")
    given = {"pixel_values": torch.randn(3, 3, 32, 32), "labels": torch.tensor([1, 2, 3])}
    assert both_ways(model, given) == []


def test_masked_images():
    torch.manual_seed(0)
    model = CompactVitForMaskedImageModeling(CompactVitConfig.from_preset("cct_2_3x2", **NO_DROPOUT))
    masked = torch.zeros(2, model.config.num_patches, dtype=torch.bool)
    masked[:, ::2] = True
    given = {"pixel_values": torch.randn(2, 3, 32, 32), "bool_masked_pos": masked}
    assert both_ways(model, given) == []


SEARCHES = {
    "greedy": {},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "as it goes": {"num_beams": 3, "repetition_penalty": 1.2},  # transformers' own loop
    "sampling": {"do_sample": True, "top_k": 5},
    "with records": {"output_attentions": True, "output_scores": True, "return_dict_in_generate": True},
}


@pytest.mark.parametrize("kind", ["default", "2014", "lstm", "input feeding", "no attention", "jumps", "local"])
@pytest.mark.parametrize("search", SEARCHES)
def test_generation(kind, search):
    torch.manual_seed(0)
    model, given = bahdanau(kind).eval(), pairs()
    del given["labels"]
    options = {"max_new_tokens": 6, "min_new_tokens": 6, **SEARCHES[search]}
    torch.manual_seed(1)
    here = model.generate(**given, **options)
    torch.manual_seed(1)
    with on_far() as far:
        model.to("far")
        there = model.generate(**{name: value.to("far") for name, value in given.items()}, **options)
        waits = list(far.waits)
    if search == "with records":
        if kind != "no attention":
            torch.testing.assert_close(near(there.cross_attentions[-1][0]), here.cross_attentions[-1][0])
        here, there = here.sequences, there.sequences
    assert near(there).tolist() == here.tolist()
    # once a token, and at the beginning and end; transformers' own loops now and then twice
    assert len(waits) <= (13 if search in ("greedy", "beams") else 16), waits


def test_dropout_on_attention_waits_for_nothing():
    model = compact_vit(attention_probs_dropout_prob=0.1).train()
    with on_far() as far:
        model.to("far")
        pixels, labels = torch.randn(2, 3, 32, 32).to("far"), torch.tensor([1, 2]).to("far")
        far.waits.clear()
        model(pixels, labels=labels).loss.backward()
        assert far.waits == []


def test_alignments():
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["ein Hund bellt", "eine Katze", "a dog barks", "a cat"], vocab_size=40)
    model = bahdanau("default").eval()
    sources, targets = ["ein Hund", "eine Katze bellt"], ["a dog", "a cat barks"]
    for given in ({"max_new_tokens": 5, "num_beams": 2}, {"targets": targets}):
        here = align(model, tokenizer, sources, **given)
        with on_far():
            there = align(copy.deepcopy(model).to("far"), tokenizer, sources, **given)
        for one, two in zip(here, there, strict=True):
            assert one.target_tokens == two.target_tokens
            np.testing.assert_allclose(two.weights, one.weights, atol=1e-6)
            assert two.score == pytest.approx(one.score)


PICTURES = {
    "attention": (compact_vit, attention_maps, lambda output: output.rollout()),
    "gradient": (compact_vit, saliency, lambda output: output),
    "windows": (lambda: IMAGES["attention_cnn, attention"](), windows, lambda output: output.corners()),
    "glimpses": (lambda: IMAGES["recurrent_attention"](), windows, lambda output: output.corners()),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_attention(name):
    torch.manual_seed(0)
    make, show, read = PICTURES[name]
    model = make().eval()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    processor = CompactVitImageProcessorPil(size={"height": 32, "width": 32})
    images = [Image.fromarray(values) for values in pixels]
    here = show(model, processor, images)
    with on_far():
        there = show(model.to("far"), processor, images)
    for one, two in zip(here, there, strict=True):
        np.testing.assert_allclose(read(two), read(one), atol=1e-5)


def test_augmentation():
    options = {"crop_padding": 4, "horizontal_flip": 0.5, "randaugment_ops": 2, "random_erasing": 0.25}
    options |= {"mixup_alpha": 0.8, "cutmix_alpha": 1.0, "label_smoothing": 0.1}
    augment = ImageAugmentation(32, 10, [0.5] * 3, [0.5] * 3, **options).train()
    with on_far():
        augment.to("far")
        pixels, labels = augment(torch.rand(4, 3, 32, 32).to("far"), torch.tensor([1, 2, 3, 4]).to("far"))
    assert pixels.device == labels.device == FAR
    torch.testing.assert_close(near(labels).sum(dim=-1), torch.ones(4))
