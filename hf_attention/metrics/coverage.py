# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""How much of the object a model's windows cover."""

import evaluate
import numpy as np
from datasets import Features, List, Value

from .checks import check_has_predictions


POINTS = 16  # along each side of a box


class Coverage(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` returns `coverage`, 0 to 1: the mean share of the boxes that the
    windows cover, and `coverage_by_chance`, the same with each image's windows and the next image's box. (A window
    that covers everything reaches 1 in both.)

    A prediction is an image's windows, (windows, 2, 3): affine maps from coordinates of the window to those of the
    image, both from -1 to 1. Overlaps count once. A reference is the image's box: left, top, right, bottom, in the
    same coordinates.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="",
            inputs_description="predictions: windows (windows, 2, 3); references: boxes (4,)",
            features=Features(
                {"predictions": List(List(List(Value("float32")))), "references": List(Value("float32"), length=4)}
            ),
        )

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[list[list[list[float]]]], references: list[list[float]]
    ) -> dict[str, float]:
        check_has_predictions(predictions)
        windows = [np.asarray(prediction, dtype=float) for prediction in predictions]
        others = references[1:] + references[:1]
        return {
            "coverage": float(np.mean([cover(*pair) for pair in zip(windows, references)])),
            "coverage_by_chance": float(np.mean([cover(*pair) for pair in zip(windows, others)])),
        }


def cover(windows: np.ndarray, box: list[float]) -> float:
    """The share of a box that is inside at least one of the windows (windows, 2, 3)."""
    left, top, right, bottom = box
    positions = (np.arange(POINTS) + 0.5) / POINTS
    columns, rows = np.meshgrid(left + positions * (right - left), top + positions * (bottom - top))
    points = np.stack([columns.ravel(), rows.ravel()])  # (2, P)
    covered = np.zeros(points.shape[1], dtype=bool)
    for theta in windows:
        if abs(np.linalg.det(theta[:, :2])) > 1e-12:  # windows without area cover nothing
            within = np.linalg.solve(theta[:, :2], points - theta[:, 2:])
            covered |= (np.abs(within) <= 1).all(axis=0)
    return float(covered.mean())


__all__ = ["Coverage"]
