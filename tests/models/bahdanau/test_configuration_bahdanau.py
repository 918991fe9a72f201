# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.models.bahdanau.configuration_bahdanau import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_presets_round_trip(tmp_path, name):
    config = BahdanauConfig.from_preset(name)
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is BahdanauConfig
    assert loaded.to_diff_dict() == config.to_diff_dict()
    assert loaded.auto_map == {
        "AutoConfig": "configuration_bahdanau.BahdanauConfig",
        "AutoModel": "modeling_bahdanau.BahdanauModel",
        "AutoModelForCausalLM": "causal_bahdanau.BahdanauForCausalLM",
        "AutoModelForSeq2SeqLM": "modeling_bahdanau.BahdanauForConditionalGeneration",
    }


def test_defaults_are_rnnsearch_50s_sizes():
    config, paper = BahdanauConfig(), BahdanauConfig.from_preset("rnnsearch_50")
    for options in (config, paper):
        sizes = (options.vocab_size, options.embedding_size, options.hidden_size, options.maxout_size)
        assert sizes == (30_000, 620, 1000, 500)
        assert options.attention_type == "additive" and options.attention_query == "previous"
    assert config.reset_after and not paper.reset_after
    assert BahdanauConfig.from_preset("tiny", hidden_size=32).hidden_size == 32


