# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What all metrics ask of their inputs."""

from collections.abc import Sized


def check_has_predictions(predictions: Sized) -> None:
    """Raises `ValueError` if there are none."""
    if len(predictions) == 0:
        raise ValueError("`predictions` is empty, so there is nothing to score.")
