# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Convert recurrent models of OpenNMT-py (Klein et al. 2017, arXiv 1701.02810; version 3) to Bahdanau models.

    python -m hf_attention.models.bahdanau.convert_opennmt model_step_100000.pt FOLDER

The new folder holds the model with the same probabilities, and tokenizers for texts whose tokens have spaces between
them, as OpenNMT-py reads them. To other texts, apply the transforms of its training first.
"""

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from .configuration_bahdanau import BahdanauConfig
from .convert_joeynmt import word_level_tokenizer
from .modeling_bahdanau import BahdanauForConditionalGeneration


UNK, PAD, BOS, EOS = "<unk>", "<blank>", "<s>", "</s>"
# OpenNMT-py's names -> ours
KEY_PATTERNS = (
    (r"^(encoder|decoder)\.embeddings\.make_embedding\.emb_luts\.0\.", r"model.\1.embed_tokens."),
    (r"^encoder\.rnn\.(weight|bias)_(ih|hh)_l(\d+)$", r"model.encoder.layers.\3.forward_rnn.unit.\1_\2_l0"),
    (r"^encoder\.rnn\.(weight|bias)_(ih|hh)_l(\d+)_reverse$", r"model.encoder.layers.\3.backward_rnn.unit.\1_\2_l0"),
    (r"^decoder\.rnn\.layers\.(\d+)\.(weight|bias)_(ih|hh)$", r"model.decoder.layers.\1.unit.\2_\3_l0"),
    (r"^decoder\.rnn\.(weight|bias)_(ih|hh)_l(\d+)$", r"model.decoder.layers.\3.unit.\1_\2_l0"),
    (r"^decoder\.attn\.linear_in\.", "model.decoder.attention.key_proj."),
    (r"^decoder\.attn\.linear_out\.", "model.decoder.readout.state_proj."),
    (r"^(?:generator\.)?(?:0\.)?(weight|bias)$", r"lm_head.\1"),
)


def convert_opennmt_config(options: Mapping[str, Any], source_size: int, target_size: int) -> BahdanauConfig:
    """
    Returns the config of an OpenNMT-py model.

    Args:
        options (`Mapping`): the options of the model, `vars(checkpoint["opt"])`.
        source_size, target_size (`int`): sizes of the vocabularies.

    Raises:
        `ValueError`: for a model that is not recurrent, or has an option that a Bahdanau model does not have.
    """
    encoder = options["encoder_type"]
    if encoder not in ("rnn", "brnn") or options["decoder_type"] != "rnn":
        raise ValueError(
            f"Only recurrent models can be converted; this one has `encoder_type={encoder!r}` and "
            f"`decoder_type={options['decoder_type']!r}`."
        )
    unsupported = {
        "rnn_type": options["rnn_type"] not in ("LSTM", "GRU"),
        "global_attention": options["global_attention"] not in ("general", "dot"),
        "enc_layers": options["enc_layers"] != options["dec_layers"],
        "enc_hid_size": options["enc_hid_size"] != options["dec_hid_size"],
        "src_word_vec_size": options["src_word_vec_size"] != options["tgt_word_vec_size"],
    }
    for name in ("bridge", "copy_attn", "coverage_attn", "context_gate", "position_encoding", "n_src_feats"):
        unsupported[name] = bool(options.get(name))
    if names := [name for name, is_other in unsupported.items() if is_other]:
        values = ", ".join(f"`{name}={options[name]!r}`" for name in names)
        raise ValueError(f"A Bahdanau model has no equivalent of this model's {values}.")
    dropout = options.get("dropout", 0.0)
    return BahdanauConfig(
        vocab_size=target_size,
        encoder_vocab_size=source_size,
        embedding_size=options["src_word_vec_size"],
        hidden_size=options["dec_hid_size"],
        encoder_hidden_size=options["enc_hid_size"] // (2 if encoder == "brnn" else 1),
        encoder_layers=options["enc_layers"],
        decoder_layers=options["dec_layers"],
        bidirectional=encoder == "brnn",
        cell_type=options["rnn_type"].lower(),
        attention_type=options["global_attention"],
        attention_function=options.get("global_attention_function", "softmax"),
        attention_query="current",
        input_feeding=bool(options.get("input_feed", 1)),
        readout_type="tanh",
        initial_state_type="copy",
        dropout=dropout[0] if isinstance(dropout, list) else dropout,
    )


def convert_opennmt_state_dict(state_dict: dict[str, torch.Tensor], config: BahdanauConfig) -> dict[str, torch.Tensor]:
    """
    Returns the state dict of a [`BahdanauForConditionalGeneration`] from that of an OpenNMT-py model, with its
    generator's. OpenNMT-py maps the decoder's states for `general` scores and this model the annotations, by the
    transposed matrix; the attentional vector has no bias there, and one of zeros here.

    Raises:
        `ValueError`: for a key that is not in any recurrent model of OpenNMT-py.
    """
    converted = {"model.decoder.readout.state_proj.bias": torch.zeros(config.hidden_size)}
    for key, value in state_dict.items():
        name = next((re.sub(old, new, key) for old, new in KEY_PATTERNS if re.match(old, key)), None)
        if name is None:
            raise ValueError(f"{key!r} is not a parameter of a recurrent OpenNMT-py model.")
        converted[name] = value.T.contiguous() if name.endswith("key_proj.weight") else value
    return converted


def convert_opennmt_checkpoint(checkpoint: str, output_dir: str) -> BahdanauForConditionalGeneration:
    """
    Converts a checkpoint of OpenNMT-py (`.pt`, with its weights inside or in the `.safetensors` file of that name),
    and saves it with its tokenizers.

    Raises:
        `OSError`: if a file is missing.
        `ValueError`: if the model cannot be converted.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        vocabularies, options = content["vocab"], vars(content["opt"])
    except (pickle.UnpicklingError, KeyError, TypeError) as error:
        raise ValueError(
            f"{checkpoint} is not a checkpoint of OpenNMT-py 3 ({' '.join(str(error).split())[:200]}). Upgrade one of "
            "version 2 with OpenNMT-py's tools/convertv2_v3.py."
        ) from error
    if "model" in content:
        state_dict = {**content["model"], **(content.get("generator") or {})}
    else:
        state_dict = load_file(Path(checkpoint).with_suffix(".safetensors"))
    source, target = vocabularies["src"], vocabularies["tgt"]
    config = convert_opennmt_config(options, len(source), len(target))
    start = vocabularies.get("decoder_start_token") or BOS
    ids = {"pad": target.index(PAD), "bos": target.index(BOS), "eos": target.index(EOS)}
    if source.index(PAD) != ids["pad"]:
        raise ValueError(f"{PAD} must have the same id in both vocabularies of {checkpoint}.")
    config.update({f"{name}_token_id": index for name, index in ids.items()})
    config.decoder_start_token_id = target.index(start)
    model = BahdanauForConditionalGeneration(config)
    model.load_state_dict(convert_opennmt_state_dict(state_dict, config))
    model.generation_config.update(max_length=100)
    model.eval().save_pretrained(output_dir)
    word_level_tokenizer(source, UNK, PAD, BOS, EOS, adds_eos=False).save_pretrained(output_dir)
    word_level_tokenizer(target, UNK, PAD, BOS, EOS).save_pretrained(Path(output_dir, "target_tokenizer"))
    return model


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="OpenNMT-py's .pt file")
    parser.add_argument("output_dir", help="the folder to write the model to")
    options = parser.parse_args(arguments)
    convert_opennmt_checkpoint(options.checkpoint, options.output_dir)


if __name__ == "__main__":
    main()


__all__ = ["convert_opennmt_checkpoint", "convert_opennmt_config", "convert_opennmt_state_dict"]
