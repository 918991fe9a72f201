# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
What [`export_onnx`] wrote, run by onnxruntime; PyTorch is not needed, nor any extra but `onnx`.

File names are those of transformers.js and optimum: `model.onnx`, or `encoder_model.onnx` and `decoder_model.onnx`,
with `_quantized` where weights are int8.
"""

from pathlib import Path

import numpy as np
import onnxruntime
from transformers import GenerationConfig


ENCODER, DECODER, MODEL, QUANTIZED = "encoder_model", "decoder_model", "model", "_quantized"
STATE = "state"  # the decoder's input; its output is `new_state`


def open_session(file: Path, num_threads: int = 0) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


class OnnxTranslator:
    """
    Greedy decoding by onnxruntime, with numpy alone.

    Args:
        folder (`str`): what [`export_onnx`] wrote.
        quantized (`bool`): whether to run the int8 files.
        num_threads (`int`): of onnxruntime; 0 for as many as there are cores.

    Raises:
        `ValueError`: for a folder without these files.
    """

    def __init__(self, folder: str, quantized: bool = False, num_threads: int = 0):
        suffix = f"{QUANTIZED}.onnx" if quantized else ".onnx"
        if not Path(folder, ENCODER + suffix).is_file():
            inner = Path(folder, "onnx")
            is_inner = Path(inner, ENCODER + suffix).is_file()
            remedy = f"It is in {inner}: give that." if is_inner else "`scripts/export_onnx.py` writes it."
            raise ValueError(f"{folder} holds no {ENCODER + suffix}. {remedy}")
        self.encoder, self.decoder = (
            open_session(Path(folder, name + suffix), num_threads) for name in (ENCODER, DECODER)
        )
        self.config = GenerationConfig.from_pretrained(folder)

    def generate(
        self, input_ids: np.ndarray, attention_mask: np.ndarray, max_length: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Plain greedy search; what else a generation config may ask for (`no_repeat_ngram_size`, ...) is not done.

        `(B, S)` to the ids, `(B, T)`, of `max_length` at most (the config's, or 20), as `model.generate(num_beams=1)`
        gives them, and the logits of every step, `(B, T - 1, vocab_size)`. Raises `ValueError` for a `max_length` that
        leaves no step.
        """
        max_length = (self.config.max_length or 20) if max_length is None else max_length
        if max_length < 2:
            raise ValueError(f"`max_length` counts the start token, so it must be 2 at least, got {max_length}.")
        names = [output.name for output in self.encoder.get_outputs()]
        source = {"input_ids": input_ids, "attention_mask": attention_mask}
        fed = dict(zip(names, self.encoder.run(None, source)))
        fed["encoder_attention_mask"] = attention_mask
        names = [output.name for output in self.decoder.get_outputs()]
        eos, pad = self.config.eos_token_id, self.config.pad_token_id
        ids = [np.full(len(input_ids), self.config.decoder_start_token_id)]
        ended, logits = np.zeros(len(input_ids), dtype=bool), []
        while len(ids) < max_length and not ended.all():
            found = dict(zip(names, self.decoder.run(None, {**fed, "input_ids": ids[-1][:, None]})))
            fed[STATE] = found[f"new_{STATE}"]
            logits.append(found["logits"])
            ids.append(np.where(ended, pad, logits[-1][:, -1].argmax(axis=-1)))
            ended |= np.isin(ids[-1], eos)
        return np.stack(ids, axis=1), np.concatenate(logits, axis=1)


__all__ = ["OnnxTranslator"]
