# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What a measurement of faithfulness found: scores with standard errors, as a table, and as JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np


RESULT_FILE = "faithfulness.json"  # in a model's folder
CONTROLS = ("random", "center blob", "leave-one-out")  # maps that are compared with, not tested
# measure -> its heading, and whether high is good (1) or low (-1)
MEASURES = {
    "alignment_error": ("alignment error", -1),
    "pointing": ("pointing", 1),
    "coverage": ("coverage", 1),
    "comprehensiveness": ("comprehensiveness", 1),
    "sufficiency": ("sufficiency", -1),
    "insertion_minus_deletion": ("insertion - deletion", 1),
    "saco": ("SaCo", 1),
    "loo_correlation": ("correlation with leave-one-out", 1),
    "violation": ("polarity violations", -1),
    "randomized": ("correlation with random weights' map", -1),
    "seeds": ("correlation across seeds", 1),
}
HEADLINE = "insertion_minus_deletion"  # the measure by which methods are compared
ARROWS = {1: "↑", -1: "↓"}


@dataclass(frozen=True)
class Score:
    """A mean over examples, its standard error, and the number of examples."""

    mean: float
    standard_error: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Score | None":
        """The score of one value for each example; `None` values are left out, and `None` is returned for none."""
        known = np.array([value for value in values if value is not None], dtype=float)
        if not len(known):
            return None
        error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")
        return cls(float(known.mean()), error, len(known))

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.standard_error:.3f}"


@dataclass
class Faithfulness:
    """
    How far each kind of map says what a model's outputs depend on.

    Attributes:
        model (`str`): its name. kind (`str`): `text` or `image`.
        num_examples (`int`): number of sources or images.
        scores (`dict[str, dict[str, Score]]`):
            Map -> measure -> score. Measures that remove input exist for each baseline, e.g. `saco_blur`.
        ablation (`dict[str, Score]`): the probability of the explained outputs: `own` with the model's attention,
            `uniform` with uniform attention.
        baselines (`tuple[str, ...]`): what replaced removed parts of the input.
    """

    model: str
    kind: str
    num_examples: int
    scores: dict[str, dict[str, Score]]
    ablation: dict[str, Score] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()

    @property
    def methods(self) -> list[str]:
        """The maps that are tested, without those that they are compared with."""
        return [name for name in self.scores if name not in CONTROLS]

    @property
    def controls(self) -> str:
        """What a map has to beat, in words."""
        return "random order and a blob in the middle" if self.kind == "image" else "random order"

    def headline(self, method: str) -> float:
        """Insertion minus deletion of a map, mean over the baselines."""
        return float(np.mean([self.scores[method][f"{HEADLINE}_{name}"].mean for name in self.baselines]))

    @property
    def best(self) -> str:
        """The map with the largest insertion minus deletion."""
        return max(self.methods, key=self.headline)

    def beats_controls(self, method: str, errors: float = 2.0) -> bool:
        """
        Whether a map's insertion minus deletion is above that of random order and, for images, of the center blob by
        `errors` standard errors (of the difference, as if they were independent), under every baseline.
        """
        for baseline in self.baselines:
            own = self.scores[method][f"{HEADLINE}_{baseline}"]
            for control in ("random", "center blob"):
                if control in self.scores:
                    other = self.scores[control][f"{HEADLINE}_{baseline}"]
                    # of a single example the standard error is NaN, and nothing is above it
                    if not own.mean - other.mean > errors * np.hypot(own.standard_error, other.standard_error):
                        return False
        return True

    def verdict(self) -> str:
        """One or two sentences: the best map, and a caution if none says more than the controls."""
        trusted = [name for name in self.methods if self.beats_controls(name)]
        if not trusted:
            return (
                f"Caution: under both baselines, no map says more about the model than {self.controls}. Do not take "
                "its attention for an explanation."
            )
        best = max(trusted, key=self.headline)
        failed = [name for name in self.methods if name not in trusted]
        reason = f"it beats {self.controls} by more than two standard errors under both baselines."
        text = f"The best map is *{best}*: {reason}"
        return f"{text} These do not: {', '.join(failed)}." if failed else text

    def to_markdown(self, full: bool = False) -> str:
        """
        Returns the table, a row for each map, the best first and the controls in parentheses, and the ablation.

        Args:
            full (`bool`, *optional*, defaults to `False`): whether to add a table of all measures for each baseline.
        """
        known = ["alignment_error", "pointing", "coverage"]
        tables = [
            [*known, *(f"{HEADLINE}_{name}" for name in self.baselines), f"saco_{self.baselines[0]}"],
        ]
        tables[0] += [f"violation_{self.baselines[0]}", "randomized", "seeds"]
        if full:
            tables += [[f"{measure}_{name}" for measure in MEASURES] for name in self.baselines]
        parts = [self.table(keys) for keys in tables]
        if self.ablation:
            scores = [f"{score} with {name} attention" for name, score in self.ablation.items()]
            parts.append(f"Probability of the explained outputs: {', '.join(scores)}.")
        return "\n\n".join(parts)

    def table(self, keys: list[str]) -> str:
        """A table of the measures that exist."""
        keys = [key for key in keys if any(key in row for row in self.scores.values())]
        lines = [f"| map | {' | '.join(self.title(key) for key in keys)} |", f"|---|{'---|' * len(keys)}"]
        for name in sorted(self.scores, key=self.headline, reverse=True):
            cells = [str(self.scores[name].get(key, "")) for key in keys]
            lines.append(f"| {f'({name})' if name in CONTROLS else name} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def title(self, key: str) -> str:
        """The heading of a column: the measure, its baseline, and whether high or low is good."""
        name, _, baseline = key.rpartition("_")
        measure, suffix = (name, f", {baseline}") if baseline in self.baselines else (key, "")
        heading, direction = MEASURES[measure]
        return f"{heading}{suffix} {ARROWS[direction]}"

    def __str__(self) -> str:
        return self.to_markdown()

    def save(self, path: str | Path) -> None:
        """Writes the results as JSON."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Faithfulness":
        """Reads what [`save`] wrote. Raises `ValueError` for a file that holds something else."""
        try:
            content = json.loads(Path(path).read_text("utf-8"))
            scores = {
                name: {key: Score(**score) for key, score in row.items()} for name, row in content["scores"].items()
            }
            ablation = {name: Score(**score) for name, score in content["ablation"].items()}
            names = {name: content[name] for name in ("model", "kind", "num_examples")}
            return cls(**names, scores=scores, ablation=ablation, baselines=tuple(content["baselines"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a result of `measure_faithfulness` ({error}). Measure again.") from error


__all__ = ["Faithfulness", "Score"]
