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
import torch

from hf_attention.models.bahdanau.padding_bahdanau import invert, reading_orders, take, worthwhile_lengths


def make_mask() -> torch.Tensor:
    """Padded on the right, twice, not at all, and on the left."""
    mask = torch.ones(4, 9, dtype=torch.long)
    mask[0, 2:] = mask[1, 5:] = mask[3, :3] = 0
    return mask


def test_worthwhile_lengths():
    assert worthwhile_lengths(make_mask()).tolist() == [2, 5, 9, 6]
    assert worthwhile_lengths(torch.ones(4, 9)) is None


def test_each_direction_reads_tokens_first():
    mask = make_mask()
    forward, backward = reading_orders(mask)
    for row, tokens in enumerate(mask):
        places = tokens.nonzero()[:, 0].tolist()
        assert forward[row, : len(places)].tolist() == places
        assert backward[row, : len(places)].tolist() == places[::-1]
        assert sorted(forward[row].tolist()) == sorted(backward[row].tolist()) == list(range(9))
    sequence = torch.randn(4, 9, 3)
    for order in (forward, backward):
        assert torch.equal(take(take(sequence, order), invert(order)), sequence)
