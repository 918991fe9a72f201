# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import ast
import bz2
import gzip
import json
import lzma
import os
import pickle
import subprocess
import sys

import pandas as pd
import pytest
from datasets import Dataset, DatasetDict
from huggingface_hub import HfApi

from hf_attention.data.parallel import load_parallel, pair_with_each_reference, tokenize_pairs
from hf_attention.data.tokenizer import train_tokenizer


PAIRS = [("ein Hund", "a dog"), ("eine Katze", "a cat"), ("", "empty"), ("viele viele viele Hunde", "many many dogs")]


def write(folder, kind):
    if kind == "csv" or kind == "tsv":
        sign = "," if kind == "csv" else "\t"
        (folder / f"d.{kind}").write_text("\n".join(sign.join(row) for row in [("de", "en"), *PAIRS]) + "\n")
    elif kind in ("json", "jsonl"):
        lines = [json.dumps({"translation": {"de": de, "en": en}, "id": 1}) for de, en in PAIRS]
        (folder / f"d.{kind}").write_text("\n".join(lines))
    elif kind == "parquet":
        Dataset.from_list([{"translation": {"de": de, "en": en}} for de, en in PAIRS]).to_parquet(folder / "d.parquet")
    else:
        (folder / "d.de").write_text("".join(de + "\n" for de, _ in PAIRS))
        (folder / "d.en").write_text("".join(en + "\n" for _, en in PAIRS))
        return [str(folder / "d.de"), str(folder / "d.en")]
    return [str(folder / f"d.{kind}")]


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "parquet", "text"])
@pytest.mark.parametrize("streaming", [False, True])
def test_pairs_from_files_of_each_format(tmp_path, kind, streaming):
    files = write(tmp_path, kind)
    languages = {} if kind == "text" else {"source_lang": "de", "target_lang": "en"}
    data = load_parallel(data_files={"train": files}, streaming=streaming, **languages)
    rows = [(row["source"], row["target"]) for row in data["train"]]
    assert rows == PAIRS
    if not streaming:
        assert set(data["train"].column_names) == {"source", "target"}


def test_swapped_languages_are_the_other_direction(tmp_path):
    data = load_parallel(data_files={"train": write(tmp_path, "json")}, source_lang="en", target_lang="de")
    assert data["train"][0] == {"source": "a dog", "target": "ein Hund"}


def test_a_local_folder_is_loaded_by_name(tmp_path):
    DatasetDict({"train": Dataset.from_dict({"de": ["ja"], "en": ["yes"]})})["train"].to_parquet(
        tmp_path / "train.parquet"
    )
    data = load_parallel(str(tmp_path), source_lang="de", target_lang="en")
    assert data["train"][0] == {"source": "ja", "target": "yes"}
    with pytest.raises(ValueError, match=rf"{tmp_path.name} \(train\): The data has no column fr"):
        load_parallel(str(tmp_path), source_lang="de", target_lang="fr")


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("streaming", [False, True])
def test_texts_in_a_local_folder_are_read_as_they_are(tmp_path, kind, streaming):
    pairs = pd.DataFrame({"source": ["007", "NA"], "target": ["2024-01-05", "1.50"]})
    for split in ("train", "test"):
        if kind == "jsonl":
            pairs.to_json(tmp_path / f"{split}.jsonl", orient="records", lines=True)
        else:
            pairs.to_csv(tmp_path / f"{split}.{kind}", sep="," if kind == "csv" else "\t", index=False)
    data = load_parallel(str(tmp_path), streaming=streaming)
    for split in ("train", "test"):
        assert list(data[split]) == pairs.to_dict("records")


@pytest.mark.parametrize("streaming", [False, True])
def test_texts_on_the_hub_are_read_as_they_are(hub, streaming):
    HfApi().create_repo("alice/codes", repo_type="dataset")
    hub.put("alice/codes", {"train.csv": b"source,target\n007,1.50\nNA,\n"}, "dataset")
    data = load_parallel("alice/codes", streaming=streaming)["train"]
    assert list(data) == [{"source": "007", "target": "1.50"}, {"source": "NA", "target": ""}]


@pytest.mark.parametrize(
    "kind, languages, message",
    [
        ("json", ("de", "fr"), "`translation` column has no fr; its languages are de, en"),
        ("csv", ("deu", "en"), "no column deu; its columns are de, en"),
    ],
)
def test_missing_columns_are_named_in_the_error(tmp_path, kind, languages, message):
    with pytest.raises(ValueError, match=message):
        load_parallel(data_files={"train": write(tmp_path, kind)}, source_lang=languages[0], target_lang=languages[1])


