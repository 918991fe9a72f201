# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Bahdanau model configuration"""

import difflib
import os
from dataclasses import fields
from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig
from transformers.utils import logging

from .checks_bahdanau import check_architecture


logger = logging.get_logger(__name__)

MAX_LABELS = 1_000_000  # each has a name in the config


# Options of each system of the lineage that differ from the defaults. Sizes are the papers'.
PRESETS: dict[str, dict[str, Any]] = {
    # Bahdanau et al. 2014, arXiv 1409.0473: appendix A to the letter
    "rnnsearch_50": {"reset_after": False, "use_bias": False},
    # the same paper's baseline (Cho et al. 2014, arXiv 1406.1078): one fixed context, the last encoder state
    "rnnencdec_50": {"reset_after": False, "use_bias": False, "attention_type": "none", "bidirectional": False},
    # Sutskever et al. 2014, arXiv 1409.3215, section 3.4
    "seq2seq_2014": {
        "encoder_vocab_size": 160_000,
        "vocab_size": 80_000,
        "cell_type": "lstm",
        "embedding_size": 1000,
        "encoder_layers": 4,
        "decoder_layers": 4,
        "bidirectional": False,
        "attention_type": "none",
        "attention_query": "current",
        "readout_type": "linear",
        "initializer_range": 0.05,
    },
    # Luong et al. 2015, arXiv 1508.04025, section 4.1: global attention, general score, input feeding
    "luong_2015": {
        "vocab_size": 50_000,
        "cell_type": "lstm",
        "embedding_size": 1000,
        "encoder_layers": 4,
        "decoder_layers": 4,
        "bidirectional": False,
        "attention_type": "general",
        "attention_query": "current",
        "input_feeding": True,
        "readout_type": "tanh",
        "dropout": 0.2,
        "initializer_range": 0.06,
        "attention_initializer_range": 0.06,
    },
    # characters: dates, text normalization, transliteration
    "tiny": {
        "embedding_size": 64,
        "hidden_size": 128,
        "encoder_hidden_size": 64,
        "attention_size": 128,
        "maxout_size": 64,
        "initializer_range": 0.1,
        "attention_initializer_range": 0.1,
    },
    # thousands of sentence pairs
    "mini": {
        "embedding_size": 128,
        "hidden_size": 256,
        "encoder_hidden_size": 128,
        "attention_size": 256,
        "maxout_size": 128,
        "dropout": 0.4,
        "share_encoder_decoder_embeddings": False,
        "tie_word_embeddings": True,
        "initializer_range": 0.05,
        "attention_initializer_range": 0.05,
    },
    # tens of thousands of sentence pairs
    "small": {
        "embedding_size": 256,
        "hidden_size": 512,
        "encoder_hidden_size": 256,
        "attention_size": 512,
        "maxout_size": 256,
        "dropout": 0.4,
        "share_encoder_decoder_embeddings": True,
        "tie_word_embeddings": True,
        "initializer_range": 0.05,
        "attention_initializer_range": 0.05,
    },
}


