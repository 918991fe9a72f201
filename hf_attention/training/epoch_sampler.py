# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The order of training examples, which a run that resumes within an epoch must repeat."""

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler


class EpochSampler(Sampler[int]):
    """
    Gives a sampler an order that depends on the seed and the epoch alone. transformers draws that of a
    `LengthGroupedSampler` from the global generator, whose state at the start of an epoch no checkpoint has, and
    accelerate does not tell a `RandomSampler` its epoch when several processes resume within one.

    Args:
        sampler (`Sampler`): a `RandomSampler`, `WeightedRandomSampler` or `LengthGroupedSampler`.
        seed (`int`): added to the epoch, as accelerate does.
    """

    def __init__(self, sampler: Sampler, seed: int) -> None:
        self.sampler = sampler
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sampler)  # ty: ignore[invalid-argument-type]  # all kinds have a length

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed + self.epoch)
        self.sampler.generator = generator  # ty: ignore[missing-attribute]  # all kinds have one
        return iter(self.sampler)


__all__ = ["EpochSampler"]
