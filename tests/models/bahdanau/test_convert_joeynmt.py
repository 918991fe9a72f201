# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import random
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import yaml
from torch import nn
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from hf_attention.models.bahdanau.convert_joeynmt import (
    convert_joeynmt_checkpoint,
    convert_joeynmt_config,
    convert_joeynmt_state_dict,
    convert_joeynmt_vocabulary,
    main,
)


SPECIALS = ["<unk>", "<pad>", "<s>", "</s>"]
PAD = 1


def make_options(cell="gru", attention="bahdanau", layers=2, **decoder):
    embeddings = {"embedding_dim": 5, "scale": False}
    common = {"type": "recurrent", "rnn_type": cell, "num_layers": layers, "embeddings": embeddings}
    return {
        "encoder": {**common, "hidden_size": 6, "bidirectional": True},
        "decoder": {**common, "hidden_size": 7, "attention": attention, "init_hidden": "bridge", **decoder},
    }


class JoeyModel(nn.Module):
    """The equations of JoeyNMT's recurrent model (Kreutzer et al. 2019, section 3.1), with its names of parameters."""

    def __init__(self, options, source_size, target_size):
        super().__init__()
        encoder, decoder = options["encoder"], options["decoder"]
        rnn = {"gru": nn.GRU, "lstm": nn.LSTM}[encoder["rnn_type"]]
        size, layers = decoder["hidden_size"], decoder["num_layers"]
        self.feeds, self.layers = decoder.get("input_feeding", True), layers
        self.src_embed, self.trg_embed = nn.Module(), nn.Module()
        self.src_embed.lut, self.trg_embed.lut = nn.Embedding(source_size, 5), nn.Embedding(target_size, 5)
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.rnn = rnn(5, 6, encoder["num_layers"], batch_first=True, bidirectional=True)
        self.decoder.rnn = rnn(5 + size * self.feeds, size, layers, batch_first=True)
        self.decoder.attention = nn.Module()
        self.decoder.attention.key_layer = nn.Linear(12, size, bias=False)
        if decoder["attention"] == "bahdanau":
            self.decoder.attention.query_layer = nn.Linear(size, size, bias=False)
            self.decoder.attention.energy_layer = nn.Linear(size, 1, bias=False)
        self.decoder.att_vector_layer = nn.Linear(size + 12, size)
        self.decoder.output_layer = nn.Linear(size, target_size, bias=False)
        if decoder["init_hidden"] == "bridge":
            self.decoder.bridge_layer = nn.Linear(12, size)

    def forward(self, source, target):
        """One source without padding, so that its final states are those of PyTorch. Returns logits and weights."""
        states, final = self.encoder.rnn(self.src_embed.lut(source))
        is_lstm = isinstance(final, tuple)
        final = (final[0] if is_lstm else final)[-2:].transpose(0, 1).flatten(1)  # of the last layer's directions
        parts = self.decoder
        first = parts.bridge_layer(final).tanh() if hasattr(parts, "bridge_layer") else final.new_zeros(1, 7)
        hidden = first.expand(self.layers, -1, -1).contiguous()
        hidden = (hidden, hidden) if is_lstm else hidden
        vector, keys = final.new_zeros(1, 1, 7), parts.attention.key_layer(states)
        logits, weights = [], []
        for token in target[0]:
            inputs = self.trg_embed.lut(token)[None, None]
            inputs = torch.cat([inputs, vector], dim=2) if self.feeds else inputs
            outputs, hidden = parts.rnn(inputs, hidden)
            if hasattr(parts.attention, "energy_layer"):
                query = parts.attention.query_layer(outputs)
                scores = parts.attention.energy_layer((query + keys).tanh()).transpose(1, 2)
            else:
                scores = outputs @ keys.transpose(1, 2)
            weights.append(scores.softmax(dim=-1))
            vector = parts.att_vector_layer(torch.cat([outputs, weights[-1] @ states], dim=2)).tanh()
            logits.append(parts.output_layer(vector))
        return torch.cat(logits, dim=1), torch.cat(weights, dim=1)


