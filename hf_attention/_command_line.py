# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the scripts share."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from huggingface_hub.errors import StrictDataclassError


@contextmanager
def errors_in_one_line(script: str) -> Generator[None]:
    """Ends `script` with exit status 1 and one line instead of a traceback if the user made a mistake."""
    try:
        yield
    except (OSError, ValueError, StrictDataclassError) as error:
        sys.exit(f"{script}: {error}")