@strict
class BahdanauConfig(PreTrainedConfig):
    r"""
    The configuration of a recurrent encoder-decoder with or without attention: RNNsearch (Bahdanau et al. 2014), the
    global attention of Luong et al. 2015, and the encoder-decoders before them (Cho et al. 2014; Sutskever et al.
    2014). The defaults are RNNsearch-50's sizes with PyTorch's GRU; [`~BahdanauConfig.from_preset`] gives the options
    and sizes of each system. (The decoder starts from tanh(W h) in all of them, where Luong et al. and Sutskever et
    al. copy the encoder's state.) Sizes that do not fit each other raise an error; unknown options are kept as
    attributes, as in every [`PreTrainedConfig`], with a warning.

    Args:
        vocab_size (`int`, *optional*, defaults to 30000):
            Size of the target vocabulary, and of the source vocabulary if `encoder_vocab_size` is `None`.
        encoder_vocab_size (`int`, *optional*):
            Size of the source vocabulary if source and target have different vocabularies.
        embedding_size (`int`, *optional*, defaults to 620):
            Size m of the word embeddings E.
        hidden_size (`int`, *optional*, defaults to 1000):
            Size n of the decoder's state s_i.
        encoder_hidden_size (`int`, *optional*):
            Size of the encoder's state, per direction. Defaults to `hidden_size`; to half of it where a bidirectional
            encoder is scored by a bare dot product, which needs keys of the query's size.
        attention_size (`int`, *optional*, defaults to 1000):
            Size n' of the alignment model's hidden layer (`attention_type="additive"`).
        maxout_size (`int`, *optional*, defaults to 500):
            Size l of the deep output after the maximum over pairs (`readout_type="maxout"`).
        encoder_layers (`int`, *optional*, defaults to 1):
            Recurrent layers of the encoder (`num_hidden_layers` is another name of it).
        decoder_layers (`int`, *optional*, defaults to 1):
            Recurrent layers of the decoder. With `attention_query="previous"` the first layer attends and the others
            run on its states (Wu et al. 2016, arXiv 1609.08144, section 3); with `"current"` the last layer's state is
            the query (Luong et al. 2015).
        bidirectional (`bool`, *optional*, defaults to `True`):
            Whether the encoder reads the source in both directions (h_j is the concatenation of the two states).
        cell_type (`str`, *optional*, defaults to `"gru"`):
            Recurrent unit: `"gru"`, `"lstm"`, `"rnn"` (Elman network), or `"mingru"` (Feng et al. 2024, arXiv
            2410.01201), whose gates do not read the state, so that all steps of a sequence share their products.
            With attention `"mingru"` needs `attention_query="current"`, and trains fastest with
            `attention_type="general"` and without `input_feeding`.
        reset_after (`bool`, *optional*, defaults to `True`):
            For the GRU: `True` is the cell of cuDNN and PyTorch, where the reset gate acts on U s; `False` the cell of
            Cho et al. 2014 and Bahdanau et al. 2014, where it acts on s before U, and z weighs the new state.
        attention_type (`str`, *optional*, defaults to `"additive"`):
            Score: `"additive"` (Bahdanau), `"dot"`, `"scaled_dot"`, `"general"` (Luong), or `"none"`, the plain
            encoder-decoder whose context is the encoder's final state at every step.
        num_attention_heads (`int`, *optional*, defaults to 1):
            Heads of the additive attention: each has `attention_size / num_attention_heads` units of the alignment
            layer and its own part of the context (Vaswani et al. 2017, section 3.2.2).
        attention_function (`str`, *optional*, defaults to `"softmax"`):
            From scores to weights: `"softmax"`; or a function that gives many annotations a weight of exactly 0,
            `"sparsemax"` (Martins & Astudillo 2016) or, less sparse, `"entmax15"` (Peters et al. 2019).
        hard_attention (`str`, *optional*):
            Exact hard attention: each target token reads one annotation, and the loss sums over all alignments.
            `"marginal"`: each alignment is independent of the last (Wu et al. 2018); `"monotonic"`: none moves back
            (Wu & Cotterell 2019). `logits` are then log-probabilities, and `cross_attentions` the distribution of the
            alignment before its token is known. Needs `attention_query="current"` without `input_feeding`, so that
            the decoder's state does not depend on the alignment. Costs a distribution over the vocabulary for each
            source position, and is meant for characters.
        max_jump (`int`, *optional*):
            For `hard_attention="monotonic"`: the longest step w of an alignment, whose length depends on the decoder's
            state and the position it leaves (first order), instead of on scores (`attention_type`, zeroth order).
        local_attention (`str`, *optional*):
            Attention to a window of the source (Luong et al. 2015, section 3.1), for long sources: `"monotonic"`
            (local-m), around position t at step t, or `"predictive"` (local-p), around a predicted position, with
            weights that decrease away from it. Needs `attention_query="current"`.
        local_window (`int`, *optional*, defaults to 10):
            The window's size D to each side of its center (`local_attention`).
        attention_query (`str`, *optional*, defaults to `"previous"`):
            `"previous"`: attend with s_{i-1}, then step (Bahdanau). `"current"`: step, then attend with s_i (Luong).
        input_feeding (`bool`, *optional*, defaults to `False`):
            For `attention_query="current"`: give the last readout vector to the next step's input (Luong et al. 2015,
            section 3.3). Without it the decoder's recurrence does not wait for attention and runs in one fused call.
        readout_type (`str`, *optional*, defaults to `"maxout"`):
            `"maxout"`: the paper's deep output with a single maxout layer; `"tanh"`: tanh(W_c [c_i; s_i]), Luong's
            attentional vector; `"linear"`: s_i itself.
        copy_mechanism (`bool`, *optional*, defaults to `False`):
            Whether a target token may be copied from the source position that the attention points to: the
            pointer-generator of See et al. 2017 (arXiv 1704.04368, equations 8 and 9), with the mean of several heads.
            `logits` are then log-probabilities.
        source_to_target_ids (`list[int]`, *optional*):
            For `copy_mechanism` with separate vocabularies: the target id of each source id, -1 for one that the
            target does not have, which is never copied. Ids beyond the end of the list have none.
        annotation_window (`int`, *optional*):
            For attention that is faithful by construction: annotation h_j is a convolution of the tokens j - w to
            j + w, instead of a recurrent state, and the decoder's first state does not read the source. A token
            that is more than w positions away from each weight above 0 then has no influence. Take
            `attention_function="sparsemax"`, whose weights can be 0, and `attention_query="current"`, with which each
            step depends on its own weights alone (without `input_feeding`).
        recurrent_keys (`bool`, *optional*, defaults to `False`):
            For `annotation_window`: score the annotations by the states of a recurrent encoder. Where to look then
            depends on the complete source, and what is read still on the neighborhood alone: a token without weight
            near it influences an output through the weights, and through nothing else. Take
            `attention_query="previous"`, with which a step knows what was read before it.
        initial_state_type (`str`, *optional*):
            What the decoder's first state is computed from: `"backward"`, the final state of a bidirectional encoder's
            backward direction (Bahdanau et al. 2014, appendix A.2.2), the default; `"both"`, the final states of both
            directions; or `"mean"`, the mean of the encoder's states (Xu et al. 2015, section 3.1.2), the default of a
            decoder alone. With `"copy"` nothing is computed: each layer starts from the final state, and an LSTM's
            memory, of the encoder's layer (Sutskever et al. 2014, arXiv 1409.3215).
        is_decoder (`bool`, *optional*, defaults to `False`):
            Whether the model is the decoder alone, [`BahdanauForCausalLM`]. Options of the encoder, such as
            `encoder_layers`, then have no effect, and those that need it raise an error.
        add_cross_attention (`bool`, *optional*, defaults to `False`):
            For a decoder alone: whether it attends to the states of any encoder (`encoder_hidden_states`). `False` is
            a recurrent language model.
        cross_attention_hidden_size (`int`, *optional*):
            For `add_cross_attention`: the size of those states, `hidden_size` by default.
        feature_vocab_size (`int`, *optional*):
            Number of features that sources may have next to their tokens (morphological tags, a language, a speaker),
            and 1 for the padding, which is 0; by default that of `feature_values`.
        feature_values (`dict[str, list[str]]`, *optional*):
            The names of the features: the values of each column. Their ids follow the columns in alphabetical order,
            and in each the order of its values.
        feature_mode (`str`, *optional*, defaults to `"attend"`):
            `"attend"`: the decoder attends to embeddings of the features, which follow the annotations of the source;
            `"add"`: the sum of their embeddings is added to the embedding of each source token.
        feature_separator (`str`, *optional*, defaults to `";"`):
            Separates the values in a cell of a column.
        shortlist_size (`int`, *optional*):
            How many target tokens a shortlist has for each source token: with `generate(use_shortlist=True)` the
            output layer is computed for these alone, which is faster with a large vocabulary.
            `scripts/make_shortlist.py` makes it from the alignments of a trained model.
        use_bias (`bool`, *optional*, defaults to `True`):
            Whether the linear maps carry biases. The paper's equations have none.
        dropout (`float`, *optional*, defaults to 0.0):
            Dropout probability on the embeddings, the states between layers, the encoder's states and the readout.
        scheduled_sampling_probability (`float`, *optional*, defaults to 0.0):
            In training with `labels`, the probability with which a step reads the model's last prediction instead of
            the reference token (Bengio et al. 2015, arXiv 1506.03099).
        initializer_range (`float`, *optional*, defaults to 0.01):
            Standard deviation of the normal distribution of weights that are neither recurrent (orthogonal) nor the
            alignment model's (Bahdanau et al. 2014, appendix B.1).
        attention_initializer_range (`float`, *optional*, defaults to 0.001):
            Standard deviation of W_a and U_a; v_a and all biases start at zero, but an LSTM's forget gate, at one
            (Gers et al. 2000).
        share_encoder_decoder_embeddings (`bool`, *optional*, defaults to `False`):
            Whether encoder and decoder share one embedding table (needs one vocabulary). LoRA of a shared table cannot
            be merged, since each use has its own adapter: train it with PEFT's `modules_to_save`.
        tie_word_embeddings (`bool`, *optional*, defaults to `False`):
            Whether the output projection is the decoder's embedding table (needs a readout of `embedding_size`).
            `share_encoder_decoder_embeddings` sets it, as in T5, because transformers and PEFT read it as whether any
            weights are shared; `tie_lm_head` then says whether the output projection is.
        tie_lm_head (`bool`, *optional*):
            `False` shares the embedding tables (`share_encoder_decoder_embeddings`), but not the output projection. By
            default, `tie_word_embeddings` as given.
        fused (`bool`, *optional*, defaults to `True`):
            Whether to use the fast path where it applies: the same values and gradients, faster and with less memory.
            `False` runs the equations as written and transformers' own `generate`, for debugging and for second
            derivatives; it may be set on a model's config at any time.

    Examples:

    ```python
    >>> from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration

    >>> configuration = BahdanauConfig.from_preset("tiny", vocab_size=256)
    >>> model = BahdanauForConditionalGeneration(configuration)
    >>> model.config.hidden_size
    128

    ```"""

    model_type = "bahdanau"
    _auto_class = "AutoConfig"
    keys_to_ignore_at_inference = ["past_key_values", "cache", "generation_probs"]
    attribute_map = {"num_hidden_layers": "encoder_layers"}

    vocab_size: int = 30_000
    encoder_vocab_size: int | None = None
    embedding_size: int = 620
    hidden_size: int = 1000
    encoder_hidden_size: int | None = None
    attention_size: int = 1000
    maxout_size: int = 500
    encoder_layers: int = 1
    decoder_layers: int = 1
    bidirectional: bool = True
    cell_type: Literal["gru", "mingru", "lstm", "rnn"] = "gru"
    reset_after: bool = True
    attention_type: Literal["additive", "dot", "scaled_dot", "general", "none"] = "additive"
    num_attention_heads: int = 1
    attention_function: Literal["softmax", "sparsemax", "entmax15"] = "softmax"
    hard_attention: Literal["marginal", "monotonic"] | None = None
    max_jump: int | None = None
    local_attention: Literal["monotonic", "predictive"] | None = None
    local_window: int = 10
    attention_query: Literal["previous", "current"] = "previous"
    input_feeding: bool = False
    readout_type: Literal["maxout", "tanh", "linear"] = "maxout"
    copy_mechanism: bool = False
    source_to_target_ids: list[int] | None = None
    annotation_window: int | None = None
    recurrent_keys: bool = False
    initial_state_type: Literal["backward", "both", "mean", "copy"] | None = None
    feature_vocab_size: int | None = None
    feature_values: dict[str, list[str]] | None = None
    feature_mode: Literal["attend", "add"] = "attend"
    feature_separator: str = ";"
    shortlist_size: int | None = None
    use_bias: bool = True
    dropout: float | int = 0.0
    scheduled_sampling_probability: float | int = 0.0
    initializer_range: float = 0.01
    attention_initializer_range: float = 0.001
    share_encoder_decoder_embeddings: bool = False
    tie_word_embeddings: bool = False
    tie_lm_head: bool | None = None
    fused: bool = True
    use_cache: bool = True
    is_encoder_decoder: bool = True
    is_decoder: bool = False
    add_cross_attention: bool = False
    cross_attention_hidden_size: int | None = None
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    decoder_start_token_id: int = 1

    def __post_init__(self, **kwargs):
        check_inherited_options(self, kwargs)
        if not type(self).__module__.startswith("transformers_modules."):
            # the plugin has the pipeline itself; the folder's copy would ask for `trust_remote_code`
            kwargs.pop("custom_pipelines", None)
        self.is_encoder_decoder = self.is_encoder_decoder and not self.is_decoder
        if self.share_encoder_decoder_embeddings and self.encoder_vocab_size == self.vocab_size:
            self.encoder_vocab_size = None  # one vocabulary, which is resized as one
        if self.share_encoder_decoder_embeddings and not self.tie_word_embeddings:
            self.tie_word_embeddings, self.tie_lm_head = True, self.tie_lm_head or False
        if self.encoder_hidden_size is None:
            halved = self.bidirectional and self.attention_type in ("dot", "scaled_dot")
            self.encoder_hidden_size = self.hidden_size // 2 if halved else self.hidden_size
        if self.feature_values is not None and self.feature_vocab_size is None:
            self.feature_vocab_size = self.count_features()
        super().__post_init__(**kwargs)
        warn_of_unknown_options(self, kwargs)

    def validate_architecture(self):
        """Part of `@strict`-powered validation. Raises `ValueError` where options do not fit each other."""
        check_architecture(self)

    def count_features(self) -> int:
        return 1 + sum(map(len, (self.feature_values or {}).values()))

    @property
    def attends_to_features(self) -> bool:
        """Whether features are positions that the decoder attends to."""
        return self.feature_vocab_size is not None and self.feature_mode == "attend"

    @property
    def source_vocab_size(self) -> int:
        """Number of source tokens."""
        return self.encoder_vocab_size or self.vocab_size

    @property
    def encoder_output_size(self) -> int:
        """Size of an annotation h_j: the concatenated states of all directions, or that of any encoder's states."""
        if self.is_encoder_decoder:
            return self.encoder_state_size * (2 if self.bidirectional else 1)
        return (self.cross_attention_hidden_size or self.hidden_size) if self.add_cross_attention else 0

    @property
    def encoder_width(self) -> int:
        """Size of what the encoder returns for each token: h_j or, with `recurrent_keys`, h_j and a state."""
        return self.encoder_output_size * (2 if self.recurrent_keys else 1)

    @property
    def attends_to_source(self) -> bool:
        """Whether there is attention, and a source."""
        return self.attention_type != "none" and (self.is_encoder_decoder or self.add_cross_attention)

    @property
    def first_state_type(self) -> Literal["backward", "both", "mean", "copy"]:
        """`initial_state_type`, or its default."""
        return self.initial_state_type or ("backward" if self.is_encoder_decoder else "mean")

    @property
    def encoder_state_size(self) -> int:
        """Size of one direction's state: `encoder_hidden_size`, which `__post_init__` sets if it is not given."""
        assert self.encoder_hidden_size is not None
        return self.encoder_hidden_size

    @property
    def ties_lm_head(self) -> bool:
        """Whether the output projection is the decoder's embedding table."""
        return self.tie_word_embeddings if self.tie_lm_head is None else self.tie_lm_head

    @property
    def readout_size(self) -> int:
        """Size of the vector that the output projection reads."""
        return self.maxout_size if self.readout_type == "maxout" else self.hidden_size

    @classmethod
    def from_preset(cls, name: str, **overrides) -> "BahdanauConfig":
        """
        A config with the options of a system of the lineage, or of one of this project's sizes.

        Args:
            name (`str`):
                One of `rnnsearch_50`, `rnnencdec_50`, `seq2seq_2014`, `luong_2015`, `tiny`, `mini`, `small`.
            overrides:
                Options that replace the preset's.

        Raises:
            `ValueError`: for an unknown name.
        """
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
        options = dict(PRESETS[name])
        if overrides.get("is_decoder"):  # a decoder alone has one vocabulary
            options.pop("encoder_vocab_size", None)
            options.pop("share_encoder_decoder_embeddings", None)
        return cls(**{**options, **overrides})

    def save_pretrained(self, save_directory, push_to_hub: bool = False, **kwargs):
        # transformers writes only the entry of the class that is saved; any Auto class may load the folder
        self.auto_map = {
            "AutoConfig": "configuration_bahdanau.BahdanauConfig",
            "AutoModelForCausalLM": "causal_bahdanau.BahdanauForCausalLM",
        }
        if self.is_encoder_decoder:
            self.auto_map |= {
                "AutoModel": "modeling_bahdanau.BahdanauModel",
                "AutoModelForSeq2SeqLM": "modeling_bahdanau.BahdanauForConditionalGeneration",
            }
        # a pipeline saves its file first; without it the entry would lead nowhere
        pipelines = getattr(self, "custom_pipelines", None) or {}
        files = {f"{pipeline['impl'].split('.')[0]}.py" for pipeline in pipelines.values()}
        if not all(os.path.isfile(os.path.join(save_directory, file)) for file in files):
            del self.custom_pipelines
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)


