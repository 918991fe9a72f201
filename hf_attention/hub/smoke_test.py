# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Loads a model's folder as remote code and saves its outputs for a fixed input; run as a script in its own process.

    python smoke_test.py FOLDER OUTPUT [--trust_remote_code]

This file imports nothing of the package, so its outputs are what a user without the plugin gets; but a vision
encoder-decoder, whose parts transformers finds only where they are registered, needs the plugin.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForImageTextToText,
    AutoModelForSeq2SeqLM,
    AutoModelForVisualQuestionAnswering,
    AutoTokenizer,
    PreTrainedConfig,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor


TEXT = "4. März 2005"


def compute_outputs(folder: str, trust_remote_code: bool = False) -> dict[str, torch.Tensor]:
    """
    Returns the model's input from its tokenizer or image processor, its logits, and the ids greedy search gives for
    text. Raises `ValueError` unless the model is a sequence-to-sequence model, classifies images, or answers questions
    about them.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    model_options = {"trust_remote_code": trust_remote_code, "use_safetensors": True, "output_loading_info": True}
    architectures = " ".join(config.architectures or [])
    with torch.no_grad():
        if "ImageClassification" in architectures:
            model, info = AutoModelForImageClassification.from_pretrained(folder, **model_options)
            check_loaded(info)
            image = random_image(config)
            image_processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
            inputs = image_processor(image, return_tensors="pt")
            return {"pixel_values": inputs["pixel_values"], "logits": model(**inputs).logits.float()}
        if "VisionEncoderDecoder" in architectures:
            model, info = AutoModelForImageTextToText.from_pretrained(folder, **model_options)  # ty: ignore[not-iterable] (it is)
            check_loaded(info)
            image_processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
            inputs = image_processor(random_image(model.encoder.config), return_tensors="pt")
            model.generation_config.max_length = None
            ids = model.generate(**inputs, num_beams=1, do_sample=False, max_new_tokens=12)
            logits = model(**inputs, decoder_input_ids=ids).logits.float()
            return {"pixel_values": inputs["pixel_values"], "ids": ids, "logits": logits}
        if "VisualQuestionAnswering" in architectures:
            model, info = AutoModelForVisualQuestionAnswering.from_pretrained(folder, **model_options)
            check_loaded(info)
            image_processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
            assert tokenizer is not None  # for type checkers
            inputs = dict(tokenizer(TEXT, return_tensors="pt", return_token_type_ids=False))
            inputs |= image_processor(random_image(config), return_tensors="pt")
            return {**inputs, "logits": model(**inputs).logits.float()}
        if not config.is_encoder_decoder:
            raise ValueError(
                f"{folder} holds {architectures or 'no architecture'}: only sequence-to-sequence models, image "
                "classifiers and models that answer questions about images can be published."
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


def random_image(config: PreTrainedConfig) -> Image.Image:
    """The same image each time, with as many channels as the model reads."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert("L" if getattr(config, "num_channels", 3) == 1 else "RGB")


def check_loaded(info: dict) -> None:
    """Raises `ValueError` if the weights lack or exceed what the model needs."""
    for words in ("missing", "unexpected"):
        if keys := sorted(info[f"{words}_keys"]):
            raise ValueError(f"its weights have {words} keys: {', '.join(keys[:4])}. Save the model again.")


if __name__ == "__main__":
    folder, output, *flags = sys.argv[1:]
    if json.loads(Path(folder, "config.json").read_text("utf-8")).get("model_type") == "vision-encoder-decoder":
        import hf_attention  # noqa: F401  (registers the parts of the model)
    else:
        sys.modules["hf_attention"] = None  # ty: ignore[invalid-assignment]  # None makes `import` fail
    outputs = compute_outputs(folder, trust_remote_code="--trust_remote_code" in flags)
    save_file({name: value.contiguous() for name, value in outputs.items()}, output)
