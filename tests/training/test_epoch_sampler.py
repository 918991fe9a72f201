# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import RandomSampler
from transformers.trainer_pt_utils import LengthGroupedSampler

from hf_attention.training.epoch_sampler import EpochSampler


SAMPLERS = [RandomSampler(range(50)), LengthGroupedSampler(4, lengths=list(range(50)))]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_order_depends_on_the_epoch_alone(sampler):
    sampler = EpochSampler(sampler, seed=7)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    torch.rand(3)  # dropout, in other numbers on each process
    assert list(sampler) == second
    assert second != first
    assert sorted(second) == list(range(50))
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert len(sampler) == 50


@pytest.mark.parametrize("epoch", [0, 3])
def test_a_random_order_is_that_of_accelerate(epoch):
    torch.manual_seed(7)
    ours, theirs = EpochSampler(RandomSampler(range(50)), seed=7), SeedableRandomSampler(range(50))
    ours.set_epoch(epoch)
    theirs.set_epoch(epoch)
    assert list(ours) == list(theirs)
