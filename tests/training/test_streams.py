# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

from collections import Counter

import pytest
from datasets import load_dataset
from torch.utils.data import DataLoader

from hf_attention.training.streams import StreamedBatches


@pytest.fixture(params=[[37], [20, 5, 12]], ids=str)
def stream(request, tmp_path):
    """A shuffled stream of files with so many rows, which are numbered."""
    files, start = [], 0
    for index, count in enumerate(request.param):
        files.append(str(tmp_path / f"{index}.csv"))
        rows = range(start, start := start + count)
        (tmp_path / f"{index}.csv").write_text("\n".join(["number", *map(str, rows)]) + "\n")
    stream = load_dataset("csv", data_files=files, split="train", streaming=True)
    return stream.shuffle(seed=3, buffer_size=10), start


def read(stream, epoch, processes, workers=0, **options):
    """Returns the numbers of each batch, by process."""
    batches = []
    for process in range(processes):
        dataset = StreamedBatches(stream, 4, processes, process, **options)
        dataset.set_epoch(epoch)
        loader = DataLoader(dataset, batch_size=None, collate_fn=lambda rows: rows, num_workers=workers)
        batches.append([[row["number"] for row in batch] for batch in loader])
    return batches


@pytest.mark.parametrize("processes, workers, accumulation", [(1, 0, 1), (2, 0, 1), (2, 2, 1), (3, 2, 1), (2, 0, 3)])
def test_every_row_occurs_once_per_epoch(stream, processes, workers, accumulation):
    rows, count = stream
    first, second = (read(rows, epoch, processes, workers, accumulation=accumulation) for epoch in (0, 1))
    for batches in (first, second):
        assert Counter(number for own in batches for batch in own for number in batch) == Counter(range(count))
        assert len({len(own) for own in batches}) == 1
        assert len(batches[0]) % accumulation == 0
        assert {len(batch) for own in batches for batch in own} <= {1, 2, 3, 4, 5}
    assert first != second


def test_the_batches_of_all_processes_are_those_of_one(stream):
    rows, count = stream
    together = read(rows, 0, 1, accumulation=2)[0]
    apart = read(rows, 0, 2)
    full = count // 8
    for step in range(full - 1):
        one = sorted(together[2 * step] + together[2 * step + 1])
        assert sorted(apart[0][step] + apart[1][step]) == one


def test_dropping_the_last_batch_leaves_full_batches(stream):
    rows, count = stream
    batches = read(rows, 0, 2, drop_last=True)
    assert {len(batch) for own in batches for batch in own} == {4}
    assert len(batches[0]) == len(batches[1]) == count // 8


def test_a_transform_sees_the_rows_of_one_process_alone(stream):
    rows, count = stream
    seen = []

    def transform(batch):
        seen.extend(batch["number"])
        return {"number": [-number for number in batch["number"]]}

    own = read(rows, 0, 2, transform=transform)
    assert len(seen) == count
    assert sorted(seen) == sorted(-number for process in own for batch in process for number in batch)


def test_fewer_rows_than_processes_are_an_error(stream):
    rows, count = stream
    with pytest.raises(ValueError, match=rf"has only {count} rows for 38 processes .* train without `streaming`"):
        read(rows, 0, 38)
