# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Convert recurrent models of JoeyNMT (Kreutzer et al. 2019, arXiv 1907.12484; version 2) to Bahdanau models.

    python -m hf_attention.models.bahdanau.convert_joeynmt MODEL_DIR FOLDER

`MODEL_DIR` is JoeyNMT's, with `config.yaml`, the vocabularies and a checkpoint. The new folder holds the model with
the same probabilities, and tokenizers for vocabularies of words and characters. For subwords, encode texts with the
sentencepiece or subword-nmt model that JoeyNMT used: the ids stay the same.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import torch
import yaml
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging

from .configuration_bahdanau import BahdanauConfig
from .modeling_bahdanau import BahdanauForConditionalGeneration


logger = logging.get_logger(__name__)

UNK, PAD, BOS, EOS = range(4)  # JoeyNMT's ids, unless its config sets others
ATTENTION_TYPES = {"bahdanau": "additive", "luong": "general"}
# JoeyNMT's names -> ours; the parameters without an entry are converted in `convert_joeynmt_state_dict`
KEY_PATTERNS = (
    (r"^src_embed\.lut\.", "model.encoder.embed_tokens."),
    (r"^trg_embed\.lut\.", "model.decoder.embed_tokens."),
    (r"^encoder\.rnn\.(weight|bias)_(ih|hh)_l(\d+)$", r"model.encoder.layers.\3.forward_rnn.unit.\1_\2_l0"),
    (r"^encoder\.rnn\.(weight|bias)_(ih|hh)_l(\d+)_reverse$", r"model.encoder.layers.\3.backward_rnn.unit.\1_\2_l0"),
    (r"^decoder\.rnn\.(weight|bias)_(ih|hh)_l(\d+)$", r"model.decoder.layers.\3.unit.\1_\2_l0"),
    (r"^decoder\.attention\.key_layer\.", "model.decoder.attention.key_proj."),
    (r"^decoder\.attention\.query_layer\.", "model.decoder.attention.query_proj."),
    (r"^decoder\.attention\.energy_layer\.", "model.decoder.attention.score."),
    (r"^decoder\.att_vector_layer\.", "model.decoder.readout.state_proj."),
    (r"^decoder\.output_layer\.", "lm_head."),
)


def convert_joeynmt_config(model: dict[str, Any], source_size: int, target_size: int) -> BahdanauConfig:
    """
    Returns the config of a JoeyNMT model.

    Args:
        model (`dict`): the section `model` of JoeyNMT's `config.yaml`.
        source_size, target_size (`int`): sizes of the vocabularies.

    Raises:
        `ValueError`: for a model that is not recurrent, or has an option that a Bahdanau model does not have.
    """
    encoder, decoder = model["encoder"], model["decoder"]
    kinds = [encoder.get("type", "recurrent"), decoder.get("type", "recurrent")]
    if kinds != ["recurrent", "recurrent"]:
        raise ValueError(f"Only recurrent models can be converted; this one has `type` {' and '.join(kinds)}.")
    unsupported = {
        "encoder.rnn_type": (cell := encoder.get("rnn_type", "gru")) != decoder.get("rnn_type", "gru"),
        "decoder.init_hidden": decoder.get("init_hidden", "bridge") not in ("bridge", "zero"),
        "decoder.activation": decoder.get("activation", "tanh") != "tanh",
        "embeddings.scale": any(part["embeddings"].get("scale", False) for part in (encoder, decoder)),
        "embeddings.embedding_dim": encoder["embeddings"]["embedding_dim"] != decoder["embeddings"]["embedding_dim"],
        "decoder.attention": decoder.get("attention", "bahdanau") not in ATTENTION_TYPES,
    }
    if names := [name for name, is_other in unsupported.items() if is_other]:
        raise ValueError(f"A Bahdanau model has no equivalent of this config's {', '.join(names)}.")
    options: dict[str, Any] = {
        "vocab_size": target_size,
        "encoder_vocab_size": source_size,
        "embedding_size": encoder["embeddings"]["embedding_dim"],
        "hidden_size": decoder["hidden_size"],
        "encoder_hidden_size": encoder["hidden_size"],
        "attention_size": decoder["hidden_size"],
        "encoder_layers": encoder.get("num_layers", 1),
        "decoder_layers": decoder.get("num_layers", 1),
        "bidirectional": encoder.get("bidirectional", True),
        "cell_type": cell,
        "attention_type": ATTENTION_TYPES[decoder.get("attention", "bahdanau")],
        "attention_query": "current",
        "input_feeding": decoder.get("input_feeding", True),
        "readout_type": "tanh",
        "initial_state_type": "both",
        "dropout": decoder.get("dropout", 0.0),
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "decoder_start_token_id": BOS,
    }
    return BahdanauConfig(**options)


