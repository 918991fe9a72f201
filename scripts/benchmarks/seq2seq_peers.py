# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
What the recurrent family's speed is compared with: a lower bound, plain loops, and JoeyNMT and OpenNMT-py if they are
installed. Imports are lazy, because the benchmark also measures them.
"""

from importlib.util import find_spec
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


SIZES = {
    "embedding_size": 256,
    "hidden_size": 512,
    "encoder_hidden_size": 256,
    "attention_size": 512,
    "maxout_size": 256,
}
PAD, BOS, EOS = 0, 1, 2


class Floor(nn.Module):
    """
    A lower bound for an encoder-decoder of these sizes, without attention. The decoder starts with the encoder's last
    states, so that both are trained.
    """

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        size, hidden, encoder = (SIZES[name] for name in ("embedding_size", "hidden_size", "encoder_hidden_size"))
        self.source, self.target = nn.Embedding(vocab_size, size), nn.Embedding(vocab_size, size)
        self.encoder = nn.GRU(size, encoder, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(size, hidden, batch_first=True)
        self.head = nn.Linear(SIZES["maxout_size"], vocab_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        _, last = self.encoder(self.source(input_ids))  # (2, B, encoder)
        states, _ = self.decoder(self.target(labels.clamp_min(0)), last.transpose(0, 1).reshape(1, len(labels), -1))
        logits = self.head(states[..., : self.head.in_features])
        return cross_entropy(logits.flatten(0, 1), labels.flatten())


class PlainLoop(nn.Module):
    """The same model, step by step: attention with its keys, gates, readout and logits are in the loop."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        size, hidden, encoder = (SIZES[name] for name in ("embedding_size", "hidden_size", "encoder_hidden_size"))
        self.source, self.target = nn.Embedding(vocab_size, size), nn.Embedding(vocab_size, size)
        self.encoder = nn.GRU(size, encoder, batch_first=True, bidirectional=True)
        self.initial = nn.Linear(encoder, hidden)
        self.attention = nn.Linear(hidden + 2 * encoder, SIZES["attention_size"])
        self.score = nn.Linear(SIZES["attention_size"], 1, bias=False)
        self.cell = nn.GRUCell(size + 2 * encoder, hidden)
        self.make_output(hidden + 2 * encoder + size, vocab_size)

    def make_output(self, size: int, vocab_size: int) -> None:
        self.readout = nn.Linear(size, 2 * SIZES["maxout_size"])
        self.head = nn.Linear(SIZES["maxout_size"], vocab_size)

    def output(self, state: Tensor, context: Tensor, embed: Tensor) -> Tensor:
        pairs = self.readout(torch.cat([state, context, embed], dim=-1))
        return self.head(pairs.unflatten(-1, (-1, 2)).amax(dim=-1))

    def initial_states(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        annotations, _ = self.encoder(self.source(input_ids))
        return annotations, torch.tanh(self.initial(annotations[:, 0, annotations.shape[2] // 2 :]))

    def step(self, token: Tensor, state: Tensor, annotations: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        queries = state.unsqueeze(1).expand(-1, annotations.shape[1], -1)
        scores = self.score(torch.tanh(self.attention(torch.cat([queries, annotations], dim=-1)))).squeeze(-1)
        weights = scores.masked_fill(attention_mask == 0, -1e4).softmax(dim=-1)
        context = torch.bmm(weights.unsqueeze(1), annotations).squeeze(1)
        embed = self.target(token)
        logits = self.output(state, context, embed)
        return logits, self.cell(torch.cat([embed, context], dim=-1), state.to(context.dtype))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        annotations, state = self.initial_states(input_ids)
        token, loss = torch.full_like(labels[:, 0], BOS), 0.0
        for step in range(labels.shape[1]):
            logits, state = self.step(token, state, annotations, attention_mask)
            loss = loss + cross_entropy(logits, labels[:, step], reduction="sum")
            token = labels[:, step].clamp_min(0)
        return loss / (labels >= 0).sum()

    @torch.no_grad()
    def decode(self, input_ids: Tensor, attention_mask: Tensor, steps: int, num_beams: int) -> None:
        if num_beams > 1:
            raise NotImplementedError("the loops decode greedily only")
        annotations, state = self.initial_states(input_ids)
        token = torch.full_like(input_ids[:, 0], BOS)
        for _ in range(steps):
            logits, state = self.step(token, state, annotations, attention_mask)
            token = logits.argmax(dim=-1)


class Tutorial(PlainLoop):
    """The loop with the output layer of tutorials, from state, context and embedding directly to the logits."""

    def make_output(self, size: int, vocab_size: int) -> None:
        self.head = nn.Linear(size, vocab_size)

    def output(self, state: Tensor, context: Tensor, embed: Tensor) -> Tensor:
        return self.head(torch.cat([state, context, embed], dim=-1))


class JoeyNmt(nn.Module):
    """
    JoeyNMT (Kreutzer et al. 2019, arXiv 1907.12484) with the same sizes except for its readout: its output layer has
    `hidden_size` inputs, twice as many as with the maxout readout.
    """

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        from joeynmt.model import build_model
        from joeynmt.vocabulary import Vocabulary

        names = {f"{name}_token": f"<{name}>" for name in SPECIAL} | {
            f"{name}_id": i for i, name in enumerate(SPECIAL)
        }
        special = SimpleNamespace(**names, sep_token=None, sep_id=None, lang_tags=[])
        vocabulary = Vocabulary([str(number) for number in range(vocab_size - len(SPECIAL))], special)
        common = {"rnn_type": "gru", "embeddings": {"embedding_dim": SIZES["embedding_size"]}}
        encoder = {"type": "recurrent", "hidden_size": SIZES["encoder_hidden_size"], "bidirectional": True, **common}
        decoder = {"type": "recurrent", "hidden_size": SIZES["hidden_size"], "input_feeding": False, **common}
        self.model = build_model({"encoder": encoder, "decoder": decoder}, vocabulary, vocabulary)
        self.model.loss_function = ("crossentropy", 0.0)
        self.batches = {}

    def batch(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None):
        """Returns JoeyNMT's form of the batch, longest source first; cached, so that only the model is timed."""
        from joeynmt.batch import Batch

        if id(input_ids) not in self.batches:
            lengths, order = attention_mask.sum(dim=1).sort(descending=True)
            target = None if labels is None else target_ids(labels)[order]
            self.batches[id(input_ids)] = Batch(
                src=renumber(input_ids[order]),
                src_length=lengths,
                src_prompt_mask=None,
                trg=target,
                trg_prompt_mask=None,
                indices=order,
                device=input_ids.device,
                pad_index=SPECIAL.index("pad"),
                eos_index=SPECIAL.index("eos"),
            )
        return self.batches[id(input_ids)]

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        loss, *_ = self.model(return_type="loss", **vars(self.batch(input_ids, attention_mask, labels)))
        return loss / (labels >= 0).sum()

    def decode(self, input_ids: Tensor, attention_mask: Tensor, steps: int, num_beams: int) -> None:
        from joeynmt.search import search

        device = input_ids.device.type
        autocast = {"device_type": device, "dtype": torch.bfloat16, "enabled": torch.is_autocast_enabled(device)}
        batch = self.batch(input_ids, attention_mask)
        search(self.model, batch, steps, num_beams, 1.0, min_output_length=steps, autocast=autocast)


class OpenNmt(nn.Module):
    """
    OpenNMT-py (Klein et al. 2017, arXiv 1701.02810) with the same sizes, built from its own options and decoded with
    its own translator. Like [`JoeyNmt`], it has no input feeding, and an output layer with `hidden_size` inputs.
    """

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        import pyonmttok
        from onmt import opts
        from onmt.constants import DefaultTokens
        from onmt.model_builder import build_model
        from onmt.utils.loss import LossCompute
        from onmt.utils.parse import ArgumentParser

        if not 2 * SIZES["encoder_hidden_size"] == SIZES["hidden_size"] == SIZES["attention_size"]:
            raise ValueError(
                f"OpenNMT-py's encoder (both directions), decoder and attention must have the same size, got {SIZES}."
            )
        parser = ArgumentParser()
        opts.train_opts(parser)
        given = (
            "--data {} --src_vocab - --encoder_type brnn --decoder_type rnn --rnn_type GRU --layers 1 --input_feed 0"
        )
        given += " --global_attention mlp --dropout 0 --attention_dropout 0 --param_init 0 --param_init_glorot"
        given += f" --hidden_size {SIZES['hidden_size']} --word_vec_size {SIZES['embedding_size']}"
        options = parser.parse_args(given.split())
        ArgumentParser.update_model_opts(options)
        ArgumentParser.validate_model_opts(options)
        special = [getattr(DefaultTokens, name.upper()) for name in SPECIAL]
        tokens = [str(number) for number in range(vocab_size - len(SPECIAL))]
        vocabulary = pyonmttok.build_vocab_from_tokens(tokens, special_tokens=special)
        self.vocabularies = {"src": vocabulary, "tgt": vocabulary, "decoder_start_token": DefaultTokens.BOS}
        self.model = build_model(options, options, self.vocabularies, checkpoint=None, device_id=-1)
        self.compute_loss = LossCompute.from_opts(options, self.model, vocabulary)
        self.batches = {}

    def batch(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Returns OpenNMT-py's form of the batch; cached, so that only the model is timed."""
        key = (id(input_ids), labels is None)  # if there are targets, the translator also scores them
        if key not in self.batches:
            batch = {"src": renumber(input_ids).unsqueeze(-1), "srclen": attention_mask.sum(dim=1)}
            if labels is not None:
                batch["tgt"] = target_ids(labels).unsqueeze(-1)
            self.batches[key] = batch
        return self.batches[key]

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        batch = self.batch(input_ids, attention_mask, labels)
        loss, _ = self.compute_loss(batch, *self.model(batch["src"], batch["tgt"], batch["srclen"]))
        return loss / (labels >= 0).sum()

    def decode(self, input_ids: Tensor, attention_mask: Tensor, steps: int, num_beams: int) -> list:
        from onmt.translate import GNMTGlobalScorer, Translator

        length = {"min_length": steps, "max_length": steps, "max_length_ratio": 0}
        # greedy search is sampling from the single best token
        search = {"beam_size": num_beams, "random_sampling_topk": int(num_beams == 1)}
        scorer = GNMTGlobalScorer(1.0, 0.0, "avg", "none")
        gpu = -1 if input_ids.device.index is None else input_ids.device.index
        translator = Translator(self.model, self.vocabularies, gpu=gpu, global_scorer=scorer, **length, **search)
        return translator.translate_batch(self.batch(input_ids, attention_mask), attn_debug=False)["predictions"]


SPECIAL = ("unk", "pad", "bos", "eos")  # the order of JoeyNMT and OpenNMT-py


def renumber(ids: Tensor) -> Tensor:
    """Maps the ids of pad, bos, eos and unk to 1, 2, 3 and 0."""
    return torch.where(ids < len(SPECIAL), (ids + 1) % len(SPECIAL), ids)


def target_ids(labels: Tensor) -> Tensor:
    """Returns the start token and the labels (B, T), without -100, as the peers' ids (B, 1 + T)."""
    start = torch.full_like(labels[:, :1], BOS)
    return renumber(torch.cat([start, labels.masked_fill(labels < 0, PAD)], dim=1))


class Ours(nn.Module):
    options: dict[str, str] = {}

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration

        ids = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": BOS}
        config = BahdanauConfig(vocab_size=vocab_size, dropout=0.0, **SIZES, **ids, **self.options)
        self.model = BahdanauForConditionalGeneration(config)

    def forward(self, **batch: Tensor) -> Tensor:
        return self.model(**batch).loss

    def decode(self, input_ids: Tensor, attention_mask: Tensor, steps: int, num_beams: int) -> None:
        length = {"min_new_tokens": steps, "max_new_tokens": steps, "do_sample": False}
        self.model.generate(input_ids=input_ids, attention_mask=attention_mask, num_beams=num_beams, **length)


class OursMinGru(Ours):
    """The same sizes with a cell whose steps share all products, in encoder and decoder."""

    options = {"cell_type": "mingru", "attention_query": "current", "attention_type": "general"}


def count_forward(source: Tensor, target: Tensor | int, vocab_size: int, beams: int = 1) -> int:
    """
    Counts the FLOPs of the products of [`PlainLoop`] for sources and targets of these lengths, (B). Keys are counted
    once; padding and the state after the last logits are not counted. A multiply-add is two FLOPs.
    """
    embedding, hidden, encoder, attention, maxout = SIZES.values()
    annotation, targets = 2 * encoder, beams * target
    token = 2 * 3 * encoder * (embedding + encoder) + annotation * attention  # both directions, and the key
    cell = 3 * hidden * (embedding + annotation + hidden)
    logits = 2 * maxout * (hidden + annotation + embedding) + maxout * vocab_size
    step = hidden * attention + logits  # with the query
    pair = attention + annotation  # score and context
    products = encoder * hidden + source * token + targets * step + (targets - beams) * cell + source * targets * pair
    return 2 * int(products.sum())


IMPLEMENTATIONS = {"ours": Ours, "minGRU": OursMinGru, "plain loop": PlainLoop, "tutorial": Tutorial, "floor": Floor}
PEERS = {"JoeyNMT": (JoeyNmt, ("joeynmt",)), "OpenNMT-py": (OpenNmt, ("onmt", "spacy"))}
for name, (peer, packages) in PEERS.items():
    if all(map(find_spec, packages)):
        IMPLEMENTATIONS[name] = peer
