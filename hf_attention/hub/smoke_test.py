# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Loads a model's folder as remote code and saves its outputs for a fixed input; run as a script in its own process.

    python smoke_test.py FOLDER OUTPUT [--trust_remote_code]

This file imports nothing of the package, so its outputs are what a user without the plugin gets.
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


def compute_outputs(folder: str, trust_remote_code: bool = False) -> dict[str, torch.Tensor]:
    """
    Returns the model's input from its tokenizer or image processor, its logits, and the ids greedy search gives for
    text. Raises `ValueError` for a model that is neither a sequence-to-sequence model nor an image classifier.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    model_options = {"trust_remote_code": trust_remote_code, "use_safetensors": True, "output_loading_info": True}
    architectures = " ".join(config.architectures or [])
    with torch.no_grad():
        if "ImageClassification" in architectures:
            model, info = AutoModelForImageClassification.from_pretrained(folder, **model_options)
            check_loaded(info)
            pixels = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).convert("L" if getattr(config, "num_channels", 3) == 1 else "RGB")
            image_processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
            inputs = image_processor(image, return_tensors="pt")
            return {"pixel_values": inputs["pixel_values"], "logits": model(**inputs).logits.float()}
        if not config.is_encoder_decoder:
            raise ValueError(
                f"{folder} holds {architectures or 'no architecture'}: only sequence-to-sequence models and image "
                "classifiers can be published."
            )
        model, info = AutoModelForSeq2SeqLM.from_pretrained(folder, **model_options)
        check_loaded(info)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        assert tokenizer is not None  # for type checkers: `from_pretrained` is annotated as if it could return `None`
        inputs = tokenizer(TEXT, return_tensors="pt", return_token_type_ids=False)
        if size := getattr(config, "feature_vocab_size", None):
            inputs["feature_ids"] = torch.arange(size).unsqueeze(0)
        model.generation_config.max_length = None  # else `generate` warns that `max_new_tokens` takes precedence
        ids = model.generate(**inputs, num_beams=1, do_sample=False, max_new_tokens=12)
        logits = model(**inputs, decoder_input_ids=ids).logits.float()
        return {"input_ids": inputs["input_ids"], "ids": ids, "logits": logits}


def check_loaded(info: dict) -> None:
    """Raises `ValueError` if the weights lack or exceed what the model needs."""
    for words in ("missing", "unexpected"):
        if keys := sorted(info[f"{words}_keys"]):
            raise ValueError(f"its weights have {words} keys: {', '.join(keys[:4])}. Save the model again.")


if __name__ == "__main__":
    sys.modules["hf_attention"] = None  # ty: ignore[invalid-assignment]  # None makes `import` fail
    folder, output, *flags = sys.argv[1:]
    outputs = compute_outputs(folder, trust_remote_code="--trust_remote_code" in flags)
    save_file({name: value.contiguous() for name, value in outputs.items()}, output)