def convert_joeynmt_state_dict(state_dict: dict[str, torch.Tensor], config: BahdanauConfig) -> dict[str, torch.Tensor]:
    """
    Returns the state dict of a [`BahdanauForConditionalGeneration`] from that of a JoeyNMT model. The attentional
    vector's columns change places, since JoeyNMT puts the state before the context; biases that it does not have are
    zeros.

    Raises:
        `ValueError`: for a key that is not in any recurrent model of JoeyNMT.
    """
    converted = {}
    for key, value in state_dict.items():
        if key.startswith("decoder.bridge_layer."):
            # one map for the states of all layers, and for an LSTM's memories
            repeats = config.decoder_layers * (2 if config.cell_type == "lstm" else 1)
            name = key.replace("decoder.bridge_layer", "model.decoder.initial_state")
            converted[name] = value.repeat(repeats, *[1] * (value.dim() - 1))
            continue
        name = next((re.sub(old, new, key) for old, new in KEY_PATTERNS if re.match(old, key)), None)
        if name is None:
            raise ValueError(f"{key!r} is not a parameter of a recurrent JoeyNMT model.")
        if name == "model.decoder.readout.state_proj.weight":
            value = torch.cat([value[:, config.hidden_size :], value[:, : config.hidden_size]], dim=1)
        converted[name] = value
    expected = BahdanauForConditionalGeneration(config).state_dict()
    zeros = ("model.decoder.attention.query_proj.bias", "lm_head.bias", "model.decoder.initial_state.weight")
    for name in (*zeros, "model.decoder.initial_state.bias"):
        if name in expected:
            converted.setdefault(name, torch.zeros_like(expected[name]))
    return converted


def convert_joeynmt_vocabulary(tokens: list[str], level: str) -> PreTrainedTokenizerFast:
    """
    Returns the tokenizer of a vocabulary of words or characters, whose ids are the places in the list.

    Raises:
        `ValueError`: for another `level` than `word` and `char`.
    """
    if level not in ("word", "char"):
        raise ValueError(f"`level` must be 'word' or 'char', got {level!r}: its tokenizer has a file of its own.")
    unk, pad, bos, eos = tokens[: EOS + 1]
    tokenizer = word_level_tokenizer(tokens, unk, pad, bos, eos)
    if level == "char":
        backend = tokenizer.backend_tokenizer
        backend.normalizer = normalizers.Replace(" ", "▁")  # as JoeyNMT's
        backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
        backend.decoder = decoders.Sequence([decoders.Fuse(), decoders.Replace("▁", " ")])
    return tokenizer


def word_level_tokenizer(
    tokens: list[str], unk: str, pad: str, bos: str, eos: str, adds_eos: bool = True
) -> PreTrainedTokenizerFast:
    """Returns a tokenizer of words with spaces between them, whose ids are the places in the list of `tokens`."""
    ids = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=unk))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if adds_eos:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {eos}", special_tokens=[(eos, ids[eos])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=unk,
        pad_token=pad,
        bos_token=bos,
        eos_token=eos,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def convert_joeynmt_checkpoint(model_dir: str, output_dir: str) -> BahdanauForConditionalGeneration:
    """
    Converts the model in a folder of JoeyNMT, and saves it with its tokenizers.

    Raises:
        `OSError`: if a file is missing.
        `ValueError`: if the model cannot be converted.
    """
    folder = Path(model_dir)
    options = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    checkpoint = next((folder / name for name in ("best.ckpt", "latest.ckpt") if (folder / name).is_file()), None)
    checkpoint = checkpoint or next(iter(sorted(folder.glob("*.ckpt"))), None)
    if checkpoint is None:
        raise OSError(f"{model_dir} holds no checkpoint (best.ckpt, latest.ckpt or another .ckpt file).")
    state_dict = torch.load(checkpoint, map_location="cpu", weights_only=True)["model_state"]
    vocabularies = []
    for side, name in (("src", "src_vocab.txt"), ("trg", "trg_vocab.txt")):
        file = Path(options["data"][side].get("voc_file") or folder / name)
        vocabularies.append((file if file.is_file() else folder / name).read_text("utf-8").splitlines())
    config = convert_joeynmt_config(options["model"], *map(len, vocabularies))
    model = BahdanauForConditionalGeneration(config)
    model.load_state_dict(convert_joeynmt_state_dict(state_dict, config))
    model.generation_config.update(max_length=options.get("testing", {}).get("max_output_length") or 100)
    languages = {
        f"{long}_lang": options["data"][side]["lang"] for long, side in (("source", "src"), ("target", "trg"))
    }
    model.config.update(languages)
    model.eval().save_pretrained(output_dir)
    for side, tokens, target in zip(("src", "trg"), vocabularies, ("", "target_tokenizer")):
        level = options["data"][side].get("level", "word")
        if level in ("word", "char"):
            convert_joeynmt_vocabulary(tokens, level).save_pretrained(Path(output_dir, target))
        else:
            logger.warning(
                f"The tokenizer of {side} ({level}) is not converted: encode texts with the one of JoeyNMT."
            )
    return model


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir", help="JoeyNMT's model folder")
    parser.add_argument("output_dir", help="the folder to write the model to")
    options = parser.parse_args(arguments)
    convert_joeynmt_checkpoint(options.model_dir, options.output_dir)


if __name__ == "__main__":
    main()


__all__ = ["convert_joeynmt_checkpoint", "convert_joeynmt_config", "convert_joeynmt_state_dict"]
