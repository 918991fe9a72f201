# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import math

import pytest
import torch
from reference import Reference
from small_models import make_batch, make_model, name_of

from hf_attention.models.bahdanau.local_bahdanau import count_steps


LOCAL = [
    {"local_attention": "monotonic", "local_window": 1},
    {"local_attention": "monotonic", "local_window": 2, "attention_type": "dot", "input_feeding": True},
    {"local_attention": "monotonic", "local_window": 1, "num_attention_heads": 2, "attention_size": 6},
    {"local_attention": "predictive", "local_window": 1, "readout_type": "tanh"},
    {"local_attention": "predictive", "local_window": 2, "attention_type": "general", "input_feeding": True},
    {"local_attention": "predictive", "local_window": 9, "attention_function": "sparsemax", "cell_type": "lstm"},
]


class LocalReference(Reference):
    """Counts its steps, and attends to annotations one by one."""

    def __call__(self, *given):
        self.step = -1
        return super().__call__(*given)

    def attend(self, name, s, annotations):
        self.step += 1
        config, heads, size = self.config, self.config.num_attention_heads, len(annotations)
        center = float(min(self.step, size - 1))
        if config.local_attention == "predictive":
            hidden = torch.tanh(self.linear(f"{name}.position_proj", s))
            center = size / (1 + math.exp(-float(self.linear(f"{name}.position_score", hidden)[0])))
        window = [j for j in range(size) if abs(j - center) <= config.local_window]
        scores = self.scores(name, s, [annotations[j] for j in window])
        weights = []
        for head in zip(*scores):
            row = [0.0] * size
            for j, weight in zip(window, self.distribute(head)):
                is_predictive = config.local_attention == "predictive"
                deviation = config.local_window / 2
                row[j] = weight * (math.exp(-((j - center) ** 2) / (2 * deviation**2)) if is_predictive else 1.0)
            weights.append(row)
        contexts = [sum(weight * h for weight, h in zip(row, annotations)) for row in weights]
        if heads == 1:
            return contexts[0], weights[0]
        maps = self.parameters[f"{name}.value_proj.weight"].chunk(heads)
        return torch.cat([matrix @ context for matrix, context in zip(maps, contexts)]), weights


@pytest.mark.parametrize("options", LOCAL, ids=name_of)
def test_windows_are_those_of_the_equations(options):
    model, batch = make_model(dtype=torch.float64, attention_query="current", **options), make_batch()
    batch["labels"] = torch.randint(3, 17, (3, 8))  # longer than the sources
    with torch.no_grad():
        outputs = model(**batch, output_attentions=True)
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch["labels"])
    for row in range(3):
        keep = batch["attention_mask"][row].bool()
        logits, weights = LocalReference(model)(
            batch["input_ids"][row][keep].tolist(), decoder_input_ids[row].tolist()
        )
        torch.testing.assert_close(outputs.logits[row], logits)
        actual = outputs.cross_attentions[0][row]  # (heads, T, S)
        weights = torch.tensor(weights, dtype=torch.float64).view(8, len(actual), -1).transpose(0, 1)
        torch.testing.assert_close(actual[:, :, keep], weights, rtol=1e-5, atol=1e-6)
        assert actual[:, :, ~keep].eq(0).all()


def test_only_the_windows_keys_are_scored():
    model = make_model(attention_query="current", local_attention="predictive", local_window=3)
    shapes = []
    model.model.decoder.attention.score.register_forward_hook(lambda _, inputs, __: shapes.append(inputs[0].shape[0]))
    source = torch.randint(3, 17, (2, 500))
    outputs = model(input_ids=source, labels=torch.randint(3, 17, (2, 5)), output_attentions=True)
    assert shapes == [2 * 5 * 7]
    assert outputs.cross_attentions[0].shape == (2, 1, 5, 500)
    assert outputs.cross_attentions[0].gt(0).sum(dim=-1).max() <= 7


def test_a_row_of_padding_is_finite():
    for options in (LOCAL[0], LOCAL[3]):
        model, batch = make_model(attention_query="current", **options), make_batch()
        expected = model(**batch).logits[:2]
        batch["attention_mask"][2] = 0
        logits = model(**batch).logits
        assert logits.isfinite().all()
        torch.testing.assert_close(logits[:2], expected)


def test_steps_are_counted_exactly_in_bfloat16_and_padding_is_not():
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        counter, steps = torch.zeros(2, 2, dtype=dtype), []
        for length in (1, 300, 700, 1, 1000):
            now, counter = count_steps(counter, length)
            steps.append(now[1])
        assert torch.cat(steps).tolist() == list(range(2002))
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    steps, counter = count_steps(torch.zeros(2, 2), 4, mask)
    assert steps.tolist() == [[0, 0, 0, 1], [0, 1, 2, 3]]
    assert counter.tolist() == [[0, 2], [0, 4]]