@pytest.mark.parametrize(
    "options",
    [
        make_options(),
        make_options("lstm", "luong"),
        make_options(layers=1, input_feeding=False),
        make_options("lstm", init_hidden="zero"),
    ],
)
@torch.no_grad()
def test_a_converted_model_computes_joeynmts_equations(options):
    torch.manual_seed(0)
    reference = JoeyModel(options, 11, 9)
    config = convert_joeynmt_config(options, 11, 9)
    model = AutoModelForSeq2SeqLM.from_config(config).eval()
    model.load_state_dict(convert_joeynmt_state_dict(reference.state_dict(), config))
    source, target = torch.tensor([[5, 10, 4, 3]]), torch.tensor([[2, 4, 8, 5, 7]])
    logits, weights = reference(source, target)
    padded = torch.cat([source, torch.full((1, 2), PAD)], dim=1)
    mask = (padded != PAD).long()
    output = model(padded, attention_mask=mask, decoder_input_ids=target, output_attentions=True)
    torch.testing.assert_close(output.logits, logits)
    torch.testing.assert_close(output.cross_attentions[0][:, 0, :, :4], weights)


@pytest.mark.parametrize(
    ("side", "options", "message"),
    [
        (
            "encoder",
            {"type": "transformer"},
            "Only recurrent models can be converted; this one has `type` transformer",
        ),
        ("encoder", {"rnn_type": "lstm"}, "no equivalent of this config's encoder.rnn_type"),
        ("decoder", {"init_hidden": "last"}, "no equivalent of this config's decoder.init_hidden"),
        ("decoder", {"attention": "other"}, "no equivalent of this config's decoder.attention"),
        ("decoder", {"embeddings": {"embedding_dim": 6}}, "no equivalent of this config's embeddings.embedding_dim"),
    ],
)
def test_a_model_without_an_equivalent_is_refused(side, options, message):
    model = make_options()
    model[side] |= options
    with pytest.raises(ValueError, match=message):
        convert_joeynmt_config(model, 11, 9)


def test_a_foreign_parameter_is_refused():
    config = convert_joeynmt_config(make_options(), 11, 9)
    with pytest.raises(ValueError, match="'encoder.conv.weight' is not a parameter of a recurrent JoeyNMT model"):
        convert_joeynmt_state_dict({"encoder.conv.weight": torch.zeros(1)}, config)


@pytest.mark.parametrize(("level", "text", "ids"), [("word", "b a c", [5, 4, 0, 3]), ("char", "b a", [5, 6, 4, 3])])
def test_a_vocabulary_becomes_a_tokenizer(level, text, ids):
    tokenizer = convert_joeynmt_vocabulary([*SPECIALS, "a", "b", "▁"], level)
    assert tokenizer(text)["input_ids"] == ids
    known = [index for index in ids if index]
    assert tokenizer.decode(known, skip_special_tokens=True) == text.replace(" c", "")


def test_a_subword_vocabulary_has_no_tokenizer():
    with pytest.raises(ValueError, match="`level` must be 'word' or 'char', got 'bpe'"):
        convert_joeynmt_vocabulary(SPECIALS, "bpe")


def write_folder(folder, options, state_dict, tokens):
    folder.mkdir()
    data = {side: {"lang": side, "level": "word"} for side in ("src", "trg")}
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": data, "model": options}))
    for side in ("src", "trg"):
        (folder / f"{side}_vocab.txt").write_text("\n".join([*SPECIALS, *tokens]) + "\n")
    torch.save({"model_state": state_dict, "steps": 3}, folder / "best.ckpt")


def test_a_folder_is_converted_with_its_tokenizers(tmp_path):
    torch.manual_seed(0)
    options, tokens = make_options(), list("abcdefg")
    write_folder(tmp_path / "joey", options, JoeyModel(options, 11, 11).state_dict(), tokens)
    main([str(tmp_path / "joey"), str(tmp_path / "new")])
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "new")
    assert (model.config.source_lang, model.config.target_lang) == ("src", "trg")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert tokenizer("a g")["input_ids"] == [4, 10, 3]
    assert AutoTokenizer.from_pretrained(tmp_path / "new" / "target_tokenizer").pad_token_id == PAD
    ids = model.generate(**tokenizer(["a g"], return_tensors="pt"), num_beams=2, max_length=4)
    assert ids[0, 0] == 2


