# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Predictions for a user's own data: translations of many texts, ensembles of models, and files of predictions."""

from .._extras import require


require(__name__, "datasets")
