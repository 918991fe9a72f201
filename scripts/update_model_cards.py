# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Copy the models of the demos to `model_cards/`: card, results and pictures, and the model with its weights in half
precision. The code does not go along, since the plugin has it.

    python scripts/update_model_cards.py                       # outputs/bahdanau-dates and outputs/compact-vit-digits
    python scripts/update_model_cards.py outputs/bahdanau-dates
"""

import argparse
import json
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from hf_attention._command_line import add_debug_option, errors_in_one_line


FOLDERS = ["outputs/bahdanau-dates", "outputs/compact-vit-digits"]
FILES = ["README.md", "all_results.json", "generation_config.json", "preprocessor_config.json"]
FILES += ["tokenizer.json", "tokenizer_config.json", "faithfulness.json"]


def copy_model(source: Path, target: Path) -> None:
    """Copies one folder. `from_pretrained` loads the weights in the type of the config, which stays float32."""
    text = (source / "README.md").read_text("utf-8")
    pictures = sorted(set(re.findall(r"\((assets/[\w.-]+)\)", text)))
    for name in [*FILES, *pictures]:
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
    config = json.loads((source / "config.json").read_text("utf-8"))
    for name in ("auto_map", "custom_pipelines"):  # they name files of code
        config.pop(name, None)
    (target / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    weights = {name: weight.to(torch.float16) for name, weight in load_file(source / "model.safetensors").items()}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=FOLDERS, help="folders of finished runs")
    parser.add_argument("--output_dir", default="model_cards", help="where to copy them")
    add_debug_option(parser)
    options = parser.parse_args(arguments)
    with errors_in_one_line("update_model_cards.py", arguments):
        for folder in map(Path, options.folders):
            if not (folder / "model.safetensors").is_file():
                raise ValueError(f"{folder} holds no model.safetensors: run `make demo` and `make demo-vision` first.")
            copy_model(folder, Path(options.output_dir, folder.name))


if __name__ == "__main__":
    main()
