# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import benchmark_photos
import numpy as np
from PIL import Image


def test_the_table_has_the_mean_and_spread_of_each_model(tmp_path, capsys):
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for name, low in (("dark", 0), ("light", 128)):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(low, low + 120, (24, 20, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    arguments = ["--train_file", str(tmp_path / "train"), "--test_file", str(tmp_path / "test"), "--max_steps", "1"]
    arguments += ["--models", "default", "pixels + random forest", "--seeds", "0", "1"]
    benchmark_photos.main([*arguments, "--output_dir", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert "| model | accuracy, mean | spread | CPU seconds |" in shown
    assert "| pixels + random forest | 100.0% | 100.0% to 100.0% |" in shown
    assert (tmp_path / "out" / "default-1" / "model.safetensors").is_file()