# The functions below are the same in the configs of all families, because a family's files do not import another's.
def check_inherited_options(config: PreTrainedConfig, kwargs: dict[str, Any]) -> None:
    """Raises `ValueError` for values that [`PreTrainedConfig`] does not check."""
    for dtype in (config.dtype, kwargs.get("torch_dtype")):
        known = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
        if dtype is not None and not isinstance(known, torch.dtype):
            raise ValueError(f"`dtype` must be the name of a torch dtype, such as 'float32', got {dtype!r}.")
    types = (None, "regression", "single_label_classification", "multi_label_classification")
    if config.problem_type not in types:
        raise ValueError(f"`problem_type` must be one of {types}, got {config.problem_type!r}.")
    num_labels = kwargs.get("num_labels", 2)
    if type(num_labels) is not int or not 0 <= num_labels <= MAX_LABELS:
        raise ValueError(f"`num_labels` must be an integer from 0 to {MAX_LABELS}, got {num_labels!r}.")


def warn_of_unknown_options(config: PreTrainedConfig, kwargs: dict[str, Any]) -> None:
    """Warns of attributes that are not options. They are kept, as by any [`PreTrainedConfig`]."""
    known = {field.name for field in fields(config)} | set(config.attribute_map) | {"num_labels"}
    others = ("auto_map", "custom_pipelines", "quantization_config", "stage_names", "source_lang", "target_lang")
    others += ("bos_token_id", "eos_token_id")  # the Trainer takes them from a tokenizer
    for name in kwargs:
        if (
            name in vars(config)
            and not hasattr(type(config), name)
            and not name.startswith("_")
            and name not in others
        ):
            matches = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"; did you mean `{matches[0]}`?" if matches else "."
            logger.warning_once(f"`{name}` is not an option of {type(config).__name__} and has no effect{hint}")


__all__ = ["BahdanauConfig"]
