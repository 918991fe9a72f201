# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_attention import BahdanauConfig
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
        ({"hiden_size": 4}, "`hiden_size` is not an option of BahdanauConfig; did you mean `hidden_size`"),
        ({"cell_type": "gruu"}, "cell_type"),
        ({"hidden_size": "8"}, "hidden_size"),
        ({"hidden_size": 0}, "`hidden_size` must be at least 1, got 0"),
        ({"dropout": 1.5}, "`dropout` is a probability"),
        ({"attention_type": "dot", "encoder_hidden_size": 5}, "`attention_type='dot'` compares"),
        ({"input_feeding": True}, "`input_feeding=True` feeds the readout"),
        ({"tie_word_embeddings": True}, "`tie_word_embeddings=True` needs `embedding_size`"),
        ({"share_encoder_decoder_embeddings": True, "encoder_vocab_size": 5}, "needs one vocabulary"),
        ({"pad_token_id": 9, "encoder_vocab_size": 5}, "`pad_token_id` \\(9\\) is outside the vocabulary of 5"),
        ({"vocab_size": 2}, "`eos_token_id` \\(2\\) is outside the vocabulary"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        BahdanauConfig(**options)


def test_unknown_preset_and_foreign_attributes():
    with pytest.raises(ValueError, match="no preset 'huge'; choose one of rnnsearch_50"):
        BahdanauConfig.from_preset("huge")
    assert BahdanauConfig(task_notes="kept").task_notes == "kept"
