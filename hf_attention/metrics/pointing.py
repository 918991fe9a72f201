# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Whether a model looks at what it names."""

import evaluate
import numpy as np
from datasets import Features, List, Value

from .checks import check_has_predictions


class Pointing(evaluate.Metric):
    """
    `compute(predictions=[...], references=[...])` returns `pointing`, 0 to 1: the share of the boxes that hold the
    point predicted for them (Zhang et al. 2016, the pointing game), and `pointing_by_chance`, the same with each
    point and the next box.

    A prediction is a point: x, y. A reference is its box: left, top, right, bottom, in the same coordinates.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__ or "",
            citation="Zhang et al. 2016, arXiv 1608.00507, section 4.2",
            inputs_description="predictions: points (2,); references: boxes (4,)",
            features=Features(
                {"predictions": List(Value("float32"), length=2), "references": List(Value("float32"), length=4)}
            ),
        )

    def _compute(  # ty: ignore[incompatible-method-override]  # evaluate passes the options by their names
        self, *, predictions: list[list[float]], references: list[list[float]]
    ) -> dict[str, float]:
        check_has_predictions(predictions)
        points, boxes = np.asarray(predictions, dtype=float), np.asarray(references, dtype=float)
        others = np.roll(boxes, -1, axis=0)
        return {"pointing": share_inside(points, boxes), "pointing_by_chance": share_inside(points, others)}


def share_inside(points: np.ndarray, boxes: np.ndarray) -> float:
    """The share of points (N, 2) that are inside their boxes (N, 4)."""
    return float(((points >= boxes[:, :2]) & (points <= boxes[:, 2:])).all(axis=1).mean())


__all__ = ["Pointing"]
