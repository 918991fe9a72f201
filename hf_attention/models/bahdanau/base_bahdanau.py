# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What every Bahdanau model has: its first weights, vocabularies that change their size, and checks of its inputs."""

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from .configuration_bahdanau import BahdanauConfig
from .layers_bahdanau import BahdanauLinear


class BahdanauPreTrainedModel(PreTrainedModel):
    config: BahdanauConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _is_stateful = True
    _no_split_modules = ["BahdanauEncoderLayer", "BahdanauAttentiveLayer", "BahdanauRecurrence"]

    def __init__(self, config: BahdanauConfig, *inputs, **kwargs):
        config.validate_architecture()  # `from_pretrained` changes options of a config that is made
        super().__init__(config, *inputs, **kwargs)

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
        elif isinstance(module, BahdanauLinear):
            if module.part == "recurrent":
                self._init_recurrent(module.weight)
            elif module.part == "alignment":
                init.normal_(module.weight, std=self.config.attention_initializer_range)
            elif module.part == "score":
                init.zeros_(module.weight)
            elif module.bias is not None:
                self._init_gate_bias(module.bias, forget_bias=1.0)

    def get_expanded_tied_weights_keys(self, all_submodels: bool = False) -> dict:
        # sharing the tables and tying the output are two options; transformers ties only with `tie_word_embeddings`
        return dict(self._tied_weights_keys or {})

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """
        Resizes the vocabulary: both embedding tables and the output projection, or, where the sides have vocabularies
        of their own (`config.encoder_vocab_size`), the source's table alone; see `resize_decoder_token_embeddings`
        for the target's.
        """
        if new_num_tokens is None and pad_to_multiple_of is None:
            return self.get_input_embeddings()
        encoder = self._get_resized_embeddings(
            self.get_input_embeddings(), new_num_tokens, pad_to_multiple_of, mean_resizing
        )
        self.set_input_embeddings(encoder)
        if self.config.encoder_vocab_size is not None:
            self.config.encoder_vocab_size = encoder.num_embeddings
        else:
            self.resize_decoder_token_embeddings(encoder.num_embeddings, mean_resizing=mean_resizing)
        return encoder

    def resize_decoder_token_embeddings(self, new_num_tokens: int, mean_resizing: bool = True) -> nn.Embedding:
        """Resizes the target's embedding table and, where there is one, the output projection."""
        decoder = self.get_decoder()
        if decoder.embed_tokens is not self.get_input_embeddings():
            decoder.embed_tokens = self._get_resized_embeddings(
                decoder.embed_tokens, new_num_tokens, mean_resizing=mean_resizing
            )
        if (head := self.get_output_embeddings()) is not None:
            self.set_output_embeddings(self._get_resized_lm_head(head, new_num_tokens, mean_resizing=mean_resizing))
        self.config.vocab_size = new_num_tokens
        self.tie_weights()
        return decoder.embed_tokens

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
    """Raises `ValueError` for ids no embedding has, on CPU, where looking does not cost a synchronisation."""
    if ids is not None and ids.dim() != 2:
        raise ValueError(f"`{name}` must be of shape (batch, length), got {tuple(ids.shape)}.")
    if ids is None or ids.numel() == 0 or ids.device.type != "cpu" or torch.compiler.is_compiling():
        return
    low, high = torch.aminmax(ids)
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"`{name}` holds id {int(low) if low < 0 else int(high)}, but the model's vocabulary has {vocab_size} "
            "tokens (0 to vocab_size - 1). Use the tokenizer the model was trained with, or call "
            "`resize_token_embeddings`."
        )


def check_mask(name: str, mask: torch.Tensor | None, states: torch.Tensor, exactly: bool = True):
    """Raises `ValueError` for a mask that is not `(batch, length)` of what it masks (or, not exactly, longer)."""
    if mask is None:
        return
    wanted = tuple(states.shape[:2])
    fits = mask.dim() == 2 and mask.shape[0] == wanted[0]
    if not fits or (mask.shape[1] != wanted[1] if exactly else mask.shape[1] < wanted[1]):
        raise ValueError(f"`{name}` must be of shape {wanted} (batch, length), got {tuple(mask.shape)}.")
