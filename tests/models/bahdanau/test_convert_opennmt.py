# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0


from argparse import Namespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from hf_attention.models.bahdanau.convert_opennmt import (
    convert_opennmt_checkpoint,
    convert_opennmt_config,
    convert_opennmt_state_dict,
    main,
)


SPECIALS = ["<unk>", "<blank>", "<s>", "</s>"]
PAD = 1


def make_options(**changed):
    options = {"encoder_type": "brnn", "decoder_type": "rnn", "rnn_type": "LSTM", "global_attention": "general"}
    options |= {"enc_layers": 2, "dec_layers": 2, "enc_hid_size": 8, "dec_hid_size": 8}
    options |= {"src_word_vec_size": 5, "tgt_word_vec_size": 5, "input_feed": 1, "dropout": [0.2]}
    return {**options, **changed}


class OpenNMTModel(nn.Module):
    """The equations of OpenNMT-py's recurrent model (Luong et al. 2015), with its names of parameters."""

    def __init__(self, options, source_size, target_size):
        super().__init__()
        self.size, self.layers, self.feeds = options["dec_hid_size"], options["dec_layers"], options["input_feed"]
        self.directions = 2 if options["encoder_type"] == "brnn" else 1
        self.is_lstm = options["rnn_type"] == "LSTM"
        unit, cell = (nn.LSTM, nn.LSTMCell) if self.is_lstm else (nn.GRU, nn.GRUCell)
        self.encoder, self.decoder = nn.Module(), nn.Module()
        for part, vocab_size in ((self.encoder, source_size), (self.decoder, target_size)):
            part.embeddings = nn.Module()
            part.embeddings.make_embedding = nn.Module()
            part.embeddings.make_embedding.emb_luts = nn.ModuleList([nn.Embedding(vocab_size, 5)])
        width = self.size // self.directions
        both = self.directions == 2
        self.encoder.rnn = unit(5, width, self.layers, batch_first=True, bidirectional=both)
        if self.feeds:
            self.decoder.rnn = nn.Module()
            self.decoder.rnn.layers = nn.ModuleList(
                cell(self.size if layer else 5 + self.size, self.size) for layer in range(self.layers)
            )
        else:
            self.decoder.rnn = unit(5, self.size, self.layers, batch_first=True)
        self.decoder.attn = nn.Module()
        if options["global_attention"] == "general":
            self.decoder.attn.linear_in = nn.Linear(self.size, self.size, bias=False)
        self.decoder.attn.linear_out = nn.Linear(2 * self.size, self.size, bias=False)
        self.generator = nn.Linear(self.size, target_size)

    def attend(self, query, states):
        """The attentional vector and the weights: (1, T, H) and (1, S, H) to (1, T, H) and (1, T, S)."""
        attention = self.decoder.attn
        projected = attention.linear_in(query) if hasattr(attention, "linear_in") else query
        weights = (projected @ states.transpose(1, 2)).softmax(dim=-1)
        return attention.linear_out(torch.cat([weights @ states, query], dim=2)).tanh(), weights

    def forward(self, source, target):
        """One source without padding, so that its final states are those of PyTorch. Returns logits and weights."""
        states, final = self.encoder.rnn(self.encoder.embeddings.make_embedding.emb_luts[0](source))
        # of each layer, the directions next to each other
        final = [
            part.view(self.layers, self.directions, 1, -1).transpose(1, 2).flatten(2)
            for part in (final if self.is_lstm else [final])
        ]
        embeds = self.decoder.embeddings.make_embedding.emb_luts[0](target)
        if not self.feeds:
            outputs, _ = self.decoder.rnn(embeds, tuple(final) if self.is_lstm else final[0])
            vectors, weights = self.attend(outputs, states)
            return self.generator(vectors), weights
        hidden = [[part[layer] for part in final] for layer in range(self.layers)]
        vector, vectors, all_weights = states.new_zeros(1, self.size), [], []
        for step in range(target.shape[1]):
            inputs = torch.cat([embeds[:, step], vector], dim=1)
            for layer, cell in enumerate(self.decoder.rnn.layers):
                state = cell(inputs, tuple(hidden[layer]) if self.is_lstm else hidden[layer][0])
                hidden[layer] = list(state) if self.is_lstm else [state]
                inputs = hidden[layer][0]
            output, weights = self.attend(inputs[:, None], states)
            vector = output[:, 0]
            vectors.append(output)
            all_weights.append(weights)
        return self.generator(torch.cat(vectors, dim=1)), torch.cat(all_weights, dim=1)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"rnn_type": "GRU", "global_attention": "dot"},
        {"encoder_type": "rnn", "enc_layers": 1, "dec_layers": 1},
        {"input_feed": 0},
        {"input_feed": 0, "rnn_type": "GRU"},
    ],
)
@torch.no_grad()
def test_a_converted_model_computes_opennmts_equations(changed):
    torch.manual_seed(0)
    options = make_options(**changed)
    reference = OpenNMTModel(options, 11, 9)
    config = convert_opennmt_config(options, 11, 9)
    model = AutoModelForSeq2SeqLM.from_config(config).eval()
    model.load_state_dict(convert_opennmt_state_dict(reference.state_dict(), config))
    source, target = torch.tensor([[5, 10, 4, 3]]), torch.tensor([[2, 4, 8, 5, 7]])
    logits, weights = reference(source, target)
    padded = torch.cat([source, torch.full((1, 2), PAD)], dim=1)
    mask = (padded != PAD).long()
    output = model(padded, attention_mask=mask, decoder_input_ids=target, output_attentions=True)
    torch.testing.assert_close(output.logits, logits)
    torch.testing.assert_close(output.cross_attentions[0][:, 0, :, :4], weights)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"encoder_type": "transformer"}, "Only recurrent models can be converted; .*`encoder_type='transformer'`"),
        ({"rnn_type": "SRU"}, "no equivalent of this model's `rnn_type='SRU'`"),
        ({"global_attention": "mlp"}, "no equivalent of this model's `global_attention='mlp'`"),
        ({"bridge": True, "copy_attn": True}, "`bridge=True`, `copy_attn=True`"),
        ({"enc_layers": 1}, "`enc_layers=1`"),
    ],
)
def test_a_model_without_an_equivalent_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        convert_opennmt_config(make_options(**changed), 11, 9)


