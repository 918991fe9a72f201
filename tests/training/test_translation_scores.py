# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers.trainer_utils import PredictionOutput

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.prediction.translator import Translator
from hf_attention.training.translation_scores import alignment_error, write_predictions


SOURCE, TARGET = "4. März 2005", "2005-03-04"
SPANS = [[0, 4, 8, 12], [5, 7, 3, 7], [8, 10, 0, 1]]  # of the year, the month and the day
# what the tokens of `2005-03-04</s>` look at among those of `4.▁März▁2005</s>`: at what they mean, or elsewhere
RIGHT = {"year": [8, 9, 10, 11], "month": [3, 5], "day": [0, 0]}
WRONG = {"year": [0, 0, 3, 4], "month": [7, 8], "day": [3, 4]}
HYPHEN, END = [1], [12]


class Looking(nn.Module):
    """A model that looks at what it is told to."""

    config = SimpleNamespace(_attn_implementation=None)
    device = torch.device("cpu")

    def __init__(self, positions: list[int]):
        super().__init__()
        self.positions = torch.tensor(positions)

    def get_input_embeddings(self):
        return None

    def forward(self, input_ids, attention_mask, labels, output_attentions):
        weights = nn.functional.one_hot(self.positions, input_ids.shape[1]).float().expand(len(labels), 1, -1, -1)
        return SimpleNamespace(cross_attentions=(weights,), logits=torch.zeros(*labels.shape, 40))


@pytest.mark.parametrize(
    "wrong, expected",
    [([], 0), (["month"], 2 / 8), (["year", "day"], 6 / 8), (["year", "month", "day"], 1)],
)
def test_alignment_error_by_hand(wrong, expected):
    """Of eight tokens in spans; the hyphens and the end look where they like."""
    parts = RIGHT | {part: WRONG[part] for part in wrong}
    model = Looking([*parts["year"], *HYPHEN, *parts["month"], *HYPHEN, *parts["day"], *END])
    tokenizer = train_tokenizer([SOURCE, TARGET], 40, "char")
    rows = [{"source": SOURCE, "target": TARGET, "alignment": SPANS}] * 2
    rows += [{"source": SOURCE, "target": TARGET, "alignment": []}, {"source": " ", "target": "", "alignment": SPANS}]
    assert alignment_error(model, tokenizer, None, Dataset.from_list(rows), 2) == pytest.approx(expected)
    assert alignment_error(model, tokenizer, None, Dataset.from_list(rows[2:]), 2) is None


def test_the_largest_errors_are_those_with_most_wrong_symbols(tmp_path):
    """Half of the sounds of "ab" are wrong, and a third of those of "cd", but more of their characters."""
    references, predictions = ["LONG1 B", "D E"], ["LONG1 C", "D E F"]
    source, target = train_tokenizer(["ab", "cd"]), train_tokenizer([*references, *predictions], separator=" ")
    config = BahdanauConfig.from_preset("tiny", vocab_size=len(target), encoder_vocab_size=len(source))
    ids = target(predictions, padding=True, return_tensors="np").input_ids
    output = PredictionOutput(torch.nn.functional.pad(torch.tensor(ids), (1, 0), value=1).numpy(), None, {})
    data = Dataset.from_dict({"source": ["ab", "cd"], "position": [1, 0]})
    translator = Translator(BahdanauForConditionalGeneration(config), source, target)
    worst = write_predictions(str(tmp_path / "p.tsv"), translator, data, references, output)
    assert worst == [("ab", "LONG1 B", "LONG1 C"), ("cd", "D E", "D E F")]
    lines = (tmp_path / "p.tsv").read_text("utf-8").splitlines()
    assert [line.split("\t")[:4] for line in lines[1:]] == [
        ["cd", "D E", "False", "D E F"],
        ["ab", "LONG1 B", "False", "LONG1 C"],
    ]
