# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A small image classifier and its trainer, for tests."""

import torch
from transformers import TrainingArguments

from hf_attention import (
    AttentionCnnConfig,
    AttentionCnnForImageClassification,
    CompactVitConfig,
    CompactVitForImageClassification,
)
from hf_attention.training.image_trainer import ImageClassificationTrainer


def make_model(**options):
    torch.manual_seed(0)
    sizes = {"image_size": 8, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "num_labels": 3}
    still = {"attention_probs_dropout_prob": 0.0, "drop_path_rate": 0.0, "intermediate_size": 8}
    return CompactVitForImageClassification(CompactVitConfig(**{**sizes, **still, **options}))


def make_rows(count=12):
    torch.manual_seed(1)
    return [{"pixel_values": torch.rand(3, 8, 8), "labels": index % 3} for index in range(count)]


def make_trainer(tmp_path, model=None, **kwargs):
    names = ("augmentation", "mix_epochs", "ema_decay", "time_limit", "eval_dataset", "compute_metrics", "callbacks")
    names += (
        "train_dataset",
        "class_weights",
        "balanced_sampling",
        "mirrors",
        "freezes",
        "muon_learning_rate",
        "small_image_size",
        "small_epochs",
    )
    own = {name: kwargs.pop(name) for name in names if name in kwargs}
    options = {"max_steps": 4, "per_device_train_batch_size": 4, "report_to": "none", "disable_tqdm": True}
    options |= {"use_cpu": True, "remove_unused_columns": False, "save_steps": 2, "learning_rate": 0.01}
    arguments = TrainingArguments(output_dir=str(tmp_path / "run"), **{**options, **kwargs})
    return ImageClassificationTrainer(model or make_model(), arguments, **{"train_dataset": make_rows(), **own})


def make_cnn():
    """With batch norms, whose statistics belong to the weights."""
    torch.manual_seed(0)
    config = AttentionCnnConfig(image_size=8, hidden_sizes=[4], depths=[1], num_labels=3)
    return AttentionCnnForImageClassification(config)
