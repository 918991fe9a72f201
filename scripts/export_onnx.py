# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Export a trained model to ONNX, and compare what onnxruntime makes of it with the model.

    python scripts/export_onnx.py outputs/bahdanau-dates             # into outputs/bahdanau-dates/onnx
    python scripts/export_onnx.py outputs/compact-vit-digits --quantize
"""

import argparse
import sys

import hf_attention  # noqa: F401  (registers the models)
from hf_attention.hub.export import export_onnx


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the model's folder")
    parser.add_argument("--output_dir", help="where the files go (default: `onnx` in the folder)")
    parser.add_argument("--quantize", action="store_true", help="write int8 files too")
    options = parser.parse_args(arguments)
    try:
        files = export_onnx(options.folder, options.output_dir, options.quantize)
    except (OSError, ValueError) as error:
        sys.exit(f"export_onnx.py: {error}")
    for file in files:
        print(f"{file}  {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
