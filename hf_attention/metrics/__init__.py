# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""`evaluate.Metric` subclasses that need no download: instantiate, then `compute`."""

from typing import TYPE_CHECKING

from .._extras import lazy_getattr


if TYPE_CHECKING:
    from .accuracy import *
    from .alignment_error import *
    from .bleu import *
    from .chrf import *
    from .classes import *
    from .coverage import *
    from .error_rate import *
    from .exact_match import *
    from .pointing import *

EXPORTS = {
    "accuracy": ["Accuracy"],
    "alignment_error": ["AlignmentError"],
    "bleu": ["Bleu"],
    "chrf": ["ChrF"],
    "classes": ["MacroF1", "TopFiveAccuracy"],
    "coverage": ["Coverage"],
    "error_rate": ["ErrorRate"],
    "exact_match": ["ExactMatch"],
    "pointing": ["Pointing"],
}

__all__ = [name for names in EXPORTS.values() for name in names]

__getattr__ = lazy_getattr(__name__, EXPORTS)
