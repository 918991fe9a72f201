# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the scripts share."""

import os
import sys
import time
from argparse import ArgumentError, ArgumentParser
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from datasets.exceptions import DatasetsError
from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassError
from safetensors import SafetensorError
from torch import distributed as dist
from yaml import YAMLError


# a wrong argument, file, data set or model, or a missing package; others, such as `TypeError`, are faults of the code
USER_ERRORS = (OSError, ValueError, ImportError, StrictDataclassError, DatasetsError)
USER_ERRORS += (SafetensorError, YAMLError, ArgumentError)


def add_debug_option(parser: ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def print_metrics(title: str, results: Mapping[str, float], names: Sequence[str], **others: str) -> None:
    """Prints metrics of the test split, the training time, and `others`, as a table."""
    import rich  # which the demos' extra installs
    from rich.table import Table

    table = Table(title=f"\n{title}")
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name in names:
        table.add_row(name, f"{results[f'test_{name}']:.4f}")
    for name, value in {"training time, s": f"{results['train_runtime']:.0f}", **others}.items():
        table.add_row(name, value)
    rich.print(table)


@contextmanager
def errors_in_one_line(script: str, arguments: list[str] | None = None) -> Generator[None]:
    """
    Ends `script` with one line instead of a traceback if the user made a mistake (exit status 1) or pressed Ctrl-C
    (130). With `--debug` among the `arguments` (those of the program by default) the traceback is shown.
    """
    try:
        yield
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()  # whose threads could abort the process when it ends
    except USER_ERRORS as error:
        if "--debug" in (sys.argv[1:] if arguments is None else arguments):
            raise
        if isinstance(error, StrictDataclassClassValidationError) and error.__cause__ is not None:
            error = error.__cause__  # without the name of the validator
        # when the first process has failed, `torchrun` ends the others, so that one of them prints
        time.sleep(30 if int(os.environ.get("RANK", "0")) else 0)
        sys.exit(f"{script}: {' '.join(str(error).split()) or type(error).__name__}")
    except KeyboardInterrupt:
        if "--debug" in (sys.argv[1:] if arguments is None else arguments):
            raise
        print(f"{script}: stopped by Ctrl-C.", file=sys.stderr)
        sys.exit(130)  # as of a signal
    except RuntimeError as error:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            error.add_note(
                f"{script} runs in {os.environ['WORLD_SIZE']} processes: if one of them was lost, or did not answer "
                "for `ddp_timeout` seconds, start all again with `--resume_from_checkpoint auto`."
            )
        raise
