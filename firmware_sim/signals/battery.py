"""The voltage of a cell as it empties: flat, then a knee; lower under load, lower in the cold.

Curves after makers' data sheets in round figures, at a light load and 20 Cel. What a device shows is its firmware's
guess from that voltage, which is why a lithium cell "has 100 %" for two years and dies within weeks.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

Chemistry = Literal["lithium_coin", "lithium_thionyl", "lithium_ion", "alkaline_pair"]


@dataclass(frozen=True, slots=True)
class _Curve:
    volts: tuple[tuple[float, float], ...]
    """(used, volts), at rest."""
    ohms: float
    """Inner resistance of a fresh cell at 20 Cel."""
    shown: tuple[float, float]
    """The voltages that firmware takes for 0 and for 100 %."""


_CURVES: dict[Chemistry, _Curve] = {
    # CR2032, CR2450: 3 V
    "lithium_coin": _Curve(
        ((0.0, 3.25), (0.04, 3.05), (0.5, 2.98), (0.8, 2.90), (0.92, 2.75), (0.97, 2.5), (1.0, 2.0)), 12.0, (2.2, 3.0)
    ),
    # ER14505 and its kind: 3.6 V, the flattest
    "lithium_thionyl": _Curve(
        ((0.0, 3.66), (0.03, 3.62), (0.9, 3.56), (0.95, 3.4), (0.98, 3.0), (1.0, 2.0)), 8.0, (2.7, 3.6)
    ),
    # one rechargeable cell
    "lithium_ion": _Curve(
        ((0.0, 4.18), (0.1, 4.05), (0.3, 3.88), (0.5, 3.76), (0.8, 3.62), (0.92, 3.45), (0.97, 3.25), (1.0, 2.8)),
        0.12,
        (3.3, 4.15),
    ),
    # two AAA in a row
    "alkaline_pair": _Curve(
        ((0.0, 3.2), (0.1, 2.9), (0.4, 2.6), (0.7, 2.4), (0.9, 2.15), (0.97, 1.9), (1.0, 1.6)), 0.6, (1.8, 3.1)
    ),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, or a pack that behaves as one."""

    chemistry: Chemistry

    def volts(self, used: float, *, celsius: float = 20.0, load_ma: float = 0.0) -> float:
        """At the clamps. ``used`` from 0 (fresh) to 1 (empty); ``load_ma`` is what the radio draws just then."""
        curve = _CURVES[self.chemistry]
        used = min(1.0, max(0.0, used))
        points = curve.volts
        above = min(len(points) - 1, bisect_right(points, (used, 1e9)))
        (x0, y0), (x1, y1) = points[above - 1], points[above]
        rest = y0 + (y1 - y0) * (used - x0) / (x1 - x0)
        # the resistance doubles with every 15 K of cold, and grows towards the end
        ohms = curve.ohms * math.exp2((20.0 - celsius) / 15.0) * (1.0 + 4.0 * used * used * used * used)
        colder = 0.0018 * max(0.0, 20.0 - celsius)
        return max(0.0, rest - colder - ohms * load_ma / 1000)

    def percent(self, volts: float) -> float:
        """What firmware makes of it: a straight line between two voltages."""
        empty, full = _CURVES[self.chemistry].shown
        return min(100.0, max(0.0, 100.0 * (volts - empty) / (full - empty)))
