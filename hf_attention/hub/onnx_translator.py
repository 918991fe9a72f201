# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Translates with the ONNX files of a recurrent model: onnxruntime, numpy and tokenizers are all it needs.

[`export_onnx`] copies this file next to the models it writes, where it is also a command:

    python onnx_translator.py "4. März 2005" "2031년 12월 25일"
    python onnx_translator.py < dates.txt
    python onnx_translator.py --features '{"tags": "present;3sg"}' cantare   # of a model that reads features

The models have the file names of transformers.js and optimum: `encoder_model.onnx` and `decoder_model.onnx`, and
`_quantized` at the end of the stem if the weights are int8.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


ENCODER, DECODER, MODEL, QUANTIZED = "encoder_model", "decoder_model", "model", "_quantized"
FEATURES = "features"  # key of the encoder's metadata, if the model reads features of the source
STATE = "state"  # the decoder's input; its output is `new_state`
TARGET_TOKENIZER = "target_tokenizer"  # sub-folder, if the target has a vocabulary of its own


def open_session(file: Path, num_threads: int = 0) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run_session(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the outputs by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, map(np.asarray, session.run(names, inputs))))


def load_tokenizer(folder: Path) -> Tokenizer | None:
    """Returns the tokenizer that `save_pretrained` wrote, set up to pad as it does; `None` if there is none."""
    if not (folder / "tokenizer.json").is_file():
        return None
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = config.get("split_special_tokens", False)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    pad_token = config.get("pad_token")
    pad_token = pad_token["content"] if isinstance(pad_token, dict) else pad_token
    if pad_token is not None:
        side, pad_id = config.get("padding_side", "right"), tokenizer.token_to_id(pad_token)
        tokenizer.enable_padding(direction=side, pad_id=pad_id, pad_token=pad_token)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the padded ids and the attention mask, both `(B, S)`, as transformers' tokenizer does."""
    encodings = tokenizer.encode_batch(list(texts))
    ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
    return ids, np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)


