# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import pytest

from hf_attention.hub import publish


@pytest.fixture
def unchecked(monkeypatch):
    """Loading in a separate process takes seconds and has a test of its own; the others test the upload."""
    monkeypatch.setattr(publish, "check_loads", lambda *_: None)
