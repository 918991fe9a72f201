# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the scripts share."""

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from huggingface_hub.errors import StrictDataclassError


@contextmanager
def errors_in_one_line(script: str) -> Generator[None]:
    """Ends `script` with exit status 1 and one line instead of a traceback if the user made a mistake."""
    try:
        yield
    except (OSError, ValueError, StrictDataclassError) as error:
        # when the first process has failed, `torchrun` ends the others, so that one of them prints
        time.sleep(8 if int(os.environ.get("RANK", "0")) else 0)
        sys.exit(f"{script}: {error}")
    except RuntimeError as error:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            error.add_note(
                f"{script} runs in {os.environ['WORLD_SIZE']} processes: if one of them was lost, or did not answer "
                "for `ddp_timeout` seconds, start all again with `--resume_from_checkpoint auto`."
            )
        raise