class OnnxTranslator:
    """
    Greedy search with onnxruntime, as `generate(num_beams=1)` does it with PyTorch.

    Args:
        folder (`str` or `Path`): written by [`export_onnx`].
        quantized (`bool`): whether to run the int8 files.
        num_threads (`int`): of onnxruntime; 0 for one per core.

    Raises:
        `ValueError`: for a folder without these files.
    """

    def __init__(self, folder: str | Path, quantized: bool = False, num_threads: int = 0) -> None:
        self.folder = Path(folder)
        suffix = f"{QUANTIZED}.onnx" if quantized else ".onnx"
        encoder, decoder = (self.folder / (name + suffix) for name in (ENCODER, DECODER))
        if not encoder.is_file():
            inner = self.folder / "onnx"
            is_inner = (inner / encoder.name).is_file()
            remedy = f"It is in {inner}: pass that folder." if is_inner else "`scripts/export_onnx.py` writes it."
            raise ValueError(f"{folder} holds no {encoder.name}. {remedy}")
        self.encoder, self.decoder = open_session(encoder, num_threads), open_session(decoder, num_threads)
        self.tokenizer = load_tokenizer(self.folder)
        self.target_tokenizer = load_tokenizer(self.folder / TARGET_TOKENIZER)
        config = json.loads((self.folder / "generation_config.json").read_text("utf-8"))
        eos, pad, start = (config.get(f"{name}_token_id") for name in ("eos", "pad", "decoder_start"))
        self.eos_token_ids: list[int] = [] if eos is None else np.atleast_1d(eos).tolist()
        self.pad_token_id: int = next(iter(self.eos_token_ids), 0) if pad is None else pad
        self.decoder_start_token_id: int = config["bos_token_id"] if start is None else start
        self.max_length: int = config.get("max_length") or 20
        self.reads_features = FEATURES in (metadata := self.encoder.get_modelmeta().custom_metadata_map)
        features = json.loads(metadata.get(FEATURES, "{}"))
        self.feature_values: dict[str, list[str]] = features.get("values", {})
        self.feature_separator: str = features.get("separator", ";")

    def translate(
        self,
        texts: Sequence[str],
        max_length: int | None = None,
        features: Sequence[Mapping[str, object]] | None = None,
    ) -> list[str]:
        """
        Returns the translations of a batch of texts; of a model that reads features, `features` has the columns of
        each text. Raises `ValueError` if no tokenizer was exported.
        """
        if self.tokenizer is None:
            raise ValueError(f"{self.folder} holds no tokenizer.json: the exported model has no fast tokenizer.")
        ids, _ = self.generate(*encode(self.tokenizer, texts), max_length, self.encode_features(features))
        tokenizer = self.target_tokenizer or self.tokenizer
        return tokenizer.decode_batch(ids.tolist(), skip_special_tokens=True)

    def encode_features(self, rows: Sequence[Mapping[str, object]] | None) -> np.ndarray | None:
        """
        The ids of the features of each source, `(B, F)`, padded with 0, as the model's `encode_features` does it: a
        cell is a text with separators, or a list, and unknown values are left out.

        Raises:
            `ValueError`: for a row without one of the model's columns, and for a cell of another type.
        """
        if rows is None:
            return None
        columns = sorted(self.feature_values)
        known = [(column, value) for column in columns for value in self.feature_values[column]]
        ids = {feature: index for index, feature in enumerate(known, start=1)}  # 0 is padding
        encoded: list[list[int]] = []
        for row in rows:
            if missing := [column for column in columns if column not in row]:
                raise ValueError(f"The model reads the feature column {', '.join(missing)}: pass it for each text.")
            features: list[tuple[str, str]] = []
            for column in columns:
                cell = [] if row[column] is None else row[column]
                values = cell.split(self.feature_separator) if isinstance(cell, str) else cell
                if not isinstance(values, (list, tuple)):
                    raise ValueError(f"Features must be text, or a list of texts, but {column} is {cell!r}.")
                features += [(column, str(value).strip()) for value in values]
            encoded.append([ids[feature] for feature in features if feature in ids])
        length = max([1, *map(len, encoded)])
        return np.array([row + [0] * (length - len(row)) for row in encoded], dtype=np.int64)

    def generate(
        self,
        input_ids: np.ndarray,
        attention_mask: np.ndarray,
        max_length: int | None = None,
        feature_ids: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Plain greedy search; other options of the generation config (`no_repeat_ngram_size`, ...) are ignored.

        Args:
            input_ids, attention_mask (`np.ndarray` of shape `(B, S)`): a padded batch.
            max_length (`int`, *optional*): of the output, the start token included; defaults to the config's, or 20.
            feature_ids (`np.ndarray` of shape `(B, F)`, *optional*): if the model reads features, see
                `encode_features`.

        Returns:
            The ids, `(B, T)`, and the logits of every step, `(B, T - 1, vocab_size)`.

        Raises:
            `ValueError`: for a `max_length` that leaves no step, and for features that the model does not read, or
                that are missing.
        """
        max_length = self.max_length if max_length is None else max_length
        if max_length < 2:
            raise ValueError(f"`max_length` includes the start token, so it must be at least 2, got {max_length}.")
        if (feature_ids is not None) != self.reads_features:
            names = f" ({', '.join(sorted(self.feature_values))})" if self.feature_values else ""
            raise ValueError(
                f"The model reads features of each source{names}: pass `features`, or `feature_ids`."
                if self.reads_features
                else "Features are given, but the model reads none."
            )
        sources = {"input_ids": input_ids, "attention_mask": attention_mask}
        if feature_ids is not None:
            sources["feature_ids"] = feature_ids
        # with attended features the encoder returns the mask of all annotations
        inputs = {"encoder_attention_mask": attention_mask, **run_session(self.encoder, sources)}
        ids = [np.full(len(input_ids), self.decoder_start_token_id, dtype=np.int64)]
        logits = []
        finished = np.zeros(len(input_ids), dtype=bool)
        while len(ids) < max_length and not finished.all():
            outputs = run_session(self.decoder, {**inputs, "input_ids": ids[-1][:, None]})
            inputs[STATE] = outputs[f"new_{STATE}"]
            logits.append(outputs["logits"])
            ids.append(np.where(finished, self.pad_token_id, logits[-1][:, -1].argmax(axis=-1)))
            finished |= np.isin(ids[-1], self.eos_token_ids)
        return np.stack(ids, axis=1), np.concatenate(logits, axis=1)


def json_object(text: str) -> dict[str, object]:
    """Reads a JSON object. Raises `ValueError` for other text."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"{text} is not a JSON object.")
    return value


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Translate texts, or the lines of standard input.")
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    parser.add_argument("--folder", default=Path(__file__).parent, help="of the models (default: of this file)")
    parser.add_argument("--quantized", action="store_true", help="run the int8 models")
    parser.add_argument("--max_length", type=int, help="of the output in tokens")
    parser.add_argument("--features", type=json_object, help="columns of features and their values, of all texts")
    options = parser.parse_args(arguments)
    try:
        features = None if options.features is None else [options.features]
        translator = OnnxTranslator(options.folder, options.quantized)
        # only \n ends a line, so that each line has one translation
        lines = (line.decode().removesuffix("\n").removesuffix("\r") for line in sys.stdin.buffer)
        for text in options.texts or lines:
            print(translator.translate([text], options.max_length, features)[0], flush=True)
    except (OSError, ValueError) as error:
        sys.exit(f"onnx_translator.py: {error}")


__all__ = ["OnnxTranslator"]


if __name__ == "__main__":
    main()