def test_unusable_files_are_named_in_the_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no data file 'gone.csv'"):
        load_parallel(data_files={"train": ["gone.csv"]})
    (tmp_path / "d.xyz").write_text("a")
    with pytest.raises(ValueError, match="Cannot read .*d.xyz"):
        load_parallel(data_files={"train": [str(tmp_path / "d.xyz")]})
    source, target = write(tmp_path, "text")
    (tmp_path / "d.en").write_text("a dog\n")
    for streaming in (False, True):
        with pytest.raises(ValueError, match="same number of lines, but .*d.de has 4 and .*d.en 1"):
            load_parallel(data_files={"train": [source, target]}, streaming=streaming)
    with pytest.raises(ValueError, match="Pass a dataset"):
        load_parallel()


@pytest.mark.parametrize(
    "files, message",
    [
        ({"a.csv": "de,en\na,b\n", "b.tsv": "de\ten\na\tb\n"}, "a.csv, .*b.tsv have different formats"),
        ({"a.csv": "de,en\na,b\n", "b.en": "b\n"}, "a.csv, .*b.en have different formats"),
        (
            {"a.csv": "de,en\na,b\n", "b.csv": "src,tgt\na,b\n"},
            "b.csv: The data has no column de, en; .* src, tgt",
        ),
        ({"a.csv": "de,en\n\n"}, "a.csv: there are no rows"),
        ({"a.csv": "de,en\nschön,nice\n".encode("latin-1")}, "a.csv: .*codec can't decode.*Save it as UTF-8"),
        ({"a.jsonl": '{"de": "나", "en": "I"}\n'.encode("cp949")}, "a.jsonl: .*codec can't decode.*Save it as UTF-8"),
        ({"a.de": "나\n".encode("cp949"), "a.en": "I\n"}, "a.de, .*a.en: .*codec can't decode.*Save it as UTF-8"),
        (
            {"a.csv": "de,en\na,b\nc,d,e\n"},
            "a.csv: line 3 has 3 cells, the first line 2.*quote cells with commas",
        ),
        ({"a.csv": "de,en\nhello, you,a\nb,c\n"}, "a.csv: line 2 has 3 cells, the first line 2"),
        ({"a.csv": "de,en\na,b,\nc,d,\n"}, "a.csv: line 2 has 3 cells, the first line 2"),
        ({"a.tsv": "de\ten\na\tb\tCC-BY\nc\td\tCC-BY\n"}, "a.tsv: line 2 has 3 cells, the first line 2"),
        ({"a.tsv": "de\ten\na\tb\n\nc d\n"}, "a.tsv: line 4 has 1 cells, the first line 2"),
        ({"a.csv": 'de,en\n"a,b\nc,d\n'}, "a.csv: line 3: unexpected end of data. .*quote cells with commas, quotes"),
        ({"a.jsonl": '{"de": "a"\n'}, "a.jsonl: JSON cannot be parsed in line 1"),
        (
            {"a.jsonl": '{"translation": {"de": "a", "en": "b"}}\n{"translation": null}\n'},
            "a.jsonl: .* but one is None",
        ),
        (
            {"a.jsonl": '{"translation": {"de": "a", "en": "b"}}\n{"translation": {"de": "c"}}\n'},
            "a.jsonl: row 2: Every `translation` must have 'de' and 'en', but one is {'de': 'c'",
        ),
        ({"a.jsonl": ""}, "a.jsonl is empty"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        load_parallel(
            data_files={"train": [str(tmp_path / name) for name in files]}, source_lang="de", target_lang="en"
        )


def test_every_cell_is_text(tmp_path):
    rows = [("None", "NA"), ("007", "3.50"), ("", "x"), ('say "hi"', "a, b")]
    lines = ["de,en", "None,NA", "007,3.50", ",x", '"say ""hi""","a, b"']
    (tmp_path / "d.CSV").write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    data = load_parallel(data_files={"train": [str(tmp_path / "d.CSV")]}, source_lang="de", target_lang="en")
    assert [(row["source"], row["target"]) for row in data["train"]] == rows
    stray = ["de\ten", '"stray\tone', "two\tthree"]
    (tmp_path / "d.tsv").write_text("\n".join(stray) + "\n")
    data = load_parallel(data_files={"train": [str(tmp_path / "d.tsv")]}, source_lang="de", target_lang="en")
    assert [(row["source"], row["target"]) for row in data["train"]] == [('"stray', "one"), ("two", "three")]
    (tmp_path / "d.jsonl").write_text('{"de": null, "en": "x"}\n{"de": "a", "en": "b"}\n')
    data = load_parallel(data_files={"train": [str(tmp_path / "d.jsonl")]}, source_lang="de", target_lang="en")
    assert data["train"][0] == {"source": "", "target": "x"}
    (tmp_path / "n.jsonl").write_text('{"de": 3, "en": "x"}\n')
    with pytest.raises(ValueError, match="must contain text, but one contains 3"):
        load_parallel(data_files={"train": [str(tmp_path / "n.jsonl")]}, source_lang="de", target_lang="en")
    (tmp_path / "b.csv").write_text("\nde,en\na,b\n")
    data = load_parallel(data_files={"train": [str(tmp_path / "b.csv")]}, source_lang="de", target_lang="en")
    assert data["train"][:] == {"source": ["a"], "target": ["b"]}
    (tmp_path / "l.csv").write_text(
        'de,en\n"two\nlines",b\n  \n' + f"{'a' * 200_000},b\n"
    )  # a blank line, a long cell
    data = load_parallel(data_files={"train": [str(tmp_path / "l.csv")]}, source_lang="de", target_lang="en")
    assert data["train"]["source"][:] == ["two\nlines", "a" * 200_000]
    (tmp_path / "e.csv").write_text("")
    with pytest.raises(ValueError, match="e.csv is empty"):
        load_parallel(data_files={"train": [str(tmp_path / "e.csv")]})


BREAKS = ["a\rb", "c\u2028d", "e\x85f", "g\x0bh", "i\x0cj", "k\x1cl", "m\r\rn", "", "o"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("streaming", [False, True])
def test_only_newlines_end_a_line_of_text(tmp_path, end, streaming):
    (tmp_path / "d.de").write_bytes(end.join([*BREAKS, ""]).encode())
    (tmp_path / "d.en").write_bytes("\n".join(map(str, range(len(BREAKS)))).encode())
    files = [str(tmp_path / "d.de"), str(tmp_path / "d.en")]
    rows = list(load_parallel(data_files={"train": files}, streaming=streaming)["train"])
    assert [row["source"] for row in rows] == BREAKS
    assert [row["target"] for row in rows] == [str(index) for index in range(len(BREAKS))]


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
def test_only_newlines_end_a_row(tmp_path, kind):
    write_row = {
        "tsv": "\t".join,
        "csv": lambda cells: ",".join(f'"{cell}"' for cell in cells),
        "jsonl": lambda cells: json.dumps(dict(zip(("source", "target"), cells)), ensure_ascii=False),
    }[kind]
    header = [] if kind == "jsonl" else [("source", "target")]
    rows = [*header, *((text, str(index)) for index, text in enumerate(BREAKS))]
    (tmp_path / f"d.{kind}").write_bytes("\n".join(map(write_row, rows)).encode())
    data = load_parallel(data_files={"train": [str(tmp_path / f"d.{kind}")]})["train"]
    assert data["source"] == BREAKS
    assert data["target"] == [str(index) for index in range(len(BREAKS))]


def test_the_unnamed_index_of_pandas_is_not_read(tmp_path):
    pairs = pd.DataFrame({"source": ["2024-01-05", "1.0"], "target": ["True", "null"]})
    pairs.to_csv(tmp_path / "d.csv")
    pairs.to_csv(tmp_path / "d.tsv", sep="\t")
    for kind in ("csv", "tsv"):
        data = load_parallel(data_files={"train": [str(tmp_path / f"d.{kind}")]})["train"]
        assert data[:] == pairs.to_dict("list")


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "tsv", "parquet"])
@pytest.mark.parametrize("texts", [["2024-01-05", "2024-01-06T10:00:00Z"], ["1", "2.50"], ["true", "NaN"], ["", "NA"]])
def test_texts_that_look_like_other_types_stay_text(tmp_path, kind, texts):
    pairs = pd.DataFrame({"source": texts, "target": texts[::-1]})
    file = str(tmp_path / f"d.{kind}")
    if kind == "parquet":
        pairs.to_parquet(file)
    elif kind.startswith("json"):
        pairs.to_json(file, orient="records", lines=kind == "jsonl")
    else:
        pairs.to_csv(file, sep="," if kind == "csv" else "\t", index=False)
    assert load_parallel(data_files={"train": [file]})["train"][:] == pairs.to_dict("list")


def test_compressed_files_are_read(tmp_path):
    for suffix, module in ((".gz", gzip), (".bz2", bz2), (".xz", lzma)):
        (tmp_path / f"d.csv{suffix}").write_bytes(module.compress(b"de,en\na,b\n"))
        for side in ("de", "en"):
            (tmp_path / f"d.{side}{suffix}").write_bytes(module.compress(f"{side}\n".encode()))
        files = {"train": [str(tmp_path / f"d.csv{suffix}")]}
        assert load_parallel(data_files=files, source_lang="de", target_lang="en")["train"][0]["source"] == "a"
        files = {"train": [str(tmp_path / f"d.{side}{suffix}") for side in ("de", "en")]}
        assert load_parallel(data_files=files)["train"][0] == {"source": "de", "target": "en"}


def test_files_are_the_shards_of_a_stream(tmp_path):
    files = []
    for index in range(3):
        (tmp_path / f"{index}.csv").write_text(f"source,target\n{index},x\n")
        files.append(str(tmp_path / f"{index}.csv"))
    data = load_parallel(data_files={"train": files}, streaming=True)["train"]
    assert data.num_shards == 3
    assert [row["source"] for row in data] == ["0", "1", "2"]


def test_a_text_file_that_has_changed_is_read_again(tmp_path):
    files = write(tmp_path, "text")
    assert load_parallel(data_files={"train": files})["train"][0]["source"] == "ein Hund"
    (tmp_path / "d.de").write_text("neu\n")
    (tmp_path / "d.en").write_text("new\n")
    assert load_parallel(data_files={"train": files})["train"][:] == {"source": ["neu"], "target": ["new"]}


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for pair in PAIRS for text in pair], 60, "char")


