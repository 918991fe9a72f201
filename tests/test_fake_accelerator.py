# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import subprocess
import sys
from pathlib import Path


def test_every_family_on_a_device_that_is_not_the_cpu():
    folder = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", str(folder / "on_fake_accelerator.py"), "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent)
    assert run.returncode == 0, run.stdout[-5000:]
