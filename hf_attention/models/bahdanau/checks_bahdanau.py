# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The checks of a Bahdanau model's options against each other."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from transformers import PreTrainedConfig


if TYPE_CHECKING:
    from .configuration_bahdanau import BahdanauConfig


MAX_SIZE = 2**31 - 1
MAX_LAYERS = 10_000  # more would not fail, but keep Python busy for hours


def check_architecture(config: "BahdanauConfig") -> None:
    """Raises `ValueError` where options of the config do not fit each other."""
    check_ranges(config)
    check_attention(config)
    check_decoder(config)
    check_window(config)
    check_hard_attention(config)
    check_copying(config)
    check_features(config)
    check_shared_weights(config)
    check_token_ids(config)


def check_ranges(config: "BahdanauConfig") -> None:
    """Raises `ValueError` for a size, a number of layers or a probability outside its range."""
    sizes = ("vocab_size", "encoder_vocab_size", "embedding_size", "hidden_size", "encoder_hidden_size")
    check_range(config, (*sizes, "attention_size", "maxout_size"), 1, MAX_SIZE)
    check_range(config, ("num_attention_heads", "max_jump", "local_window", "shortlist_size"), 1, MAX_SIZE)
    check_range(config, ("encoder_layers", "decoder_layers"), 1, MAX_LAYERS)
    check_range(config, ("initializer_range", "attention_initializer_range"), 0, MAX_SIZE)
    check_range(config, ("cross_attention_hidden_size",), 1, MAX_SIZE)
    for name in ("dropout", "scheduled_sampling_probability"):
        if not 0 <= getattr(config, name) <= 1:
            raise ValueError(f"`{name}` is a probability between 0 and 1, got {getattr(config, name)}.")


def check_attention(config: "BahdanauConfig") -> None:
    """Raises `ValueError` where sizes do not fit the scores, or an option needs another kind of attention."""
    is_bare = config.attends_to_source and config.attention_type in ("dot", "scaled_dot")
    if is_bare and config.encoder_output_size != config.hidden_size:
        name = "encoder_hidden_size" if config.is_encoder_decoder else "cross_attention_hidden_size"
        directions = " in two directions" if config.is_encoder_decoder and config.bidirectional else ""
        raise ValueError(
            f"`attention_type={config.attention_type!r}` compares s_i with h_j directly, so the encoder's states "
            f"({config.encoder_output_size}, from `{name}={getattr(config, name)}`{directions}) must be of "
            f"`hidden_size` ({config.hidden_size}). Change `{name}`, or take `attention_type='general'`."
        )
    heads = config.num_attention_heads
    if heads > 1 and config.attention_type != "additive":
        raise ValueError(
            f"`num_attention_heads={heads}` needs `attention_type='additive'`, got {config.attention_type!r}."
        )
    for name in ("attention_size", "encoder_output_size"):
        if getattr(config, name) % heads:
            origin = "" if name == "attention_size" else ", the encoder's states of all directions"
            raise ValueError(
                f"`num_attention_heads` ({heads}) must divide `{name}` ({getattr(config, name)}{origin})."
            )
    if config.attention_function != "softmax" and config.attention_type == "none":
        raise ValueError(
            f"`attention_function={config.attention_function!r}` has no effect with `attention_type='none'`."
        )
    if config.input_feeding and (config.attention_query != "current" or config.readout_type == "linear"):
        raise ValueError(
            "`input_feeding=True` feeds the readout vector of one step to the next, so it needs "
            "`attention_query='current'` and `readout_type='tanh'` or `'maxout'`; got "
            f"`attention_query={config.attention_query!r}` and `readout_type={config.readout_type!r}`."
        )
    if config.cell_type == "mingru" and config.attends_to_source and config.attention_query == "previous":
        raise ValueError(
            "`cell_type='mingru'` runs over the complete target before the attention, so it needs "
            "`attention_query='current'`, got 'previous'."
        )
    if config.local_attention is not None and (
        config.attention_query != "current" or config.attention_type == "none" or config.hard_attention is not None
    ):
        raise ValueError(
            f"`local_attention={config.local_attention!r}` is for `attention_query='current'` with soft "
            f"attention; got `attention_query={config.attention_query!r}`, `attention_type={config.attention_type!r}` "
            f"and `hard_attention={config.hard_attention!r}`."
        )


