# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Export a trained model to ONNX, and compare onnxruntime's outputs with the model's.

    python scripts/export_onnx.py outputs/bahdanau-dates             # into outputs/bahdanau-dates/onnx
    python scripts/export_onnx.py outputs/compact-vit-digits --quantize
"""

import argparse

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import add_debug_option, errors_in_one_line
from hf_attention.hub.export import export_onnx


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the model's folder")
    parser.add_argument("--output_dir", help="where the files go (default: `onnx` in the folder)")
    parser.add_argument("--quantize", action="store_true", help="write int8 files too")
    add_debug_option(parser)
    options = parser.parse_args(arguments)
    with errors_in_one_line("export_onnx.py", arguments):
        files = export_onnx(options.folder, options.output_dir, options.quantize)
    for file in files:
        print(f"{file}  {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
