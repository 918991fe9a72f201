# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Data: sentence pairs, images, generated data sets, tokenizers and augmentation."""

from .._extras import require


require(__name__, "datasets")
