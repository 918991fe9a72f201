# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Serve, on this machine only, an app that shows what trained models attend to.

    python scripts/app.py                                   # the models of the demos
    python scripts/app.py outputs/my-model user/model --server_port 7861    # two of a kind can be compared
"""

import argparse
import os


# no telemetry
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1")

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import add_debug_option, errors_in_one_line
from hf_attention.data.images import load_digits, open_image
from hf_attention.faithfulness import read_leading_map
from hf_attention.interpret import launch_app


MODELS = ["outputs/bahdanau-dates", "outputs/compact-vit-digits"]
TEXTS = ["4. März 2005", "2031년 12월 25일 목요일", "<en_US> 3/4/05", "<en_GB> 03/04/2005", "יום שני, 22 בספטמבר 1952"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, help="folders, or names on the Hub")
    parser.add_argument("--server_name", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--server_port", type=int, help="the port (default: the first free one from 7860)")
    add_debug_option(parser)
    options = parser.parse_args()
    is_demo = options.models == MODELS
    if is_demo and (missing := [name for name in MODELS if not os.path.isdir(name)]):
        parser.error(f"{', '.join(missing)} do not exist: run `make demo` and `make demo-vision`, or name models.")
    images = [open_image(cell).resize((64, 64), 0) for cell in load_digits()["test"]["image"][:5]] if is_demo else []
    with errors_in_one_line("app.py"):
        launch_app(
            options.models,
            TEXTS if is_demo else [],
            images,
            read_leading_map,
            server_name=options.server_name,
            server_port=options.server_port,
        )


if __name__ == "__main__":
    main()
