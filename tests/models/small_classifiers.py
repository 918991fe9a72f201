# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A small image classifier of each family, and images for it."""

import torch

from hf_attention import (
    AttentionCnnConfig,
    AttentionCnnForImageClassification,
    CompactVitConfig,
    CompactVitForImageClassification,
    RecurrentAttentionConfig,
    RecurrentAttentionForImageClassification,
)


CLASSIFIERS = {
    "compact_vit": (
        CompactVitForImageClassification,
        CompactVitConfig,
        {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 20},
    ),
    "attention_cnn": (
        AttentionCnnForImageClassification,
        AttentionCnnConfig,
        {"hidden_sizes": [4, 6], "depths": [1, 1], "attention_type": "non_local", "spatial_transformer": "affine"},
    ),
    "recurrent_attention": (
        RecurrentAttentionForImageClassification,
        RecurrentAttentionConfig,
        {"num_channels": 3, "glimpse_size": 4, "num_scales": 2, "num_glimpses": 3, "hidden_size": 16},
    ),
}


def make_classifier(name, **options):
    """Returns a model in evaluation mode and a batch of three images."""
    model_class, config_class, sizes = CLASSIFIERS[name]
    torch.manual_seed(0)
    model = model_class(config_class(**{"image_size": 12, "num_labels": 3, **sizes, **options})).eval()
    return model, torch.randn(3, model.config.num_channels, 12, 12)
