# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Whether a model looked at what it was to find."""

import evaluate
import numpy as np
from datasets import Features, List, Value


POINTS = 16  # along each side of a box


class Coverage(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` returns `coverage`, 0 to 1: how much of the boxes the windows cover,
    on average; and `coverage_by_chance`, the same with each image's windows on the next image's box, which a window
    that takes in everything reaches too.

    A prediction is an image's windows, (windows, 2, 3): maps from coordinates of the window to those of the image,
    both -1 to 1 from edge to edge; what several cover counts once. A reference is its box: left, top, right, bottom,
    in coordinates of the image.
    """

    def _info(self):
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="",
            inputs_description="predictions: windows (windows, 2, 3); references: boxes (4,)",
            features=Features(
                {"predictions": List(List(List(Value("float32")))), "references": List(Value("float32"), length=4)}
            ),
        )

    def _compute(self, predictions, references):
        windows = [np.asarray(prediction, dtype=float) for prediction in predictions]
        others = references[1:] + references[:1]
        return {
            "coverage": float(np.mean([cover(*pair) for pair in zip(windows, references)])),
            "coverage_by_chance": float(np.mean([cover(*pair) for pair in zip(windows, others)])),
        }


def cover(windows: np.ndarray, box: list[float]) -> float:
    """The part of a box that lies in any of the windows (windows, 2, 3)."""
    left, top, right, bottom = box
    places = (np.arange(POINTS) + 0.5) / POINTS
    columns, rows = np.meshgrid(left + places * (right - left), top + places * (bottom - top))
    points = np.stack([columns.ravel(), rows.ravel()])  # (2, P)
    covered = np.zeros(points.shape[1], dtype=bool)
    for theta in windows:
        if abs(np.linalg.det(theta[:, :2])) > 1e-12:  # a window without an area covers nothing
            within = np.linalg.solve(theta[:, :2], points - theta[:, 2:])
            covered |= (np.abs(within) <= 1).all(axis=0)
    return float(covered.mean())


__all__ = ["Coverage"]
