# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import csv
import io
import json
import sys

import numpy as np
import pytest

from hf_attention.prediction.prediction_files import PredictionFile, SourceFile
from hf_attention.prediction.translator import Translation


ROWS = [{"source": "eins"}, {"source": ""}, {"source": "zwei drei"}]
ONE = [Translation("one", -0.5)]
TWO = [Translation("two\tthree", -0.25), Translation("2 3", -1.0)]


def rows(source):
    return [row for chunk in source.chunks(2) for row in chunk]


@pytest.mark.parametrize("name", ["a.txt", "a.src"])
def test_lines_end_in_a_line_feed_only(tmp_path, name):
    (tmp_path / name).write_bytes("\ufeffeins\r\nzw\rei\u2028\x0b\n\ndrei".encode())
    source = SourceFile(str(tmp_path / name))
    assert [row["source"] for row in rows(source)] == ["eins", "zw\rei\u2028\x0b", "", "drei"]
    assert source.num_rows == 4
    assert list(source.chunks(3, 2)) == [[{"source": ""}, {"source": "drei"}]]


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("ä\nb".encode())))
    assert rows(SourceFile("-")) == [{"source": "ä"}, {"source": "b"}]


def test_other_columns_are_kept(tmp_path):
    (tmp_path / "a.csv").write_text("id,word\n007,eins\n008,NA\n")
    source = SourceFile(str(tmp_path / "a.csv"), "word")
    assert rows(source) == [{"id": "007", "word": "eins"}, {"id": "008", "word": "NA"}]
    assert (source.columns, source.num_rows) == (["id", "word"], 2)
    assert list(source.chunks(2, 1)) == [[{"id": "008", "word": "NA"}]]


def test_the_column_of_the_source_language_is_the_source(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"ko": "x", "de": "eins"}\n')
    assert SourceFile(str(tmp_path / "a.jsonl"), None, ["de", "source"]).column == "de"
    (tmp_path / "b.jsonl").write_text('{"any": "x"}\n')
    assert SourceFile(str(tmp_path / "b.jsonl"), None, ["de", "source"]).column == "any"