def test_a_folder_without_a_checkpoint_is_an_error(tmp_path):
    write_folder(tmp_path / "joey", make_options(), {}, [])
    (tmp_path / "joey" / "best.ckpt").unlink()
    with pytest.raises(OSError, match="holds no checkpoint"):
        convert_joeynmt_checkpoint(str(tmp_path / "joey"), str(tmp_path / "new"))


@pytest.mark.parametrize(("cell", "attention"), [("gru", "bahdanau"), ("lstm", "luong")])
def test_a_model_that_joeynmt_trained_has_the_same_outputs(cell, attention, tmp_path):
    pytest.importorskip("joeynmt", reason="JoeyNMT is not installed")
    from joeynmt.model import build_model
    from joeynmt.vocabulary import Vocabulary

    random.seed(0)
    for split, count in (("train", 60), ("dev", 10)):
        rows = [[random.choice("abcdefg") for _ in range(4)] for _ in range(count)]
        (tmp_path / f"{split}.src").write_text("".join(" ".join(row) + "\n" for row in rows))
        (tmp_path / f"{split}.trg").write_text("".join(" ".join(reversed(row)) + "\n" for row in rows))
    names = ("unk", "pad", "bos", "eos")
    special = {f"{name}_token": token for name, token in zip(names, SPECIALS)}
    special |= {f"{name}_id": index for index, name in enumerate(names)}
    sides = {side: {"lang": side, "level": "word", "max_length": 9, "voc_min_freq": 1} for side in ("src", "trg")}
    data = {"train": str(tmp_path / "train"), "dev": str(tmp_path / "dev"), "dataset_type": "plain", **sides}
    training = {"epochs": 2, "batch_size": 20, "batch_type": "sentence", "validation_freq": 3, "logging_freq": 1}
    training |= {
        "loss": "crossentropy",
        "optimizer": "adam",
        "scheduling": "decaying",
        "overwrite": True,
        "keep_best_ckpts": 1,
    }
    options = {
        "name": "tiny",
        "joeynmt_version": "2.3.0",
        "model_dir": str(tmp_path / "joey"),
        "use_cuda": False,
        "data": {**data, "special_symbols": special},
        "testing": {"beam_size": 1, "batch_size": 20, "batch_type": "sentence", "max_output_length": 9},
        "training": training,
        "model": {**make_options(cell, attention), "initializer": "xavier_uniform"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "joeynmt", "train", str(tmp_path / "config.yaml"), "--skip-test"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)

    folder = tmp_path / "joey"
    fields = SimpleNamespace(**special, sep_token=None, sep_id=None, lang_tags=[])
    vocabularies = [Vocabulary((folder / f"{side}_vocab.txt").read_text().splitlines(), fields) for side in sides]
    theirs = build_model(options["model"], *vocabularies)
    theirs.load_state_dict(torch.load(folder / "best.ckpt", weights_only=True)["model_state"])
    theirs.eval()
    ours = convert_joeynmt_checkpoint(str(folder), str(tmp_path / "new"))
    source, target = torch.tensor([[5, 6, 7, 4, 3], [9, 4, 3, PAD, PAD]]), torch.tensor([[2, 5, 6], [2, 8, 4]])
    mask = source != PAD
    with torch.no_grad():
        states, final, *_ = theirs._encode(source, mask.sum(dim=1), mask[:, None])
        logits, _, weights, *_ = theirs._decode(states, final, mask[:, None], target, unroll_steps=3)
        output = ours(source, attention_mask=mask.long(), decoder_input_ids=target, output_attentions=True)
    torch.testing.assert_close(output.logits, logits)
    torch.testing.assert_close(output.cross_attentions[0][:, 0], weights)