def test_attribute_map_and_sizes():
    config = BahdanauConfig(num_hidden_layers=3, hidden_size=8, attention_type="dot")
    assert config.encoder_layers == config.num_hidden_layers == 3
    assert config.encoder_hidden_size == 4 and config.encoder_output_size == 8
    assert BahdanauConfig(hidden_size=8, attention_type="dot", bidirectional=False).encoder_output_size == 8
    assert BahdanauConfig(hidden_size=8, readout_type="tanh").readout_size == 8


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cell_type": "gruu"}, "cell_type"),
        ({"cell_type": "mingru"}, "`cell_type='mingru'` runs over the complete target .* got 'previous'"),
        ({"hidden_size": "8"}, "hidden_size"),
        ({"hidden_size": 0}, "`hidden_size` must be at least 1, got 0"),
        ({"dropout": 1.5}, "`dropout` is a probability"),
        ({"attention_type": "dot", "encoder_hidden_size": 5}, "`attention_type='dot'` compares"),
        (
            {"attention_type": "dot", "num_attention_heads": 2},
            "`num_attention_heads=2` needs `attention_type='additive'`",
        ),
        (
            {"encoder_hidden_size": 5, "bidirectional": False, "num_attention_heads": 2},
            r"`num_attention_heads` \(2\) must divide `encoder_output_size` \(5, the encoder's states",
        ),
        (
            {"attention_type": "none", "attention_function": "entmax15"},
            "`attention_function='entmax15'` has no effect",
        ),
        ({"input_feeding": True}, "`input_feeding=True` feeds the readout"),
        ({"tie_word_embeddings": True}, "`tie_word_embeddings=True` needs `embedding_size`"),
        ({"share_encoder_decoder_embeddings": True, "encoder_vocab_size": 5}, "needs one vocabulary"),
        ({"tie_lm_head": True}, "`tie_lm_head=True` contradicts `tie_word_embeddings=False`"),
        ({"pad_token_id": 9, "encoder_vocab_size": 5}, "`pad_token_id` \\(9\\) is outside the vocabulary of 5"),
        ({"cross_attention_hidden_size": 8}, "is for a decoder alone"),
        ({"is_decoder": True, "cross_attention_hidden_size": 8}, "no effect without `add_cross_attention=True`"),
        ({"is_decoder": True, "copy_mechanism": True}, "`copy_mechanism=True` needs the model's own encoder"),
        ({"is_decoder": True, "feature_vocab_size": 5}, "`feature_vocab_size=5` needs the model's own encoder"),
        (
            {"is_decoder": True, "hard_attention": "marginal", "attention_query": "current"},
            "`hard_attention='marginal'` needs the model's own encoder",
        ),
        (
            {"is_decoder": True, "local_attention": "monotonic", "attention_query": "current"},
            "needs `add_cross_attention=True`",
        ),
        (
            {"is_decoder": True, "add_cross_attention": True, "initial_state_type": "backward"},
            "needs the states of a recurrent encoder, of size 2000 .* of size 1000. Take 'mean'",
        ),
        ({"vocab_size": 2}, "`eos_token_id` \\(2\\) is outside the vocabulary"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        BahdanauConfig(**options)


def test_unknown_preset():
    with pytest.raises(ValueError, match="no preset 'huge'; choose one of rnnsearch_50"):
        BahdanauConfig.from_preset("huge")


PAPERS = {
    # Bahdanau et al. 2014, appendix A.2.3 and B.1
    "rnnsearch_50": {"vocab_size": 30_000, "embedding_size": 620, "hidden_size": 1000, "attention_size": 1000}
    | {"maxout_size": 500, "encoder_layers": 1, "decoder_layers": 1, "bidirectional": True, "cell_type": "gru"}
    | {"initializer_range": 0.01, "attention_initializer_range": 0.001, "dropout": 0.0, "use_bias": False},
    "rnnencdec_50": {"vocab_size": 30_000, "embedding_size": 620, "hidden_size": 1000, "maxout_size": 500}
    | {"encoder_layers": 1, "decoder_layers": 1, "bidirectional": False, "attention_type": "none"}
    | {"reset_after": False, "use_bias": False},
    # Sutskever et al. 2014, section 3.4: four layers of 1000, uniform from -0.08 to 0.08
    "seq2seq_2014": {"encoder_vocab_size": 160_000, "vocab_size": 80_000, "embedding_size": 1000, "hidden_size": 1000}
    | {"encoder_layers": 4, "decoder_layers": 4, "cell_type": "lstm", "attention_type": "none", "dropout": 0.0}
    | {"initializer_range": pytest.approx(0.08 / 3**0.5, rel=0.1)},
    # Luong et al. 2015, section 4.1: four layers of 1000, uniform from -0.1 to 0.1, dropout 0.2
    "luong_2015": {"vocab_size": 50_000, "encoder_vocab_size": None, "embedding_size": 1000, "hidden_size": 1000}
    | {"encoder_layers": 4, "decoder_layers": 4, "cell_type": "lstm", "attention_type": "general", "dropout": 0.2}
    | {"input_feeding": True, "readout_type": "tanh", "initializer_range": pytest.approx(0.1 / 3**0.5, rel=0.1)},
}


@pytest.mark.parametrize("name", PAPERS)
def test_presets_have_the_papers_numbers(name):
    config = BahdanauConfig.from_preset(name)
    assert {option: getattr(config, option) for option in PAPERS[name]} == PAPERS[name]


def test_own_presets():
    sizes = ("embedding_size", "hidden_size", "encoder_output_size", "attention_size", "maxout_size")
    for name, numbers in (
        ("tiny", (64, 128, 128, 128, 64)),
        ("mini", (128, 256, 256, 256, 128)),
        ("small", (256, 512, 512, 512, 256)),
    ):
        config = BahdanauConfig.from_preset(name)
        assert tuple(getattr(config, size) for size in sizes) == numbers
        shares = (config.ties_lm_head, config.share_encoder_decoder_embeddings)
        assert shares == {"tiny": (False, False), "mini": (True, False), "small": (True, True)}[name]
        assert config.dropout == (0.0 if name == "tiny" else 0.4)


def test_shared_tables_are_announced_as_tied(tmp_path):
    config = BahdanauConfig(share_encoder_decoder_embeddings=True, tie_word_embeddings=False)
    assert config.tie_word_embeddings
    assert not config.ties_lm_head
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert loaded.tie_word_embeddings
    assert not loaded.ties_lm_head
    with pytest.raises(ValueError, match="`share_encoder_decoder_embeddings=True` needs `tie_word_embeddings=True`"):
        BahdanauForConditionalGeneration(AutoConfig.from_pretrained(tmp_path, tie_word_embeddings=False))
