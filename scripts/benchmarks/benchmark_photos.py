# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Compare the default of the image recipe with other classifiers on your images, by the accuracy on the test split.

    python scripts/benchmarks/benchmark_photos.py --train_file photos/train --test_file photos/test \
        --seeds 0 1 2 --time_limit 120 --output_dir outputs/photos-benchmark

Trained models get the options that the recipe chooses for them, and the options of this command line, such as a
`--time_limit` (seconds of training). Those of scikit-learn get the images in 64 x 64 pixels; HOG needs scikit-image.
"""

import argparse
import importlib.util
import statistics
import time
from pathlib import Path

import numpy as np
from benchmarking import print_table
from datasets import Dataset
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hf_attention.data.images import load_images, open_image
from hf_attention.scripts.train_image_classification import train


SIDE, SMALL = 64, 24  # of images, in pixels, for HOG and for pixels as features
TRAINED = {
    "default": [],
    "CCT-2/3x2": ["--model_type", "compact_vit"],
    "ViT": [
        "--model_type",
        "vit",
        "--config_overrides",
        "hidden_size=128,num_hidden_layers=4,num_attention_heads=4,intermediate_size=256",
    ],
}
OTHERS = ("HOG + SVM", "HOG + random forest", "pixels + random forest")


def read_images(rows: Dataset, side: int) -> np.ndarray:
    """Returns the images (images, side, side, 3) of bytes, squeezed to squares."""
    images = [open_image(cell, mode="RGB").resize((side, side), Image.Resampling.BICUBIC) for cell in rows["image"]]
    return np.stack([np.asarray(image) for image in images])


def features(rows: Dataset, is_hog: bool) -> np.ndarray:
    """Returns histograms of oriented gradients (Dalal and Triggs 2005), or pixels: (images, features)."""
    if not is_hog:
        return read_images(rows, SMALL).reshape(len(rows), -1)
    from skimage.feature import hog

    cells = {"orientations": 9, "pixels_per_cell": (8, 8), "cells_per_block": (2, 2), "channel_axis": -1}
    return np.stack([hog(image, **cells) for image in read_images(rows, SIDE)])


def score_other(name: str, train_file: str, test_file: str, seed: int) -> float:
    """Returns the accuracy of a classifier of scikit-learn on the test images."""
    data = load_images(data_files={"train": train_file, "test": test_file})
    inputs = {split: features(data[split], is_hog=name.startswith("HOG")) for split in ("train", "test")}
    model = make_pipeline(StandardScaler(), SVC(C=10)) if name.endswith("SVM") else None
    model = model or RandomForestClassifier(500, random_state=seed)
    model.fit(inputs["train"], data["train"]["label"])
    return float(model.score(inputs["test"], data["test"]["label"]))


def main(arguments: list[str] | None = None) -> None:
    names = [*TRAINED, *OTHERS] if importlib.util.find_spec("skimage") else [*TRAINED, OTHERS[-1]]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train_file", required=True, help="folder or file of training images")
    parser.add_argument("--test_file", required=True, help="folder or file of test images")
    parser.add_argument("--models", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output_dir", default="outputs/photos-benchmark")
    options, rest = parser.parse_known_args(arguments)
    files = ["--train_file", options.train_file, "--test_file", options.test_file]
    rows = []
    for name in options.models:
        scores, seconds = [], []
        for seed in options.seeds:
            start = time.process_time()
            if name in TRAINED:
                folder = Path(options.output_dir, f"{name.replace('/', '-')}-{seed}")
                run = ["--seed", str(seed), "--output_dir", str(folder), "--disable_tqdm", "true"]
                scores.append(train([*TRAINED[name], *files, *rest, *run])["test_accuracy"])
            else:
                scores.append(score_other(name, options.train_file, options.test_file, seed))
            seconds.append(time.process_time() - start)
            print(f"{name}, seed {seed}: {scores[-1]:.1%}, {seconds[-1]:.0f} CPU seconds", flush=True)
        spread = f"{min(scores):.1%} to {max(scores):.1%}"
        rows.append([name, f"{statistics.mean(scores):.1%}", spread, f"{statistics.mean(seconds):.0f}"])
    print_table(["model", "accuracy, mean", "spread", "CPU seconds"], rows)


if __name__ == "__main__":
    main()