def test_a_foreign_parameter_is_refused():
    config = convert_opennmt_config(make_options(), 11, 9)
    with pytest.raises(ValueError, match="'encoder.conv.weight' is not a parameter of a recurrent OpenNMT-py model"):
        convert_opennmt_state_dict({"encoder.conv.weight": torch.zeros(1)}, config)


@pytest.mark.parametrize("has_safetensors", [False, True])
def test_a_checkpoint_is_converted_with_its_tokenizers(has_safetensors, tmp_path):
    torch.manual_seed(0)
    source, target = [*SPECIALS, "a", "b"], [*SPECIALS, "x", "y", "z"]
    weights = OpenNMTModel(make_options(), len(source), len(target)).state_dict()
    checkpoint = {"vocab": {"src": source, "tgt": target}, "opt": Namespace(**make_options()), "optim": {}}
    if has_safetensors:
        save_file(weights, tmp_path / "model_step_9.safetensors")
    else:
        names = [name for name in weights if name.startswith("generator.")]
        checkpoint["generator"] = {name.removeprefix("generator."): weights.pop(name) for name in names}
        checkpoint["model"] = weights
    torch.save(checkpoint, tmp_path / "model_step_9.pt")
    main([str(tmp_path / "model_step_9.pt"), str(tmp_path / "new")])
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "new")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert tokenizer("b a c")["input_ids"] == [5, 4, 0]
    target_tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new" / "target_tokenizer")
    assert target_tokenizer("z x")["input_ids"] == [6, 4, 3]
    assert target_tokenizer.decode([6, 4, 3], skip_special_tokens=True) == "z x"
    batch = tokenizer(["b a", "a"], padding=True, return_tensors="pt", return_token_type_ids=False)
    ids = model.generate(**batch, num_beams=2, max_length=4)
    assert ids[:, 0].tolist() == [2, 2]


def test_another_file_is_an_error(tmp_path):
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="other.pt is not a checkpoint of OpenNMT-py 3"):
        convert_opennmt_checkpoint(str(tmp_path / "other.pt"), str(tmp_path / "new"))


@pytest.mark.parametrize(("cell", "encoder", "feeds"), [("LSTM", "brnn", 1), ("GRU", "rnn", 1), ("LSTM", "brnn", 0)])
def test_a_model_of_opennmt_has_the_same_outputs(cell, encoder, feeds):
    pytest.importorskip("pyonmttok", reason="OpenNMT-py is not installed")
    pytest.importorskip("onmt", reason="OpenNMT-py is not installed")
    from onmt.decoders.decoder import InputFeedRNNDecoder, StdRNNDecoder
    from onmt.encoders.rnn_encoder import RNNEncoder
    from onmt.modules import Embeddings

    torch.manual_seed(0)
    options = make_options(rnn_type=cell, encoder_type=encoder, input_feed=feeds)
    embeddings = [Embeddings(5, size, PAD) for size in (11, 9)]
    theirs = nn.Module()
    theirs.encoder = RNNEncoder(cell, encoder == "brnn", 2, 8, embeddings=embeddings[0])
    decoder = InputFeedRNNDecoder if feeds else StdRNNDecoder
    theirs.decoder = decoder(cell, encoder == "brnn", 2, 8, attn_type="general", embeddings=embeddings[1])
    theirs.generator = nn.Linear(8, 9)
    theirs.eval()
    config = convert_opennmt_config(options, 11, 9)
    ours = AutoModelForSeq2SeqLM.from_config(config).eval()
    ours.load_state_dict(convert_opennmt_state_dict(theirs.state_dict(), config))
    source, target = torch.tensor([[5, 6, 7, 4, 3], [9, 4, 3, PAD, PAD]]), torch.tensor([[2, 5, 6], [2, 8, 4]])
    mask = source != PAD
    with torch.no_grad():
        states, final, _ = theirs.encoder(source.unsqueeze(2), mask.sum(dim=1))
        theirs.decoder.init_state(source, states, final)
        vectors, attention = theirs.decoder(target.unsqueeze(2), states, src_len=mask.sum(dim=1))
        output = ours(source, attention_mask=mask.long(), decoder_input_ids=target, output_attentions=True)
    torch.testing.assert_close(output.logits, theirs.generator(vectors))
    weights = attention["std"]
    weights = weights.transpose(0, 1) if feeds else weights  # with input feeding the steps are first
    torch.testing.assert_close(output.cross_attentions[0][:, 0], weights)
