# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""`evaluate.Metric` subclasses that need no download: instantiate, then `compute`."""

from .accuracy import Accuracy
from .alignment_error import AlignmentError
from .bleu import Bleu
from .chrf import ChrF
from .coverage import Coverage
from .exact_match import ExactMatch


__all__ = ["Accuracy", "AlignmentError", "Bleu", "ChrF", "Coverage", "ExactMatch"]
