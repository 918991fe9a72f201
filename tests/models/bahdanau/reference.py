# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
The Bahdanau family once more, as plain loops over positions and steps, written from the papers' equations.

One sentence at a time, no padding, no cache, no batch: slow, and independent of the model's own code.
"""

import math

import torch


class Reference:
    """Computes logits and attention of one sentence pair from a model's parameters."""

    def __init__(self, model):
        self.config, self.parameters = model.config, dict(model.state_dict())

    def linear(self, name, x):
        y = torch.stack([(row * x).sum() for row in self.parameters[f"{name}.weight"]])
        return y + self.parameters[f"{name}.bias"] if f"{name}.bias" in self.parameters else y

    def zeros(self, size):
        return torch.zeros(size, dtype=self.parameters["model.encoder.embed_tokens.weight"].dtype)

    def gates(self, wx, uh, uh_of, h, memory):
        """One step: `wx` the input's share, `uh` the state's, `uh_of` the candidate's for a given (reset) state."""
        config = self.config
        if config.cell_type == "rnn":
            return torch.tanh(wx + uh), None
        size = len(h)
        if config.cell_type == "lstm":
            i, f, g, o = (wx + uh).split(size)
            memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(memory), memory
        r = torch.sigmoid(wx[:size] + uh[:size])
        z = torch.sigmoid(wx[size : 2 * size] + uh[size : 2 * size])
        if config.reset_after:
            candidate = torch.tanh(wx[2 * size :] + r * uh[2 * size :])
            return (1 - z) * candidate + z * h, None
        candidate = torch.tanh(wx[2 * size :] + uh_of(r * h))
        return (1 - z) * h + z * candidate, None

    def unit_step(self, name, x, h, memory):
        """One step of an encoder layer, or of a decoder layer without attention inside."""
        if self.config.cell_type == "gru" and not self.config.reset_after:
            wx = self.linear(f"{name}.input_proj", x)
            return self.gates(
                wx,
                self.linear(f"{name}.cell.recurrent", h),
                lambda state: self.linear(f"{name}.cell.candidate", state),
                h,
                memory,
            )
        if self.config.cell_type == "mingru":
            z, candidate = self.linear(f"{name}.unit.input_proj", x).split(len(h))
            z = torch.sigmoid(z)
            return (1 - z) * h + z * candidate, None
        products = []
        for kind, vector in (("ih", x), ("hh", h)):
            product = torch.stack([(row * vector).sum() for row in self.parameters[f"{name}.unit.weight_{kind}_l0"]])
            if self.config.use_bias:
                product = product + self.parameters[f"{name}.unit.bias_{kind}_l0"]
            products.append(product)
        return self.gates(*products, None, h, memory)

    def encode(self, ids, features=()):
        config = self.config
        states = [self.parameters["model.encoder.embed_tokens.weight"][token] for token in ids]
        if config.feature_mode == "add":
            for feature in features:
                row = self.parameters["model.encoder.feature_embedding.weight"][feature]
                states = [state + row for state in states]
        size = config.encoder_hidden_size
        for layer in range(config.encoder_layers):
            directions = []
            for direction in ("forward", "backward")[: 2 if config.bidirectional else 1]:
                order = range(len(ids)) if direction == "forward" else reversed(range(len(ids)))
                h, memory, outputs = self.zeros(size), self.zeros(size), {}
                for position in order:
                    name = f"model.encoder.layers.{layer}.{direction}_rnn"
                    h, memory = self.unit_step(name, states[position], h, memory)
                    outputs[position] = h
                directions.append(outputs)
            states = [torch.cat([outputs[position] for outputs in directions]) for position in range(len(ids))]
        return states

    def distribute(self, scores):
        """Weights that sum to 1: softmax, or alpha-entmax, whose threshold is found by bisection."""
        if self.config.attention_function == "softmax":
            exponentials = [math.exp(score) for score in scores]
            return [exponential / sum(exponentials) for exponential in exponentials]
        alpha = {"sparsemax": 2.0, "entmax15": 1.5}[self.config.attention_function]
        scores = [float(score) * (alpha - 1) for score in scores]
        low, high = max(scores) - 1, max(scores)
        for _ in range(100):
            tau = (low + high) / 2
            weights = [max(score - tau, 0) ** (1 / (alpha - 1)) for score in scores]
            low, high = (tau, high) if sum(weights) > 1 else (low, tau)
        return weights

    def scores(self, name, s, annotations):
        """Of each annotation, a list over heads."""
        kind, heads, scores = self.config.attention_type, self.config.num_attention_heads, []
        for h in annotations:
            if kind == "additive":
                hidden = torch.tanh(self.linear(f"{name}.query_proj", s) + self.linear(f"{name}.key_proj", h))
                rows = zip(self.parameters[f"{name}.score.weight"], hidden.chunk(heads))
                scores.append([(row * part).sum() for row, part in rows])
            elif kind == "general":
                scores.append([(s * self.linear(f"{name}.key_proj", h)).sum()])
            else:
                scores.append([(s * h).sum() / (math.sqrt(len(s)) if kind == "scaled_dot" else 1)])
        return scores

    def attend(self, name, s, annotations):
        """The context, and the weights of each head (of the one head, if there is one)."""
        heads = self.config.num_attention_heads
        weights = [self.distribute(of_head) for of_head in zip(*self.scores(name, s, annotations))]
        contexts = [sum(weight * h for weight, h in zip(of_head, annotations)) for of_head in weights]
        if heads == 1:
            return contexts[0], weights[0]
        maps = self.parameters[f"{name}.value_proj.weight"].chunk(heads)
        return torch.cat([matrix @ context for matrix, context in zip(maps, contexts)]), weights

    def read(self, s, y, c):
        kind = self.config.readout_type
        if kind == "linear":
            return s
        if kind == "tanh":
            return torch.tanh(self.linear("model.decoder.readout.state_proj", torch.cat([c, s])))
        t = self.linear("model.decoder.readout.state_proj", s)
        t = t + self.linear("model.decoder.readout.input_proj", y)
        t = t + self.linear("model.decoder.readout.context_proj", c)
        return torch.stack([max(t[2 * j], t[2 * j + 1]) for j in range(len(t) // 2)])

    def copy(self, logits, s, y, c, weights, source_ids):
        """Log-probabilities of the pointer-generator (See et al. 2017, equations 8 and 9), normalized."""
        generate = torch.sigmoid(self.linear("model.decoder.copy_gate.proj", torch.cat([c, s, y]))[0])
        exponentials = [math.exp(logit) for logit in logits]
        probabilities = [generate * exponential / sum(exponentials) for exponential in exponentials]
        targets = self.config.source_to_target_ids
        for weight, token in zip(weights, source_ids):
            token = int(token) if targets is None else targets[token] if token < len(targets) else -1
            if token >= 0:
                probabilities[token] = probabilities[token] + (1 - generate) * weight
        return torch.stack([torch.log(probability / sum(probabilities)) for probability in probabilities])

    def __call__(self, source_ids, decoder_input_ids, features=()):
        """Logits, one list a step, and weights, one list a step (`None` without attention)."""
        config, size = self.config, self.config.encoder_hidden_size
        annotations = self.encode(source_ids, features)
        fixed = annotations[-1][:size]
        if config.bidirectional:
            fixed = torch.cat([fixed, annotations[0][size:]])
        source = annotations[0][size:] if config.bidirectional else annotations[-1]
        source = fixed if config.initial_state_type == "both" else source
        if config.feature_mode == "attend":
            annotations += [self.parameters["model.decoder.features.weight"][feature] for feature in features]
        initial = torch.tanh(self.linear("model.decoder.initial_state", source))
        states = []
        for state in initial.chunk(config.decoder_layers):
            h, memory = state.chunk(2) if config.cell_type == "lstm" else (state, None)
            states.append([h, memory])
        attends = config.attention_type != "none"
        first, feed = config.attention_query == "previous", self.zeros(config.readout_size)
        logits, weights = [], []
        for token in decoder_input_ids:
            y = self.parameters["model.decoder.embed_tokens.weight"][token]
            context, weight, top_before = fixed, None, states[-1][0]
            if attends and first:
                name = "model.decoder.layers.0"
                context, weight = self.attend(f"{name}.attention", states[0][0], annotations)
                wx = self.linear(f"{name}.input_proj", y) + self.linear(f"{name}.context_proj", context)
                states[0] = self.gates(
                    wx,
                    self.linear(f"{name}.cell.recurrent", states[0][0]),
                    lambda state, name=name: self.linear(f"{name}.cell.candidate", state),
                    *states[0],
                )
                x, remaining = states[0][0], range(1, config.decoder_layers)
            else:
                x = torch.cat([y, fixed]) if first else y
                x, remaining = torch.cat([x, feed]) if config.input_feeding else x, range(config.decoder_layers)
            for layer in remaining:
                states[layer] = self.unit_step(f"model.decoder.layers.{layer}", x, *states[layer])
                x = states[layer][0]
            if attends and not first:
                context, weight = self.attend("model.decoder.attention", x, annotations)
            read_before = first and config.readout_type == "maxout"
            feed = self.read(top_before if read_before else x, y, context)
            logits.append(self.linear("lm_head", feed))
            if config.copy_mechanism:
                read = top_before if read_before else x
                mean = weight if config.num_attention_heads == 1 else [sum(w) / len(w) for w in zip(*weight)]
                logits[-1] = self.copy(logits[-1], read, y, context, mean, source_ids)
            weights.append(weight)
        return torch.stack(logits), weights


def expected_logits(model, batch, row, *features):
    """The logits of one row of a padded batch, whose source the equations read without its padding."""
    source = batch["input_ids"][row][batch["attention_mask"][row].bool()].tolist()
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch["labels"])
    logits, _ = Reference(model)(source, decoder_input_ids[row].tolist(), *features)
    return logits
