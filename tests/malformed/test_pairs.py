# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Odd and damaged files of sentence pairs: each is read as it was written, or refused in words that name the file."""

import bz2
import gzip
import io
import json
import lzma
import os
import zipfile

import pyarrow as pa
import pytest
from pyarrow import parquet

from hf_attention.data.parallel import load_parallel


def table(**columns) -> bytes:
    """The content of a parquet file."""
    return table_of(pa.table(columns))


def table_of(rows: pa.Table) -> bytes:
    with io.BytesIO() as file:
        parquet.write_table(rows, file)
        return file.getvalue()


def zipped(content: bytes) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.csv", content)
        return file.getvalue()


def objects(*rows: object) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


CSV = b"de,en\na,b\n"
LONG = "x" * 10_000_000
# file name -> content, and what is read from it
READ: dict[str, tuple[dict[str, bytes], list[tuple[str, str]]]] = {
    # csv
    "a newline in quotes": ({"a.csv": b'de,en\n"a\nb",c\n'}, [("a\nb", "c")]),
    "a carriage return in quotes": ({"a.csv": b'de,en\n"a\rb",c\n'}, [("a\rb", "c")]),
    "line ends of Windows": ({"a.csv": b"de,en\r\na,b\r\n"}, [("a", "b")]),
    "a byte order mark": ({"a.csv": b"\xef\xbb\xbfde,en\na,b\n"}, [("a", "b")]),
    "a byte order mark before a quote": ({"a.csv": b'\xef\xbb\xbf"de",en\na,b\n'}, [("a", "b")]),
    "no newline at the end": ({"a.csv": b"de,en\na,b"}, [("a", "b")]),
    "empty lines": ({"a.csv": b"\n\nde,en\n\na,b\n   \n"}, [("a", "b")]),
    "an index without a name": ({"a.csv": b",de,en\n0,a,b\n1,c,d\n"}, [("a", "b"), ("c", "d")]),
    "two columns without a name": ({"a.csv": b",,de,en\n0,0,a,b\n"}, [("a", "b")]),
    "more columns": ({"a.csv": b"id,de,en,date\n1,a,b,2024-01-05\n"}, [("a", "b")]),
    "columns in another order": ({"a.csv": b"en,de\nb,a\n"}, [("a", "b")]),
    "texts that look like numbers": ({"a.csv": b"de,en\n007,1e5\n1_000,-0\n"}, [("007", "1e5"), ("1_000", "-0")]),
    "texts that look like dates": ({"a.csv": b"de,en\n2024-01-05,05/01/2024\n"}, [("2024-01-05", "05/01/2024")]),
    "texts that look missing": ({"a.csv": b"de,en\nNA,null\nNaN,None\n"}, [("NA", "null"), ("NaN", "None")]),
    "texts that look like truth values": ({"a.csv": b"de,en\nTrue,no\n"}, [("True", "no")]),
    "an empty cell": ({"a.csv": b'de,en\n,b\na,""\n'}, [("", "b"), ("a", "")]),
    "spaces around texts": ({"a.csv": b"de,en\n a , b\n"}, [(" a ", " b")]),
    "quotes in a text": ({"a.csv": b'de,en\nsay "hi",b\n'}, [('say "hi"', "b")]),
    "doubled quotes": ({"a.csv": b'de,en\n"say ""hi""",b\n'}, [('say "hi"', "b")]),
    "a separator of Unicode": ({"a.csv": "de,en\na\u2028b,c\x85d\n".encode()}, [("a\u2028b", "c\x85d")]),
    "a null character": ({"a.csv": b"de,en\na\x00b,c\n"}, [("a\x00b", "c")]),
    "a cell of ten million characters": ({"a.csv": f"de,en\n{LONG},b\n".encode()}, [(LONG, "b")]),
    "a capital extension": ({"a.CSV": CSV}, [("a", "b")]),
    "two files": ({"a.csv": CSV, "b.csv": b"en,de\nd,c\n"}, [("a", "b"), ("c", "d")]),
    "a second file without rows": ({"a.csv": CSV, "b.csv": b"de,en\n"}, [("a", "b")]),
    "gzip": ({"a.csv.gz": gzip.compress(CSV)}, [("a", "b")]),
    "two parts of gzip": ({"a.csv.gz": gzip.compress(CSV) + gzip.compress(b"c,d\n")}, [("a", "b"), ("c", "d")]),
    "bzip2": ({"a.csv.bz2": bz2.compress(CSV)}, [("a", "b")]),
    "xz": ({"a.csv.xz": lzma.compress(CSV)}, [("a", "b")]),
    # tsv
    "quotes in tsv": ({"a.tsv": b'de\ten\n"a\tb"\n'}, [('"a', 'b"')]),
    "commas in tsv": ({"a.tsv": b"de\ten\na,b\tc\n"}, [("a,b", "c")]),
    "a lone carriage return in tsv": ({"a.tsv": b"de\ten\na\rb\tc\r\n"}, [("a\rb", "c")]),
    "empty cells in tsv": ({"a.tsv": b"de\ten\n\tb\n"}, [("", "b")]),
    # json
    "dates in json": (
        {"a.jsonl": objects({"de": "2024-01-05", "en": "2024-01-05T00:00:00Z"})},
        [("2024-01-05", "2024-01-05T00:00:00Z")],
    ),
    "null in a row of json": ({"a.jsonl": objects({"de": None, "en": "b"})}, [("", "b")]),
    "a key missing in a later row": (
        {"a.jsonl": objects({"de": "a", "en": "b"}, {"de": "c"})},
        [("a", "b"), ("c", "")],
    ),
    "a list of objects": (
        {"a.json": b'[{"de": "a",\n "en": "b"},\n {"de": "c", "en": "d"}]\n'},
        [("a", "b"), ("c", "d")],
    ),
    "a list after empty lines": ({"a.json": b'\n\n [{"de": "a", "en": "b"}]'}, [("a", "b")]),
    "empty lines in json lines": ({"a.jsonl": b'\n{"de": "a", "en": "b"}\n\n  \n'}, [("a", "b")]),
    "a byte order mark in json": ({"a.json": b'\xef\xbb\xbf[{"de": "a", "en": "b"}]'}, [("a", "b")]),
    "escapes in json": ({"a.jsonl": rb'{"de": "\ud83d\ude00\n", "en": "\u00e9"}'}, [("\U0001f600\n", "é")]),
    "a separator of Unicode in json": (
        {"a.jsonl": objects({"de": "a\u2028b", "en": "c\x0bd"})},
        [("a\u2028b", "c\x0bd")],
    ),
    "other columns of mixed types": (
        {"a.jsonl": objects({"de": "a", "en": "b", "x": 1}, {"de": "c", "en": "d", "x": {"y": [None, "z"]}})},
        [("a", "b"), ("c", "d")],
    ),
    "a translation with more languages": (
        {"a.jsonl": objects({"translation": {"fr": "x", "de": "a", "en": "b"}})},
        [("a", "b")],
    ),
    "columns that look like agent traces": (
        {"a.jsonl": objects({"de": "a", "en": "b", "type": "user", "message": {"x": 1}})},
        [("a", "b")],
    ),
    "json with another name": ({"a.ndjson": objects({"de": "2024-01-05", "en": "b"})}, [("2024-01-05", "b")]),
    "a line of ten million characters": ({"a.jsonl": objects({"de": LONG, "en": "b"})}, [(LONG, "b")]),
    # parquet
    "texts and numbers in parquet": ({"a.parquet": table(de=["1"], en=["b"], id=[7])}, [("1", "b")]),
    "null in parquet": ({"a.parquet": table(de=["a", None], en=["b", "d"])}, [("a", "b"), ("", "d")]),
    "a dictionary column": (
        {"a.parquet": table(de=pa.array(["a", "a"]).dictionary_encode(), en=["b", "c"])},
        [("a", "b"), ("a", "c")],
    ),
    "large strings": ({"a.parquet": table(de=pa.array(["a"], pa.large_string()), en=["b"])}, [("a", "b")]),
    "a translation in parquet": ({"a.parquet": table(translation=[{"de": "a", "en": "b"}])}, [("a", "b")]),
    # text
    "text": ({"a.de": b"a\nc\n", "a.en": b"b\nd\n"}, [("a", "b"), ("c", "d")]),
    "one text with ends of Windows": ({"a.de": b"a\r\nc\r\n", "a.en": b"b\nd"}, [("a", "b"), ("c", "d")]),
    "a lone carriage return in each": ({"a.de": b"a\rb\nc\n", "a.en": b"d\ne\rf\n"}, [("a\rb", "d"), ("c", "e\rf")]),
    "separators of Unicode in texts": (
        {"a.de": "a\u2028b\nc\n".encode(), "a.en": "d\ne\x85\x0b\x0cf\n".encode()},
        [("a\u2028b", "d"), ("c", "e\x85\x0b\x0cf")],
    ),
    "two carriage returns at the end": ({"a.de": b"a\r\r\n", "a.en": b"b\n"}, [("a\r", "b")]),
    "tabs and spaces": ({"a.de": b"\ta  b \n", "a.en": b"c\n"}, [("\ta  b ", "c")]),
    "empty lines of text": ({"a.de": b"\na\n", "a.en": b"b\n\n"}, [("", "b"), ("a", "")]),
    "byte order marks of both": ({"a.de": b"\xef\xbb\xbfa\n", "a.en": b"\xef\xbb\xbfb\n"}, [("a", "b")]),
    "a byte order mark inside": ({"a.de": "a\ufeffb\n".encode(), "a.en": b"c\n"}, [("a\ufeffb", "c")]),
    "compressed texts": ({"a.de.gz": gzip.compress(b"a\n"), "a.en": b"b\n"}, [("a", "b")]),
    "names with spaces and brackets": ({"a [1]*.de": b"a\n", "b {2}.en": b"b\n"}, [("a", "b")]),
    "the same extension twice": ({"de.txt": b"a\n", "en.txt": b"b\n"}, [("a", "b")]),
}
# file name -> content, and the error
REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    # csv
    "an empty file": ({"a.csv": b""}, "a.csv is empty"),
    "one of two files is empty": ({"a.csv": CSV, "b.csv": b""}, "b.csv is empty"),
    "only empty lines": ({"a.csv": b"\n\n  \n"}, "a.csv: It is empty, but its first line must have the names"),
    "only names": ({"a.csv": b"de,en\n"}, "a.csv: there are no rows below the first line"),
    "no names": (
        {"a.csv": b"hallo,hello\nja,yes\n"},
        "a.csv: The data has no column de, en; its columns are hallo, hello",
    ),
    "names in capitals": ({"a.csv": b"DE,EN\na,b\n"}, "no column de, en; its columns are DE, EN. Set `source_lang`"),
    "semicolons": ({"a.csv": b"de;en\na;b\n"}, "no column de, en; its columns are de;en"),
    "the source twice": (
        {"a.csv": b"de,de,en\na,b,c\n"},
        "row 1: The source column 'de' has several texts: .*'a', 'b'",
    ),
    "a list after a text": (
        {"a.jsonl": b'{"de": "a", "en": "b"}\n{"de": "a", "en": ["b", "c"]}\n'},
        "row 2: The target .*'b', 'c'.* is a list, but that of the first row is not: write all as lists",
    ),
    "a list with a number": (
        {"a.jsonl": b'{"de": "a", "en": ["b", 7]}'},
        "row 1: .*must contain text, but one contains 7",
    ),
    "a row with more cells": ({"a.csv": b"de,en\na,b\nc,d,e\n"}, "a.csv: line 3 has 3 cells, the first line 2.*quote"),
    "a row with fewer cells": ({"a.csv": b"de,en\na,b\nc\n"}, "a.csv: line 3 has 1 cells, the first line 2"),
    "a quote that is not closed": ({"a.csv": b'de,en\na,"b\nc,d\n'}, "a.csv: line 3: unexpected end of data"),
    "text after a quote": ({"a.csv": b'de,en\n"a"x,b\n'}, "a.csv: line 2: .*expected after.*quote cells"),
    "a carriage return outside quotes": ({"a.csv": b"de,en\na\rb,c\n"}, "line 2: a carriage return is outside quotes"),
    "lines of an old Macintosh": ({"a.csv": b"de,en\ra,b\r"}, "a.csv: line 1: a carriage return is outside quotes"),
    "latin-1": ({"a.csv": "de,en\nschön,b\n".encode("latin-1")}, "a.csv: .*can't decode.*in line 2. Save it as UTF-8"),
    "UTF-16": ({"a.csv": "de,en\na,b\n".encode("utf-16")}, "a.csv: .*can't decode.*in line 1. Save it as UTF-8"),
    "half of a character": ({"a.csv": b"de,en\na,\xe2\x82\n"}, "a.csv: .*can't decode.*in line 2"),
    "a second file with other columns": ({"a.csv": CSV, "b.csv": b"de,fr\na,b\n"}, "b.csv: The data has no column en"),
    "different formats": ({"a.csv": CSV, "b.tsv": b"de\ten\na\tb\n"}, "a.csv, .*b.tsv have different formats"),
    "a compressed file with a plain name": (
        {"a.csv": gzip.compress(CSV)},
        "a.csv: .*without compression unless its name",
    ),
    "a plain file with a compressed name": ({"a.csv.gz": CSV}, "a.csv.gz: Not a gzipped file.*damaged or incomplete"),
    "half of a gzip": (
        {"a.csv.gz": gzip.compress(CSV * 99)[:30]},
        "a.csv.gz: .*damaged or incomplete: create it again",
    ),
    "gzip with a wrong byte": (
        {"a.csv.gz": gzip.compress(CSV)[:-6] + b"123456"},
        "a.csv.gz: CRC check failed.*damaged or incomplete",
    ),
    "half of a bzip2": ({"a.csv.bz2": bz2.compress(CSV)[:20]}, "a.csv.bz2: .*damaged or incomplete"),
    "half of an xz": ({"a.csv.xz": lzma.compress(CSV)[:30]}, "a.csv.xz: .*damaged or incomplete"),
    "a plain file with the name of an xz": ({"a.csv.xz": CSV}, "a.csv.xz: .*damaged or incomplete"),
    "a zip archive": ({"a.csv.zip": zipped(CSV)}, "Cannot read .*a.csv.zip: pass files of one of the formats .csv"),
    "an archive with a plain name": ({"a.csv": zipped(CSV)}, "a.csv: .*Save it as UTF-8, without compression"),
    # tsv
    "a tab in a text of tsv": ({"a.tsv": b"de\ten\na\tb\tc\n"}, "a.tsv: line 2 has 3 cells, the first line 2"),
    "spaces instead of tabs": (
        {"a.tsv": b"de en\na b\n"},
        "a.tsv: The data has no column de, en; its columns are de en",
    ),
    "a line break in tsv": ({"a.tsv": b'de\ten\n"a\nb"\tc\n'}, "a.tsv: line 2 has 1 cells"),
    # json
    "an empty json": ({"a.json": b""}, "a.json is empty"),
    "white space": ({"a.json": b" \n "}, "a.json: there are no rows"),
    "an empty list": ({"a.json": b"[]"}, "a.json: there are no rows"),
    "an empty object": ({"a.json": b"{}"}, "a.json: The data has no column de, en"),
    "null": ({"a.json": b"null"}, "a.json: line 1 is 'None', not an object"),
    "a number": ({"a.json": b"3"}, "a.json: line 1 is '3', not an object"),
    "a text": ({"a.json": b'"a"'}, "a.json: line 1 is 'a', not an object"),
    "null in a list": ({"a.json": b'[{"de": "a", "en": "b"}, null]'}, "a.json: row 2 is 'None', not an object"),
    "lists in a list": ({"a.json": b'[["a", "b"]]'}, "a.json: row 1 is .*, not an object"),
    "half of an object": (
        {"a.jsonl": b'{"de": "a", "en": "b"}\n{"de": "a"'},
        "a.jsonl: JSON cannot be parsed in line 2",
    ),
    "half of a list": (
        {"a.json": b'[{"de": "a", "en": "b"},'},
        "a.json: JSON cannot be parsed in the list from line 1",
    ),
    "an object over several lines": ({"a.json": b'{\n"de": "a",\n"en": "b"\n}'}, "line 1 .*Write one object per line"),
    "columns as lists": ({"a.json": b'{"de": ["a"], "en": ["b"]}'}, "row 1: The source column 'de' has several texts"),
    "rows under a key": ({"a.json": b'{"data": [{"de": "a", "en": "b"}]}'}, "no column de, en; its columns are data"),
    "a number as text": (
        {"a.jsonl": objects({"de": "a", "en": "b"}, {"de": 3, "en": "b"})},
        "a.jsonl: row 2: The two columns must contain text, but one contains 3. Store it as text, in quotes",
    ),
    "a truth value as text": (
        {"a.jsonl": objects({"de": True, "en": "b"})},
        "one contains True. Store it as text, in quotes",
    ),
    "an object as text": ({"a.jsonl": objects({"de": {"x": 1}, "en": "b"})}, "one contains {'x': 1}"),
    "a key twice": ({"a.jsonl": b'{"de": "a", "de": "x", "en": "b"}'}, "line 1 .*a key occurs twice .*de, de, en"),
    "half of a surrogate pair": ({"a.jsonl": rb'{"de": "\ud83d", "en": "b"}'}, "row 1: .*half of a surrogate pair"),
    "lists nested too deeply": ({"a.json": b"[" * 100_000}, "a.json: JSON cannot be parsed"),
    "a number with too many digits": ({"a.jsonl": b'{"de": ' + b"1" * 5000 + b"}"}, "JSON cannot be parsed in line 1"),
    "two objects in a line": ({"a.jsonl": b'{"de": "a"} {"en": "b"}'}, "JSON cannot be parsed in line 1 .*Extra data"),
    "single quotes": ({"a.jsonl": b"{'de': 'a', 'en': 'b'}"}, "a.jsonl: JSON cannot be parsed in line 1"),
    "a line break in a string": (
        {"a.jsonl": b'{"de": "a\nb", "en": "c"}'},
        "a.jsonl: JSON cannot be parsed in line 1",
    ),
    "json in latin-1": ({"a.jsonl": '{"de": "ö", "en": "b"}'.encode("latin-1")}, "a.jsonl: .*Save it as UTF-8"),
    "json in UTF-16": ({"a.jsonl": '{"de": "ö", "en": "b"}'.encode("utf-16")}, "a.jsonl: .*Save it as UTF-8"),
    "a translation without a language": (
        {"a.jsonl": objects({"translation": {"de": "a"}})},
        "`translation` column has no en; its languages are de",
    ),
    "a translation that is text": ({"a.jsonl": objects({"translation": "a"})}, "Every `translation` must have 'de'"),
    "a later row without translation": (
        {"a.jsonl": objects({"translation": {"de": "a", "en": "b"}}, {"de": "a"})},
        "a.jsonl: row 2 has no translation, but de",
    ),
    "an alignment of texts": (
        {"a.jsonl": objects({"de": "a", "en": "b", "alignment": [["0-0"]]})},
        "row 1: `alignment` must be a list of .target start",
    ),
    "an alignment with three numbers": (
        {"a.jsonl": objects({"de": "a", "en": "b", "alignment": [[0, 1, 2]]})},
        "row 1: `alignment` must be a list of",
    ),
    "an alignment in a later row only": (
        {"a.jsonl": objects({"de": "a", "en": "b"}, {"de": "a", "en": "b", "alignment": [[0, 1, 0, 1]]})},
        "row 2: It has an `alignment`, but the first row has none: write null there",
    ),
    # parquet
    "a column twice in parquet": (
        {"a.parquet": table_of(pa.Table.from_arrays([pa.array(["a"])] * 3, names=["de", "en", "en"]))},
        "a.parquet: It has a column twice: de, en, en",
    ),
    "half of a parquet file": ({"a.parquet": table(de=["a"], en=["b"])[:-40]}, "a.parquet: .*damaged or incomplete"),
    "text with the name of parquet": ({"a.parquet": CSV}, "a.parquet: .*damaged or incomplete"),
    "parquet without rows": (
        {"a.parquet": table(de=pa.array([], "string"), en=pa.array([], "string"))},
        "a.parquet: there are no rows",
    ),
    "parquet without columns": ({"a.parquet": table(x=["a"])}, "a.parquet: The data has no column de, en; .* are x"),
    "dates in parquet": (
        {"a.parquet": table(de=pa.array([0], pa.timestamp("s")), en=["b"])},
        "row 1: The two columns must contain text, but one contains datetime.datetime",
    ),
    "bytes in parquet": (
        {"a.parquet": table(de=[b"a"], en=["b"])},
        "row 1: .*must contain text, but one contains b'a'",
    ),
    # text
    "one empty text": ({"a.de": b"", "a.en": b"b\n"}, "a.de is empty"),
    "fewer targets": ({"a.de": b"a\nc\n", "a.en": b"b\n"}, "a.de has 2 and .*a.en 1"),
    "fewer sources": ({"a.de": b"a\n", "a.en": b"b\nd\ne\n"}, "a.de has 1 and .*a.en 3"),
    "an empty line at the end": ({"a.de": b"a\n\n", "a.en": b"b\n"}, "a.de has 2 and .*a.en 1"),
    "lines that only a carriage return ends": ({"a.de": b"a\rb\r", "a.en": b"c\nd\n"}, "a.de has 1 and .*a.en 2"),
    "text in EUC-KR": (
        {"a.ko": "나\n".encode("euc-kr"), "a.en": b"I\n"},
        "a.ko, .*a.en: .*in line 1. Save it as UTF-8",
    ),
    "one text": ({"a.de": b"a\n"}, "Cannot read .*a.de: pass files of one of the formats"),
    "three texts": (
        {"a.de": b"a\n", "a.en": b"b\n", "a.fr": b"c\n"},
        "Cannot read .*a.fr: pass .*or two plain text files",
    ),
    "a text next to a table": ({"a.csv": CSV, "a.en": b"b\n"}, "a.csv, .*a.en have different formats"),
    "an image": ({"a.png": b"\x89PNG", "a.en": b"b\n"}, "a.png, .*a.en: .*Save it as UTF-8"),
}


