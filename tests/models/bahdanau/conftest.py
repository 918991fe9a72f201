# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest


@pytest.fixture(autouse=True)
def pack_small_weights(monkeypatch):
    """Searches of small models use prepacked weights, as those of large ones do."""
    monkeypatch.setattr("hf_attention.models.bahdanau.onednn_bahdanau.MIN_WEIGHTS", 0)
