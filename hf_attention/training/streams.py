# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Streamed training data for any number of processes and workers: every row once per epoch."""

from collections.abc import Callable, Iterator

import torch
from datasets import IterableDataset


class StreamedBatches(torch.utils.data.IterableDataset):
    """
    One process's batches of a stream, as lists of rows. Every process reads the stream and keeps its share.

    accelerate repeats rows of a stream on several processes, or sends batches that must be equally long, and does not
    allow for `datasets` dividing files among workers. Here every row occurs once per epoch, and all processes have
    equally many batches: those at the end of the stream, or of a worker's files, are up to one row larger, or smaller.

    Args:
        rows (`IterableDataset`): the stream, in the same order on every process.
        batch_size (`int`): rows of a batch on one process.
        num_processes, process_index (`int`): how many processes share the stream, and which this is.
        accumulation (`int`): batches of an optimizer step; the end of the stream is divided among as many.
        transform (`Callable`, *optional*):
            Converts a dictionary of lists to a dictionary of features. It is applied to this process's rows alone.
        drop_last (`bool`): whether to leave out the rows at the end that do not fill a batch of every process.
    """

    def __init__(
        self,
        rows: IterableDataset,
        batch_size: int,
        num_processes: int = 1,
        process_index: int = 0,
        accumulation: int = 1,
        transform: Callable[[dict], dict] | None = None,
        drop_last: bool = False,
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.num_processes = num_processes
        self.process_index = process_index
        self.accumulation = accumulation
        self.transform = transform
        self.drop_last = drop_last

    def set_epoch(self, epoch: int) -> None:
        self.rows.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[dict]]:
        batches = self.num_processes * self.accumulation  # of all processes in a step
        size = batches * self.batch_size
        block: list[dict] = []
        for row in self.rows:  # in a worker, those of its files
            block.append(row)
            if len(block) == size + batches:  # what remains is enough for a row in each batch
                yield from self.share(block[:size])
                del block[:size]
        if self.drop_last:
            yield from self.share(block[:size] if len(block) >= size else [])
        elif 0 < len(block) < batches:
            raise ValueError(
                f"The stream, or the files of one of `dataloader_num_workers`, has only {len(block)} rows for "
                f"{self.num_processes} processes with `gradient_accumulation_steps` {self.accumulation}. Reduce these "
                "numbers, or train without `streaming`."
            )
        else:
            yield from self.share(block)

    def share(self, block: list[dict]) -> Iterator[list[dict]]:
        """Yields this process's rows of an optimizer step, one batch after another."""
        batches = self.num_processes * self.accumulation
        for batch in range(self.process_index, batches if block else 0, self.num_processes):
            yield self.apply_transform(block[batch::batches])

    def apply_transform(self, rows: list[dict]) -> list[dict]:
        if self.transform is None:
            return rows
        features = self.transform({name: [row[name] for row in rows] for name in rows[0]})
        return [dict(zip(features, values)) for values in zip(*features.values())]