def load(folder, files: dict[str, bytes], streaming: bool):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    paths = [str(folder / name) for name in files]
    languages = ("de", "en")
    return load_parallel(None, None, {"train": paths}, *languages, streaming)["train"]


@pytest.mark.parametrize("case", READ)
def test_odd_files_are_read_as_they_were_written(tmp_path, case):
    files, pairs = READ[case]
    assert [(row["source"], row["target"]) for row in load(tmp_path, files, streaming=True)] == pairs


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_cannot_be_read_are_refused_before_training(tmp_path, case):
    files, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        load(tmp_path, files, streaming=True)


@pytest.mark.parametrize("case", list(READ)[::12])
def test_streams_and_tables_have_the_same_pairs(tmp_path, case):
    files, pairs = READ[case]
    assert [(row["source"], row["target"]) for row in load(tmp_path, files, streaming=False)] == pairs


@pytest.mark.parametrize("case", list(REFUSED)[::12])
def test_streams_and_tables_have_the_same_errors(tmp_path, case):
    files, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        load(tmp_path, files, streaming=False)


def make_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    "make",
    [
        make_folder,
        lambda path: path.symlink_to(path.parent / "gone.csv"),
        lambda path: path.symlink_to(path),
        os.mkfifo,
    ],
    ids=["a folder", "a link to nothing", "a link to itself", "a pipe"],
)
def test_paths_that_are_not_files_are_named(tmp_path, make):
    make(tmp_path / "a.csv")
    with pytest.raises(FileNotFoundError, match="There is no data file '.*a.csv'"):
        load_parallel(data_files={"train": [str(tmp_path / "a.csv")]})