def make_dataset(pairs):
    return Dataset.from_dict({"source": [de for de, _ in pairs], "target": [en for _, en in pairs]})


def test_tokenized_pairs_have_the_models_features(tokenizer):
    features = tokenize_pairs(make_dataset(PAIRS), tokenizer, max_source_length=15)
    # the empty and the over-long pair are gone
    assert features["source"] == ["ein Hund", "eine Katze"]
    row = features[1]
    assert row["input_ids"] == tokenizer("eine Katze").input_ids
    assert row["labels"] == tokenizer("a cat").input_ids
    assert row["length"] == len(row["input_ids"])
    kept = tokenize_pairs(make_dataset(PAIRS), tokenizer, max_source_length=15, drop=False)
    assert len(kept) == 4
    assert len(kept[3]["input_ids"]) == 15
    assert kept[3]["input_ids"][-1] == tokenizer.eos_token_id


def test_labels_come_from_the_target_tokenizer(tokenizer):
    target = train_tokenizer([en for _, en in PAIRS], 60, "char")
    row = tokenize_pairs(make_dataset(PAIRS), tokenizer, target)[0]
    assert row["labels"] == target("a dog").input_ids != tokenizer("a dog").input_ids


@pytest.mark.parametrize("streaming", [False, True])
def test_texts_without_tokens_are_empty(streaming):
    """A zero-width space is not white space, but NFKC removes it."""
    pairs = [("a", "b"), ("\u200b", "b"), ("a", "\ufeff\u200b"), ("\u200ba", "b")]
    tokenizer = train_tokenizer([text for pair in pairs for text in pair], 30, "char", normalization="nfkc")
    data = make_dataset(pairs)
    kept = tokenize_pairs(data.to_iterable_dataset() if streaming else data, tokenizer)
    assert [row["source"] for row in kept] == ["a", "\u200ba"]


