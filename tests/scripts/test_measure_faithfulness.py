# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import shutil

import measure_faithfulness
import pytest

from hf_attention.faithfulness import Faithfulness


def test_a_translation_model_and_its_card(tmp_path, capsys):
    folder = tmp_path / "bahdanau-dates"
    shutil.copytree("model_cards/bahdanau-dates", folder)
    measure_faithfulness.main([str(folder), "--num_examples", "2", "--full"])
    result = Faithfulness.load(folder / "faithfulness.json")
    assert result.model == "bahdanau-dates" and result.num_examples == 2
    printed = capsys.readouterr().out
    assert "comprehensiveness, unknown ↑" in printed and result.verdict() in printed
    assert "## Can its attention be trusted?" in (folder / "README.md").read_text("utf-8")


def test_pairs_of_a_file(tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("source\ttarget\n4. März 2005\t2005-03-04\n<en_US> 3/4/05\t2005-03-04\n", encoding="utf-8")
    output = str(tmp_path / "result.json")
    measure_faithfulness.main(["model_cards/bahdanau-dates", "--data", str(pairs), "--output", output])
    assert Faithfulness.load(output).scores["attention"].keys() >= {"saco_mask", "randomized"}


def test_an_image_classifier(tmp_path):
    output = str(tmp_path / "result.json")
    measure_faithfulness.main(["model_cards/compact-vit-digits", "--num_examples", "2", "--output", output])
    assert "token evidence" in Faithfulness.load(output).scores


def test_a_split_that_is_not_there():
    with pytest.raises(SystemExit, match="`--split` is 'dev', but digits has train, validation, test"):
        measure_faithfulness.main(["model_cards/compact-vit-digits", "--split", "dev"])
