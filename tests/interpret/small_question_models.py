# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Small untrained models that answer questions about images."""

from pathlib import Path

import torch

from hf_attention import (
    CompactVitImageProcessorPil,
    StackedAttentionConfig,
    StackedAttentionForVisualQuestionAnswering,
)
from hf_attention.data.tokenizer import train_tokenizer


QUESTIONS = ["Is it red?", "What is the shape of the red object?"]


def save_question_model(folder: Path) -> Path:
    """Saves a model of images of 12 x 16 pixels, with two glimpses, a tokenizer and an image processor."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(QUESTIONS, model_type="word")
    config = StackedAttentionConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        image_size=(12, 16),
        conv_channels=[4, 4],
        hidden_size=8,
        num_glimpses=2,
        id2label={0: "yes", 1: "no", 2: "circle"},
    )
    for part in (StackedAttentionForVisualQuestionAnswering(config), tokenizer):
        part.save_pretrained(folder)
    CompactVitImageProcessorPil(size={"height": 12, "width": 16}).save_pretrained(folder)
    return folder