def check_shared_weights(config: "BahdanauConfig") -> None:
    """Raises `ValueError` where tables cannot be shared, or two options contradict each other."""
    if config.share_encoder_decoder_embeddings and not config.tie_word_embeddings:
        raise ValueError(
            "`share_encoder_decoder_embeddings=True` needs `tie_word_embeddings=True`, which says that weights "
            "are shared. To leave the output projection out, set `tie_lm_head=False`."
        )
    if config.tie_word_embeddings != config.ties_lm_head and not config.share_encoder_decoder_embeddings:
        raise ValueError(
            f"`tie_lm_head={config.tie_lm_head}` contradicts `tie_word_embeddings={config.tie_word_embeddings}`. They "
            "can differ only with `share_encoder_decoder_embeddings=True`."
        )
    if config.ties_lm_head and config.readout_size != config.embedding_size:
        raise ValueError(
            f"`tie_word_embeddings=True` needs `embedding_size` ({config.embedding_size}) to be the readout's size "
            f"({config.readout_size} for `readout_type={config.readout_type!r}`)."
        )
    if config.share_encoder_decoder_embeddings and config.encoder_vocab_size not in (None, config.vocab_size):
        raise ValueError(
            f"`share_encoder_decoder_embeddings=True` needs one vocabulary, but `encoder_vocab_size` is "
            f"{config.encoder_vocab_size} and `vocab_size` {config.vocab_size}."
        )


def check_token_ids(config: "BahdanauConfig") -> None:
    """Raises `ValueError` for a special token outside the vocabulary."""
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"):
        value = getattr(config, name)
        for token_id in value if isinstance(value, list) else [value]:
            size = min(config.vocab_size, config.encoder_vocab_size or config.vocab_size)
            size = size if name == "pad_token_id" else config.vocab_size  # the pad is in both tables
            if token_id is not None and not 0 <= token_id < size:
                raise ValueError(f"`{name}` ({token_id}) is outside the vocabulary of {size} tokens.")


def check_decoder(config: "BahdanauConfig") -> None:
    """Raises `ValueError` where a decoder, or its first state, would need another encoder."""
    if config.first_state_type == "copy":
        layers = config.encoder_layers, config.decoder_layers
        sizes = config.encoder_output_size, config.hidden_size
        if not config.is_encoder_decoder or layers[0] != layers[1] or sizes[0] != sizes[1]:
            raise ValueError(
                "`initial_state_type='copy'` needs an encoder and a decoder with as many layers of the same size; "
                f"got `encoder_layers={layers[0]}` of {sizes[0]} units (both directions) and "
                f"`decoder_layers={layers[1]}` of `hidden_size={sizes[1]}`."
            )
    if config.is_encoder_decoder:
        if config.cross_attention_hidden_size is not None:
            raise ValueError(
                "`cross_attention_hidden_size` is for a decoder alone (`is_decoder=True`), got "
                f"{config.cross_attention_hidden_size}. The size of this model's encoder is `encoder_hidden_size`."
            )
        return
    if not config.is_decoder:
        raise ValueError("`is_encoder_decoder=False` needs `is_decoder=True`: an encoder alone is not supported.")
    own = ("copy_mechanism", "hard_attention", "feature_vocab_size", "scheduled_sampling_probability")
    own += ("encoder_vocab_size", "share_encoder_decoder_embeddings", "shortlist_size")
    if wrong := [name for name in own if getattr(config, name)]:
        raise ValueError(
            f"`{wrong[0]}={getattr(config, wrong[0])!r}` needs the model's own encoder, but `is_decoder=True` makes "
            "a decoder alone. Leave it out."
        )
    if config.cross_attention_hidden_size is not None and not config.add_cross_attention:
        raise ValueError(
            f"`cross_attention_hidden_size={config.cross_attention_hidden_size}` has no effect without "
            "`add_cross_attention=True`."
        )
    if config.local_attention is not None and not config.attends_to_source:
        raise ValueError(f"`local_attention={config.local_attention!r}` needs `add_cross_attention=True`.")
    directions = 2 if config.bidirectional else 1
    if config.first_state_type != "mean" and config.encoder_output_size != directions * config.encoder_state_size:
        raise ValueError(
            f"`initial_state_type={config.initial_state_type!r}` needs the states of a recurrent encoder, of size "
            f"{directions * config.encoder_state_size} (`encoder_hidden_size` in each direction), but those of this "
            f"encoder are of size {config.encoder_output_size}. Take 'mean'."
        )


def check_window(config: "BahdanauConfig") -> None:
    """Raises `ValueError` where annotations with a window would not be read, or would grow beyond it."""
    check_range(config, ("annotation_window",), 0, MAX_SIZE)
    if config.recurrent_keys and (config.annotation_window is None or config.attends_to_features):
        raise ValueError(
            "`recurrent_keys=True` is for annotations of tokens with a window, so it needs `annotation_window` and, "
            f"with features, `feature_mode='add'`; got `annotation_window={config.annotation_window}` and "
            f"`feature_mode={config.feature_mode!r}`."
        )
    if config.annotation_window is None:
        return
    needed = {
        "attention_type": config.attention_type != "none",
        "encoder_layers": config.encoder_layers == 1,
        "initial_state_type": config.initial_state_type in (None, "backward"),
        "is_decoder": config.is_encoder_decoder,
    }
    for name, is_met in needed.items():
        if not is_met:
            raise ValueError(
                f"`annotation_window={config.annotation_window}` is for attention to one layer of annotations, "
                "with a first state that does not read them: it needs an `attention_type`, `encoder_layers=1` and "
                f"the default `initial_state_type`; got `{name}={getattr(config, name)!r}`."
            )