@pytest.mark.parametrize(
    "files, message",
    [
        ("a.csv", "must have a list of files for each split, got 'a.csv'"),
        ([], r"must have a list of files for each split, got \[\]"),
        (["a.de", "a.de"], "a.de, a.de: one of them is named twice"),
    ],
)
def test_lists_of_files_that_are_not_are_named(files, message):
    with pytest.raises(ValueError, match=message):
        load_parallel(data_files={"train": files})


CARD = "---\nconfigs:\n- config_name: default\n  data_files: a.csv\n  sep: ';'\n---\n"


@pytest.mark.parametrize("streaming", [False, True])
def test_options_in_the_card_of_a_folder_are_used(tmp_path, streaming):
    (tmp_path / "a.csv").write_text("source;target\na,b;c\n")
    (tmp_path / "README.md").write_text(CARD)
    assert list(load_parallel(str(tmp_path), streaming=streaming)["train"]) == [{"source": "a,b", "target": "c"}]


@pytest.mark.parametrize(
    "files, message",
    [
        ({"train.json": "null"}, "train.json: line 1 is 'None', not an object"),
        ({"train.csv": ""}, "train.csv is empty"),
        ({"train.csv": "source,target\na,b\n", "test.csv": "de,en\na,b\n"}, "test.csv: The data has no column source"),
        ({"train.csv": "source,target\na\n"}, "train.csv: line 2 has 1 cells, the first line 2"),
        ({"train.csv": "x", "test.jsonl": "{}"}, "Couldn't infer the same data file format"),
        ({"train.csv": "x", "README.md": "---\nconfigs: [\n---\n"}, "while parsing a flow node"),
        ({"train.csv": "x", "README.md": CARD.replace("a.csv", "b.csv")}, "b.csv"),
        ({"train.txt": "a"}, "The data has no column source, target; its columns are text"),
        ({"notes": "a"}, "No .supported. data files found"),
        ({}, "doesn't contain any data files"),
    ],
)
def test_folders_that_cannot_be_read_are_named(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        load_parallel(str(tmp_path))
    assert str(tmp_path) in str(error.value)


def test_a_file_without_permission_is_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "a.csv").chmod(0)
    if os.access(tmp_path / "a.csv", os.R_OK):
        pytest.skip("root reads every file")
    with pytest.raises(PermissionError, match="a.csv"):
        load_parallel(data_files={"train": [str(tmp_path / "a.csv")]})


def test_alignments_that_are_text_are_ignored_with_a_warning(tmp_path, caplog):
    rows = load(tmp_path, {"a.csv": b"de,en,alignment\na,b,0-0\n"}, streaming=True)
    assert list(rows) == [{"source": "a", "target": "b"}]
    assert "a.csv: the column `alignment` is ignored, since it is text" in caplog.text