def test_dropped_pairs_are_counted(tokenizer, caplog):
    pairs = [*PAIRS, ("x", " "), ("ein Hund " * 9, "x")]
    assert len(tokenize_pairs(make_dataset(pairs), tokenizer, max_source_length=30)) == 3
    assert "Dropped 3 of 6 pairs: 2 have an empty text, 1 are longer than 30 (source)" in caplog.text


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_streamed_pairs_can_be_pickled(tmp_path, tokenizer, kind):
    files = write(tmp_path, kind)
    data = load_parallel(data_files={"train": files}, streaming=True, source_lang="de", target_lang="en")["train"]
    streamed = tokenize_pairs(data, tokenizer, tokenizer)
    assert list(pickle.loads(pickle.dumps(streamed))) == list(streamed)


def test_the_longest_target_that_is_kept(tokenizer):
    longest = len(tokenizer("many many dogs").input_ids)
    pairs = [("ein Hund", "many many dogs"), ("ein Hund", " "), ("ein Hund", ""), ("ein Hund", "a dog")]
    for limit, left in ((longest, ["many many dogs", "a dog"]), (longest - 1, ["a dog"])):
        kept = tokenize_pairs(make_dataset(pairs), tokenizer, max_target_length=limit)
        assert kept["target"] == left


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("pair", [{"de": "ja", "en": "yes"}, {"translation": {"de": "ja", "en": "yes"}}])
def test_alignments_are_kept(tmp_path, pair, streaming):
    (tmp_path / "d.jsonl").write_text(json.dumps({**pair, "id": 1, "alignment": [[0, 3, 0, 2]]}) + "\n")
    files = {"train": [str(tmp_path / "d.jsonl")]}
    data = load_parallel(data_files=files, source_lang="de", target_lang="en", streaming=streaming)
    assert next(iter(data["train"])) == {"source": "ja", "target": "yes", "alignment": [[0, 3, 0, 2]]}


