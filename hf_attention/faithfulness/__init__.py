# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Measures of whether what [`hf_attention.interpret`] shows is what a model's outputs depend on."""

from typing import TYPE_CHECKING

from .._extras import lazy_getattr


if TYPE_CHECKING:
    from .choice import *
    from .image_maps import *
    from .measure import *
    from .result import *

EXPORTS = {
    "choice": ["LeadingMap", "choose_map", "read_leading_map"],
    "image_maps": ["token_evidence"],
    "measure": ["measure_faithfulness"],
    "result": ["Faithfulness", "Score"],
}

__all__ = [name for names in EXPORTS.values() for name in names]

__getattr__ = lazy_getattr(__name__, EXPORTS)