def check_hard_attention(config: "BahdanauConfig") -> None:
    """Raises `ValueError` where the decoder's state would depend on the alignment, or have none."""
    if config.max_jump is not None and config.hard_attention != "monotonic":
        raise ValueError(
            f"`max_jump={config.max_jump}` is for `hard_attention='monotonic'`, got {config.hard_attention!r}."
        )
    if config.hard_attention is None:
        return
    needed = {
        "attention_query": config.attention_query == "current",
        "input_feeding": not config.input_feeding,
        "readout_type": config.readout_type != "linear",
        "attention_type": config.attention_type != "none",
        "num_attention_heads": config.num_attention_heads == 1,
        "copy_mechanism": not config.copy_mechanism,
        "shortlist_size": config.shortlist_size is None,
        "scheduled_sampling_probability": config.scheduled_sampling_probability == 0,
    }
    for name, is_met in needed.items():
        if not is_met:
            raise ValueError(
                f"`hard_attention={config.hard_attention!r}` sums over alignments that the decoder's state must not "
                "depend on: it needs `attention_query='current'`, one head, `readout_type` 'maxout' or 'tanh', "
                "and no `input_feeding`, `copy_mechanism`, scheduled sampling or shortlist; got "
                f"`{name}={getattr(config, name)!r}`."
            )


def check_copying(config: "BahdanauConfig") -> None:
    """Raises `ValueError` where the copy mechanism lacks attention, or the ids of what it copies."""
    ids = config.source_to_target_ids
    if config.copy_mechanism and config.attention_type == "none":
        raise ValueError("`copy_mechanism=True` copies what the attention points to, but `attention_type` is 'none'.")
    if ids is not None and not (config.copy_mechanism and config.encoder_vocab_size):
        raise ValueError(
            "`source_to_target_ids` is for `copy_mechanism=True` with separate vocabularies "
            f"(`encoder_vocab_size`); got `copy_mechanism={config.copy_mechanism}` and "
            f"`encoder_vocab_size={config.encoder_vocab_size}`."
        )
    if config.copy_mechanism and config.encoder_vocab_size and ids is None:
        raise ValueError(
            "`copy_mechanism=True` with separate vocabularies (`encoder_vocab_size`) needs "
            "`source_to_target_ids`: the target id of each source id, -1 for none."
        )
    if ids is not None and len(ids) > config.source_vocab_size:
        raise ValueError(
            f"`source_to_target_ids` has {len(ids)} items, but the source's vocabulary {config.source_vocab_size} "
            "tokens."
        )
    if wrong := [token_id for token_id in ids or [] if not -1 <= token_id < config.vocab_size]:
        raise ValueError(
            f"`source_to_target_ids` holds {wrong[0]}, which is outside the target's vocabulary of "
            f"{config.vocab_size} tokens; -1 stands for no token."
        )


def check_features(config: "BahdanauConfig") -> None:
    """Raises `ValueError` for features without attention or a separator, or for names that do not fit."""
    check_range(config, ("feature_vocab_size",), 2, MAX_SIZE)
    if not config.feature_separator:
        raise ValueError("`feature_separator` is empty: it must be one character or more, such as ';'.")
    if config.feature_values is not None and config.feature_vocab_size != config.count_features():
        raise ValueError(
            f"`feature_vocab_size` is {config.feature_vocab_size}, but `feature_values` with the padding has "
            f"{config.count_features()}."
        )
    for column, values in (config.feature_values or {}).items():
        if len(set(values)) < len(values):
            raise ValueError(f"`feature_values` has a value of {column!r} twice: {values}.")
    if config.attends_to_features and (
        config.attention_type == "none" or config.hard_attention or config.local_attention
    ):
        names = [name for name in ("hard_attention", "local_attention") if getattr(config, name)]
        name = next(iter(names), "attention_type")
        raise ValueError(
            "`feature_mode='attend'` needs soft attention to the complete source, but "
            f"`{name}` is {getattr(config, name)!r}: set `feature_mode='add'`."
        )


def check_range(config: PreTrainedConfig, names: Iterable[str], low: float, high: float) -> None:
    """Raises `ValueError` for an option, or an item of a list, outside the range. NaN is outside any range."""
    for name in names:
        value = getattr(config, name)
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is not None and not low <= item <= high:
                bound = f"at most {high}" if item > high else f"at least {low}"
                raise ValueError(f"`{name}` must be {bound}, got {value}.")


__all__ = ["check_architecture"]