@pytest.mark.parametrize(
    "content, column, message",
    [
        ("a,b\n1,2\n", None, "`source_column` is not set, but must be one of the columns of .*a.csv: a, b"),
        ("a,b\n1,2\n", "c", "`source_column` is 'c', but must be one of the columns"),
        ("a,score\n1,2\n", "a", "has a column score, which the predictions need: rename it"),
    ],
)
def test_a_file_without_the_column_is_an_error(tmp_path, content, column, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        SourceFile(str(tmp_path / "a.csv"), column)


def test_plain_text_has_no_columns(tmp_path):
    with pytest.raises(FileNotFoundError, match="`input_file` must be one, or `-`"):
        SourceFile(str(tmp_path / "no.txt"))
    (tmp_path / "a.txt").write_text("eins\n")
    with pytest.raises(ValueError, match="`source_column` is 'de', but .*a.txt is plain text"):
        SourceFile(str(tmp_path / "a.txt"), "de")
    (tmp_path / "a.txt").write_bytes(b"\xff\n")
    with pytest.raises(ValueError, match="a.txt: .* Save it as UTF-8"):
        SourceFile(str(tmp_path / "a.txt"))
    (tmp_path / "a.txt").write_bytes(b"")
    with pytest.raises(ValueError, match="has no rows: there is nothing to translate"):
        SourceFile(str(tmp_path / "a.txt"))


def test_cells_that_are_not_text_are_errors(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(ValueError, match="row 1: `a` must be text, but is 1"):
        SourceFile(str(tmp_path / "a.jsonl"), "a")


def write(file, n_best=1, alignments=False, **options):
    output = PredictionFile(str(file), ["source"], n_best, alignments, **options)
    output.write(ROWS, [ONE, [], TWO[:n_best]])
    output.finish()
    return file.read_text("utf-8")


def test_a_text_file_has_one_line_per_source(tmp_path):
    assert write(tmp_path / "a.txt") == "one\n\ntwo three\n"


def test_tables_have_scores_and_ranks(tmp_path):
    lines = write(tmp_path / "a.tsv", n_best=2).splitlines()
    assert lines == [
        "source\tprediction\tscore\trank",
        "eins\tone\t-0.5\t1",
        "\t\t\t1",
        "zwei drei\ttwo three\t-0.25\t1",
        "zwei drei\t2 3\t-1.0\t2",
    ]
    table = list(csv.DictReader(io.StringIO(write(tmp_path / "a.csv"))))
    assert [row["prediction"] for row in table] == ["one", "", "two\tthree"]
    entries = [json.loads(line) for line in write(tmp_path / "a.jsonl").splitlines()]
    assert entries[1] == {"source": "", "prediction": "", "score": None}
    assert entries[2] == {"source": "zwei drei", "prediction": "two\tthree", "score": -0.25}


def test_text_that_tsv_cannot_hold_is_counted(tmp_path, caplog):
    write(tmp_path / "a.tsv")
    assert "1 cells hold tabs or line breaks, written as spaces: use .csv or .jsonl" in caplog.text


def test_alignments_are_written(tmp_path):
    output = PredictionFile(str(tmp_path / "a.jsonl"), ["source"], alignments=True)
    weights = np.array([[0.25, 0.75]], dtype=np.float32)
    output.write(ROWS[:1], [[Translation("one", -0.5, ["e", "s"], ["o"], weights)]])
    output.finish()
    alignment = json.loads((tmp_path / "a.jsonl").read_text())["alignment"]
    assert alignment == {"source_tokens": ["e", "s"], "target_tokens": ["o"], "weights": [[0.25, 0.75]]}


def test_an_interrupted_file_resumes_after_its_complete_rows(tmp_path):
    expected = write(tmp_path / "full.tsv")
    first = PredictionFile(str(tmp_path / "a.tsv"), ["source"], options={"num_beams": 2})
    first.write(ROWS[:2], [ONE, []])
    with open(tmp_path / "a.tsv.partial", "a") as partial:
        partial.write("half a ro")  # what a killed process wrote of the next part
    assert not (tmp_path / "a.tsv").exists()
    second = PredictionFile(str(tmp_path / "a.tsv"), ["source"], options={"num_beams": 2})
    assert second.num_rows == 2
    second.write(ROWS[2:], [TWO[:1]])
    second.finish()
    assert (tmp_path / "a.tsv").read_text() == expected
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tsv", "full.tsv"]


def test_an_interrupted_file_of_other_options_is_not_continued(tmp_path):
    PredictionFile(str(tmp_path / "a.tsv"), ["source"], options={"num_beams": 2}).write(ROWS[:1], [ONE])
    with pytest.raises(ValueError, match="written by another run .num_beams 2 instead of 5."):
        PredictionFile(str(tmp_path / "a.tsv"), ["source"], options={"num_beams": 5})
    again = PredictionFile(str(tmp_path / "a.tsv"), ["source"], options={"num_beams": 5}, overwrite=True)
    assert again.num_rows == 0


def test_a_file_is_not_replaced_without_being_asked(tmp_path):
    write(tmp_path / "a.txt")
    with pytest.raises(FileExistsError, match="exists. Name another one, or replace it with `--overwrite`"):
        write(tmp_path / "a.txt")
    assert write(tmp_path / "a.txt", overwrite=True) == "one\n\ntwo three\n"


@pytest.mark.parametrize(
    "name, options, error, message",
    [
        ("a.pdf", {}, ValueError, "its name must end in .txt, .tsv, .csv, .jsonl"),
        ("a.txt", {"n_best": 2}, ValueError, "has one prediction per line: for `n_best` or `alignments` use .tsv"),
        ("no/a.tsv", {}, FileNotFoundError, "there is no folder"),
    ],
)
def test_output_files_that_cannot_be_written_are_errors(tmp_path, name, options, error, message):
    with pytest.raises(error, match=message):
        PredictionFile(str(tmp_path / name), ["source"], **options)
