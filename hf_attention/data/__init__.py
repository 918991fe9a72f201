# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Data: the embedded dates, sentence pairs from anywhere, and the tokenizers trained on them."""

from .._extras import require


require(__name__, "datasets")
