# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The base class of the Bahdanau models: initial weights and vocabularies; and the checks of inputs.

Symbols and shapes are those of `layers_bahdanau`.
"""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from .attention_bahdanau import BahdanauLinear
from .configuration_bahdanau import BahdanauConfig
from .features_bahdanau import feature_ids, feature_names, pad_features
from .fused_bahdanau import is_transforming
from .shortlist_bahdanau import BahdanauShortlist


class BahdanauPreTrainedModel(PreTrainedModel):
    config: BahdanauConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _is_stateful = True
    _no_split_modules = ["BahdanauEncoderLayer", "BahdanauFusedDecoderLayer", "BahdanauKeyProjection", "BahdanauRNN"]

    def __init__(self, config: BahdanauConfig, *inputs, **kwargs):
        config.validate_architecture()  # `from_pretrained` changes options after the config is created
        super().__init__(config, *inputs, **kwargs)

    def post_init(self):
        super().post_init()
        # accelerate's FSDP requires each of them to be in the model
        names = {type(module).__name__ for module in self.modules()}
        self._no_split_modules = names.intersection(self._no_split_modules or ())

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, nn.RNNBase):
            for name, parameter in module.named_parameters(recurse=False):
                if name.startswith("weight_ih"):
                    init.normal_(parameter, std=self.config.initializer_range)
                elif name.startswith("weight_hh"):
                    self._init_recurrent(parameter)
                else:
                    self._init_gate_bias(parameter, forget_bias=1.0 if name.startswith("bias_ih") else 0.0)
        elif isinstance(module, BahdanauShortlist):
            for ids in (module.candidates, module.common):
                init.constant_(ids, -1)
        elif isinstance(module, BahdanauLinear):
            if module.init_role == "recurrent":
                self._init_recurrent(module.weight)
            elif module.init_role == "alignment":
                init.normal_(module.weight, std=self.config.attention_initializer_range)
            elif module.init_role == "score":
                init.zeros_(module.weight)
            elif module.bias is not None:
                self._init_gate_bias(module.bias, forget_bias=1.0)

    @property
    def vocab_size(self) -> int:
        """Number of target tokens, which are the classes of the logits."""
        return self.config.vocab_size

    def encode_features(self, rows: Sequence[Mapping[str, object]]) -> torch.Tensor:
        """
        The `feature_ids` of sources, `(batch_size, features)`, on the model's device.

        Args:
            rows (`Sequence[Mapping]`):
                For each source, the columns of `config.feature_values`: a text, in which `config.feature_separator`
                separates the values, or a list of values. Values that are not known are left out, with a warning.

        Raises:
            `ValueError`: for a row without one of the columns, or one that does not hold text.
        """
        values, separator = self.config.feature_values or {}, self.config.feature_separator
        return pad_features(feature_ids(values, rows, separator)).to(self.device)

    @property
    def feature_names(self) -> list[str]:
        """The name `column=value` of each feature id; that of 0, the padding, is empty."""
        return feature_names(self.config)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """
        Resizes the vocabulary: both embedding tables and the output projection or, if source and target have separate
        vocabularies (`config.encoder_vocab_size`), the source's table alone; see `resize_decoder_token_embeddings` for
        the target's.
        """
        embeddings = self.get_input_embeddings()
        assert isinstance(embeddings, nn.Embedding)
        if new_num_tokens is None and pad_to_multiple_of is None:
            return embeddings
        name = "vocab_size" if self.config.encoder_vocab_size is None else "encoder_vocab_size"
        self._check_new_vocab_size(name, new_num_tokens)
        encoder = self._get_resized_embeddings(embeddings, new_num_tokens, pad_to_multiple_of, mean_resizing)
        self.set_input_embeddings(encoder)
        if name == "encoder_vocab_size":
            self.config.encoder_vocab_size = encoder.num_embeddings
        else:
            self.resize_decoder_token_embeddings(encoder.num_embeddings, mean_resizing=mean_resizing)
        return encoder

    def resize_decoder_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """Resizes the target's embedding table and the output projection, if there is one."""
        decoder = self.get_decoder()
        if new_num_tokens is None and pad_to_multiple_of is None:
            return decoder.embed_tokens
        self._check_new_vocab_size("vocab_size", new_num_tokens)
        if decoder.embed_tokens is not self.get_input_embeddings():
            decoder.embed_tokens = self._get_resized_embeddings(
                decoder.embed_tokens, new_num_tokens, pad_to_multiple_of, mean_resizing
            )
        size = decoder.embed_tokens.num_embeddings
        if (head := self.get_output_embeddings()) is not None:
            self.set_output_embeddings(self._get_resized_lm_head(head, size, mean_resizing=mean_resizing))
        self.config.vocab_size = size
        self.tie_weights()
        return decoder.embed_tokens

    def _check_new_vocab_size(self, name: str, size: int | None) -> None:
        if size is not None:  # a model with an invalid config could not be loaded again
            config = copy.copy(self.config)
            setattr(config, name, size)
            config.validate_architecture()

    def _init_recurrent(self, weight: torch.Tensor):
        # orthogonal gate by gate
        gates = weight.shape[0] // weight.shape[1]
        blocks = [nn.init.orthogonal_(torch.empty_like(weight[: weight.shape[1]])) for _ in range(gates)]
        init.copy_(weight, torch.cat(blocks))

    def _init_gate_bias(self, bias: torch.Tensor, forget_bias: float):
        value = torch.zeros_like(bias)
        if self.config.cell_type == "lstm":
            value.view(4, -1)[1] = forget_bias
        init.copy_(bias, value)


def check_ids(name: str, ids: torch.Tensor | None, vocab_size: int):
    """Raises `ValueError` for ids outside the vocabulary, on CPU, where reading them costs no synchronization."""
    if ids is not None and ids.dim() != 2:
        raise ValueError(f"`{name}` must be of shape (batch, length), got {tuple(ids.shape)}.")
    if ids is not None and ids.dtype not in (torch.long, torch.int):
        raise ValueError(f"`{name}` must be of type torch.long or torch.int, got {ids.dtype}.")
    if ids is None or ids.numel() == 0 or ids.device.type != "cpu":
        return
    if torch.compiler.is_compiling() or is_transforming():  # where values are not known
        return
    low, high = torch.aminmax(ids)
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"`{name}` holds id {int(low) if low < 0 else int(high)}, but the model's vocabulary has {vocab_size} "
            "tokens (0 to vocab_size - 1). Use the tokenizer the model was trained with, or call "
            "`resize_token_embeddings`."
        )


def check_mask(name: str, mask: torch.Tensor | None, states: torch.Tensor, exactly: bool = True):
    """Raises `ValueError` for a mask that is not of the states' `(batch, length)` or, not exactly, shorter."""
    if mask is None:
        return
    batch_size, length = states.shape[:2]
    fits = mask.dim() == 2 and mask.shape[0] == batch_size
    if not fits or (mask.shape[1] != length if exactly else mask.shape[1] < length):
        raise ValueError(f"`{name}` must be of shape {(batch_size, length)} (batch, length), got {tuple(mask.shape)}.")
    if mask.device.type != "cpu" or torch.compiler.is_compiling() or is_transforming():
        return
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError(f"`{name}` must be 1 for tokens and 0 for padding, got other values.")


__all__ = ["BahdanauPreTrainedModel"]
