# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the app needs of a map that is shown first; [`hf_attention.faithfulness`], which measures maps, has it."""

from typing import Any, Protocol

import numpy as np
from PIL import Image

from .alignments import Alignment


class LeadingMap(Protocol):
    """The map to show first, and why: see [`~hf_attention.faithfulness.LeadingMap`]."""

    @property
    def name(self) -> str | None: ...

    @property
    def reason(self) -> str: ...

    def of_image(self, model: Any, processor: Any, image: Image.Image) -> np.ndarray: ...

    def of_alignment(self, model: Any, tokenizer: Any, target_tokenizer: Any, alignment: Alignment) -> Alignment: ...


__all__ = []
