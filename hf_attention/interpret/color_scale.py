# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Color scales that maps share: equal values have equal colors in all of them, and an even map looks even.

No map is stretched to its own minimum and maximum, which would turn an even map with rounding errors into a pattern.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize, to_hex


DPI = 150
POSITIVE, SIGNED = "magma", "RdBu_r"  # color maps
SHARE = 0.995  # of the values below the end of the scale, unless they are few
AT_LEAST = 3  # times the value of an even map is where a scale ends, or later
MULTIPLES = "multiple of an even map"  # the unit of maps whose even value is 1
LEFT, WIDTH, STEPS = 50, 240, 60  # of a color bar in HTML


@dataclass(frozen=True)
class ColorScale:
    """
    Which value has which color.

    Args:
        low (`float`), high (`float`): the values of the first and the last color; values beyond them have these too.
        even (`float`, *optional*): the value of an even map, which has the same value everywhere.
        cmap (`str`, *optional*, defaults to `"magma"`): matplotlib color map.
        is_cut (`bool`, *optional*, defaults to `False`): whether there are values above `high`.
    """

    low: float
    high: float
    even: float | None = None
    cmap: str | Colormap = POSITIVE
    is_cut: bool = False

    @classmethod
    def fit(
        cls, maps: Iterable[np.ndarray], even: float | None = None, cmap: str | Colormap | None = None
    ) -> "ColorScale":
        """
        Returns a scale for all `maps`. It begins at 0 and reaches at least three times the value of an even map; a few
        of many values, at most 0.5 %, may be above its end. If there are negative values, it is symmetric around 0,
        with a diverging color map.

        Args:
            maps (`Iterable[np.ndarray]`): of any shapes. NaN and infinite values do not count.
            even (`float`, *optional*): the value of an even map; by default the mean of all values.
            cmap (`str`, *optional*): matplotlib color map.
        """
        values = np.concatenate([np.empty(0), *(np.ravel(values) for values in maps)]).astype(float)
        values = values[np.isfinite(values)]
        highest = float(abs(values).max(initial=0.0))
        if values.min(initial=0.0) < -1e-6 * highest:
            return cls(-highest, highest, None, cmap or SIGNED)
        even = float(values.mean()) if even is None and len(values) else even or 0.0
        high = max(float(np.quantile(values, SHARE, method="higher")) if len(values) else 0.0, AT_LEAST * even) or 1.0
        return cls(0.0, high, even, cmap or POSITIVE, highest > high)

    def colors(self, values: np.ndarray) -> np.ndarray:
        """The colors of a map (rows, columns): (rows, columns, 3), of type uint8. NaN is gray."""
        shares = (np.asarray(values, dtype=float) - self.low) / (self.high - self.low)
        colormap = colormaps[self.cmap] if isinstance(self.cmap, str) else self.cmap
        colormap = colormap.with_extremes(bad="gray")
        return (colormap(shares.clip(0, 1))[..., :3] * 255).round().astype(np.uint8)

    def add_bar(self, axes: Any, label: str, **kwargs: Any) -> Colorbar:
        """
        Adds a color bar next to axes (or an array of them), on which the value of an even map is marked. `kwargs` go
        to `matplotlib.figure.Figure.colorbar`.
        """
        shown = ScalarMappable(Normalize(self.low, self.high), self.cmap)
        figure = np.ravel(axes)[0].figure
        extend = "max" if self.is_cut else "neither"
        bar = figure.colorbar(shown, ax=axes, extend=extend, **{"aspect": 30, "pad": 0.02, **kwargs})
        bar.set_label(label, fontsize=8)
        bar.ax.tick_params(labelsize=7)
        if self.even is not None:
            bar.ax.axhline(self.even, color="white", linewidth=2.5)
            bar.ax.axhline(self.even, color="black", linewidth=1)
            side = bar.ax.secondary_yaxis("left")
            side.set_yticks([self.even], ["even"], fontsize=7)
        return bar

    def to_svg(self) -> str:
        """The color bar as an `svg` element of HTML, on which the value of an even map is marked."""
        is_signed = self.low < 0
        low, high = f"{self.low:.3g}", f"{self.high:.3g}"
        if self.is_cut:
            low, high = f"{low} or less" if is_signed else low, f"{high} or more"
        names = {self.low: low, self.high: high} | ({0.0: "0"} if is_signed else {})
        words = f"{low} is {'blue' if is_signed else 'dark'}, {high} is {'red' if is_signed else 'bright'}"
        colors = map(to_hex, self.colors(np.linspace(self.low, self.high, STEPS)[None])[0] / 255)
        steps = "".join(
            f'<rect x="{LEFT + index * WIDTH // STEPS}" width="{WIDTH // STEPS}" height="18" fill="{color}"/>'
            for index, color in enumerate(colors)
        )

        def tick(value: float, name: str, y: int) -> str:
            x = LEFT + WIDTH * (value - self.low) / (self.high - self.low)
            line = f'<path d="M{x:.1f} 0V24" stroke="currentColor"/>'
            return f'{line}<text x="{x:.1f}" y="{y}" text-anchor="middle">{name}</text>'

        ticks = "".join(tick(value, name, 42) for value, name in names.items())
        if self.even is not None:  # in a line of its own, since it may be close to 0
            ticks += tick(self.even, f"{self.even:.3g}: even", 62)
            words += f", {self.even:.3g} is an even map"
        return (
            f'<svg viewBox="0 0 {WIDTH + 2 * LEFT} {48 if self.even is None else 68}" width="{WIDTH + 2 * LEFT}" '
            'style="display: block; max-width: 100%; margin: .5rem 0" role="img" fill="currentColor" font-size="14" '
            f'shape-rendering="crispEdges" aria-label="Color scale: {words}">{steps}{ticks}</svg>'
        )


__all__ = ["ColorScale"]