def test_no_pair_left_is_an_error(tokenizer):
    with pytest.raises(ValueError, match="No pair is left"):
        tokenize_pairs(make_dataset(PAIRS), tokenizer, max_source_length=2)


RUN = """
import sys
from hf_attention.data.parallel import load_parallel, pair_with_each_reference, tokenize_pairs
from hf_attention.data.tokenizer import train_tokenizer

data = load_parallel(data_files={"train": sys.argv[1:]}, source_lang="de", target_lang="en")["train"]
tokenizer = train_tokenizer([*data["source"], *data["target"]], vocab_size=30, extra_tokens=["<de>", "<en>"])
print([file["filename"] for file in tokenize_pairs(data, tokenizer).cache_files])
"""


def test_tokens_are_kept_for_the_next_run(tmp_path):
    """Another process, whose hashes are others, finds them in the cache."""
    file, caches = write(tmp_path, "csv"), []
    for seed in "01":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", RUN, *file]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        files = ast.literal_eval(run.stdout.splitlines()[-1])
        caches.append({name: os.stat(name).st_mtime_ns for name in files})
    assert caches[0]
    assert caches[1] == caches[0]


SEVERAL = {
    "a.jsonl": '{"w": "read", "p": ["R AY D", "R EH D"]}\n{"w": "a", "p": ["A", "", "A"]}\n{"w": "b", "p": "B AY"}\n',
    "a.csv": "w,p,p\nread,R AY D,R EH D\na,A,\nb,,B AY\n",
    "a.tsv": "p\tw\tp\nR AY D\tread\tR EH D\nA\ta\t \nB AY\tb\t\n",
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", SEVERAL)
def test_a_target_may_have_several_texts(tmp_path, name, streaming):
    """As a list, or as a column that is repeated; empty ones and repetitions do not count."""
    (tmp_path / name).write_text(SEVERAL[name])
    data = load_parallel(None, None, {"train": [str(tmp_path / name)]}, "w", "p", streaming)["train"]
    rows = list(data)
    assert [row["references"] for row in rows] == [["R AY D", "R EH D"], ["A"], ["B AY"]]
    assert [row["target"] for row in rows] == ["R AY D", "A", "B AY"]
    pairs = [(row["source"], row["target"]) for row in pair_with_each_reference(data)]
    assert pairs == [("read", "R AY D"), ("read", "R EH D"), ("a", "A"), ("b", "B AY")]


def test_a_dataset_with_lists_of_targets(tmp_path):
    rows = {"w": ["read", "a"], "p": [["R AY D", "R EH D"], ["AH"]]}
    pd.DataFrame(rows).to_parquet(tmp_path / "train.parquet")
    data = load_parallel(str(tmp_path), source_lang="w", target_lang="p")["train"]
    assert data["references"][0] == ["R AY D", "R EH D"]
    assert len(pair_with_each_reference(data)) == 3


def test_pairs_without_lists_have_no_references(tmp_path):
    (tmp_path / "a.csv").write_text("w,p\na,b\n")
    data = load_parallel(None, None, {"train": [str(tmp_path / "a.csv")]}, "w", "p")["train"]
    assert data.column_names == ["source", "target"]
    assert pair_with_each_reference(data) is data
