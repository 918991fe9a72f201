# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
What a model's folder gives for a fixed input, run as a script in a process of its own: as remote code.

    python probe.py FOLDER OUTPUT [--trust_remote_code]

This file imports nothing of the package, so that it shows what a reader without the plugin gets.
"""

import sys

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor


TEXT = "4. März 2005"


def probe(folder: str, **options) -> dict[str, torch.Tensor]:
    """
    The model's input as its tokenizer or image processor makes it, its logits, and for text the greedy output.

    `options` go to every `from_pretrained`. Raises `ValueError` for a model of another kind.
    """
    config = AutoConfig.from_pretrained(folder, **options)
    of_weights = {**options, "use_safetensors": True}
    architectures = " ".join(config.architectures or [])
    with torch.no_grad():
        if "ImageClassification" in architectures:
            model = AutoModelForImageClassification.from_pretrained(folder, **of_weights).eval()
            pixels = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).convert("L" if getattr(config, "num_channels", 3) == 1 else "RGB")
            inputs = AutoImageProcessor.from_pretrained(folder, **options)(image, return_tensors="pt")
            return {"pixel_values": inputs["pixel_values"], "logits": model(**inputs).logits.float()}
        if not config.is_encoder_decoder:
            raise ValueError(
                f"{folder} holds {architectures or 'no architecture'}: only sequence-to-sequence models and image "
                "classifiers are published here."
            )
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, **of_weights).eval()
        inputs = AutoTokenizer.from_pretrained(folder, **options)(
            TEXT, return_tensors="pt", return_token_type_ids=False
        )
        model.generation_config.max_length = None  # which would be told to give way
        ids = model.generate(**inputs, num_beams=1, do_sample=False, max_new_tokens=12)
        logits = model(**inputs, decoder_input_ids=ids).logits.float()
        return {"input_ids": inputs["input_ids"], "ids": ids, "logits": logits}


if __name__ == "__main__":
    sys.modules["hf_attention"] = None  # as where the plugin is not installed
    folder, output, *flags = sys.argv[1:]
    found = probe(folder, trust_remote_code="--trust_remote_code" in flags)
    save_file({name: value.contiguous() for name, value in found.items()}, output)
