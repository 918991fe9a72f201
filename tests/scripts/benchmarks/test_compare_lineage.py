# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json

import numpy as np
import pytest
from compare_lineage import MODELS, main
from datasets import ClassLabel, Dataset, Features
from datasets import Image as ImageFeature
from PIL import Image


FEW = ["--max_steps", "4", "--warmup_steps", "1", "--max_train_samples", "64", "--max_eval_samples", "40"]
FEW += ["--per_device_train_batch_size", "8", "--disable_tqdm", "true"]


def write_page(monkeypatch, tmp_path, *arguments):
    folders = ["--output_dir", str(tmp_path / "runs"), "--page_dir", str(tmp_path / "page")]
    monkeypatch.setattr("sys.argv", ["compare_lineage.py", *arguments, *folders])
    main()
    return (tmp_path / "page" / "README.md").read_text()


def test_models_are_trained_and_listed_on_the_page(monkeypatch, tmp_path):
    page = write_page(monkeypatch, tmp_path, "cluttered_digits", "--models", *MODELS, *FEW)
    for name in MODELS:
        results = json.loads((tmp_path / "runs" / name / "all_results.json").read_text())
        assert f"| {name.replace('-', ' ')} | " in page
        assert f"| {100 * results['test_accuracy']:.1f} % |" in page
        if name in ("recurrent-attention", "spatial-transformer"):
            assert 0 < results["test_coverage"] <= 1
            assert f"| {100 * results['test_coverage']:.0f} % |" in page
    pictures = {picture.stem for picture in (tmp_path / "page" / "assets").glob("*.png")}
    assert pictures == {*MODELS, "saliency", "selection"} - {"plain", "residual", "pooled-residual"}
    assert all(f"](assets/{name}.png)" in page for name in pictures)


def test_page_has_the_mean_and_deviation_over_the_seeds_of_cifar10(monkeypatch, tmp_path):
    random = np.random.default_rng(0)
    names = [str(label) for label in range(10)]
    features = Features({"img": ImageFeature(), "label": ClassLabel(names=names)})
    pixels = random.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    images = [Image.fromarray(image) for image in pixels]
    rows = Dataset.from_dict({"img": images, "label": [index % 10 for index in range(60)]}, features=features)
    rows.to_parquet(tmp_path / "rows.parquet")
    files = ["--train_file", str(tmp_path / "rows.parquet"), "--test_file", str(tmp_path / "rows.parquet")]
    page = write_page(monkeypatch, tmp_path, "cifar10", *files, *FEW, "--seeds", "3", "5")
    for name in ("none", "se", "non-local"):
        accuracies = []
        for seed in (3, 5):
            results = json.loads((tmp_path / "runs" / f"cifar10-{name}-{seed}" / "all_results.json").read_text())
            accuracies.append(100 * results["test_accuracy"])
        assert f"| {np.mean(accuracies):.1f} ± {np.std(accuracies, ddof=1):.1f} % |" in page


@pytest.mark.parametrize("option", ["--learning_rate", "--seed"])  # not an abbreviation of `--seeds`
def test_page_rejects_training_options(option, monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        write_page(monkeypatch, tmp_path, "page", option, "1")
    assert "`page` does not train" in capsys.readouterr().err
