# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
import shutil

import pytest
from make_shortlist import make_shortlist
from translate import translate


PAIRS = {"4. März 2005": "2005-03-04", "2031년 12월 25일": "2031-12-25", "<en_GB> 03/04/2005": "2005-04-03"}


def test_the_script_adds_one_to_a_folder_that_translates_with_it(small_run, tmp_path, capsys):
    folder = shutil.copytree(small_run[0], tmp_path / "model")
    train, texts = tmp_path / "train.jsonl", tmp_path / "texts.txt"
    rows = [{"text": text, "date": date} for text, date in PAIRS.items()]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    texts.write_text("\n".join(PAIRS), "utf-8")
    before = {file.name for file in folder.iterdir()}
    make_shortlist([str(folder), "--train_file", str(train), "--source_lang", "text", "--target_lang", "date"])
    assert "source tokens with" in capsys.readouterr().out
    assert {file.name for file in folder.iterdir()} == before
    files = ["--input_file", str(texts), "--max_length", "8", "--output_file"]
    translate([str(folder), "--use_shortlist", *files, str(tmp_path / "short.txt")])
    assert len((tmp_path / "short.txt").read_text("utf-8").splitlines()) == len(PAIRS)
    with pytest.raises(ValueError, match="needs a model with a shortlist"):
        translate([str(small_run[0]), "--use_shortlist", *files, str(tmp_path / "none.txt")])
