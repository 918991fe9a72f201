# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import shutil

import measure_faithfulness
import pytest
from PIL import Image

from hf_attention.faithfulness import Faithfulness, choose_map


def test_a_translation_model_and_its_card(tmp_path, capsys):
    folder = tmp_path / "bahdanau-dates"
    shutil.copytree("model_cards/bahdanau-dates", folder)
    measure_faithfulness.main([str(folder), "--num_examples", "2", "--full"])
    result = Faithfulness.load(folder / "faithfulness.json")
    assert result.model == "bahdanau-dates" and result.num_examples == 2
    printed = capsys.readouterr().out
    assert "comprehensiveness, unknown ↑" in printed and result.verdict() in printed
    card = (folder / "README.md").read_text("utf-8")
    assert "## Can its attention be trusted?" in card
    assert card.index("(assets/leading_map.png)") < card.index("(assets/alignment.png)")
    assert Image.open(folder / "assets/leading_map.png").width > 300


def test_pairs_of_a_file(tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("source\ttarget\n4. März 2005\t2005-03-04\n<en_US> 3/4/05\t2005-03-04\n", encoding="utf-8")
    output = str(tmp_path / "result.json")
    options = ["--data", str(pairs), "--output", output, "--methods", "attention"]
    measure_faithfulness.main(["model_cards/bahdanau-dates", *options])
    result = Faithfulness.load(output)
    assert result.scores["attention"].keys() >= {"saco_mask", "randomized"} and result.methods == ["attention"]


def test_an_image_classifier(tmp_path):
    folder = tmp_path / "compact-vit-digits"
    shutil.copytree("model_cards/compact-vit-digits", folder)
    measure_faithfulness.main([str(folder), "--num_examples", "6"])
    result = Faithfulness.load(folder / "faithfulness.json")
    assert "token evidence" in result.scores
    name = choose_map(result).name
    assert f"![The map that was measured as the best: {name}]" in (folder / "README.md").read_text("utf-8")
    assert Image.open(folder / "assets/leading_map.png").width > 300


def test_a_split_that_is_not_there():
    with pytest.raises(SystemExit, match="`--split` is 'dev', but digits has train, validation, test"):
        measure_faithfulness.main(["model_cards/compact-vit-digits", "--split", "dev"])


def test_images_of_a_folder_are_of_several_classes(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(8):
            Image.new("RGB", (4, 4)).save(tmp_path / name / f"{number}.png")
    rows = measure_faithfulness.load_rows(str(tmp_path), "test", 8, is_text=False)
    assert len(rows) == 8 and set(rows["label"]) == {0, 1}


def test_a_result_that_could_not_be_saved_is_not_measured(tmp_path):
    with pytest.raises(SystemExit, match="there is no folder .*nowhere"):
        output = str(tmp_path / "nowhere" / "result.json")
        measure_faithfulness.main(["model_cards/compact-vit-digits", "--output", output])
    with pytest.raises(SystemExit, match="Name a file with `--output` for a model on the Hub"):
        measure_faithfulness.main(["someone/model"])
